"""The promises about rows, large values and output."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from holdfast.errors import StoreCorrupt, StoreError, TargetLocked, UsageError
from holdfast.model.batches import BatchRow, Checkpoint
from holdfast.model.facts import (
    CursorSaved,
    RunFailed,
    RunStopped,
    RunSucceeded,
    Spilled,
    StepSucceeded,
)
from holdfast.model.json import Json
from holdfast.model.tail import done_record
from holdfast.ports.store import Appended, Output, Store
from holdfast.testing.samples import (
    AT,
    JSON,
    LOOKALIKES,
    WHO,
    life_started,
    run_created,
)
from holdfast.testing.store_locks import STOLEN
from holdfast.testing.store_opening import (
    LARGE,
    Opens,
    facts,
    owned,
    raised,
    started,
)


class Rows(Opens):
    """Runs at a glance."""

    def test_a_row_says_what_the_facts_say(self, tmp_path: Path) -> None:
        """Created, it is queued; it runs, stops with a time, and runs again without one."""
        store = self.open(tmp_path)
        store.create("r", run_created())
        seen = [self.status(store)]
        store.claim("r", life_started(1), after=1, expected_epoch=0)
        seen.append(self.status(store))
        store.append("r", [RunStopped(AT, "signal", "Ctrl-C", 130)], after=2, epoch=1)
        seen.append(self.status(store))
        store.claim("r", life_started(2), after=3, expected_epoch=1)
        seen.append(self.status(store))
        store.append("r", [RunSucceeded(AT, 1)], after=4, epoch=2)
        seen.append(self.status(store))

        expected = [
            ("queued", None), ("running", None), ("stopped", AT), ("running", None),
            ("succeeded", AT),
        ]  # fmt: skip
        assert expected == seen
        store.close()

    def status(self, store: Store) -> tuple[str, Any]:
        row = store.row("r")
        assert row is not None
        return row.status, row.ended_at

    def test_a_row_names_the_run(self, tmp_path: Path) -> None:
        """Workflow, target, mode, file, and who started it under which name, are in the row."""
        store = self.open(tmp_path)
        store.create("r", run_created(target="db1"))
        anonymous = run_created(by=dataclasses.replace(WHO, claimed=""))
        store.create("s", anonymous)
        one, two = store.row("r"), store.row("s")

        assert one is not None and two is not None
        assert ("upgrade", "db1", "confirm", "upgrade.py") == (
            one.workflow, one.target, one.mode, one.file,
        )  # fmt: skip
        assert (AT, 0, None, None) == (one.started_at, one.epoch, one.owner, one.due_at)
        assert ("Ada Lovelace", "ada") == (one.started_by, two.started_by)
        assert two.target is None
        store.close()

    def test_rows_are_filtered_and_newest_first(self, tmp_path: Path) -> None:
        """By prefix, status, target and workflow, and all of them together."""
        store = self.open(tmp_path)
        for n, (run, workflow, target) in enumerate(
            [("aa", "x", "t1"), ("ab", "y", "t1"), ("ba", "x", "t2"), ("a%", "x", None)]
        ):
            at = AT + timedelta(seconds=n)
            store.create(run, run_created(workflow, target=target, at=at))
            store.append(run, [STOLEN], after=1, epoch=None)  # for the next one on its target
        store.claim("ab", life_started(1), after=2, expected_epoch=0)

        def ids(**wanted: Any) -> list[str]:
            return [row.id for row in store.rows(**wanted)]

        assert ["a%", "ba", "ab", "aa"] == ids()
        assert ["a%", "ba"] == ids(limit=2)
        assert ["a%", "ab", "aa"] == ids(prefix="a")
        assert ["a%"] == ids(prefix="a%")
        assert [] == ids(prefix="_")
        assert ["ab"] == ids(status="running")
        assert ["ab", "aa"] == ids(target="t1")
        assert ["a%", "ba", "aa"] == ids(workflow="x")
        assert ["aa"] == ids(workflow="x", target="t1", status="queued", prefix="a", limit=5)
        store.close()

    def test_unfinished_and_owned_runs_are_found_among_all(self, tmp_path: Path) -> None:
        """What has ended may be owned still, and what is unfinished by nobody."""
        store = self.open(tmp_path)
        for run in ("new", "failed", "done", "untold"):
            store.create(run, run_created("y" if run == "new" else "x"))
        for run, end in (
            ("failed", RunFailed(AT, "E", "m")),
            ("done", RunSucceeded(AT)),
            ("untold", RunSucceeded(AT)),
        ):
            store.claim(run, life_started(1), after=1, expected_epoch=0)
            store.append(run, [end], after=2, epoch=1)
        store.release("failed", 1)
        store.release("done", 1)

        def ids(**wanted: Any) -> list[str]:
            return [row.id for row in store.rows(**wanted)]

        assert ["failed", "new"] == ids(unfinished=True)
        assert ["failed"] == ids(unfinished=True, workflow="x") == ids(unfinished=True, limit=1)
        assert ["failed"] == ids(unfinished=True, status="failed")
        assert ["untold"] == ids(owned=True) == ids(owned=True, status="succeeded")
        assert [] == ids(unfinished=True, owned=True)
        store.close()

    def test_a_row_says_when_its_run_is_due(self, tmp_path: Path) -> None:
        """What the last life left; to the microsecond, and nothing once the run lives again."""
        store = self.open(tmp_path)
        half = AT + timedelta(milliseconds=500)
        for run, due_at in (("a", AT), ("b", half), ("c", AT + timedelta(days=1)), ("d", None)):
            owned(store, run)
            stopped = RunStopped(AT, "timer", "waits", 75, due_at)
            store.append(run, [stopped], after=2, epoch=1)

        def due(by: datetime) -> list[str]:
            return [row.id for row in store.rows(status="waiting", due_by=by)]

        assert [] == due(AT - timedelta(microseconds=1))
        assert ["a"] == due(AT)
        assert ["a"] == due(half - timedelta(microseconds=1))
        assert ["b", "a"] == due(half)
        assert ["c", "b", "a"] == due(AT + timedelta(days=2))
        assert [] == [row.id for row in store.rows(status="failed", due_by=half)]
        row = store.row("b")
        assert row is not None and ("waiting", half) == (row.status, row.due_at)
        store.claim("b", life_started(2), after=3, expected_epoch=1)
        assert ["a"] == [row.id for row in store.rows(due_by=half)]
        store.close()

    def test_what_is_no_text_is_looked_for_as_it_was_written(self, tmp_path: Path) -> None:
        """An argument may hold any bytes: it is found where it was recorded, and else nowhere."""
        store, odd = self.open(tmp_path), "na\udcff"
        assert store.create("r", run_created(odd, target=odd))
        raised(TargetLocked, lambda: store.create("s", run_created(target=odd)))

        for found in (store.rows(target=odd), store.rows(workflow=odd)):
            assert ["r"] == [row.id for row in found]
        assert "r" == store.holder(odd)
        assert store.row(odd) is None and not store.rows(prefix=odd) and not store.rows(status=odd)
        assert not list(store.read(odd)) and not list(store.read_output(odd))
        raised(UsageError, lambda: store.append(odd, [started(1)], after=1, epoch=None))
        store.close()

    def test_a_removed_run_is_forgotten(self, tmp_path: Path) -> None:
        """Its row, journal and output are gone; others stay, and its id may be used anew."""
        store = owned(owned(self.open(tmp_path), "r"), "s")
        store.write_output("r", [Output(AT, "k", 1, "out", "text")])
        store.remove("r")

        assert store.row("r") is None
        assert not facts(store, "r")
        assert not list(store.read_output("r"))
        assert ["s"] == [row.id for row in store.rows()]
        assert store.create("r", run_created())
        assert [run_created()] == facts(store)
        assert [] == list(store.read_output("r"))
        assert Appended(True, 3) == store.append("s", [started(1)], after=2, epoch=1)
        store.close()

    def test_a_sweep_takes_nothing_that_is_needed(self, tmp_path: Path) -> None:
        """Large values of steps and of batches, output and tails of a run are there after it."""
        store = owned(self.open(tmp_path))
        store.write_output("r", [Output(AT, "k", 1, "out", "text")])
        store.append("r", [StepSucceeded(AT, "k", LARGE)], after=2, epoch=1)
        change = Checkpoint(BatchRow("k"), values=[(0, "0", {"item": LARGE})])
        store.batches.checkpoint("r", 1, change)
        store.batches.tail("r", "k", 1, slots=1).write(done_record(0, 0))
        store.sweep()
        (*_, last) = facts(store)

        assert isinstance(last, StepSucceeded) and isinstance(last.result, Spilled)
        assert LARGE == store.load(last.result)
        assert [{"item": LARGE}] == [kept.value for kept in store.batches.values("r", "k")]
        assert 1 == len(list(store.read_output("r"))) == len(store.batches.left("r", "k", 2))
        store.close()

    def test_only_the_run_that_was_seen_is_removed(self, tmp_path: Path) -> None:
        """Who looked at a run that went on, or is another of its id by now, removes nothing."""
        store, other = owned(self.open(tmp_path)), self.open(tmp_path)
        seen = store.row("r")
        other.append("r", [RunSucceeded(AT, None)], after=2, epoch=1)
        finished = store.row("r")

        assert not store.remove("r", seen=seen)
        assert 3 == len(facts(store))
        assert other.remove("r", seen=finished)
        assert not store.remove("r", seen=finished) and not store.remove("r")
        other.create("r", run_created())
        assert not store.remove("r", seen=finished)
        assert [run_created()] == facts(store)
        assert store.remove("r", seen=store.row("r"))
        store.close()
        other.close()


class Values(Opens):
    """Values too large for their row."""

    def test_a_large_value_is_kept_outside_its_row(self, tmp_path: Path) -> None:
        """What is read names it, and loading gives it back; also after reopening."""
        store = owned(self.open(tmp_path))
        store.append("r", [StepSucceeded(AT, "k", LARGE)], after=2, epoch=1)
        (fact,) = facts(store, after=2)
        store.close()
        store = self.open(tmp_path)

        assert isinstance(fact, StepSucceeded) and isinstance(fact.result, Spilled)
        assert fact.result.size_bytes > 64 * 1024
        assert LARGE == store.load(fact.result)
        store.close()

    def test_any_large_value_round_trips(self, tmp_path: Path) -> None:
        """Whatever characters are in it, in a result or a cursor."""
        store = owned(self.open(tmp_path))
        value: Any = {**JSON, "much": ["日\ud800" * 1000] * 30}
        store.append("r", [CursorSaved(AT, "k", value)], after=2, epoch=1)
        (fact,) = facts(store, after=2)

        assert isinstance(fact, CursorSaved) and isinstance(fact.value, Spilled)
        assert value == store.load(fact.value)
        store.close()

    def test_a_small_value_stays_in_its_row(self, tmp_path: Path) -> None:
        """Also one that looks like the reference to a large one."""
        store = owned(self.open(tmp_path))
        values: list[Json] = [*LOOKALIKES, "x" * 60_000]
        written = [StepSucceeded(AT, "k", value) for value in values]
        store.append("r", written, after=2, epoch=1)

        assert written == facts(store, after=2)
        store.close()

    def test_a_spilled_value_lives_as_long_as_a_run_refers_to_it(self, tmp_path: Path) -> None:
        """Removing one run leaves the value to the other; removing both forgets it."""
        store = owned(owned(self.open(tmp_path), "r"), "s")
        store.append("r", [StepSucceeded(AT, "k", LARGE)], after=2, epoch=1)
        (fact,) = facts(store, after=2)
        assert isinstance(fact, StepSucceeded) and isinstance(fact.result, Spilled)
        spilled = fact.result
        store.append("s", [fact], after=2, epoch=1)
        store.remove("r")

        assert LARGE == store.load(spilled)
        store.remove("s")
        raised(StoreCorrupt, lambda: store.load(spilled))
        store.close()

    def test_a_damaged_value_is_never_handed_out(self, tmp_path: Path) -> None:
        """Content without the digest that names it raises StoreCorrupt."""
        store = owned(self.open(tmp_path))
        store.append("r", [StepSucceeded(AT, "k", LARGE)], after=2, epoch=1)
        (fact,) = facts(store, after=2)
        assert isinstance(fact, StepSucceeded) and isinstance(fact.result, Spilled)
        spilled = fact.result

        if self.lose_spilled(tmp_path, spilled):
            raised(StoreCorrupt, lambda: store.load(spilled))
        raised(StoreCorrupt, lambda: store.load(Spilled("0" * 64, 1)))
        raised(StoreCorrupt, lambda: store.load(Spilled("../../etc/passwd", 1)))
        store.close()


class Outputs(Opens):
    """What steps printed, and the end."""

    def test_output_is_read_in_order(self, tmp_path: Path) -> None:
        """Any text, from any position that reading gave, also after reopening."""
        store = owned(self.open(tmp_path))
        outputs = [Output(AT, "k", n, "out", f"line {n} é\ud800\n\x00") for n in range(4)]
        store.write_output("r", outputs[:2])
        store.write_output("r", [])
        store.write_output("r", iter(outputs[2:]))
        read = list(store.read_output("r"))
        store.close()
        store = self.open(tmp_path)

        assert outputs == [output for _, output in read]
        assert read == list(store.read_output("r"))
        assert read[2:] == list(store.read_output("r", read[1][0]))
        assert [] == list(store.read_output("r", read[-1][0]))
        assert 0 == store.dropped
        store.close()

    def test_output_of_no_run_is_dropped_and_counted(self, tmp_path: Path) -> None:
        """Keeping output never fails."""
        store = self.open(tmp_path)
        store.write_output("no", [Output(AT, "k", 1, "out", "text")] * 3)

        assert 3 == store.dropped
        store.close()

    def test_closing_twice_is_fine(self, tmp_path: Path) -> None:
        """After closing, every call but closing raises StoreError."""
        store = owned(self.open(tmp_path))
        store.close()
        store.close()

        raised(StoreError, lambda: store.append("r", [started(1)], after=2, epoch=1))
        raised(StoreError, lambda: list(store.read("r")))
        raised(StoreError, lambda: store.row("r"))
