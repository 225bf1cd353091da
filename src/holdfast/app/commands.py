"""The verbs of the operator that change a journal without running it.

Each records a control fact in another process's run: it folds the journal, validates the verb
against that very state, and appends only if nothing was appended meanwhile, else it looks again.
A living owner is never refused by it, and reads it at its next boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from holdfast.app.finding import find_run
from holdfast.app.fleet_children import child_id, is_fleet
from holdfast.app.judging import at_work_in, displaced_by, doubtful, is_owned, owner_is
from holdfast.app.meant import is_question, one_step, to_retry
from holdfast.app.rollout_views import failed_steps, is_about_units
from holdfast.app.wording import some_of, stands
from holdfast.engine.debts import settled
from holdfast.errors import RunLocked, UsageError
from holdfast.model.facts import (
    Fact,
    RunCancelled,
    StepFoundDone,
    StepRearmed,
    StepSkipped,
    StopRequested,
    Who,
)
from holdfast.model.json import Json
from holdfast.model.keys import label_of, scope_of
from holdfast.model.making import dataclass
from holdfast.model.shown import few
from holdfast.model.standing import StepState
from holdfast.model.state import RunState
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import is_at_work

TRIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb did: a sentence for the person, and the run it concerned.

    `leaves_open` says that others must agree first: to go on now would come to nothing.
    """

    run: str
    text: str
    leaves_open: bool = False


Decide = Callable[[RunState], tuple[Sequence[Fact], str]]


def decide(store: Store, run: str, choose: Decide) -> Done:
    """Append what `choose` returns for the run's state, which cannot have moved meanwhile.

    `choose` raises when the verb does not fit the state; an empty answer changes nothing.
    Durable on return.
    """
    journal = Journal(store, run)
    for _ in range(TRIES_MAX):
        journal.refresh()
        facts, text = choose(journal.state)
        if not facts or journal.append(facts, only_if_current=True):
            return Done(run, text)
    raise RunLocked(f"run {run} moves too fast to be decided upon; try again")


def stop(
    store: Store, run: str, clock: Clock, by: Who, *, now: bool = False, pause: bool = False
) -> tuple[Done, RunRow]:
    """Ask a run to stop at its next boundary; `resume` lifts it. Also returns its row."""
    row = find_run(store, run)
    word = "pause" if pause else "stop"

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        if state.is_finished:
            raise UsageError(
                f"run {row.id} {stands(state.status)} already: there is nothing to {word}"
            )
        asked = state.stop
        if asked is not None and asked.now >= now and asked.pause >= pause:
            return (), f"{row.id}: asked to {'pause' if asked.pause else 'stop'} already"
        pauses = pause or (asked is not None and asked.pause)  # A stop takes no pause back.
        return (StopRequested(clock.now(), by, now, pauses),), f"{row.id}: asked to {word}"

    return decide(store, row.id, choose), row


def cancel(
    store: Store, run: str, clock: Clock, by: Who, reason: str, *, abandon: bool = False
) -> Done:
    """End a run for good; a living one leaves at its next boundary.

    Raises UsageError for one that owes something, unless that is to be abandoned.
    """
    row = find_run(store, run)

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        if state.is_finished:
            raise UsageError(
                f"run {row.id} {stands(state.status)} already: there is nothing to cancel"
            )
        owed = few([debt.owed.label for debt in state.ledger.open_debts])
        if owed and not abandon:
            raise UsageError(
                f"run {row.id} owes {', '.join(owed)}: {_giving_back(store, row, state)}, or leave "
                "it for ever with --abandon"
            )
        left = f"; nobody gives back: {', '.join(owed)}" if owed else ""
        fact = RunCancelled(clock.now(), by, reason, abandoned=bool(owed))
        return (fact,), f"{row.id}: cancelled{left}{_targets_left(row)}"

    cancelled = decide(store, row.id, choose)
    if owner_is(row) == "dead":
        store.release(row.id, row.epoch)  # Its process cannot let go of the target any more.
    return cancelled


def _targets_left(row: RunRow) -> str:
    if not is_fleet(row):
        return ""
    return f"; the runs of its targets stay as they are: holdfast fleet status {row.id}"


def _giving_back(store: Store, row: RunRow, state: RunState) -> str:
    """Return how the run can give back what it owes, as it stands."""
    other = displaced_by(store, row, state)
    if other:
        return (
            f"{row.target} was taken from it; once run {other}, which has it, has ended, give it "
            f"back with `holdfast settle {row.id}`"
        )
    stopped = ""
    if is_owned(row):
        stopped = f"stop it with `holdfast stop {row.id}`, then "
    if state.ledger.is_going_back:
        return (
            f"it is being undone, and that with it: {stopped}go on with `holdfast resume {row.id}`"
        )
    return f"{stopped}give it back with `holdfast settle {row.id}`"


def mark_done(
    store: Store, run: str, step: str, clock: Clock, by: Who, output: Json, reason: str
) -> Done:
    """Record that a step has taken effect, with the value later steps see."""
    row = find_run(store, run)

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        _refuse_if_over(row, state)
        key = one_step(state, step, "done")
        _refuse_of_target(row, key, "done")
        _refuse_question(row, state, key, "done")
        seen = state.steps[key]
        if seen.is_finished and not _is_unseen(state, seen):
            raise UsageError(f"step {key} {stands(seen.status)} already")
        _refuse_while_it_runs(store, row.id, state, key, clock.now())
        name = by.name
        at = clock.now()
        fact = StepFoundDone(at, key, output, f"done by {name}", reason=reason)
        return (fact, *settled(state, seen.settles, key, at)), f"{key}: recorded as done by {name}"

    return decide(store, row.id, choose)


def _is_unseen(state: RunState, seen: StepState) -> bool:
    """Whether a person said that a step is done, and the script did nothing since: what they gave
    as its result may be wrong, and nothing was made of it yet."""
    return seen.is_by_hand and all(s.reached_seq < seen.ended_seq for s in state.steps.values())


def rearm(store: Store, run: str, step: str, clock: Clock, by: Who, reason: str = "") -> Done:
    """Record that a step, or what failed in a scope, may run again: at once where a process waits
    for its next attempt, else in the next life. It gets its attempts anew."""
    return rearm_all(store, run, (step,), clock, by, reason)


def rearm_all(
    store: Store, run: str, steps: Sequence[str], clock: Clock, by: Who, reason: str = ""
) -> Done:
    """Record that each of these may run again, as `rearm` does: all of them or none."""
    row = find_run(store, run)

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        _refuse_if_over(row, state)
        keys = list(dict.fromkeys(key for step in steps for key in to_retry(state, step)))
        for key in keys:
            _refuse_while_it_runs(store, row.id, state, key, clock.now())
        at = clock.now()
        facts = tuple(StepRearmed(at, key, by, reason) for key in keys)
        return facts, f"{some_of(keys)}: {'runs' if len(keys) == 1 else 'run'} again"

    return decide(store, row.id, choose)


def _refuse_if_over(row: RunRow, state: RunState) -> None:
    if state.is_finished:
        raise UsageError(
            f"run {row.id} {stands(state.status)}: no step of it is decided any more; "
            f"see what it did: holdfast show {row.id}"
        )


def _refuse_of_target(row: RunRow, key: str, verb: str) -> None:
    """A fleet's step is the whole run of a target, which says itself what is done of it."""
    target = label_of(scope_of(key))
    if is_fleet(row) and label_of(key) == f"run {target}":
        child = child_id(row.id, target)
        raise UsageError(
            f"{key} is the run {child}: decide about its steps (holdfast {verb} {child} STEP), or "
            f"let the fleet go on without it (holdfast approve {row.id}, once it holds)"
        )


def _refuse_question(row: RunRow, state: RunState, key: str, verb: str) -> None:
    """Nobody but whoever may answer gives a question its result."""
    if is_question(state, key) and not state.steps[key].is_finished:
        raise UsageError(
            f"step {key} is a question, and {verb} is no answer to it: `holdfast resume {row.id}` "
            "asks again"
        )


def skip(store: Store, run: str, step: str, clock: Clock, by: Who, reason: str) -> Done:
    """Record that the run goes on without a step; its result is None."""
    row = find_run(store, run)

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        _refuse_if_over(row, state)
        key = one_step(state, step, "skip")
        _refuse_of_target(row, key, "skip")
        _refuse_question(row, state, key, "skip")
        _refuse_while_it_runs(store, row.id, state, key, clock.now())
        status = state.steps[key].status
        if state.steps[key].is_finished:
            raise UsageError(f"step {key} {stands(status)} already")
        if status == "in_doubt" or (status == "running" and state.steps[key].leaves_doubt):
            raise UsageError(
                f"step {key} is in doubt: say `done` (it took effect) or `retry` (run it again)"
            )
        name = by.name
        return (StepSkipped(clock.now(), key, by, reason),), f"{key}: skipped by {name}"

    return decide(store, row.id, choose)


def undecided(row: RunRow, state: RunState) -> list[str]:
    """Return the steps that `retry` means when none is named: the one in doubt, the gate that
    holds, what failed in the units that a rollout asks about, or the step that failed.

    Raises UsageError when the run is over, when there is none, or more than one that nobody asks
    about together.
    """
    _refuse_if_over(row, state)
    keys = _in_doubt(row, state) or _gates_that_hold(state)
    if not keys and (failed := _failed_in_units(state)):
        return failed
    if not keys and state.failed is not None:
        keys = [key for key in state.failed.failures if key in state.steps]
    if not keys:
        raise UsageError("no step is in doubt or failed; name the one to run again")
    if len(keys) > 1:
        raise UsageError(f"several steps need a decision: {some_of(keys)}; name one")
    return keys


def _in_doubt(row: RunRow, state: RunState) -> list[str]:
    """Return the steps in doubt, and the items that are asked about."""
    keys = doubtful(state, is_living=is_owned(row))
    asked = [hold.opened for hold in state.open_holds if hold.opened.kind == "in_doubt"]
    return keys + [opened.key for opened in asked if opened.key not in state.steps]


def _gates_that_hold(state: RunState) -> list[str]:
    return [hold.opened.key for hold in state.open_holds if hold.opened.kind == "gate"]


def _failed_in_units(state: RunState) -> list[str]:
    """Return the steps that failed in units, where a rollout asks whether to go on without."""
    asked = [hold.opened for hold in state.open_holds if is_about_units(hold.opened)]
    return [key for opened in asked for key in failed_steps(opened)]


def state_of(store: Store, row: RunRow) -> RunState:
    """Return the run's state, folded anew from its journal. Raises StoreCorrupt."""
    return Journal(store, row.id).refresh()


def _refuse_while_it_runs(store: Store, run: str, state: RunState, key: str, now: datetime) -> None:
    """A step that runs right now in a living process cannot be decided upon."""
    seen = state.steps[key]
    if seen.status != "running" or seen.epoch < state.epoch:
        return
    row = store.row(run)  # By now: who began the step may have taken the run up only since.
    if row is not None and row.owner is not None and is_at_work(row, now):
        raise RunLocked(
            f"step {key} is running in {at_work_in(row)}; stop it first: holdfast stop {run}"
        )
