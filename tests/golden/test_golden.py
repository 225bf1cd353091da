"""Journals that releases have written: this one reads them, folds them and goes on with them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.golden.write import FOLDER, RUN, RUNS, Scene

from holdfast.model.facts import KINDS, Fact, LifeStarted, Rewound, RunSucceeded, StepStarted
from holdfast.model.state import RunState
from holdfast.stores.memory import MemoryStore
from holdfast.stores.rows import chain, first_link, load

JOURNALS = sorted(FOLDER.glob("*.ndjson"))
ENDS = {"stopped": "cancelled", "guarded": "on_hold", "rolled": "rolled_back",
        "halfway": "rolled_back", "shell": "failed"}  # fmt: skip
"""How each run ended, where that is not `succeeded`."""


@cache
def everything(path: Path) -> tuple[dict[str, Any], ...]:
    return tuple(map(json.loads, path.read_text("utf-8").splitlines()))


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a journal."""
    return [line for line in everything(path) if "seq" in line]


def text_of(line: dict[str, Any]) -> str:
    """Return a body as it stood in its row."""
    return json.dumps(line["body"], ensure_ascii=False, separators=(",", ":"))


def facts(path: Path) -> list[Fact]:
    return [load(line["kind"], text_of(line)) for line in lines(path)]


def spilled(path: Path) -> dict[str, Any]:
    return {line["spilled"]: line["value"] for line in everything(path) if "spilled" in line}


def store_of(path: Path, count: int) -> MemoryStore:
    """Return a store that holds the first `count` facts of a journal, owned by nobody."""
    store, epoch = MemoryStore(), 0
    for digest, value in spilled(path).items():
        store.disk.spilled[digest] = json.dumps(value).encode()
    for seq, fact in enumerate(facts(path)[:count]):
        if seq == 0:
            store.create(RUN, fact)  # type: ignore[arg-type]
        elif isinstance(fact, LifeStarted | Rewound):
            store.claim(RUN, fact, after=seq, expected_epoch=epoch)
            epoch = fact.epoch
        else:
            store.append(RUN, [fact], after=seq, epoch=epoch)
    store.release(RUN, epoch)
    return store


def run_of(path: Path) -> str:
    return path.stem.rpartition("-")[2]


SUCCEEDED = [path for path in JOURNALS if ENDS.get(run_of(path), "succeeded") == "succeeded"]
by_journal = pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)


def test_every_kind_of_fact_is_in_a_golden_journal() -> None:
    """So that none can be changed without a test that fails."""
    assert set(KINDS) == {line["kind"] for path in JOURNALS for line in lines(path)}


def test_every_run_has_a_golden_journal() -> None:
    """Also those that were added last: write them with `python -m tests.golden.write`."""
    assert set(RUNS) == {run_of(path) for path in JOURNALS}


@by_journal
def test_a_golden_journal_is_what_was_written(path: Path) -> None:
    """Its chain follows from the first fact to the last, over the very same text."""
    link = first_link(RUN)
    for line in lines(path):
        link = chain(link, line["kind"], text_of(line))

        assert line["chain"] == link.hex(), line["seq"]


@by_journal
def test_a_golden_journal_folds(path: Path) -> None:
    """Every prefix of it is a state; the whole is how the run ended."""
    state = RunState()
    for fact in facts(path):
        state.apply(fact)

    assert len(lines(path)) == state.seq
    assert ENDS.get(run_of(path), "succeeded") == state.status


@pytest.mark.parametrize("path", SUCCEEDED, ids=lambda path: path.stem)
def test_a_golden_run_that_lost_its_end_is_gone_on_with(path: Path) -> None:
    """Without its last fact it is resumed by this release: nothing finished runs again, and it
    ends as it did."""
    *before, last = facts(path)
    assert isinstance(last, RunSucceeded)
    scene = Scene()
    RUNS[run_of(path)](scene)
    assert scene.workflow is not None
    scene.store = store_of(path, len(before))
    outcome = scene.resume(scene.workflow)

    assert "succeeded" == outcome.status, outcome.reason
    ended = [s.fact for s in scene.store.read(RUN)][len(before) :]
    assert [] == [fact for fact in ended if isinstance(fact, StepStarted)]
    assert last.result == next(f.result for f in ended if isinstance(f, RunSucceeded))


@by_journal
def test_a_golden_journal_reads_from_any_place(path: Path) -> None:
    """Stored again by this release, each fact is the same."""
    store = store_of(path, len(lines(path)))

    assert facts(path) == [stored.fact for stored in store.read(RUN)]
