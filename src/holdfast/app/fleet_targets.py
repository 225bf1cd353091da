"""The runs of a fleet's targets that are not done, as whoever looks at the fleet is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from holdfast.app.due import in_its_way
from holdfast.app.fleet_children import child_id, is_fleet, is_of
from holdfast.app.rollout_views import rollouts_of
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal

DEBTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class TargetRun:
    """The run of one target. `waits` is what keeps it from going on when it is started now, also
    when a person stopped it; `owed` is what it has to give back."""

    target: str
    run: str
    waits: str = ""
    is_stopped: bool = False
    has_failed: bool = False
    owed: tuple[str, ...] = ()


def target_runs(store: Store, row: RunRow, state: RunState, at: datetime) -> tuple[TargetRun, ...]:
    """Return the runs of a fleet's targets that are begun and not done; of another run none."""
    if not is_fleet(row):
        return ()
    owed = _owed(store, row.id)
    found = []
    for unit in (unit for rollout in rollouts_of(state) for unit in rollout.units):
        child = store.row(child_id(row.id, unit.label))
        if unit.status in ("done", "not reached") or child is None:
            continue
        has_failed = unit.status == "failed"
        waits = "" if has_failed else in_its_way(store, child, at)
        is_stopped = bool(waits) and Journal(store, child.id).refresh().stop is not None
        labels = tuple(owed.get(child.id, ()))
        found.append(TargetRun(unit.label, child.id, waits, is_stopped, has_failed, labels))
    return tuple(found)


def _owed(store: Store, fleet: str) -> dict[str, list[str]]:
    owed = defaultdict[str, list[str]](list)
    for debt in store.debts(limit=DEBTS_MAX):
        if is_of((fleet,), debt.run):
            owed[debt.run].append(debt.label)
    return owed


def are_waited_for(targets: Iterable[TargetRun]) -> bool:
    """Whether a fleet can go on with none of these: each that has not failed waits."""
    waits = [bool(each.waits) for each in targets if not each.has_failed]
    return bool(waits) and all(waits)


def owed_by_targets(targets: Iterable[TargetRun]) -> list[str]:
    """Return what these runs have to give back, each with the run that owes it."""
    return [f"{label} (run {each.run})" for each in targets for label in each.owed]
