"""Whatever happens to real runs, a step goes on by itself exactly when it has earned it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.fleet import DRAIN, Fleet, failing, kill

from holdfast.app import commands, holds
from holdfast.app.starting import resume, start
from holdfast.app.trust import revoke
from holdfast.testing.crash import TESTER, Crash, Mortal

HAPPENINGS = st.lists(
    st.sampled_from(["clean", "fail", "kill", "skip", "edit", "resume", "cancel", "revoke"]),
    max_size=9,
)


class History:
    """What happens to real runs, and what is known after it by the words of the promise.

    `ends` are the outcomes in order: the code that was clean, or nothing. `dead` are the runs
    whose process died in the step, and that nobody went on with.
    """

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.ends: list[str] = []
        self.dead: list[str] = []

    @property
    def code(self) -> str:
        return "after" if self.fleet.is_edited else "before"

    @property
    def is_earned(self) -> bool:
        return self.ends[-3:] == [self.code] * 3 and not self.dead

    def happens(self, what: str, run: str) -> None:
        """Let one thing happen."""
        fleet = self.fleet
        fleet.clock.jump(60)
        fleet.trouble = lambda: None
        match what:
            case "clean" | "fail" | "kill":
                self._runs(what, run)
            case "skip":
                start(fleet.setting, fleet.workflow(), {}, id=run, target=run, mode="confirm")
                holds.answer(fleet.store, run, fleet.clock, TESTER, "skip", comment="no")
                resume(fleet.setting, run, fleet.workflow())
                self.ends.append("")
            case "edit":
                fleet.is_edited = not fleet.is_edited
            case "revoke" if fleet.store.tried():
                revoke(fleet.store, fleet.clock, TESTER, DRAIN, "a new kernel")
                self.ends.append("")
            case "cancel" if self.dead:
                commands.cancel(fleet.store, self.dead.pop(), fleet.clock, TESTER, "abandoned")
                self.ends.append("")
            case "resume" if self.dead:
                resume(fleet.setting, self.dead.pop(), fleet.workflow())
                self.ends += ["", self.code]

    def _runs(self, what: str, run: str) -> None:
        fleet, mortal = self.fleet, Mortal(self.fleet.store)
        fleet.trouble = {"fail": failing, "kill": lambda: kill(mortal)}.get(what, lambda: None)
        try:
            fleet.start(fleet.workflow(), id=run, target=f"db-{run}", store=mortal)
            self.ends.append(self.code if what == "clean" else "")
        except Crash:
            fleet.store.release(run, 1)
            self.dead.append(run)


@settings(deadline=None)
@given(HAPPENINGS)
def test_no_history_lets_a_step_go_on_that_did_not_earn_it(happenings: list[str]) -> None:
    """It goes on by itself after three clean outcomes of its code in a row, with nobody's process
    dead in it, and in no other case."""
    history = History()
    for number, what in enumerate(happenings):
        history.happens(what, f"{number}")

        assert history.is_earned is not history.fleet.rule().startswith("asks"), (number, what)
