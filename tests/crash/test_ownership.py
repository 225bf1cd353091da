"""One owner per run: who is refused, who may take over, and what becomes of the old owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.crash.lives import Life, Site, leased, script, take_over

from holdfast.boot import boot_id
from holdfast.errors import RunLocked
from holdfast.model.facts import Owner, StepSucceeded
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import (
    end_stopped_holder,
    host_name,
    judge,
    liveness,
    process,
    this_person,
    this_process,
)
from holdfast.runtime.takeover import Claim, take
from holdfast.stores.memory import MemoryStore
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.samples import AT, life_started, run_created

GATE = ("run", script("waits:gate"), "--id", "r")
LEASE_S = 0.5
CLAIM = Claim(this_person(), "0", lease_s=LEASE_S)


def open_gate(site: Site) -> None:
    Path(site.env["GATE"]).write_text("open")


def open_for_all(site: Site) -> None:
    """Let later lives pass the gate at once."""
    site.env["GATE"] = os.devnull


def owned_by(owner: Owner, path: Path) -> SqliteStore:
    """Return a store in which `owner` has taken run r up."""
    store = SqliteStore(path)
    store.create("r", run_created())
    store.claim("r", life_started(1, owner=owner), after=1, expected_epoch=0)
    return store


@contextmanager
def stopped_owner(site: Site, *command: str) -> Iterator[Life]:
    with site.process(*command) as life:
        life.wait_for("at the gate")
        life.stop()
        yield life


@pytest.mark.parametrize("command", [GATE, ("resume", "r")])
def test_a_living_owner_is_not_disturbed(site: Site, command: tuple[str, ...]) -> None:
    """Who comes second is refused with 5, told host, pid and since when, and changes nothing."""
    with site.life(*GATE) as owner:
        owner.wait_for("at the gate")
        before = site.state().seq
        code, text = site.holdfast(*command)

        assert (5, before) == (code, site.state().seq)
        assert f"pid {owner.pid} on {host_name()}" in text
        assert f"since {site.state().lives[0].at:%Y-%m-%d %H:%M:%S}" in text
        open_gate(site)
        assert 0 == owner.end()
    assert {"plain 0": 1, "gated": 1, "plain 1": 1} == site.counted()


def test_a_dead_owner_is_displaced_at_once(site: Site) -> None:
    """No lease is waited for: the process is gone."""
    with site.life(*GATE) as owner:
        owner.wait_for("at the gate")
        owner.kill()
    open_for_all(site)
    code, text = site.holdfast(*GATE)

    assert 0 == code and f"pid {owner.pid} on {host_name()} (user " in text and "is dead" in text
    assert {"plain 0": 1, "gated": 2, "plain 1": 1} == site.counted()


def test_a_zombie_owner_is_dead(site: Site) -> None:
    """Its pid is still there, because nobody has waited for it; it will never write again."""
    with site.life(*GATE) as owner:
        owner.wait_for("at the gate")
        owner.signal(signal.SIGKILL)
        os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
        open_for_all(site)

        assert 0 == site.holdfast(*GATE)[0]


def test_another_process_under_the_owners_pid_is_not_the_owner(tmp_path: Path) -> None:
    """A pid that was given away again, told by its start time or the boot, protects nobody."""
    me = this_process()
    for n, other in enumerate(
        (
            Owner(me.host, me.pid, "1", me.boot, me.user),
            Owner(me.host, me.pid, me.started, "another boot", me.user),
        )
    ):
        with closing(owned_by(other, tmp_path / f"{n}.db")) as store:
            take(Journal(store, "r"), CLAIM, SystemClock(), print)
    with closing(owned_by(me, tmp_path / "me.db")) as store, pytest.raises(RunLocked):
        take(Journal(store, "r"), CLAIM, SystemClock(), print)


NAMED = r"""
import sys
with open("/proc/self/comm", "wb") as name:
    name.write(b") Z 1234567890\xc3")
print("named", flush=True)
sys.stdin.read()
"""


def test_a_process_may_be_called_anything() -> None:
    """The system cuts a name within a character, and a name may look like what follows it."""
    command = [sys.executable, "-c", NAMED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert b"named\n" == child.stdout.readline()
        owner = process(child.pid)
        alive = liveness(owner)
        child.communicate(b"")

        assert owner.started and ("alive", "dead") == (alive, liveness(owner))


def test_a_stopped_owner_keeps_its_run_for_a_lease(site: Site) -> None:
    """Ctrl-Z is no reason to lose a run at once; nor is a stop before the first heartbeat."""
    with stopped_owner(site, *leased(30, "waits:gate")) as owner:
        code, text = site.holdfast(*GATE)

        assert 5 == code
        assert f"pid {owner.pid} on {host_name()}" in text and "is stopped (SIGSTOP)" in text
        row = SqliteStore(site.store, read_only=True).row("r")
        assert row is not None and row.beat_monotonic is not None
        assert not judge(row, row.beat_monotonic + 29).may_take


def test_a_stopped_owner_that_wakes_writes_nothing(site: Site) -> None:
    """Taken over after its lease, it finds itself displaced at its next write, and exits 5."""
    with stopped_owner(site, *leased(LEASE_S, "waits:gate")) as owner:
        gate = site.env["GATE"]
        open_for_all(site)
        heir = take_over(site, leased(LEASE_S, "waits:gate"))
        owner.signal(signal.SIGCONT)
        Path(gate).write_text("late")

        assert 5 == owner.end()
    assert "taken over by another process" in owner.text or "took the run over" in owner.text
    with closing(SqliteStore(site.store, read_only=True)) as store:
        gated = [s for s in store.read("r") if isinstance(s.fact, StepSucceeded)]
    assert [("plain 0", 1), ("gated", 2), ("plain 1", 2)] == [(s.fact.key, s.epoch) for s in gated]
    assert "has been stopped (SIGSTOP)" in heir.text
    assert [] == site.wrong()


def test_a_stopped_owner_that_holds_the_lock_is_killed(site: Site) -> None:
    """Nobody could write to the store any more; so after its lease it makes room."""
    params = f'{{"store": "{site.store}"}}'
    site.env["STOP"] = "1"
    with site.process(*leased(LEASE_S, "waits:locker", params)) as owner:
        os.waitid(os.P_PID, owner.pid, os.WSTOPPED | os.WNOWAIT)
        del site.env["STOP"]
        with site.process(*leased(LEASE_S, "waits:locker", params)) as heir:
            assert 0 == heir.end(), heir.text

        assert -signal.SIGKILL == owner.end()
    assert {"stops with the lock": 2, "plain 1": 1} == site.counted()


def test_only_an_owner_is_killed_for_the_lock(site: Site) -> None:
    """A stopped process that owns no run of this store is somebody else's business, and an
    owner that runs, or was stopped for less than a lease, is left alone."""
    with stopped_owner(site, *leased(30, "waits:gate")) as owner:
        with closing(SqliteStore(site.store, read_only=True)) as store:
            rows = store.rows()
        beat = rows[0].beat_monotonic
        assert beat is not None

        assert not end_stopped_holder(owner.pid, list, beat + 31)
        assert not end_stopped_holder(owner.pid, lambda: rows, beat + 29)
        assert not end_stopped_holder(os.getpid(), lambda: rows, beat + 31)
        assert owner.lasts(0)
        assert end_stopped_holder(owner.pid, lambda: rows, beat + 31)
        assert -signal.SIGKILL == owner.end()


ELSEWHERE = Owner("another-host", 1, "1", boot_id(), "ada")


def test_a_silent_owner_elsewhere_is_displaced_after_a_lease(tmp_path: Path) -> None:
    """Nothing but its heartbeat can be seen from here, and that stood still."""
    with closing(owned_by(ELSEWHERE, tmp_path / "s.db")) as store:
        told: list[str] = []
        store.beat("r", 1, 10.0**9, AT + timedelta(days=9999))
        journal = take(Journal(store, "r"), CLAIM, SystemClock(), told.append)

    assert 2 == journal.epoch
    assert "watching whether it still lives" in told[0] and "was silent for" in told[1]


def test_an_owner_elsewhere_whose_heart_beats_is_not_displaced(tmp_path: Path) -> None:
    """Whatever its clock says: it is the change that counts."""
    with closing(owned_by(ELSEWHERE, tmp_path / "s.db")) as store:
        store.beat("r", 1, 5.0, AT)
        over = threading.Event()

        def beat() -> None:
            at = 5.0
            while not over.wait(LEASE_S / 20):
                at -= 1
                store.beat("r", 1, at, AT)

        heart = threading.Thread(target=beat)
        heart.start()
        try:
            with pytest.raises(RunLocked, match="pid 1 on another-host"):
                take(Journal(store, "r"), CLAIM, SystemClock(), print)
        finally:
            over.set()
            heart.join()


class Wild(SystemClock):
    """A host whose wall clock jumps by a day whenever somebody looks."""

    def __init__(self) -> None:
        self.days = 0

    def now(self) -> datetime:
        self.days = 1 - self.days
        return super().now() + timedelta(days=3 * self.days)


def test_a_jump_of_the_wall_clock_costs_no_lease(tmp_path: Path) -> None:
    """Only monotonic time is compared, and on this host only whether the process is there."""
    with closing(owned_by(this_process(), tmp_path / "here.db")) as store:
        store.beat("r", 1, 0.0, AT)
        with pytest.raises(RunLocked):
            take(Journal(store, "r"), CLAIM, Wild(), print)
    with closing(owned_by(ELSEWHERE, tmp_path / "there.db")) as store:
        begun = SystemClock().monotonic()
        take(Journal(store, "r"), CLAIM, Wild(), print)

        assert SystemClock().monotonic() - begun >= LEASE_S


def test_a_jump_of_the_wall_clock_loses_no_timer(tmp_path: Path) -> None:
    """A sleep set back by a day is longer, and over in the end; its moment stays the same."""
    from tests.crash.scripts.waits import sleeper

    from holdfast.testing.crash import live_once

    os.environ["EFFECTS"] = str(tmp_path / "effects")
    clock, store = JumpClock(), MemoryStore()
    wait_s, jumps = clock.wait_s, iter((-86_400.0, 7_200.0))

    def jumpy(seconds: float) -> float:
        clock.jump(next(jumps, 0.0))
        return wait_s(seconds)

    clock.wait_s = jumpy  # type: ignore[method-assign]
    outcome, _ = live_once(sleeper, store, clock=clock)

    assert outcome is not None and "succeeded" == outcome.status
    assert 1 == [type(s.fact).__name__ for s in store.read("r")].count("TimerSet")
