"""What counts for trust: the trials of a step, derived from the facts of its runs.

A trial is one execution of a step that somebody may judge it by later, on this target or on
another. It begins with its `StepStarted`, in a run that acts on a target or goes on in the mode
`earned`, and the first fact that says what became of it ends it. What a process that died leaves
behind has begun and not ended: that is seen from every other run, also before anybody goes on.

Trials are written in the transaction of the fact they are derived from. A step that never earns
(`confirm=True`, or without a hash of its code) is on trial for what goes wrong only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

from holdfast.errors import error_text
from holdfast.model import facts as f
from holdfast.model.making import dataclass
from holdfast.model.rewinding import steps_in
from holdfast.model.standing import StepState
from holdfast.model.state import RunState

Outcome: TypeAlias = Literal[
    "began",
    "left",
    "clean",
    "failed",
    "rejected",
    "in_doubt",
    "interrupted",
    "skipped",
    "overridden",
    "cancelled",
    "rolled_back",
    "revoked",
]
OUTCOMES: Final = frozenset(get_args(Outcome))

KEPT_MAX: Final = 100
"""Trials kept of one step. The oldest go first, so what went wrong last is never the one to go;
no streak is longer."""
NOTE_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Trial:
    """One execution that counts for trust, and what became of it.

    `step` is the step's name for all its calls (`drain {node}`), `code` the hash of what ran.
    `began` has no outcome yet; `left` has none and says nothing. All others but `clean` are bad.
    A `revoked` one is a person's word, and of no run.
    """

    workflow: str
    step: str
    code: str
    run: str
    key: str
    target: str | None
    at: datetime
    outcome: Outcome
    note: str = ""

    @property
    def told(self) -> str:
        """Return what became of it, and where, in words: `failed on db-2 (run x)`."""
        target = f" on {self.target}" if self.target else ""
        run = f" (run {self.run})" if self.run else ""
        return f"{self.outcome.replace('_', ' ')}{target}{run}"

    @property
    def why(self) -> str:
        """Return what became of it, and what is known of the reason."""
        words = self.outcome.replace("_", " ")
        return f"{words}: {self.note}" if self.note else words


def trials_of(fact: f.Fact, state: RunState, run: str) -> tuple[Trial, ...]:
    """Return the trials that `fact` begins or ends, given the state it will be folded into."""
    derive = _TRIALS.get(type(fact))
    return () if derive is None else tuple(derive(fact, state, run))


Derived: TypeAlias = Iterable[Trial]


# Of the two facts that every step has, most begin and end no trial: no generator is made for them.


def _started(fact: f.StepStarted, state: RunState, run: str) -> Derived:
    return _began(fact, state, run) if fact.name else ()


def _began(fact: f.StepStarted, state: RunState, run: str) -> Derived:
    seen = state.steps.get(fact.key)
    if seen is not None and not seen.name and _was_interrupted(seen, state):
        # It began where nothing counted, and it counts now that it did not end.
        yield _trial(state, run, fact.key, fact.name, seen.code, fact.at, "interrupted")
    yield _trial(state, run, fact.key, fact.name, fact.code, fact.at, "began")


def _was_interrupted(seen: StepState, state: RunState) -> bool:
    return seen.status == "running" and seen.epoch < state.epoch


def _life_started(fact: f.LifeStarted, state: RunState, run: str) -> Derived:
    """A step that runs when its run is taken up was cut off: its process is gone."""
    return _of_running(state, run, fact.at, "interrupted", "")


def _cancelled(fact: f.RunCancelled, state: RunState, run: str) -> Derived:
    """A living owner may still end the step in hand, which then is a trial of its own."""
    return _of_running(state, run, fact.at, "cancelled", f"{fact.by.name}: {fact.reason}")


def _of_running(
    state: RunState, run: str, at: datetime, outcome: Outcome, note: str
) -> Iterable[Trial]:
    for seen in state.steps.values():
        if seen.status == "running" and seen.name:
            yield _trial(state, run, seen.key, seen.name, seen.code, at, outcome, note)


def _rewound(fact: f.Rewound, state: RunState, run: str) -> Derived:
    """Whoever has a step run again that had ended does not go by how it ended."""
    for seen in steps_in(state, fact.keys):
        if not seen.name:
            continue
        if seen.status == "running":
            yield _trial(state, run, seen.key, seen.name, seen.code, fact.at, "interrupted")
        elif seen.is_finished:
            note = f"{fact.by.name} had it run again" + _colon(fact.reason)
            yield _trial(state, run, seen.key, seen.name, seen.code, fact.at, "overridden", note)


def _succeeded(fact: f.StepSucceeded, state: RunState, run: str) -> Derived:
    seen = state.steps.get(fact.key)
    if seen is None or not seen.name:
        return ()
    outcome: Outcome = "clean" if seen.earns else "left"
    return (_trial(state, run, fact.key, seen.name, seen.code, fact.at, outcome),)


def _left(fact: f.StepLeft, state: RunState, run: str) -> Derived:
    yield from _seen(state, run, fact.key, "", fact.at, "left", "")


def _attempt_failed(fact: f.AttemptFailed, state: RunState, run: str) -> Derived:
    is_no = fact.type == "Rejected" and fact.attempt == 0
    outcome: Outcome = "rejected" if is_no else "failed"
    note = fact.message if is_no else error_text(fact.type, fact.message)
    yield from _seen(state, run, fact.key, fact.name, fact.at, outcome, note)


def _doubted(fact: f.StepDoubted, state: RunState, run: str) -> Derived:
    yield from _seen(state, run, fact.key, "", fact.at, "in_doubt", fact.why)


def _skipped(fact: f.StepSkipped, state: RunState, run: str) -> Derived:
    note = f"{fact.by.name}: {fact.reason}"
    yield from _seen(state, run, fact.key, fact.name, fact.at, "skipped", note)


def _found_done(fact: f.StepFoundDone, state: RunState, run: str) -> Derived:
    """What a check found says nothing of the code; what a person says is an override."""
    is_check = fact.decided_by == "check"
    outcome: Outcome = "left" if is_check else "overridden"
    note = "" if is_check else f"{fact.decided_by}: {fact.reason}"
    yield from _seen(state, run, fact.key, "", fact.at, outcome, note)


def _rearmed(fact: f.StepRearmed, state: RunState, run: str) -> Derived:
    """A failed step that runs again has been judged; one in doubt is judged by who decides it."""
    seen = state.steps.get(fact.key)
    if seen is not None and seen.status in ("running", "in_doubt"):
        note = f"{fact.by.name} had it run again" + _colon(fact.reason)
        yield from _seen(state, run, fact.key, "", fact.at, "overridden", note)


def _undone(fact: f.StepUndone, state: RunState, run: str) -> Derived:
    """What was taken back did not do what was wanted, however cleanly it ran."""
    yield from _seen(state, run, fact.key, "", fact.at, "rolled_back", "")


def _colon(text: str) -> str:
    return f": {text}" if text else ""


def _seen(
    state: RunState, run: str, key: str, name: str, at: datetime, outcome: Outcome, note: str
) -> Derived:
    """Yield the trial of a step by the name it has: `name`, or as it was started."""
    seen = state.steps.get(key)
    known = name or (seen.name if seen is not None else "")
    if known:
        code = "" if seen is None else seen.code
        yield _trial(state, run, key, known, code, at, outcome, note)


def _trial(
    state: RunState,
    run: str,
    key: str,
    name: str,
    code: str,
    at: datetime,
    outcome: Outcome,
    note: str = "",
) -> Trial:
    workflow = "" if state.created is None else state.created.workflow
    short = note.partition("\n")[0][:NOTE_CHARS_MAX]
    return Trial(workflow, name, code, run, key, state.target, at, outcome, short)


_TRIALS: Final[dict[type[f.Fact], Callable[[Any, RunState, str], Derived]]] = {
    f.LifeStarted: _life_started,
    f.RunCancelled: _cancelled,
    f.Rewound: _rewound,
    f.StepStarted: _started,
    f.StepSucceeded: _succeeded,
    f.StepLeft: _left,
    f.AttemptFailed: _attempt_failed,
    f.StepDoubted: _doubted,
    f.StepSkipped: _skipped,
    f.StepFoundDone: _found_done,
    f.StepRearmed: _rearmed,
    f.StepUndone: _undone,
}
