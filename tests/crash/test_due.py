"""Waits that nobody sits out, and deaths around them: in a wait, when it is over, in `--due`."""

from __future__ import annotations

import os
import select
import signal
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from tests.crash.lives import DEADLINE_S, Site, script
from tests.crash.scripts import waits

from holdfast.app.due import due_runs
from holdfast.app.nobody import Nobody
from holdfast.app.starting import Setting, start
from holdfast.flow.verbs import do, sleep, window
from holdfast.flow.workflows import workflow
from holdfast.model.facts import StepStarted, TimerSet
from holdfast.model.windows import parse
from holdfast.runtime.listening import Quiet
from holdfast.runtime.ownership import this_person
from holdfast.stores.memory import MemoryStore
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import TESTER, Crash, Mortal, live_once, sweep

CALLS: Counter[str] = Counter()
SPEC = "daily 09:00-09:30 UTC"
ONCE = {"plain 0": 1, "gated": 1, "plain 1": 1}
TRIES_MAX = 5


def run(workflow: str, *options: str) -> tuple[str, ...]:
    return ("run", script(f"waits:{workflow}"), "--id", "r", "--plain", *options)


def timers(site: Site) -> list[TimerSet]:
    with closing(SqliteStore(site.store, read_only=True)) as store:
        return [s.fact for s in store.read("r") if isinstance(s.fact, TimerSet)]


def left_due(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a run that was due an hour ago, as if it had begun two hours ago."""
    monkeypatch.setenv("EFFECTS", str(site.effects))
    clock = JumpClock(datetime.now(UTC) - timedelta(hours=2))
    with closing(SqliteStore(site.store)) as store:
        setting = Setting(store, clock, Nobody(), this_person(), budget_s=60)
        assert "waiting" == start(setting, waits.late_gate, {}, id="r").status


# --- real processes ---


def test_a_kill_in_a_wait_costs_nothing(site: Site) -> None:
    """The moment stays; `--due` names the run and leaves it, a person goes on with it."""
    with site.life(*run("sleeper")) as life:
        life.wait_for("until 20")
        life.kill()
    code, said = site.holdfast("resume", "--due")
    assert 0 == code and "r is interrupted, and left so" in said
    assert 75 == site.holdfast("resume", "r", "--for", "20m")[0]
    with closing(SqliteStore(site.store, read_only=True)) as store:
        row = store.row("r")

    assert row is not None and row.status == "waiting"
    assert [row.due_at] == [timer.until for timer in timers(site)]
    assert {"plain 0": 1} == site.counted()


def test_a_kill_after_the_wait_costs_the_step_in_hand(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its time came and a later life died at work, the wait is over for good."""
    left_due(site, monkeypatch)
    with site.life("resume", "r", "--due", "--plain") as life:
        life.wait_for("at the gate")
        life.kill()
    assert 0 == site.holdfast("resume", "--due")[0]
    assert {"plain 0": 1, "gated": 1} == site.counted()
    site.env["GATE"] = os.devnull

    assert 0 == site.holdfast("resume", "r")[0]
    assert {**ONCE, "gated": 2} == site.counted()
    assert (1, []) == (len(timers(site)), site.wrong())


def test_a_kill_of_due_is_a_kill_of_its_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of it is left behind that nobody knows of; the run is named and can go on."""
    left_due(site, monkeypatch)
    with site.life("resume", "--due") as life:
        life.wait_for("at the gate")
        owner = site.state().lives[-1].owner
        handle = os.pidfd_open(owner.pid)
        life.process.kill()
        gone = select.select([handle], [], [], DEADLINE_S)[0]
        os.close(handle)
    assert owner.pid != life.pid and gone
    code, said = site.holdfast("resume", "--due")
    assert 0 == code and "r is interrupted" in said
    site.env["GATE"] = os.devnull

    assert 0 == site.holdfast("resume", "r")[0]
    assert {**ONCE, "gated": 2} == site.counted()


def test_a_kill_of_the_run_is_told_by_due(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command itself lives, says so, and ends as after a failure."""
    left_due(site, monkeypatch)
    with site.life("resume", "--due") as life:
        life.wait_for("at the gate")
        os.kill(site.state().lives[-1].owner.pid, signal.SIGKILL)

        assert 1 == life.end()
        assert "r is interrupted, and left so" in life.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_a_wait_leaves_a_run_that_is_due(site: Site, number: int) -> None:
    """A machine that shuts down: the run goes on at its time, as cron finds it."""
    due: list[str] = []
    for n in range(TRIES_MAX):
        # Another run each time: a signal that comes just before the wait is no test of it.
        with site.life("run", script("waits:sleeper"), "--id", f"r{n}", "--plain") as life:
            life.wait_for("until 20")
            life.signal(number)
            assert 128 + number == life.end()
        with closing(SqliteStore(site.store, read_only=True)) as store:
            row = store.row(f"r{n}")
            assert row is not None and row.status in ("waiting", "stopped")
            due += [found.row.id for found in due_runs(store, row.due_at or row.started_at)]

    assert due


# --- every effect ---


def test_a_crash_beside_any_effect_begins_nothing_outside_the_window() -> None:
    """Each life begins at midnight: whatever an earlier one had seen, it waits for the opening
    when nothing of what the window guards was finished."""

    @workflow
    def guarded() -> None:
        do("before", lambda: CALLS.update(["before"]))
        window(SPEC)
        do("inside", lambda: CALLS.update(["inside"]))
        sleep("1d")
        do("after", lambda: CALLS.update(["after"]))

    def verdict(outcome, at, when, store):
        assert "succeeded" == outcome.status, (at, when)
        started = [s.fact for s in store.read("r") if isinstance(s.fact, StepStarted)]
        inside = [fact for fact in started if fact.key == "inside"]
        assert inside and all(parse(SPEC).has(fact.at) for fact in inside), (at, when)
        assert {"before", "inside", "after"} == set(CALLS)
        assert sum(CALLS.values()) <= 4, (at, when, CALLS)

    assert sweep(guarded, MemoryStore, verdict, reset=CALLS.clear) > 20


def test_a_crash_while_a_wait_is_left_forgets_no_moment() -> None:
    """Killed beside each effect of a life that leaves: the run is due, or known to have died,
    and its moment is the first one that was recorded."""

    @workflow
    def sleeper() -> None:
        sleep("2h")
        do("awake", lambda: CALLS.update(["awake"]))

    for at in range(1, 8):
        for when in ("before", "after"):
            CALLS.clear()
            store, clock = MemoryStore(), JumpClock()
            live_once(sleeper, store, fuse_at=at, when=when, clock=clock)
            setting = Setting(store, clock, Nobody(), TESTER, patience_s=0.0)
            if not CALLS and store.row("r") is not None:
                start(setting, sleeper, {}, id="r")
            moments = [s.fact.until for s in store.read("r") if isinstance(s.fact, TimerSet)]
            row = store.row("r")
            assert row is not None and len(moments) <= 1, (at, when)
            if row.status == "waiting":
                assert [row.due_at] == moments
                clock.jump(7200)
            assert "succeeded" == start(setting, sleeper, {}, id="r").status
            assert 1 <= CALLS["awake"] <= 2


def test_a_store_that_dies_while_a_run_leaves_its_wait() -> None:
    """The last fact is lost with the process: the run has died, and nothing says it is due."""

    @workflow
    def sleeper() -> None:
        sleep("2h")

    store, clock = MemoryStore(), JumpClock()
    mortal = Mortal(store)

    class Dying(Quiet):
        """A listener that kills the process once the wait has begun."""

        def fact(self, fact, state) -> None:
            mortal.is_dead = isinstance(fact, TimerSet)

    setting = Setting(mortal, clock, Nobody(), TESTER, (Dying(),), patience_s=0.0)  # type: ignore[arg-type]
    with pytest.raises(Crash):
        start(setting, sleeper, {}, id="r")
    row = store.row("r")

    assert row is not None
    assert ("running", None, []) == (row.status, row.due_at, due_runs(store, clock.now()))
