"""What counts for trust is derived from the facts, whoever appends them and in whatever order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.facts import (
    AttemptFailed,
    Fact,
    RunCancelled,
    StepDoubted,
    StepFoundDone,
    StepLeft,
    StepRearmed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.state import RunState
from holdfast.model.terms import Terms
from holdfast.model.trials import Trial, trials_of
from holdfast.model.trust import earned, streak
from holdfast.runtime.journal import Journal
from holdfast.runtime.takeover import Claim, take
from holdfast.runtime.trusting import trials_now
from holdfast.stores.memory import MemoryDisk, MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import TESTER
from holdfast.testing.samples import AT, run_created

NAME = "drain {node}"
STARTED = StepStarted(AT, "k", 1, code="code", name=NAME, earns=True)
ONCE_IS_ENOUGH = Terms("earned", "earned: --mode", successes=1)

ACTIONS: dict[str, Fact] = {
    "start": STARTED,
    "start other code": replace(STARTED, code="other"),
    "start what never earns": replace(STARTED, earns=False),
    "start uncounted": replace(STARTED, name="", earns=False),
    "succeed": StepSucceeded(AT, "k"),
    "fail": AttemptFailed(AT, "k", 1, "OSError", "no route"),
    "fail, retried": AttemptFailed(AT, "k", 1, "OSError", "no", AT + timedelta(seconds=1)),
    "reject": AttemptFailed(AT, "k", 0, "Rejected", "rejected by ana", name=NAME),
    "doubt": StepDoubted(AT, "k", 1, "nobody knows"),
    "skip": StepSkipped(AT, "k", TESTER, "not here", name=NAME),
    "done by hand": StepFoundDone(AT, "k", decided_by="done by ana"),
    "found done": StepFoundDone(AT, "k"),
    "again": StepRearmed(AT, "k", TESTER),
    "leave": StepLeft(AT, "k"),
    "cancel": RunCancelled(AT, TESTER, "no longer needed"),
}
ENDS_BADLY = {"fail", "fail, retried", "doubt"}
JUDGED = {"skip", "done by hand", "reject"}
runs_and_actions = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["live", *ACTIONS])), max_size=25
)


class World:
    """Runs of one workflow, each on its own target; nobody owns them while we look."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), JumpClock()
        self._journals: dict[str, Journal] = {}

    def act(self, run: str, action: str) -> None:
        """Append what the action says, as the owner of the run would or anybody else."""
        if run not in self._journals:
            self.store.create(run, run_created(target=run))
        if run not in self._journals or action == "live":
            journal = self._journals[run] = Journal(self.store, run)
            take(journal, Claim(TESTER, "1"), self.clock, lambda text: None)
            self.store.release(run, journal.epoch or 0)
        if action != "live":
            self._journals[run].append((ACTIONS[action],))

    def asks(self, code: str = "code") -> bool:
        """Whether the step asks now, where one clean outcome is enough."""
        found = trials_now(self.store, "upgrade", NAME, self.clock.now())
        return earned(streak(found, code), ONCE_IS_ENOUGH, self.clock.now()).asks


@settings(deadline=None)
@given(runs_and_actions)
def test_no_facts_let_a_step_go_on_whose_last_outcome_was_bad(
    history: list[tuple[str, str]],
) -> None:
    """Also facts that make no sense together: until it succeeds once more, somewhere, it asks."""
    world, names, is_bad = World(), dict[str, str](), False
    for run, action in history:
        world.act(run, action)
        if action.startswith("start"):
            names[run] = "" if action == "start uncounted" else NAME
        if action == "reject":
            names[run] = NAME
        if action == "skip" or (action in ENDS_BADLY | JUDGED and names.get(run)):
            is_bad = True
        elif action == "succeed":
            is_bad = False

        assert not is_bad or world.asks(), (run, action)
        assert world.asks("")


@settings(deadline=None)
@given(runs_and_actions)
def test_trials_can_be_made_again_from_the_journals(history: list[tuple[str, str]]) -> None:
    """What is kept of each run is what its facts say in order: it was written with them."""
    world = World()
    for run, action in history:
        world.act(run, action)
    again = MemoryDisk()
    for run in {run for run, _ in history}:
        state = RunState()
        for stored in world.store.read(run):
            again.keep(trials_of(stored.fact, state, run))
            state.apply(stored.fact)

    def by_run(disk: MemoryDisk) -> dict[str, list[Trial]]:
        ended = [trial for kept in disk.trials.values() for trial in kept]
        return {run: [t for t in [*disk.begun.values(), *ended] if t.run == run] for run in "abc"}

    assert by_run(again) == by_run(world.store.disk)


def outcomes(*actions: str) -> list[str]:
    """Return what is kept after these actions in one run, oldest first."""
    world = World()
    for action in actions:
        world.act("a", action)
    return [trial.outcome for trial in reversed(world.store.trials("upgrade", NAME))]


def test_each_fact_that_ends_a_step_ends_its_trial() -> None:
    """As what it says; a check, and a step that left in order, say nothing of the code."""
    found = {action: outcomes("start", action) for action in [*ACTIONS, "live"]}

    assert {
        "succeed": ["clean"],
        "fail": ["failed"],
        "fail, retried": ["failed"],
        "doubt": ["in_doubt"],
        "skip": ["skipped"],
        "done by hand": ["overridden"],
        "again": ["overridden"],
        "found done": [],
        "leave": [],
        "cancel": ["cancelled"],
        "live": ["interrupted"],
    } == {
        action: kept
        for action, kept in found.items()
        if not action.startswith("start") and action != "reject"
    }


def test_a_no_counts_before_the_step_ever_began() -> None:
    """So does a skip; both say themselves which step they are about."""
    assert ["rejected"] == outcomes("reject")
    assert ["skipped"] == outcomes("skip")


def test_what_never_earns_is_on_trial_for_what_goes_wrong() -> None:
    """Its successes count for nothing, in either direction."""
    assert [] == outcomes("start what never earns", "succeed")
    assert ["failed"] == outcomes("start what never earns", "fail")
    assert ["clean"] == outcomes("start", "succeed", "start what never earns", "succeed")


def test_where_nothing_counts_nothing_is_kept() -> None:
    """A run in another mode and on no target; what it left in the middle counts when it counts."""
    assert [] == outcomes("start uncounted", "succeed", "start uncounted", "fail")
    assert ["interrupted", "began"] == outcomes("start uncounted", "live", "start")


def test_a_step_in_doubt_is_not_decided_twice_over() -> None:
    """Doubt, a person's word and a clean end are three outcomes: one of them counts in a row."""
    assert ["in_doubt", "overridden", "clean"] == outcomes(
        "start", "doubt", "again", "start", "succeed"
    )
    assert ["interrupted", "clean"] == outcomes("start", "live", "start", "succeed")
    assert ["failed", "clean"] == outcomes("start", "fail", "again", "start", "succeed")
