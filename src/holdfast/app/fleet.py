"""One workflow on many targets: a run that starts a run of its own for each of them, in waves.

Each target's run is an ordinary one, with its own journal, lock and mode; this one only says who
is next. A target's run that failed, or that a gate stopped, uses up the budget. One that waits for
a person is nobody's failure: it is set aside, the others of its wave go on, and no later wave
begins until it is done. What is set aside takes no place of those that run side by side, but keeps
the targets that are to be apart from it waiting: it may be half done.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final

from holdfast.app.due import EXIT_LOCKED, EXIT_PERSON, in_its_way
from holdfast.app.fleet_children import FLEET, child_id
from holdfast.app.fleet_rules import between_of, gates_of, groups_of
from holdfast.app.judging import status_of
from holdfast.app.reasons import why
from holdfast.errors import HoldfastError, Leaving
from holdfast.flow.decorator import step
from holdfast.flow.inside import here, leave_step, sh
from holdfast.flow.rollouts import ASIDE, rolled
from holdfast.flow.workflows import workflow
from holdfast.model.rollout import Results
from holdfast.runtime.context import in_step, in_workflow
from holdfast.runtime.life import Life

STOP_AFTER: Final[ContextVar[int | None]] = ContextVar("holdfast_stop_after", default=None)
"""How many targets this life of a fleet may begin: said for a command, and not recorded."""
STAYS: Final[ContextVar[bool]] = ContextVar("holdfast_stays", default=False)
"""Whether this life of a fleet stays until somebody answered what its targets ask."""
NEEDS_A_PERSON: Final = frozenset({"on_hold", "paused", "stopped"})
LOOK_EVERY_S: Final = 1.0
WAITING_SHOWN_MAX: Final = 3
WORDS_CHARS_MAX: Final = 400
SAYS: Final = "holdfast: "


class TargetFailed(HoldfastError):
    """The run of one target did not succeed; its own journal says why."""


@step("run {target}")
def run_target(target: str, run: str, file: str, words: list[str]) -> str:
    """Start the run of one target, or go on with it, and return its id once it has succeeded."""
    command = (sys.executable, "-m", "holdfast", *words[: words.index("--")])
    more = words[words.index("--") + 1 :]
    begun = sh(
        *command, "run", file, "--id", run, "--target", target, "--no-input", "--plain", "--within",
        *more, check=False,
    )  # fmt: skip
    life, call = in_step("run_target")
    row = life.store.row(run)
    status = "" if row is None else status_of(row)
    if status == "succeeded" and begun.code == 0:
        return run
    refusal = _refusal(begun.err) if row is None or begun.code in _REFUSED else ""
    text = refusal or (why(life.store, run).summary if row else "it said nothing")
    asks = status in NEEDS_A_PERSON and begun.code == EXIT_PERSON
    # Whoever has it may bring it to its end meanwhile: the next look asks anew.
    if asks or (status in (*_AT_WORK, "succeeded") and begun.code == EXIT_LOCKED):
        leave_step(run)
        raise Leaving(text if asks else "another process has it", EXIT_PERSON, ASIDE)
    log = shlex.join(("holdfast", "log", life.run, call.key))
    raise TargetFailed(
        f"run {run} {status or 'did not begin'} (exit {begun.code}): {text}"
        + (f"; see what it wrote: {log}" if refusal else "")
    )


_REFUSED: Final = frozenset({2, EXIT_LOCKED, 78})
"""What its command exits with when nothing of the run was begun; a script may exit so as well."""


def _refusal(err: str) -> str:
    """Return what a command said of why it began nothing; nothing when it said no such thing."""
    own = [line for line in err.splitlines() if line.startswith(SAYS)]
    said = own[-1].removeprefix(SAYS) if own else ""
    return said if len(said) <= WORDS_CHARS_MAX else f"{said[:WORDS_CHARS_MAX]}…"


@workflow(name=FLEET)
def fleet(
    file: str,
    targets: list[str],
    waves: list[str],
    budget: int = 0,
    at_once: int = 1,
    soak: str = "",
    words: list[str] = [],  # noqa: B006  (a parameter's default is only read)
    apart: str = "",
    window: str = "",
    between: str = "",
    gates: list[str] = [],  # noqa: B006
) -> Results:
    """Run the workflow in `file` on every target, in waves."""
    fleet_id, life = here().run_id, in_workflow("fleet").life

    def one(target: str) -> str:
        run = child_id(fleet_id, target)
        waits = "" if life.replays_here() else what_it_waits_for(life, run)
        if waits:
            raise Leaving(waits, EXIT_PERSON, ASIDE)
        return run_target(target, run, file, words)

    def when_aside(waits: Mapping[str, str]) -> None:
        _until_one_goes_on(life, fleet_id, waits)

    groups: Callable[[Any], Hashable] | None = groups_of(life.inventory, apart) if apart else None
    return rolled(
        targets, one, waves=list(waves) or None, at_once=at_once, apart=groups, budget=budget,
        soak=soak or None, gates=gates_of(gates), between=between_of(between),
        window=window or None, stop_after=STOP_AFTER.get(), when_aside=when_aside,
    )  # fmt: skip


# --- targets that wait ------------------------------------------------------------------------

_AT_WORK: Final = frozenset({"queued", "running", "waiting"})


def what_it_waits_for(life: Life, run: str) -> str:
    """Return what keeps the run of a target from going on when it is started now."""
    row = life.store.row(run)
    return "" if row is None else in_its_way(life.store, row, life.clock.now())


def _until_one_goes_on(life: Life, fleet_id: str, waits: Mapping[str, str]) -> None:
    """Return when one of these targets can go on. Raises Leaving unless this life stays."""
    runs = [child_id(fleet_id, target) for target in waits]
    while all(what_it_waits_for(life, run) for run in runs):
        if not STAYS.get():
            raise life.leave(_said(fleet_id, waits), EXIT_PERSON, "park")
        life.tell_once(_said(fleet_id, waits))
        life.wait_until(life.clock.now() + timedelta(seconds=LOOK_EVERY_S))


def _said(fleet_id: str, waits: Mapping[str, str]) -> str:
    """Return which targets wait, and for what."""
    if len(waits) == 1:
        ((target, text),) = waits.items()
        see = child_id(fleet_id, target)
        return f"{target} waits for a person: {text}; see: holdfast why {see}"
    see = f"see: holdfast fleet status {fleet_id}"
    shown = [f"{target} ({text})" for target, text in list(waits.items())[:WAITING_SHOWN_MAX]]
    more = len(waits) - len(shown)
    names = "; ".join(shown) + (f"; and {more} more" if more else "")
    return f"{len(waits)} targets wait for a person: {names}; {see}"
