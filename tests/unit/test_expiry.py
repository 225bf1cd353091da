"""A question with a time: late answers count for nothing, and silence is never a yes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.asking import asks, says
from tests.unit.runs import Runs

from holdfast.app.reasons import why_of
from holdfast.app.views import view_run
from holdfast.cli.paper import Paper
from holdfast.cli.showing import run_lines
from holdfast.errors import UsageError
from holdfast.model import facts as f
from holdfast.runtime.listening import Quiet

ANA = f.Who("ana", "host")


def test_a_late_answer_is_refused(runs: Runs) -> None:
    """Even when no process has noticed yet that the time is over."""
    runs.start(asks(expires="1h"))
    runs.clock.jump(7_200)

    with pytest.raises(UsageError, match="nobody answered until"):
        says(runs, ANA)
    assert [] == runs.facts(f.HoldAnswered)


@pytest.mark.parametrize(
    ("on_expiry", "does"),
    [("ask", "asks again"), ("reject", "makes it a no, and the next one asks again")],
)
def test_a_late_answer_is_told_what_to_do_instead(runs: Runs, on_expiry: str, does: str) -> None:
    """Of a yes and of a no; once it was asked again, under which id."""
    flow = asks(expires="1h", on_expiry=on_expiry)
    runs.start(flow)
    runs.clock.jump(7_200)
    for given in ("approve", "reject"):
        with pytest.raises(UsageError, match=f"`holdfast resume r` {does}"):
            says(runs, ANA, given)
    while not runs.resume(flow).status == "on_hold":
        pass

    with pytest.raises(UsageError, match="it is asked again as h2"):
        says(runs, ANA)


@pytest.mark.parametrize(
    ("on_expiry", "does"),
    [("ask", "ask again"), ("reject", "nobody's answer is a no; the next resume asks again")],
)
def test_what_has_expired_is_offered_no_answer(runs: Runs, on_expiry: str, does: str) -> None:
    """Where it is looked at it says so, and what `resume` makes of it."""
    runs.start(asks(expires="1h", on_expiry=on_expiry))
    before = view_run(runs.store, "r")
    before = replace(before, at=runs.clock.now())
    runs.clock.jump(7_200)
    after = replace(before, at=runs.clock.now())
    sheet = Paper(None, has_colour=False, can_redraw=False, is_plain=True)
    drawn = "\n".join(run_lines(after, sheet, runs.clock.now()))

    assert "holdfast approve r" in [way.line() for way in why_of(before).next]
    assert ["holdfast resume r", "holdfast cancel r -m REASON"] == [
        way.line() for way in why_of(after).next
    ]
    assert does == why_of(after).next[0].does
    assert "nobody answered in time (h1): go on?" == why_of(after).summary
    assert "which is over" in drawn and "approve" not in drawn and "reject" not in drawn


def test_an_expired_hold_is_asked_again(runs: Runs) -> None:
    """Under a new id, with as much time as the first."""
    runs.start(asks(expires="1h"))
    runs.clock.jump(7_200)
    outcome = runs.resume(asks(expires="1h"))

    assert "on_hold" == outcome.status
    assert ["expired", "open"] == [hold.status for hold in runs.state.holds.values()]
    assert runs.hold().opened.expires_at > runs.clock.now()


class Slow(Quiet):
    """Whoever is told of a question for two hours, at most three times."""

    def __init__(self, runs: Runs) -> None:
        self.runs, self.left = runs, 3

    def fact(self, fact: object, state: object) -> None:
        if isinstance(fact, f.HoldOpened) and self.left:
            self.left -= 1
            self.runs.clock.jump(7_200)


def test_what_expires_while_it_is_asked_is_not_asked_again_at_once(runs: Runs) -> None:
    """A person is looked for first: where nobody is, the run leaves instead of spinning."""
    outcome = runs.start(asks(expires="1h"), listeners=(Slow(runs),))

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert 1 == len(runs.facts(f.HoldOpened))


def test_an_expired_hold_may_be_a_no(runs: Runs) -> None:
    """Nobody's no fails the run like anybody's; the next resume asks again."""
    runs.start(asks(expires="1h", on_expiry="reject"))
    runs.clock.jump(7_200)
    failed = runs.resume(asks(expires="1h", on_expiry="reject"))
    asked = runs.resume(asks(expires="1h", on_expiry="reject"))

    assert ("failed", 1) == (failed.status, failed.exit_code)
    assert "rejected by nobody: nobody answered until" in failed.reason
    assert "on_hold" == asked.status


def test_an_answer_in_time_counts_however_late_it_is_read(runs: Runs) -> None:
    """What matters is when it was given, not when a process looks."""
    runs.start(asks(expires="1h", on_expiry="reject"))
    says(runs, ANA)
    runs.clock.jump(172_800)

    assert "ana" == runs.resume(asks(expires="1h", on_expiry="reject")).result
