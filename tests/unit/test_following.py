"""Following a run costs what happens in it, and not what has happened before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from holdfast.app.timeline import Timeline
from holdfast.cli import watching
from holdfast.model.facts import RunSucceeded, StepStarted, StepSucceeded
from holdfast.ports.store import Output, Stored
from holdfast.runtime.ownership import this_process
from holdfast.stores.memory import MemoryStore
from holdfast.testing.samples import AT, life_started, run_created

LATER = AT + timedelta(seconds=1)


class CountingStore(MemoryStore):
    """A store that counts the facts which are read from it."""

    count = 0

    def read(self, run: str, after: int = 0) -> Iterator[Stored]:
        for stored in super().read(run, after):
            self.count += 1
            yield stored


def living() -> CountingStore:
    """Return a store with a run of many steps that this process is at work on."""
    store = CountingStore()
    store.create("r", run_created())
    store.claim("r", life_started(1, owner=this_process()), after=1, expected_epoch=0)
    for number in range(100):
        key = f"s{number}"
        facts = [StepStarted(AT, key, 1), StepSucceeded(AT, key, number)]
        store.append("r", facts, after=2 + 2 * number, epoch=1)
    return store


def test_a_run_that_is_followed_is_not_folded_at_each_look() -> None:
    """Whether it goes on is told by its row; of its journal the new facts are read."""
    store = living()
    row = store.row("r")
    assert row is not None
    timeline = Timeline(store, "r")
    events = watching.follow(store, row, timeline)
    assert "RunCreated" == next(events)["kind"]
    for _ in range(201):
        next(events)
    store.append("r", [RunSucceeded(LATER, None)], after=202, epoch=1)
    store.release("r", 1)
    store.count = 0

    assert ["RunSucceeded"] == [event["kind"] for event in events]
    assert store.count <= 2


def test_what_is_passed_over_is_not_told() -> None:
    """Neither facts nor output; what comes then is."""
    store = living()
    store.write_output("r", [Output(AT, "s1", 1, "out", "old\n")])
    timeline = Timeline(store, "r")
    store.count = 0
    timeline.skip()
    assert 0 == store.count
    store.write_output("r", [Output(LATER, "s1", 1, "out", "new\n")])
    store.append("r", [RunSucceeded(LATER, None)], after=202, epoch=1)

    assert ["RunSucceeded", "new\n"] == [e.get("text", e["kind"]) for e in timeline.entries()]
