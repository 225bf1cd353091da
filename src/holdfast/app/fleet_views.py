"""A fleet as people see it: its waves, and how the run of each target stands."""

from __future__ import annotations

from holdfast.app.fleet import NEEDS_A_PERSON
from holdfast.app.fleet_children import child_id, is_fleet
from holdfast.app.judging import status_of
from holdfast.app.rollout_views import RolloutView, UnitView, rollouts_of
from holdfast.app.views import VERSION, RunView
from holdfast.app.wording import status_words
from holdfast.errors import UsageError
from holdfast.model.json import Json
from holdfast.model.making import dataclass, replace
from holdfast.ports.store import Store


@dataclass(frozen=True, slots=True)
class FleetView:
    """A run with its rollouts; `children` are the runs of its targets and how they stand, by the
    key of the unit. A run that is no fleet has none."""

    run: RunView
    rollouts: tuple[RolloutView, ...]
    children: dict[str, tuple[str, str]]

    def as_json(self) -> dict[str, Json]:
        """Return what `fleet status --json` gives."""
        return {
            "version": VERSION,
            "run": self.run.id,
            "status": self.run.status,
            "rollouts": [rollout.as_json() for rollout in self.rollouts],
            "children": [
                {"unit": unit, "run": run, "status": status}
                for unit, (run, status) in self.children.items()
            ],
        }


def fleet_view(store: Store, run: RunView) -> FleetView:
    """Return a run's waves, with its targets' own runs. Raises UsageError when it has none."""
    rollouts = rollouts_of(run.state)
    if not rollouts:
        raise UsageError(f"run {run.id} has no units to show: see holdfast show {run.id}")
    children: dict[str, tuple[str, str]] = {}
    if is_fleet(run.row):
        for unit in (unit for rollout in rollouts for unit in rollout.units):
            row = store.row(child_id(run.id, unit.label))
            if row is not None:
                children[unit.key] = (row.id, status_of(row))
    shown = tuple(_with_children(rollout, children) for rollout in rollouts)
    return FleetView(run, shown, children)


def _with_children(view: RolloutView, children: dict[str, tuple[str, str]]) -> RolloutView:
    waves = tuple(tuple(_with_child(unit, children) for unit in wave) for wave in view.waves)
    return replace(view, waves=waves)


def _with_child(unit: UnitView, children: dict[str, tuple[str, str]]) -> UnitView:
    """Return a unit that is begun as its run stands: what waits for a person waits, and nothing is
    in flight whose process has ended."""
    run, status = children.get(unit.key, ("", ""))
    if unit.status not in ("in flight", "waiting") or not run:
        return unit
    if status in NEEDS_A_PERSON or status in ("failed", "interrupted"):
        return replace(unit, status="waiting", why=f"{status_words(status)} (run {run})")
    return replace(unit, status="in flight")
