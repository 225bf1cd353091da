"""Go back to an earlier step of a run, so that the next life runs it and what follows again.

The journal is rewritten in the only way there is: by one fact more. It is validated against the
state that it follows, and one transaction appends it, raises the run's epoch and forgets the
owner. So a process that was thought dead, and wakes, is refused like any displaced owner; a
crash leaves all of it or nothing; and no life begins by it: the next `resume` does that.
"""

from __future__ import annotations

from holdfast.app.commands import TRIES_MAX, Done
from holdfast.app.finding import find_run
from holdfast.app.items_in_doubt import refuse_items_in_doubt
from holdfast.app.shell_runs import again
from holdfast.app.wording import latest_of, some_of, stands
from holdfast.errors import InDoubt, PastNoReturn, RunLocked, UsageError
from holdfast.model.facts import Rewound, Who
from holdfast.model.keys import find
from holdfast.model.making import dataclass
from holdfast.model.rewinding import began_at, keys_since, point_since, steps_in
from holdfast.model.standing import StepState
from holdfast.model.state import RunState
from holdfast.model.trials import trials_of
from holdfast.model.typed import command
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import LEASE_S, judge


@dataclass(frozen=True, slots=True)
class Way:
    """The way back: to which step or scope, since which fact, what is set aside for it, and
    which steps run again."""

    to: str
    since: int
    keys: tuple[str, ...]
    steps: tuple[StepState, ...]

    @property
    def once(self) -> list[str]:
        """The steps that run at most once, and now once more."""
        return [step.key for step in self.steps if step.once]


def rewind(
    store: Store,
    run: str,
    to: str,
    clock: Clock,
    by: Who,
    reason: str = "",
    *,
    lease_s: float = LEASE_S,
) -> Done:
    """Set aside the step or scope `to`, and every step that was reached since it began.

    Durable on return, and raises the run's epoch. Raises, recording nothing: RunLocked while a
    process owns the run; UsageError for a run that is finished or being undone, an unknown step,
    or without a reason when a step that runs at most once would run again; InDoubt when such a
    step is undecided; PastNoReturn when a point of no return was passed since.
    """
    row = find_run(store, run)
    journal = Journal(store, row.id)
    for _ in range(TRIES_MAX):
        row = store.row(row.id) or row
        state = journal.refresh()
        way = _way(row, state, to, clock, lease_s)
        refuse_items_in_doubt(store, row.id, state, [step.key for step in way.steps])
        if way.once and not reason.strip():
            raise UsageError(
                f"these run at most once, and would run again: {some_of(way.once)}; "
                "say why: add -m REASON"
            )
        fact = Rewound(clock.now(), row.epoch + 1, by, way.to, way.since, way.keys, reason)
        trials = trials_of(fact, state, row.id)
        seq = store.claim(row.id, fact, after=state.seq, expected_epoch=row.epoch, trials=trials)
        if seq is not None:
            return Done(row.id, _said(way))
    raise RunLocked(f"run {row.id} moves too fast to be rewound; try again")


def _way(row: RunRow, state: RunState, to: str, clock: Clock, lease_s: float) -> Way:
    if state.is_finished:
        anew = again(state) or command("run", (f"{row.file}:{row.workflow}",))
        raise UsageError(
            f"run {row.id} {stands(state.status)}: what is over is not rewound; start anew: {anew}"
        )
    verdict = judge(row, clock.monotonic(), lease_s=lease_s)
    if not verdict.may_take:
        raise RunLocked(
            f"run {row.id} is {verdict.why}; nothing was changed; stop it first: "
            f"holdfast stop {row.id}"
        )
    if state.ledger.is_going_back:
        raise UsageError(
            f"run {row.id} is being undone, and that is to be ended first: holdfast resume {row.id}"
        )
    key = _place(state, row.id, to)
    since = began_at(state, key)
    point = point_since(state, since)
    if point is not None:
        raise PastNoReturn(point.key, point.reason, row.id, lost="nothing was changed: no way back")
    keys = keys_since(state, since)
    steps = steps_in(state, keys)
    for step in steps:
        # Nobody owns the run: a process that was in the step is gone, also in the last life.
        if step.status == "in_doubt" or (step.leaves_doubt and step.status == "running"):
            names = (row.id, step.key)
            raise InDoubt(
                f"step {step.key} is in doubt, and must not run again before somebody says what "
                f"became of it: {command('done', names, ('-m', 'REASON'))}, or "
                f"{command('retry', names)}"
            )
    return Way(key, since, keys, steps)


def _place(state: RunState, run: str, to: str) -> str:
    """Return the key of the step or scope that `to` names. Raises UsageError."""
    entered = (key for key, scope in state.scopes.items() if scope.entered_seq)
    found = find(list(dict.fromkeys([*state.steps, *entered])), to)
    if not found:
        known = latest_of(state.steps)
        raise UsageError(f"no step or scope {to!r} was reached in run {run}; it has {known}")
    return found[0] if len(found) == 1 else to.rstrip("/")


def _said(way: Way) -> str:
    count = "1 step runs" if len(way.steps) == 1 else f"{len(way.steps)} steps run"
    text = f"back to {way.to}: {count} again"
    if way.steps:
        text += f": {some_of([step.key for step in way.steps])}"
    if way.once:
        text += f"; once more, though at most once: {some_of(way.once)}"
    return text
