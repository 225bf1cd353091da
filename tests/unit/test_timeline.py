"""The log of a run that is at work: what is told while more is written."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from holdfast.app.timeline import Timeline
from holdfast.model import facts as f
from holdfast.ports.store import Output
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import life_started, run_created

AT = datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC)


def test_what_a_step_writes_comes_after_its_start(tmp_path: Path) -> None:
    """A step that begins while a long log is read: its lines do not come before it."""
    with closing(SqliteStore(tmp_path / "s.db")) as store:
        store.create("r", run_created())
        store.claim("r", life_started(1, at=AT), after=1, expected_epoch=0)

        def begin(key: str, after_s: int) -> None:
            at = AT + timedelta(seconds=after_s)
            seq = len(list(store.read("r")))
            store.append("r", [f.StepStarted(at, key, 1, key)], after=seq, epoch=1)
            store.write_output("r", [Output(at, key, 1, "out", f"{key} writes")])

        begin("a", 1)
        events = Timeline(store, "r").entries()
        told = [next(events), next(events)]
        begin("b", 2)
        told += events

    assert ["StepStarted", "Output", "StepStarted", "Output"] == [e["kind"] for e in told][-4:]
