"""Rollouts as people see them: every wave, and how each unit of it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from holdfast.model.facts import HoldOpened
from holdfast.model.json import Json, list_in, objects_in
from holdfast.model.keys import label_of
from holdfast.model.making import dataclass
from holdfast.model.rolling import unit_statuses
from holdfast.model.rollout import UnitStatus
from holdfast.model.state import RunState

STATUSES: Final[tuple[UnitStatus, ...]] = ("done", "failed", "in flight", "waiting", "not reached")


@dataclass(frozen=True, slots=True)
class UnitView:
    """One unit: its key, its label, how it stands, and why it failed."""

    key: str
    label: str
    status: UnitStatus
    why: str = ""


@dataclass(frozen=True, slots=True)
class RolloutView:
    """One rollout, wave by wave. `spent` of the `budget` is used up."""

    key: str
    waves: tuple[tuple[UnitView, ...], ...]
    budget: int
    spent: int

    @property
    def units(self) -> tuple[UnitView, ...]:
        return tuple(unit for wave in self.waves for unit in wave)

    def counts(self) -> str:
        """Return how many units are how: `12 done · 1 failed · 25 not reached`."""
        return counted(unit.status for unit in self.units)

    def as_json(self) -> dict[str, Json]:
        """Return the rollout as `show --json` gives it."""
        return {
            "key": self.key,
            "budget": self.budget,
            "spent": self.spent,
            "waves": [
                [
                    {"key": u.key, "unit": u.label, "status": u.status, "why": u.why or None}
                    for u in wave
                ]
                for wave in self.waves
            ],
        }


def counted(statuses: Iterator[UnitStatus] | list[UnitStatus]) -> str:
    """Return how many there are of each status, those that are not there left out."""
    found = Counter(statuses)
    return " · ".join(f"{found[status]} {status}" for status in STATUSES if found[status])


def rollouts_of(state: RunState) -> tuple[RolloutView, ...]:
    """Return the rollouts of a run, each with every unit, also those not reached."""
    found = []
    for key, rollout in state.rollouts.items():
        statuses = unit_statuses(state, rollout, rollout.planned.units)
        waves = tuple(
            tuple(
                UnitView(
                    unit,
                    label_of(unit),
                    status := statuses[unit],
                    rollout.failed.get(unit, "") if status == "failed" else "",
                )
                for unit in wave
            )
            for wave in rollout.waves
        )
        failed = [unit.key for wave in waves for unit in wave if unit.status == "failed"]
        found.append(RolloutView(key, waves, rollout.planned.budget, rollout.spent(failed)))
    return tuple(found)


def is_about_units(opened: HoldOpened) -> bool:
    """Whether a hold asks about the budget of a rollout, and not about that of a batch."""
    return opened.kind == "budget" and "not_reached" in opened.evidence


def failed_steps(opened: HoldOpened) -> list[str]:
    """Return the steps that failed in the units that used up a budget."""
    failed = objects_in(opened.evidence.get("failed"))
    return [str(step) for unit in failed for step in list_in(unit.get("steps"))]
