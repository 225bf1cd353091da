"""The front door of a plain script: `holdfast.run` in Python, `holdfast.main` for its command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.app.starting import Setting, start
from holdfast.errors import Leaving
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import HoldAnswered
from holdfast.model.state import HoldState, RunState
from holdfast.ports.store import Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import this_person
from holdfast.wiring import open_store


class Nobody:
    """A process without a person: a hold parks the run."""

    def attend(self, run: str, state: RunState, holds: Sequence[HoldState]) -> HoldAnswered | None:
        asked = "; ".join(hold.opened.question for hold in holds)
        raise Leaving(f"waits for a person: {asked}", 3, "park")


def run(
    workflow: Workflow[..., Any],
    params: Mapping[str, object] | None = None,
    *,
    id: str | None = None,
    target: str | None = None,
    mode: str | None = None,
    store: str | Store | None = None,
) -> Outcome:
    """Start a run of `workflow`, or go on with the run called `id`, in this process.

    Returns how the run stands then, with the workflow's result when it succeeded; a hold parks
    it (`on_hold`). Everything the outcome says is durable. Raises UsageError before anything is
    recorded for wrong parameters, RunLocked while another process owns the run, StoreError and
    ConfigError when the store cannot be used.
    """
    opened = open_store(store) if store is None or isinstance(store, str) else store
    setting = Setting(opened, SystemClock(), Nobody(), this_person())
    try:
        return start(setting, workflow, params or {}, id=id, target=target, mode=mode)
    finally:
        if opened is not store:
            opened.close()


def main(workflow: Workflow[..., Any]) -> None:
    """Run `workflow` as the command line says, with the options of `holdfast run`, and exit."""
    from holdfast.cli.running import run_command_for

    run_command_for(workflow)
