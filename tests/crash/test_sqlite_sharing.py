"""Processes that share a store badly: forked, stopped with its lock, interrupted anywhere.

And threads that come between.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import SupportsIndex

import pytest
from tests.crash.databases import made
from tests.crash.killed_batches import permits
from tests.crash.lives import Site, script
from tests.crash.tracing import needs_strace

from holdfast.errors import StoreError
from holdfast.model.facts import Fact, RunSucceeded, StepSucceeded
from holdfast.ports.store import Appended, Output
from holdfast.stores import sqlite_health
from holdfast.stores.lockfile import LockFile, LockTimeout, holder_of
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_connection import Database
from holdfast.testing.samples import AT, run_created
from holdfast.testing.store_opening import STOP, facts, in_threads, owned, started

# --- moved, removed, replaced ---


def removed(path: Path) -> None:
    for file in path.parent.glob("s.db*"):
        if file.is_file():
            file.unlink()


def replaced(path: Path) -> None:
    removed(path)
    made(path)


def moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def without_lock(path: Path) -> None:
    path.with_name("s.db.lock").unlink()


@pytest.mark.parametrize("harm", [removed, replaced, moved, without_lock])
def test_a_store_that_is_taken_away_is_written_no_more(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """What SQLite would write goes into a file that nobody finds: every later write is refused."""
    (tmp_path / "state").mkdir()
    path = made(tmp_path / "state" / "s.db")
    with closing(SqliteStore(path)) as store:
        store.append("r", [StepSucceeded(AT, "k", 1)], after=2, epoch=1)
        harm(path)
        for after in (3, 3):
            with pytest.raises(StoreError, match="removed or replaced while it was in use"):
                store.append("r", [StepSucceeded(AT, "l", 2)], after=after, epoch=1)


def test_a_store_that_is_closed_takes_no_log_of_another_away(tmp_path: Path) -> None:
    """It was moved, and at its place is a new one: the facts in that one's log are not lost."""
    path = made(tmp_path / "s.db")
    first = SqliteStore(path)
    first.append("r", [StepSucceeded(AT, "k", 1)], after=2, epoch=1)
    for file in list(tmp_path.glob("s.db*")):
        file.rename(tmp_path / f"old-{file.name}")
    with closing(SqliteStore(path)) as second:
        second.create("new", run_created())
        first.close()
        with closing(SqliteStore(path, read_only=True)) as reader:
            assert ["new"] == [row.id for row in reader.rows()]
        assert path.with_name("s.db-wal").exists()

    assert sqlite_health.inspect(path).is_clean


def test_a_run_whose_store_is_removed_ends_with_a_storage_error(tmp_path: Path) -> None:
    """A real process: it does not go on to say that it succeeded, of which nothing is recorded."""
    site = Site(tmp_path)
    with permits(site) as give:
        give(5)
        words = ("run", script("batches:items"), "-p", "mode=alone", "-p", "count=2000", "--plain")
        with site.life(*words, "--id", "r") as life:
            assert life.has_effects(5), life.text
            removed(site.store)
            give(2_000)
            code = life.end()

    assert 74 == code, life.text
    assert "removed or replaced while it was in use" in " ".join(life.text.split())


# --- forked, stopped, interrupted ---


FORK = """
import os, sys
from pathlib import Path
from holdfast.errors import StoreError
from holdfast.stores.lockfile import LockFile, LockTimeout
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import run_created
path = sys.argv[1]
store = SqliteStore(path)
store.create("r", run_created())
store._database.lock.acquire()
pid = os.fork()
if pid == 0:
    for call in (lambda: store.row("r"), lambda: store.create("s", run_created())):
        try:
            call()
        except StoreError as problem:
            assert "open a store of its own" in str(problem)
        else:
            os._exit(9)
    store.close()
    sys.exit(7)  # through the interpreter's end, where connections are closed
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
if os.fork() == 0:
    try:
        LockFile(Path(path + ".lock"), wait_s=0.05).acquire()
    except LockTimeout as problem:
        os._exit(5 if str(os.getppid()) in str(problem) else 6)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 5, "the child gave the lock back"
store._database.lock.release()
if os.fork() == 0:
    own = SqliteStore(path)
    assert own.create("child", run_created())
    own.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
assert store.create("t", run_created())
print([row.id for row in store.rows()])
store.close()
"""


def test_a_forked_child_harms_nothing(tmp_path: Path) -> None:
    """It is refused, keeps neither lock nor connection, and may open a store of its own."""
    command = [sys.executable, "-c", FORK, str(tmp_path / "s.db")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ("['t', 'child', 'r']\n", "") == (result.stdout, result.stderr)
    assert sqlite_health.inspect(tmp_path / "s.db").is_clean


HOLD = """
import signal, sys
from pathlib import Path
from holdfast.stores.lockfile import LockFile
lock = LockFile(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
signal.pause()
"""


@contextmanager
def stopped_holder(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that was stopped while it holds a lock."""
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "held\n" == process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield process
        finally:
            process.kill()


def test_a_stopped_holder_is_named(tmp_path: Path) -> None:
    """Who waits for the lock longer than the limit learns which process has it."""
    path = made(tmp_path / "s.db")
    with stopped_holder(tmp_path / "s.db.lock") as holder:
        lock = LockFile(tmp_path / "s.db.lock", wait_s=0.1)
        with pytest.raises(LockTimeout, match=f"process {holder.pid} has held"):
            lock.acquire()
        assert holder.pid == sqlite_health.inspect(path).lock_holder
        lock.close()

    assert holder_of((tmp_path / "s.db.lock").stat()) is None


def test_the_runtime_may_end_a_stopped_holder(tmp_path: Path) -> None:
    """Told its pid while waiting, it kills it, and the write goes on."""
    path = made(tmp_path / "s.db")
    told: list[int] = []

    def end(pid: int) -> bool:
        told.append(pid)
        os.kill(pid, signal.SIGKILL)
        return True

    with closing(SqliteStore(path, on_blocked=end)) as store:
        with stopped_holder(tmp_path / "s.db.lock") as holder:
            done = store.append("r", [StepSucceeded(AT, "k", 1)], after=2, epoch=1)

        assert (True, 3, {holder.pid}) == (done.written, done.seq, set(told))


def test_a_lock_not_had_leaves_the_store_usable(tmp_path: Path) -> None:
    """Nothing was written, and that is known: the next try may succeed."""
    path = made(tmp_path / "s.db")
    with closing(SqliteStore(path)) as store:
        assert store._database.lock is not None
        store._database.lock.wait_s = 0.05
        with stopped_holder(tmp_path / "s.db.lock"), pytest.raises(LockTimeout):
            store.append("r", [StepSucceeded(AT, "k", 1)], after=2, epoch=1)

        assert store.append("r", [StepSucceeded(AT, "k", 1)], after=2, epoch=1).written


class Interrupts:
    """Raises KeyboardInterrupt at the n-th place in our store where a signal may be served.

    CPython serves signals when a function begins and when a call returns, never in between.
    """

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if "stores" in frame.f_code.co_filename and event in ("call", "return", "c_return"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def test_an_interrupt_anywhere_in_an_append_leaves_the_store_usable(tmp_path: Path) -> None:
    """Ctrl-C at any moment: the fact is there or not, the lock is free, the next append works."""
    path = made(tmp_path / "s.db")
    other = LockFile(tmp_path / "s.db.lock", wait_s=0.0)
    with closing(SqliteStore(path)) as store:
        seq, n, is_interrupted = 2, 0, True
        while is_interrupted:
            n += 1
            fact, durable = StepSucceeded(AT, "k", n), n % 2 == 0
            sys.setprofile(Interrupts(n))
            try:
                store.append("r", [fact], after=seq, epoch=1, durable=durable)
                is_interrupted = False
            except KeyboardInterrupt:
                pass
            finally:
                sys.setprofile(None)
            other.acquire()
            other.release()
            seq = store.append("r", [], after=seq, epoch=1).seq

        assert list(range(1, seq + 1)) == [stored.seq for stored in store.read("r")]
        assert n > 30
    other.close()


class Interrupted(list[Fact]):
    """Facts at whose first reading another thread does something, and is done."""

    def __init__(self, given: Fact, meanwhile: Callable[[], object]) -> None:
        super().__init__([given])
        self._meanwhile = meanwhile

    def __getitem__(self, index: SupportsIndex | slice) -> Fact:  # type: ignore[override]
        in_threads(self._meanwhile)
        return self[:][0] if isinstance(index, slice) else list(self)[index]


def test_an_intent_sees_what_another_thread_appended_meanwhile(tmp_path: Path) -> None:
    """A stop by a thread that shares the store, after the owner knew where the journal ends."""
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        seq = 2
        stopped: list[Appended] = []
        facts_given = Interrupted(
            started(1), lambda: stopped.append(store.append("r", [STOP], after=seq, epoch=None))
        )
        looked = store.append(
            "r", facts_given, after=seq, epoch=1, durable=False, only_if_current=True
        )

        assert [Appended(True, seq + 1)] == stopped
        assert looked == Appended(False, seq + 1, (STOP,))
        assert [STOP] == facts(store, after=seq)


def at_the_end_of_a_write(work: Callable[[], object]) -> None:
    """Do something as soon as this thread's next write has let the others go on."""

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is Database.write.__code__:
            sys.setprofile(None)
            work()

    sys.setprofile(watch)


def test_of_two_threads_the_later_one_knows_the_end(tmp_path: Path) -> None:
    """However late the earlier one goes on: what it wrote last is not where the journal ends."""
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        seq = 2
        at_the_end_of_a_write(lambda: store.append("r", [STOP], after=seq + 1, epoch=None))
        store.append("r", [STOP], after=seq, epoch=None)
        looked = store.append(
            "r", [started(1)], after=seq + 1, epoch=1, durable=False, only_if_current=True
        )

        assert looked == Appended(False, seq + 2, (STOP,))
        assert [STOP, STOP] == facts(store, after=seq)


def test_runs_that_are_removed_meanwhile_are_not_found_damaged(tmp_path: Path) -> None:
    """`doctor` beside `gc`: a run that goes while it is looked at is whole, or not there."""
    path, large = tmp_path / "s.db", "x" * 70_000
    runs = [f"r{number}" for number in range(40)]
    with closing(SqliteStore(path)) as store:
        for run in runs:
            store.create(run, run_created())
            store.append(run, [StepSucceeded(AT, "k", run + large)], after=1, epoch=None)
        remover = Thread(target=lambda: [store.remove(run) for run in runs])
        remover.start()
        found = []
        while remover.is_alive():
            found.append(sqlite_health.inspect(path))
        remover.join()

    assert [] == [health.broken for health in found if not health.is_clean]


@needs_strace
def test_what_a_killed_gc_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """It dies after a run's rows are gone and before its files are; so did a writer of a value."""
    site = Site(tmp_path)
    with closing(SqliteStore(site.store)) as store:
        for run in ("gone", "kept"):
            store.create(run, run_created())
            store.append(run, [StepSucceeded(AT, "k", run + "x" * 70_000)], after=1, epoch=None)
        store.append("gone", [RunSucceeded(AT)], after=2, epoch=None)
        store.write_output("gone", [Output(AT, "k", 1, "out", "text")])
    (site.store.with_name("s.db.spill") / "ab").mkdir(exist_ok=True)
    (site.store.with_name("s.db.spill") / "ab" / ".torn.123").write_text("half")
    gc = [sys.executable, "-m", "holdfast", "gc", "--older-than", "0s"]
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=unlink:signal=KILL:when=1"]
    subprocess.run([*strace, *gc], env=site.env, check=False, capture_output=True)
    left = files_beside(site.store)
    swept = subprocess.run(gc, env=site.env, check=False, capture_output=True)

    assert 0 == swept.returncode and len(left) > 1
    with closing(SqliteStore(site.store, read_only=True)) as store:
        assert ["kept"] == [row.id for row in store.rows()]
    assert 1 == len(files_beside(site.store))
    assert sqlite_health.inspect(site.store).is_clean


def files_beside(store: Path) -> list[Path]:
    """Return the values and the output that lie beside a database."""
    folders = (store.with_name(f"s.db.{name}") for name in ("spill", "output"))
    return [file for folder in folders for file in folder.rglob("*") if file.is_file()]


def test_a_run_has_no_output_of_another(tmp_path: Path) -> None:
    """In an older copy of a database the next number may be one whose output lies there still."""
    path = made(tmp_path / "s.db")
    copy = path.read_bytes()
    with closing(SqliteStore(path)) as store:
        store.create("later", run_created())
        store.write_output("later", [Output(AT, "k", 1, "out", "of the other")])
    for file in tmp_path.glob("s.db-*"):
        file.unlink()
    path.write_bytes(copy)
    with closing(SqliteStore(path)) as store:
        store.create("another", run_created())

        assert [] == list(store.read_output("another"))
