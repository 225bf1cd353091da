"""The fold: a pure function of the facts, however they arrive."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.engine.rollout import failed_units
from holdfast.flow.fitting import unit_durations
from holdfast.model import facts as f
from holdfast.model.state import RunState
from holdfast.model.undo_facts import Owed
from holdfast.testing.samples import AT, WHO, every_fact, life_started, run_created

KEYS = st.sampled_from(["a", "b", "flight/a", "flight/b", "flight/x/a"])
SCOPES = st.sampled_from(["flight", "flight/x"])
KINDS = st.sampled_from(["confirm", "in_doubt", "drift"])


def fact(kind: type, *parts: Any) -> Any:
    return st.builds(kind, st.just(AT), *parts)


FACTS = st.one_of(
    fact(f.StepStarted, KEYS, st.integers(1, 3)),
    fact(f.StepSucceeded, KEYS, st.integers()),
    fact(f.StepFoundDone, KEYS),
    fact(f.AttemptFailed, KEYS, st.integers(0, 3), st.just("E"), st.just("e"),
         st.sampled_from([None, AT])),
    fact(f.StepDoubted, KEYS, st.just(1), st.just("why")),
    fact(f.StepRearmed, KEYS, st.just(WHO)),
    fact(f.StepSkipped, KEYS, st.just(WHO), st.just("no")),
    fact(f.StepRenamed, KEYS, KEYS),
    fact(f.CursorSaved, KEYS, st.integers()),
    fact(f.StepLeft, KEYS),
    fact(f.TimerSet, KEYS, st.sampled_from([None, AT])),
    fact(f.ScopeEntered, SCOPES, st.just("stage")),
    fact(f.ScopeClosed, SCOPES, st.just("stage")),
    fact(f.DriftAccepted, st.just(WHO), st.just(""), st.lists(KEYS, max_size=2).map(tuple),
         st.just(()), st.sampled_from(["", "new"])),
    fact(f.HoldOpened, st.sampled_from(["h1", "h2"]), KINDS, KEYS, st.just("?"), st.just("d"),
         st.just({})),
    fact(f.HoldAnswered, st.sampled_from(["h1", "h2", "h3"]), st.just(WHO),
         st.sampled_from(["approve", "reject"])),
    fact(f.HoldExpired, st.sampled_from(["h1", "h2"])),
    fact(f.LockStolen, st.just(WHO), st.just("why")),
    fact(f.HoldVoided, st.sampled_from(["h1", "h2"]), st.just("why")),
    fact(f.StopRequested, st.just(WHO)),
    fact(f.RunFailed, st.just("E"), st.just("e"), st.lists(KEYS, max_size=2).map(tuple),
         st.lists(st.one_of(KEYS, SCOPES), max_size=2).map(tuple)),
    fact(f.RunStopped, st.just("verb"), st.just("why"), st.just(3)),
    st.integers(2, 9).map(lambda epoch: life_started(epoch)),
)  # fmt: skip
JOURNALS = st.lists(FACTS, max_size=30).map(lambda facts: [run_created(), life_started(1), *facts])


def folded(facts: list[f.Fact]) -> RunState:
    state = RunState()
    for each in facts:
        state.apply(each)
    return state


def seen(state: RunState) -> dict[str, Any]:
    """Return all that the state knows, but for scopes that were only asked about."""
    known = {name: value for name, value in vars(state).items() if not name.startswith("_")}
    known["scopes"] = {k: s for k, s in state.scopes.items() if s.kind or s.members or s.running}
    return known


@given(JOURNALS)
def test_the_fold_is_a_function_of_the_facts(facts: list[f.Fact]) -> None:
    """Every process that folds the same journal sees the same state; no journal breaks it."""
    assert seen(folded(facts)) == seen(folded(facts))


@given(JOURNALS, st.data())
def test_looking_between_the_facts_changes_nothing(facts: list[f.Fact], data: Any) -> None:
    """A state that is folded in parts, and asked in between, ends as one folded at once."""
    split = data.draw(st.integers(0, len(facts)))
    state = folded(facts[:split])
    state.in_doubt()
    _ = state.open_holds, state.is_finished
    for key in ("", "a", "flight", "nowhere"):
        state.scope(key)
        state.holds.latest(key, "confirm")
    for each in facts[split:]:
        state.apply(each)

    assert seen(folded(facts)) == seen(state)


@given(JOURNALS)
def test_members_are_what_is_finished(facts: list[f.Fact]) -> None:
    """A finished step is a member of its scope, and that one of the scopes around it."""
    state = folded(facts)
    finished = [key for key, step in state.steps.items() if step.is_finished]

    assert [] == [key for key in finished if key not in state.scope(_scope_of(key)).members]
    assert [] == [
        key for key in finished if "/" in key and _scope_of(key) not in
        state.scope(_scope_of(_scope_of(key))).members
    ]  # fmt: skip


def _scope_of(key: str) -> str:
    return key.rpartition("/")[0]


@given(JOURNALS)
def test_the_status_is_what_the_last_word_made_it(facts: list[f.Fact]) -> None:
    """The run's status follows from the facts that may change it, and from no others."""
    last = [each for each in facts if type(each) in (f.LifeStarted, f.RunFailed, f.RunStopped)][-1]
    words = {f.LifeStarted: "running", f.RunFailed: "failed", f.RunStopped: "stopped"}

    assert words[type(last)] == folded(facts).status


def test_a_start_tells_a_known_step_all_that_it_tells_a_new_one():
    """Only what came of earlier attempts is kept, and since when the step is known."""
    full = next(fact for fact in every_fact() if isinstance(fact, f.StepStarted))
    told = dataclasses.replace(full, key="k", owes=None)
    new, known = RunState(), RunState()
    for state in (new, known):
        state.apply(run_created())
        state.apply(life_started(1))
    known.apply(f.StepStarted(AT, "k", 1))
    known.apply(f.AttemptFailed(AT, "k", 1, "E", "e", AT))

    for state in (new, known):
        state.apply(told)

    one, other = new.steps["k"], known.steps["k"]
    names = [field.name for field in dataclasses.fields(one)]
    unlike = {name for name in names if getattr(one, name) != getattr(other, name)}
    assert {"error", "error_type", "started_seq"} == unlike


def test_every_question_can_be_asked_while_other_threads_fold() -> None:
    """A program in one thread looks at the state while the steps of others become part of it."""
    state = RunState()
    rollout = f.RolloutPlanned(AT, "r", ("u0", "u1"), (2,), 2, 2, 0.0)
    for fact in (run_created(), life_started(1), rollout, f.UnitFailed(AT, "u0", "r", "no")):
        state.apply(fact)
    questions: list[Callable[[], object]] = [
        state.in_doubt,
        state.ledger.dues,
        lambda: state.undone_with("u0/a"),
        lambda: state.open_holds,
        lambda: failed_units(state, state.rollouts["r"]),
        lambda: unit_durations(state),
    ]

    def fold() -> None:
        for number in range(1_000):
            scope, key = f"u{number}", f"u{number}/a"
            for fact in (
                f.ScopeEntered(AT, scope, "unit", True),
                f.StepStarted(AT, key, 1, owes=Owed("back", "give back"), undoes=True),
                f.HoldOpened(AT, f"h{number}", "confirm", key, "?", "", {}),
                f.StepSucceeded(AT, key),
            ):
                state.apply(fact)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=fold)
    thread.start()
    try:
        while thread.is_alive():
            for ask in questions:
                ask()
    finally:
        thread.join()
        sys.setswitchinterval(before)

    assert 1_000 == len(state.steps) == len(state.open_holds) == len(state.ledger.dues()) / 2


# --- set aside --------------------------------------------------------------------------------


class CountedDict(dict[str, Any]):
    """Counts how many of its entries are gone through."""

    seen = 0

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            CountedDict.seen += 1
            yield key


def with_scopes(count: int) -> RunState:
    """Return a run with so many scopes of two steps each, and as many steps beside them."""
    state = RunState()
    for fact in (run_created(), life_started(1)):
        state.apply(fact)
    for number in range(count):
        scope = f"s{number}"
        for key in (f"{scope}/a", f"{scope}/b", f"t{number}"):
            state.apply(f.ScopeEntered(AT, scope, "stage"))
            state.apply(f.StepStarted(AT, key, 1))
            state.apply(f.StepSucceeded(AT, key))
        state.apply(f.ScopeClosed(AT, scope, "stage"))
    state.steps, state.scopes = CountedDict(state.steps), CountedDict(state.scopes)
    CountedDict.seen = 0
    return state


@pytest.mark.parametrize("kept", ["scopes", "steps"])
def test_going_back_costs_as_much_as_there_is_to_set_aside(kept: str) -> None:
    """All scopes are looked for at once, and steps alone are not looked for."""
    costs = []
    for count in (50, 100):
        state = with_scopes(count)
        keys = tuple(f"{'t' if kept == 'scopes' else 's'}{number}" for number in range(count))
        state.apply(f.Rewound(AT, 2, WHO, keys[0], 3, keys, "again"))
        left = {f"{'s' if kept == 'scopes' else 't'}{number}" for number in range(count)}

        assert left == state.scopes[""].members.keys()
        assert (1 if kept == "scopes" else 2) * count == len(state.superseded)
        assert left == {key.partition("/")[0] for key in state.steps}
        costs.append(CountedDict.seen)

    assert costs[1] <= 2.1 * costs[0]
