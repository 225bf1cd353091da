"""The intent of a step is a note beside the database, until the next append makes a row of it."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.crash.tracing import acknowledged, appender, found, needs_strace

from holdfast.errors import LostOwnership, StoreError
from holdfast.ports.store import Appended, Stored
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import life_started, run_created
from holdfast.testing.store_opening import STOP, facts, raised, started, succeeded


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@contextmanager
def stores(place: Path, count: int = 2) -> Iterator[list[SqliteStore]]:
    """Several processes' stores at one place; here they are connections of one process."""
    opened = [SqliteStore(place) for _ in range(count)]
    try:
        yield opened
    finally:
        for store in opened:
            store.close()


def own(store: SqliteStore, run: str = "r", epoch: int = 1) -> int:
    """Become the run's owner; return the end of its journal."""
    store.create(run, run_created())
    end = len(list(store.read(run)))
    seq = store.claim(run, life_started(epoch), after=end, expected_epoch=epoch - 1)
    assert seq is not None
    return seq


def begin(store: SqliteStore, number: int, after: int, epoch: int = 1) -> Appended:
    return store.append("r", [started(number)], after=after, epoch=epoch, durable=False)


def rows_of(place: Path) -> list[str]:
    """Return the kinds of the rows, as SQLite's own shell shows them."""
    with closing(sqlite3.connect(place)) as connection:
        return [kind for (kind,) in connection.execute("SELECT kind FROM fact ORDER BY id")]


def notes(place: Path) -> list[Path]:
    folder = place.with_name(f"{place.name}.notes")
    return sorted(folder.iterdir()) if folder.exists() else []


def test_an_intent_is_a_note_and_everybody_reads_it(place: Path) -> None:
    """Also who opens the store afterwards, and who may only read."""
    with stores(place) as (mine, other):
        seq = own(mine)
        begin(mine, 1, seq)
        read = list(mine.read("r"))

        assert ["RunCreated", "LifeStarted"] == rows_of(place)
        assert started(1) == read[-1].fact and seq + 1 == read[-1].seq
        assert read == list(other.read("r"))
        with closing(SqliteStore(place, read_only=True)) as reader:
            assert read == list(reader.read("r"))
            assert read[2:] == list(reader.read("r", 2)) and not list(reader.read("r", 3))
    with closing(SqliteStore(place)) as later:
        assert read == list(later.read("r"))


def test_the_result_makes_a_row_of_it(place: Path) -> None:
    """The chain is that of rows, and a note that became one is not read twice."""
    with stores(place) as (mine, other):
        seq = own(mine)
        for number in range(20):
            seq = begin(mine, number, seq).seq
            seq = mine.append("r", [succeeded(number)], after=seq, epoch=1).seq

        assert notes(place)
        assert list(mine.read("r")) == list(other.read("r"))
        assert 42 == len(rows_of(place)) == len(list(mine.read("r")))
    assert () == SqliteStore.inspect(place).broken_chains


def test_what_others_commit_of_other_runs_costs_one_row(place: Path) -> None:
    """The intent after it is a row, which shows that nobody moved this run; then notes go on."""
    with stores(place) as (mine, other):
        seq = own(mine)
        other.create("another", run_created())
        rows = []
        for number in range(3):
            seq = begin(mine, number, seq).seq
            rows.append(rows_of(place).count("StepStarted"))
            seq = mine.append("r", [succeeded(number)], after=seq, epoch=1).seq

        assert [1, 1, 2] == rows


def test_somebody_else_appends_after_the_note(place: Path) -> None:
    """A stop in the middle of a step stands between its intent and its result, for all."""
    with stores(place) as (mine, other):
        seq = begin(mine, 1, own(mine)).seq
        assert other.append("r", [STOP], after=seq, epoch=None) == Appended(True, seq + 1)
        done = mine.append("r", [succeeded(1)], after=seq, epoch=1)

        assert done == Appended(True, seq + 2, (STOP,))
        assert [started(1), STOP, succeeded(1)] == facts(mine, after=2) == facts(other, after=2)


def test_somebody_else_must_have_seen_the_note(place: Path) -> None:
    """Who looked before the step began is told to look again, and nothing is written."""
    with stores(place) as (mine, other):
        seq = own(mine)
        begin(mine, 1, seq)

        assert other.append("r", [STOP], after=seq, epoch=None) == Appended(
            False, seq + 1, (started(1),)
        )
        assert [started(1)] == facts(other, after=seq)
        mine.append("r", [succeeded(1)], after=seq + 1, epoch=1)
        assert [started(1), succeeded(1)] == facts(other, after=seq)


def test_an_intent_sees_what_others_appended_before(place: Path) -> None:
    """A stop that was said before a step is never overlooked, though a note asks no table."""
    with stores(place) as (mine, other):
        seq = own(mine)
        seq = begin(mine, 1, seq).seq
        seq = mine.append("r", [succeeded(1)], after=seq, epoch=1).seq
        other.append("r", [STOP], after=seq, epoch=None)
        looked = mine.append(
            "r", [started(2)], after=seq, epoch=1, durable=False, only_if_current=True
        )

        assert looked == Appended(False, seq + 1, (STOP,))


def test_a_displaced_owner_neither_notes_nor_writes(place: Path) -> None:
    """Its note is in the journal before the life that took over, and nothing of it is after."""
    with stores(place) as (mine, other):
        seq = begin(mine, 1, own(mine)).seq
        taken = other.claim("r", life_started(2), after=seq, expected_epoch=1)
        assert seq + 1 == taken

        raised(LostOwnership, lambda: mine.append("r", [succeeded(1)], after=seq, epoch=1))
        raised(LostOwnership, lambda: begin(mine, 2, seq))
        theirs = begin(other, 2, seq + 1, epoch=2).seq
        mine.release("r", 1)
        assert [started(1), life_started(2), started(2)] == facts(mine, after=2)
        other.append("r", [succeeded(2)], after=theirs, epoch=2)
        assert [started(2), succeeded(2)] == facts(mine, after=seq + 1)


def test_who_shares_the_epoch_of_the_owner_looks_first(place: Path) -> None:
    """Processes of one shell script write side by side: none notes, and none misses a note."""
    with stores(place, 3) as (mine, one, two):
        known = [own(mine)] * 3
        journal: list[object] = [run_created(), life_started(1)]
        for number in range(30):
            which = number % 3
            fact = started(number) if number % 2 else succeeded(number)
            store = (mine, one, two)[which]
            done = store.append("r", [fact], after=known[which], epoch=1, durable=not number % 2)
            assert list(done.others) == journal[known[which] :]
            journal.append(fact)
            known[which] = done.seq
            assert journal == facts(one) == facts(mine)


def test_a_run_that_is_given_back_leaves_no_file(place: Path) -> None:
    """Unless its last step is still without an end: then the next life needs the note."""
    with stores(place) as (mine, other):
        seq = begin(mine, 1, own(mine)).seq
        mine.release("r", 1)
        assert [started(1)] == facts(other, after=2) and notes(place)

        seq = other.claim("r", life_started(2), after=seq, expected_epoch=1) or 0
        seq = begin(other, 2, seq, epoch=2).seq
        other.append("r", [succeeded(2)], after=seq, epoch=2)
        other.release("r", 2)
        assert not notes(place)


def test_an_owner_that_comes_back_notes_where_everybody_looks(place: Path) -> None:
    """Who had the run before took the file away when it gave the run back."""
    with stores(place) as (mine, other):
        seq = begin(mine, 1, own(mine)).seq
        seq = other.claim("r", life_started(2), after=seq, expected_epoch=1) or 0
        other.release("r", 2)
        assert not notes(place)
        seq = mine.claim("r", life_started(3), after=seq, expected_epoch=2) or 0
        begin(mine, 2, seq, epoch=3)

        assert [started(2)] == facts(other, after=seq)
        assert 1 == len(notes(place))


def test_a_displaced_owner_keeps_no_file_open(place: Path) -> None:
    """Nobody would ever close it: a process may lose many runs and live on."""
    with stores(place) as (mine, other):
        seq = begin(mine, 1, own(mine)).seq
        other.claim("r", life_started(2), after=seq, expected_epoch=1)
        raised(LostOwnership, lambda: mine.append("r", [succeeded(1)], after=seq, epoch=1))

        opened = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
        assert str(notes(place)[0]) not in opened


def test_a_watcher_hears_of_a_note(place: Path) -> None:
    """It reads only when the store's number has moved; a step may take hours."""
    with stores(place) as (mine, other):
        seq, seen = own(mine), []
        for number in range(5):
            seen.append(other.changes())
            seq = begin(mine, number, seq).seq
            seen.append(other.changes())
            seq = mine.append("r", [succeeded(number)], after=seq, epoch=1).seq

        assert len(seen) == len(set(seen))


def test_a_watcher_hears_of_all_that_happened_at_once(place: Path) -> None:
    """One run is given back, another takes its next step, and there was a commit: what is fewer
    never makes up for what is more."""
    with stores(place, 3) as (mine, other, watcher):
        seq = begin(mine, 1, own(mine)).seq
        mine.append("r", [succeeded(1)], after=seq, epoch=1)
        own(other, "s")
        other.append("s", [started(1)], after=2, epoch=1, durable=False)
        other.append("s", [succeeded(1)], after=3, epoch=1)
        before = watcher.changes()
        other.append("s", [started(2)], after=4, epoch=1, durable=False)
        mine.release("r", 1)

        assert before != watcher.changes()


def test_a_torn_note_is_no_fact(place: Path) -> None:
    """However much of it is there, and whichever byte is another: it counts whole, or not."""
    with stores(place) as (mine, other):
        seq = own(mine)
        begin(mine, 1, seq)
        (path,) = notes(place)
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert [] == facts(other, after=seq)
        for position in range(len(whole)):
            changed = bytes([whole[position] ^ 1])
            path.write_bytes(whole[:position] + changed + whole[position + 1 :])
            assert [] == facts(other, after=seq)
        path.write_bytes(whole + b"and what is left of a longer one")
        assert [started(1)] == facts(other, after=seq)


def test_a_note_of_another_journal_is_none(place: Path) -> None:
    """A file that was copied to the wrong run, or is left from an older copy of the store."""
    with stores(place) as (mine, other):
        begin(mine, 1, own(mine))
        own(other, "s")
        other.append("s", [started(2)], after=2, epoch=1, durable=False)
        first, second = notes(place)
        second.write_bytes(first.read_bytes())

        assert [] == facts(mine, "s", after=2)
        assert [started(1)] == facts(mine, after=2)


def test_a_note_that_was_taken_away_is_missed(place: Path) -> None:
    """Alone, its owner goes on. Once somebody else appended without it, nothing is written over
    what they wrote, and the owner says so."""
    with stores(place) as (mine, other):
        seq = begin(mine, 1, own(mine)).seq
        notes(place)[0].unlink()
        seq = mine.append("r", [succeeded(1)], after=seq, epoch=1).seq
        assert [started(1), succeeded(1)] == facts(other, after=2)

        after = begin(mine, 2, seq).seq
        for path in notes(place):
            path.unlink()
        other.append("r", [STOP], after=seq, epoch=None)
        error = raised(StoreError, lambda: mine.append("r", [succeeded(2)], after=after, epoch=1))
        assert "is not the one that this process knows" in str(error)
        assert [STOP] == facts(other, after=seq)


def test_where_no_note_can_be_kept_there_is_a_row(place: Path) -> None:
    """A store works where its folder for notes cannot be made."""
    place.with_name(f"{place.name}.notes").write_text("")
    with stores(place) as (mine, other):
        seq = begin(mine, 1, own(mine)).seq

        assert "StepStarted" == rows_of(place)[-1]
        mine.append("r", [succeeded(1)], after=seq, epoch=1)
        assert [started(1), succeeded(1)] == facts(other, after=2)


def noting(place: Path, inject: str) -> subprocess.CompletedProcess[str]:
    """Run twenty steps in a process while strace tampers with its writes of notes alone."""
    path = place.with_name(f"{place.name}.notes") / "1"
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(path), "-e", "trace=pwrite64"]
    command = [*strace, "-e", f"inject=pwrite64:{inject}", *appender(place, "r", 20)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("n", [1, 2, 3, 10, 20])
def test_a_kill_at_a_note_loses_nothing_acknowledged(place: Path, n: int) -> None:
    """The process dies at its n-th note: each step before has its rows, and another goes on."""
    killed = noting(place, f"signal=SIGKILL:when={n}")
    told = acknowledged(killed.stdout)

    assert killed.returncode != 0 and 2 * (n - 1) == len(told)
    assert set(told) <= set(found(place))
    again = subprocess.run(appender(place, "r", 3), capture_output=True, text=True, check=False)
    assert (0, "") == (again.returncode, again.stderr)
    assert set(told) | set(acknowledged(again.stdout)) <= set(found(place))


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_note_that_is_refused_is_a_row(place: Path, error: str) -> None:
    """The run goes on; only a row may say that the disk is full."""
    result = noting(place, f"error={error}:when=3+4")

    assert (0, "") == (result.returncode, result.stderr)
    assert 40 == len(acknowledged(result.stdout))
    assert list(range(1, 43)) == found(place)


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_writers_gives_one_journal(place: Path, seed: int) -> None:
    """An owner, its successors and somebody who only says stop, each with a store of its own: all
    read what was acknowledged, in one order, after each step, and the chain is whole."""
    dice = random.Random(seed)
    with stores(place, 3) as opened:
        owner, epoch = 0, 1
        journal: list[object] = [run_created(), life_started(1)]
        known = own(opened[0])
        number = 0
        for _ in range(60):
            move = dice.choice(["intent", "intent", "result", "result", "stop", "take", "reopen"])
            if move in ("intent", "result"):
                number += 1
                fact = started(number) if move == "intent" else succeeded(number)
                done = opened[owner].append(
                    "r", [fact], after=known, epoch=epoch, durable=move == "result"
                )
                assert list(done.others) == journal[known:]
                journal.append(fact)
                known = done.seq
            elif move == "stop":
                said = opened[2].append("r", [STOP], after=len(journal), epoch=None)
                assert said.written
                journal.append(STOP)
            elif move == "take":
                owner, epoch = 1 - owner, epoch + 1
                life = life_started(epoch)
                taken = opened[owner].claim("r", life, after=len(journal), expected_epoch=epoch - 1)
                journal.append(life)
                assert taken == len(journal)
                known = taken
            else:
                which = dice.randrange(3)
                opened[which].close()
                opened[which] = SqliteStore(place)
            read: list[list[Stored]] = [list(store.read("r")) for store in opened]
            assert journal == [stored.fact for stored in read[0]]
            assert read[0] == read[1] == read[2]
    assert () == SqliteStore.inspect(place).broken_chains
