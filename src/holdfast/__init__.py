"""Checkpointed automation: every step of a plain function is a durable checkpoint.

    from holdfast import step, workflow

    @step("drain {node}")
    def drain(node): ...

    @workflow
    def upgrade(nodes: list[str]):
        for node in nodes:
            drain(node)

Run it with `holdfast run upgrade.py`, kill it anywhere, go on with `holdfast resume`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holdfast.collector import without_collector
from holdfast.version import VERSION as __version__

if TYPE_CHECKING:
    from holdfast.engine.spec import Check
    from holdfast.errors import (
        CommandFailed,
        ConfigError,
        DuplicateLabel,
        HoldfastError,
        Leaving,
        LostOwnership,
        NotDone,
        ParallelFailed,
        PastNoReturn,
        RateLimited,
        Rejected,
        RunLocked,
        StepFailed,
        StoreCorrupt,
        StoreError,
        UsageError,
    )
    from holdfast.flow.batches import Batch, each
    from holdfast.flow.decorator import step
    from holdfast.flow.gates import Gate, gate, measure
    from holdfast.flow.inside import (
        Here,
        attempt,
        here,
        progress,
        save,
        saved,
        secret,
        sh,
        token,
    )
    from holdfast.flow.point import no_return
    from holdfast.flow.questions import ask, confirm
    from holdfast.flow.rollouts import rollout
    from holdfast.flow.running import Outcome
    from holdfast.flow.scopes import flight, parallel, postflight, preflight, stage
    from holdfast.flow.secret import Secret
    from holdfast.flow.verbs import (
        do,
        require,
        sleep,
        sleep_until,
        wait_for,
        window,
    )
    from holdfast.flow.workflows import workflow
    from holdfast.model.budget import Budget
    from holdfast.model.rate import Rate
    from holdfast.model.reading import Reading
    from holdfast.model.retry import Retry
    from holdfast.model.rollout import Results
    from holdfast.model.sampling import Stats
    from holdfast.model.types import register
    from holdfast.outputs import Csv, JsonLines
    from holdfast.runtime.batches.work import CurrentItem, current_item
    from holdfast.runtime.processes import Done
    from holdfast.script import main, run
    from holdfast.sources import csv_rows, directory, jsonl, lines, paged, query

_HOMES = {
    "engine.spec": ("Check",),
    "errors": (
        "CommandFailed", "ConfigError", "DuplicateLabel", "HoldfastError", "Leaving",
        "LostOwnership", "NotDone", "ParallelFailed", "PastNoReturn", "RateLimited", "Rejected",
        "RunLocked", "StepFailed", "StoreCorrupt", "StoreError", "UsageError",
    ),
    "flow.batches": ("Batch", "each"),
    "flow.gates": ("Gate", "gate", "measure"),
    "flow.inside": (
        "Here", "attempt", "here", "progress", "save", "saved", "secret", "sh", "token",
    ),
    "flow.point": ("no_return",),
    "flow.rollouts": ("rollout",),
    "flow.running": ("Outcome",),
    "flow.secret": ("Secret",),
    "flow.scopes": ("flight", "parallel", "postflight", "preflight", "stage"),
    "flow.decorator": ("step",),
    "flow.questions": ("ask", "confirm"),
    "flow.verbs": ("do", "require", "sleep", "sleep_until", "wait_for", "window"),
    "flow.workflows": ("workflow",),
    "model.budget": ("Budget",),
    "model.rate": ("Rate",),
    "model.reading": ("Reading",),
    "model.retry": ("Retry",),
    "model.rollout": ("Results",),
    "model.sampling": ("Stats",),
    "model.types": ("register",),
    "outputs": ("Csv", "JsonLines"),
    "runtime.batches.work": ("CurrentItem", "current_item"),
    "runtime.processes": ("Done",),
    "script": ("main", "run"),
    "sources": ("csv_rows", "directory", "jsonl", "lines", "paged", "query"),
}  # fmt: skip
"""Where each public name lives: it is loaded when first used, to keep start-up short."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Batch", "Budget", "Check", "CommandFailed", "ConfigError", "Csv", "CurrentItem", "Done",
    "DuplicateLabel", "Gate", "Here", "HoldfastError", "JsonLines", "Leaving", "LostOwnership",
    "NotDone", "Outcome", "ParallelFailed", "PastNoReturn", "Rate", "RateLimited", "Reading",
    "Rejected", "Results", "Retry", "RunLocked", "Secret", "Stats", "StepFailed", "StoreCorrupt",
    "StoreError", "UsageError", "__version__", "ask", "attempt", "confirm", "csv_rows",
    "current_item", "directory", "do", "each", "flight", "gate", "here", "jsonl", "lines", "main",
    "measure", "no_return", "paged", "parallel", "postflight", "preflight", "progress", "query",
    "register", "require", "rollout", "run", "save", "saved", "secret", "sh", "sleep",
    "sleep_until", "stage", "step", "token", "wait_for", "window", "workflow",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    with without_collector():
        value = getattr(import_module(f"holdfast.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
