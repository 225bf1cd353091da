"""A life's notices: which facts are told, to whom it never matters, and what is told again."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import pytest
from tests.unit.runs import Runs, Says

from holdfast import confirm, do, each, progress, workflow
from holdfast.app.notifying import Telling
from holdfast.errors import StoreError
from holdfast.model.facts import HoldOpened, RunSucceeded
from holdfast.model.notice import Notify
from holdfast.runtime.clock import SystemClock
from holdfast.wiring import finds_store, open_notifier, open_telling

DEADLINE_S = 20.0


class Kept:
    """A notifier that keeps what it is given, and says when it got something."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.notices, self.problem, self.came = [], problem, Event()

    def notify(self, notice) -> None:
        self.notices.append(notice)
        self.came.set()
        if self.problem is not None:
            raise self.problem

    def close(self) -> None:
        """Nothing is under way."""

    @property
    def ids(self) -> list[str]:
        return [notice.id for notice in self.notices]


@pytest.fixture
def kept(runs) -> Kept:
    return notified(runs, Kept())


def notified(runs: Runs, kept: Kept, stalled_after_s: float | None = None) -> Kept:
    setting = runs.setting
    clock = setting.clock if stalled_after_s is None else SystemClock()
    telling = Telling(kept, clock, setting.tell, stalled_after_s, ("--store", "s.db"))
    runs.setting = replace(setting, clock=clock, telling=telling)
    return kept


@workflow
def asks():
    return confirm("go on?").comment


@workflow
def breaks():
    do("break", lambda: 1 // 0)


def test_a_parked_hold_is_told_once(runs, kept):
    """The notice follows the fact, with the commands that answer; later lives do not repeat it."""
    assert 3 == runs.start(asks).exit_code
    assert 3 == runs.resume(asks).exit_code
    (notice,) = kept.notices
    (opened,) = runs.facts(HoldOpened)

    assert opened == notice.hold
    assert [
        "holdfast --store s.db approve r --hold h1",
        "holdfast --store s.db reject r --hold h1 -m REASON",
        "holdfast --store s.db resume r",
    ] == [way.command for way in notice.next]


def test_every_end_is_told(runs, kept):
    """A hold that is answered, and the end of the run: each under the number of its fact."""
    assert 0 == runs.start(asks, person=Says("approve", comment="ok")).exit_code

    seqs = [s.seq for s in runs.store.read("r") if isinstance(s.fact, HoldOpened | RunSucceeded)]
    assert [f"r:{seqs[0]}:hold", f"r:{seqs[1]}:succeeded"] == kept.ids


def test_a_failure_is_told_each_time(runs, kept):
    """A run that fails again is told again: it is another fact."""
    runs.start(breaks)
    runs.resume(breaks)

    assert ["failed", "failed"] == [notice.event for notice in kept.notices]
    assert 2 == len(set(kept.ids))


def test_a_hold_whose_process_was_killed_is_told_again(runs, kept):
    """Nobody knows whether it had been told; the next life tells it under the same id."""
    runs.start(asks)
    runs.clock.jump(1)
    first = kept.ids
    owned_by_a_dead_process(runs)
    runs.resume(asks)

    assert first * 2 == kept.ids


def owned_by_a_dead_process(runs: Runs) -> None:
    """Make a process that is gone the owner, as a killed life leaves it."""
    from holdfast.runtime.ownership import this_process
    from holdfast.testing.samples import life_started

    row, gone = runs.row, replace(this_process(), pid=2**22 + 1)
    fact = life_started(row.epoch + 1, owner=gone, at=runs.clock.now())
    runs.store.claim("r", fact, after=runs.state.seq, expected_epoch=row.epoch)


@pytest.mark.parametrize("problem", [OSError("no route"), StoreError("gone"), ValueError("bug")])
def test_a_notifier_that_raises_costs_nothing(runs, problem):
    """The run ends as it would without one, and a person sees what went wrong."""
    kept = notified(runs, Kept(problem))
    outcome = runs.start(asks, person=Says("approve"))

    assert "succeeded" == outcome.status
    assert 2 == len(kept.notices) == len(runs.notes)
    assert str(problem) in runs.notes[0]


def test_nobody_is_told_of_a_run_that_is_reported(runs, kept):
    """The same id again only reports a finished run: there is no new fact."""
    runs.start(asks, person=Says("approve"))
    before = kept.ids
    runs.start(asks)

    assert before == kept.ids


def test_a_batch_is_told_of_with_its_commands(runs, kept):
    """An item in doubt by the words that decide it, failed items by where they are listed."""

    def pay(number):
        raise OSError("the line broke")

    @workflow
    def once():
        each([7], pay, once=True)

    @workflow
    def fails():
        each([7], pay)

    runs.start(once, id="once")
    runs.start(fails, id="fails")

    doubt, failure = ([way.command for way in notice.next] for notice in kept.notices)
    assert "holdfast --store s.db done once pay/7 -m REASON" == doubt[0]
    assert "holdfast --store s.db failures fails" in failure


def test_a_silent_step_is_told(runs):
    """While it goes on; what it reports afterwards ends the silence, and the run is as ever."""
    kept = notified(runs, Kept(), 0.05)

    @workflow
    def waits():
        return do("wait", lambda: kept.came.wait(DEADLINE_S) and progress(1) is None)

    outcome = runs.start(waits)

    assert outcome.result is True
    assert ("stalled", ("wait",)) == (kept.notices[0].event, kept.notices[0].steps)
    assert "holdfast --store s.db log r wait" == kept.notices[0].next[0].command
    assert "succeeded" == kept.notices[-1].event


def test_commands_find_the_store_from_any_shell(monkeypatch):
    """The store is given whole, wherever it came from."""
    monkeypatch.chdir("/tmp")
    monkeypatch.setenv("HOLDFAST_STORE", "sqlite:///var/b.db")

    assert ("--store", "/tmp/a.db") == finds_store("a.db")
    assert ("--store", "/var/b.db") == finds_store()


@pytest.mark.parametrize(
    "notify", [None, Notify(), Notify(on=()), Notify(command=("true",), on=())]
)
def test_without_anybody_to_tell_nothing_is_opened(notify, tmp_path):
    """No receiver, or nothing to tell it: a run has nobody to tell, and no folder is made."""
    assert open_telling(notify, str(tmp_path / "s.db")) is None
    assert [] == list(tmp_path.iterdir())


def test_silence_is_watched_only_for_somebody(tmp_path):
    """A run is watched when its silence is to be told."""
    store = str(tmp_path / "s.db")
    told = open_telling(Notify(command=("true",), stalled_after_s=5.0), store)
    not_told = open_telling(Notify(command=("true",), on=("hold",)), store)

    assert told is not None and told.stalled_after_s == 5.0
    assert not_told is not None and not_told.stalled_after_s is None


def test_a_url_may_be_given_by_reference(tmp_path, monkeypatch):
    """What the reference names is used; a missing one is a note, and fails no run."""
    pytest.importorskip("apprise")
    notes = []
    monkeypatch.setenv("HOOK", "json://127.0.0.1/s3cret")
    monkeypatch.delenv("GONE", raising=False)
    store = str(tmp_path / "s.db")

    opened = open_notifier(Notify(urls=("@env:HOOK", "@env:GONE")), store, notes.append)
    assert opened is not None and ("json://127.0.0.1/s3cret",) == opened._errand.urls
    assert open_notifier(Notify(urls=("@env:GONE",)), store, notes.append) is None
    assert 2 == len(notes)
    assert "GONE is not set" in notes[0]
