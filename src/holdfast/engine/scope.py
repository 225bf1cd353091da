"""Scopes: stages, branches, units and nested workflows, whose labels are their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from holdfast.engine import drift
from holdfast.engine.effects import WAIT, Landed, Outcome, Program, Submit, look, now, record
from holdfast.engine.trace import Trace
from holdfast.model.codec import encode
from holdfast.model.facts import ScopeClosed, ScopeEntered, ScopeKind, Spilled
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.state import ScopeState
from holdfast.model.types import NO_TYPES, Types


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several scopes that run side by side. `call` walks `trace` and returns a value."""

    label: str
    key: str
    call: Callable[[], object]


def enter(trace: Trace, kind: ScopeKind) -> Program[ScopeState]:
    """Return the scope as recorded, recording that it began when that is new.

    Not hardened: what a crash forgets here, the next life records again.
    """
    state = yield from look()
    scope = state.scope(trace.scope)
    undoes = trace.contract == "undo"
    if not trace.is_replay and (not scope.kind or scope.undoes != undoes):
        at = yield from now()
        yield from record(ScopeEntered(at, trace.scope, kind, undoes), durable=False)
    return scope


def close(
    trace: Trace, kind: ScopeKind, value: object = None, types: Types = NO_TYPES
) -> Program[None]:
    """Record that the scope ended well, with its value; from then on it is not entered again
    (a stage is, because its code is inside the workflow's: its steps answer from the journal).

    Raises Unrecordable when the value cannot be kept. Durable on return.
    """
    yield from drift.at_end(trace)
    state = yield from look()
    if not (trace.is_replay or state.scope(trace.scope).closed):
        result = encode(value, types)
        yield from record(ScopeClosed((yield from now()), trace.scope, kind, result))


def recorded_value(key: str) -> Program[tuple[bool, Json | Spilled]]:
    """Return whether the scope is closed, and its value."""
    scope = (yield from look()).scopes.get(key)
    return (False, None) if scope is None or not scope.closed else (True, scope.result)


def side_by_side(branches: Sequence[Branch], at_once: int) -> Program[dict[str, Outcome]]:
    """Return each branch's outcome by label, at most `at_once` of them running.

    Every branch runs to its end, whatever becomes of the others. A branch is closed by its own
    call, so a crash costs at most the steps in hand of each.
    """
    outcomes: dict[str, Outcome] = {}
    waiting = list(reversed(branches))
    running: dict[str, str] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            branch = waiting.pop()
            running[branch.key] = branch.label
            yield Submit(branch.key, branch.call, "thread")
        landed: Landed = yield WAIT
        for ticket, outcome in landed.items():
            outcomes[running.pop(ticket)] = outcome
    return outcomes
