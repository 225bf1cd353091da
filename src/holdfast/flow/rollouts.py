"""`rollout`: the same for each of many units, a few at first, and no more than may fail."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Final, TypeAlias

from holdfast.engine.effects import Outcome, Raised, Returned
from holdfast.engine.rollout import Quota, Rollout, Unit, UnitAside, plan_rollout, run_wave
from holdfast.errors import Leaving, UsageError, message_of
from holdfast.flow.fitting import fits_in
from holdfast.flow.gates import Gate
from holdfast.flow.questions import confirm
from holdfast.flow.scopes import in_scope, parallel, scope_key
from holdfast.flow.steps import Duration
from holdfast.flow.verbs import sleep
from holdfast.model.durations import seconds
from holdfast.model.keys import join
from holdfast.model.rollout import UNITS_MAX, Results, Share, waves_of
from holdfast.model.types import NO_TYPES, Types, register
from holdfast.runtime.context import Frame, in_workflow
from holdfast.runtime.driving import drive
from holdfast.runtime.replay import BranchWalked, walk_over

register(Results)  # Here, for it costs whoever only reads a journal.

AT_ONCE_MAX: Final = 1_000
LABEL: Final = "rollout"
EXIT_TIME: Final = 75
ASIDE: Final = "aside"
"""The kind of Leaving that takes one unit out of its wave: it waits for somebody else."""
WhenAside: TypeAlias = Callable[[Mapping[str, str]], None]
"""Called with what is set aside and why, when nothing else of a wave can go on. It returns when it
is worth another look, or raises Leaving."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollout laid out: what the engine does, and what comes after each wave."""

    rollout: Rollout
    soak_s: float
    gates: tuple[Gate, ...]
    between: Any

    def after(self, number: int) -> str:
        """Return the label of what follows wave `number`: it names how many units are done by
        then, so that other waves are another place."""
        waves = self.rollout.waves
        done = sum(map(len, waves[:number]))
        return f"after {done} of {sum(map(len, waves))}"

    def has_after(self, number: int) -> bool:
        """Whether anything follows wave `number`."""
        is_last = number == len(self.rollout.waves)
        return bool(self.soak_s or self.gates) or (self.between is not None and not is_last)

    def watched(self) -> list[Gate]:
        """Return the gates of a soak, each with samples throughout."""
        return [gate.throughout(self.soak_s) if self.soak_s else gate for gate in self.gates]

    def question(self, number: int) -> str:
        """Return what `between=confirm` asks."""
        waves = self.rollout.waves
        coming = len(waves[number])
        units = "1 unit" if coming == 1 else f"{coming} units"
        return f"wave {number} of {len(waves)} is done: go on with {units}?"


def rollout(
    units: Sequence[Any],
    fn: Callable[[Any], Any],
    *,
    waves: Sequence[Share] | None = None,
    at_once: int = 1,
    apart: Callable[[Any], Hashable] | None = None,
    budget: int = 0,
    soak: Duration | None = None,
    gates: Sequence[Any] = (),
    between: Any = None,
    window: str | None = None,
) -> Results:
    """Do `fn(unit)` for every unit, in waves, and return what became of them.

    Each unit is a scope, closed when it is done: a later life returns its result without entering
    it. `waves` are counts, percents of all units, `"rest"`, or lists of units; within one
    `at_once` run side by side, never two with the same `apart(unit)`. More failed units than
    `budget` over the whole rollout hold (exit 4): units that were not begun are not reached, a
    yes goes on without those that failed, `retry` takes one up again. After each wave `gates` (a
    `Gate`, or a probe that says True) must pass, sampled throughout the `soak`; then comes
    `between`, a function, a `Gate`, a question, or `confirm`. A unit begins only inside `window`,
    and when it will be done before that closes, as far as units before it tell.

    Raises UsageError for waves that leave units out; what ended a unit and is no failure of its
    own, such as a person's no; Rejected when a person does not go on.
    """
    return rolled(
        units, fn, waves=waves, at_once=at_once, apart=apart, budget=budget, soak=soak, gates=gates,
        between=between, window=window,
    )  # fmt: skip


def rolled(
    units: Sequence[Any],
    fn: Callable[[Any], Any],
    *,
    stop_after: int | None = None,
    when_aside: WhenAside | None = None,
    **rules: Any,
) -> Results:
    """Do a rollout; with `stop_after` this life begins so many units and leaves then, exit 75.

    A unit that raises a Leaving of the kind ASIDE waits for somebody outside of the run.
    """
    frame = in_workflow(LABEL)
    plan = lay_out(frame, units, fn, run_unit, stop_after=stop_after, **rules)
    drive(plan_rollout(plan.rollout), frame.life.performer())
    outcomes: dict[str, Outcome] = {}
    for number, wave in enumerate(plan.rollout.waves, 1):
        outcomes |= drive(run_wave(plan.rollout, wave), frame.life.performer())
        end_walk(outcomes)
        leave_if_spent(frame, plan, wave, outcomes)
        while waits := set_aside(outcomes):
            assert when_aside is not None
            when_aside(waits)
            left = [u for u in wave if u.label in waits or u.label not in outcomes]
            for label in waits:
                del outcomes[label]
            outcomes |= drive(run_wave(plan.rollout, left), frame.life.performer())
            leave_if_spent(frame, plan, wave, outcomes)
        if plan.has_after(number):
            key = scope_key(frame, plan.after(number))
            in_scope(frame, key, "branch", lambda n=number: _after(plan, n), NO_TYPES)  # type: ignore[misc]
    return results_of(outcomes)


def leave_if_spent(
    frame: Frame, plan: Plan, wave: Sequence[Unit], outcomes: dict[str, Outcome]
) -> None:
    """Raise Leaving when units are left that this life may not begin."""
    if plan.rollout.is_spent and any(unit.label not in outcomes for unit in wave):
        reason = "it has begun as many units as it was told to: run the same command again"
        raise frame.life.leave(reason, EXIT_TIME, "time")


def set_aside(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Return the units that wait for somebody else, and what for."""
    return {
        label: str(outcome.error)
        for label, outcome in outcomes.items()
        if isinstance(outcome, Raised) and isinstance(outcome.error, UnitAside)
    }


def _after(plan: Plan, number: int) -> None:
    """Wait and watch after a wave, and do what comes between it and the next."""
    gates = plan.watched()
    if gates:
        parallel(*((gate.name, gate) for gate in gates))
    elif plan.soak_s:
        sleep(plan.soak_s)
    if plan.between is None or number == len(plan.rollout.waves):
        return
    if plan.between is confirm:
        confirm(plan.question(number))
    elif isinstance(plan.between, str):
        confirm(plan.between)
    else:
        plan.between()


def run_unit(frame: Frame, key: str, call: Callable[[], Any], types: Types) -> Callable[[], Any]:
    """Return the call that does one unit, in a thread of its own, and closes its scope."""

    def run() -> Any:
        try:
            return in_scope(frame, key, "unit", call, types)
        except Leaving as end:
            if end.kind != ASIDE:
                raise
            raise UnitAside(end.reason) from end

    return run


# --- what both kinds of workflow need ---------------------------------------------------------


def lay_out(
    frame: Frame,
    units: Sequence[Any],
    fn: Callable[[Any], Any],
    runner: Callable[[Frame, str, Callable[[], Any], Types], Callable[[], Any]],
    *,
    waves: Sequence[Share] | None,
    at_once: int,
    apart: Callable[[Any], Hashable] | None,
    budget: int,
    soak: Duration | None,
    gates: Sequence[Any],
    between: Any,
    window: str | None,
    stop_after: int | None = None,
) -> Plan:
    """Return the rollout laid out, its units' keys reached. Raises UsageError."""
    every = list(units)
    if len(every) > UNITS_MAX:
        raise UsageError(f"rollout: {len(every)} units; at most {UNITS_MAX}")
    if not isinstance(at_once, int) or not 1 <= at_once <= AT_ONCE_MAX:
        raise UsageError(f"rollout: at_once={at_once!r}: from 1 to {AT_ONCE_MAX}")
    if not isinstance(budget, int) or budget < 0:
        raise UsageError(f"rollout: budget={budget!r}: how many units may fail, 0 or more")
    labels = [str(unit) for unit in every]
    shares = None if waves is None else [_share(share) for share in waves]
    laid = waves_of(labels, shares)
    found = dict(zip(labels, every, strict=True))
    types = Types.of_result(fn)
    made = {
        label: _unit(frame, label, unit, fn, runner, types, apart) for label, unit in found.items()
    }
    rules = Rollout(
        join(frame.trace.scope, LABEL, frame.trace.number(f"{LABEL}\0")),
        tuple(tuple(made[label] for label in wave) for wave in laid),
        at_once,
        budget,
        0.0 if soak is None else seconds(soak),
        frame.life.redactor,
        None if window is None else fits_in(frame, window),
        frame.life.replays_here(),
        None if stop_after is None else Quota(stop_after),
    )
    return Plan(rules, rules.soak_s, tuple(map(_gate, gates)), _between(between))


def _share(share: Any) -> Share:
    return share if isinstance(share, int | str) else [str(unit) for unit in share]


def _unit(
    frame: Frame,
    label: str,
    unit: Any,
    fn: Callable[[Any], Any],
    runner: Callable[[Frame, str, Callable[[], Any], Types], Callable[[], Any]],
    types: Types,
    apart: Callable[[Any], Hashable] | None,
) -> Unit:
    key = scope_key(frame, label)
    group = None if apart is None else apart(unit)
    return Unit(label, key, runner(frame, key, lambda: fn(unit), types), group)


def _gate(given: Any) -> Gate:
    if isinstance(given, Gate):
        return given
    name = getattr(given, "__name__", "")
    if not callable(given) or not name or name == "<lambda>":
        raise UsageError(f"rollout: gates={given!r:.80}: give a Gate, or a function with a name")
    return Gate(name.replace("_", " "), given)


def _between(given: Any) -> Any:
    if given is None or isinstance(given, str) or given is confirm or isinstance(given, Gate):
        return given
    if not callable(given):
        raise UsageError(f"rollout: between={given!r:.80}: a function, a Gate, a text or confirm")
    needed = [
        name
        for name, parameter in signature(given).parameters.items()
        if parameter.default is Parameter.empty and parameter.kind < Parameter.VAR_POSITIONAL
    ]
    if needed:
        raise UsageError(f"rollout: between= is called without arguments, and needs {needed[0]!r}")
    return given


def end_walk(outcomes: dict[str, Outcome]) -> None:
    """End a walk that only looks how to go back, once each unit has told what it knows."""
    for outcome in outcomes.values():
        if isinstance(outcome, Raised) and isinstance(outcome.error, BranchWalked):
            raise walk_over()


def results_of(outcomes: dict[str, Outcome]) -> Results:
    """Return the units' values and failures by label."""
    done = {n: o.value for n, o in outcomes.items() if isinstance(o, Returned)}
    failed = {n: message_of(o.error) for n, o in outcomes.items() if isinstance(o, Raised)}
    return Results(done, failed)
