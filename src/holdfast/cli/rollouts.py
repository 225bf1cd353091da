"""The picture of a rollout: a line a wave, one sign a unit, and who needs somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from holdfast.app.rollout_views import RolloutView, UnitView, counted, rollouts_of
from holdfast.app.wording import count
from holdfast.cli.paper import Colour, Paper
from holdfast.cli.text import fit, safe
from holdfast.model import facts as f
from holdfast.model.rollout import UnitStatus
from holdfast.model.state import RunState

SIGNS: Final[dict[UnitStatus, tuple[str, Colour]]] = {
    "done": ("✔", "green"),
    "failed": ("✖", "red"),
    "in flight": ("◌", "cyan"),
    "waiting": ("⏸", "yellow"),
    "not reached": (".", ""),
}
NEED_SHOWN_MAX: Final = 10
LIVE_UNITS_MAX: Final = 1_000
"""With more the picture does not move: it is made anew after every unit."""
MOVES: Final = frozenset(
    {f.RolloutPlanned, f.ScopeEntered, f.ScopeClosed, f.UnitFailed, f.StepLeft}
)
"""Facts after which the picture is another one."""


def picture(view: RolloutView, paper: Paper) -> Iterator[str]:
    """Yield the waves of a rollout with every unit, and the units that failed or wait."""
    waves = count(len(view.waves), "wave")
    spent = f"; budget {view.spent} of {view.budget} used" if view.spent or view.budget else ""
    units = count(len(view.units), "unit")
    head = f"{safe(view.key)}: {units} in {waves}: {view.counts()}{spent}"
    yield from paper.wrap(head, "  ")
    digits = len(str(len(view.waves)))
    for number, wave in enumerate(view.waves, 1):
        done = sum(unit.status == "done" for unit in wave)
        start = f"  wave {number:>{digits}}  {f'{done}/{len(wave)}':>7}  "
        if paper.is_plain:
            yield from paper.wrap(start + counted([unit.status for unit in wave]), " " * 10)
        else:
            yield from _signs(wave, start, paper)
    needing = [unit for unit in view.units if unit.status in ("failed", "waiting")]
    for unit in needing[:NEED_SHOWN_MAX]:
        why = unit.why.partition("\n")[0]
        text = f"  {unit.label}: {unit.status}{f': {why}' if why else ''}"
        yield from paper.wrap(safe(text), "    ")
    if len(needing) > NEED_SHOWN_MAX:
        yield f"  and {len(needing) - NEED_SHOWN_MAX} more that failed or wait"


def _signs(wave: Sequence[UnitView], start: str, paper: Paper) -> Iterator[str]:
    room = max(10, (paper.columns or 100) - len(start))
    for at in range(0, len(wave), room):
        signs = (SIGNS[unit.status] for unit in wave[at : at + room])
        text = "".join(paper.paint(sign, colour) for sign, colour in signs)
        yield (start if at == 0 else " " * len(start)) + text


def pictures(state: RunState, paper: Paper) -> Iterator[str]:
    """Yield the pictures of all rollouts of a run."""
    for view in rollouts_of(state):
        yield ""
        yield from picture(view, paper)


def live_line(state: RunState, columns: int) -> str:
    """Return one line about the wave that is at work: ` wave 2 of 3  3/4  ✔✔✔◌`, or nothing."""
    if sum(len(rollout.planned.units) for rollout in state.rollouts.values()) > LIVE_UNITS_MAX:
        return ""
    for view in reversed(rollouts_of(state)):
        for number, wave in enumerate(view.waves, 1):
            done = sum(unit.status == "done" for unit in wave)
            if done < len(wave) and any(unit.status != "not reached" for unit in wave):
                signs = "".join(SIGNS[unit.status][0] for unit in wave)
                line = f" wave {number} of {len(view.waves)}  {done}/{len(wave)}  {signs}"
                return fit(line, columns)
    return ""


# --- one line a fact, for logs ------------------------------------------------------------------


def planned_line(fact: f.RolloutPlanned, state: RunState) -> str:
    """Return that a rollout begins."""
    sizes = " + ".join(map(str, fact.sizes))
    return f"rollout planned {safe(fact.key)}: {len(fact.units)} units in waves of {sizes}"


def failed_line(fact: f.UnitFailed, state: RunState) -> str:
    """Return that a unit failed, and why."""
    return f"unit failed {safe(fact.key)}: {safe(' '.join(fact.message.split()))}"


def granted_line(fact: f.FailuresGranted, state: RunState) -> str:
    """Return who lets a rollout go on."""
    names = ", ".join(fact.units)
    return f"rollout goes on without {safe(names)}, granted by {safe(fact.by.name)}"
