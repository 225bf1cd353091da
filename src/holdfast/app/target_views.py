"""The targets of an inventory as a person should see them: on what terms, and who is at work."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.app.judging import status_of
from holdfast.app.views import VERSION
from holdfast.model.codec import encode
from holdfast.model.inventory import Inventory, Target, resolve
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.status import FINISHED
from holdfast.model.terms import Terms
from holdfast.ports.store import RunRow, Store


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target, the terms that a run without flags gets, and the unfinished run that has it."""

    target: Target
    terms: Terms
    run: RunRow | None

    @property
    def run_status(self) -> str:
        return "" if self.run is None else status_of(self.run)


def view_targets(inventory: Inventory, store: Store | None) -> list[TargetView]:
    """Return every target in the order of the file; without a store, nobody is at work."""
    return [
        TargetView(target, resolve(inventory, name, "", "", None, None), _holder(store, name))
        for name, target in inventory.targets.items()
    ]


def _holder(store: Store | None, target: str) -> RunRow | None:
    run = None if store is None else store.holder(target)
    row = None if run is None or store is None else store.row(run)
    # One that was ended while its process died keeps the lock until somebody wants the target.
    return None if row is None or row.status in FINISHED else row


def targets_json(views: Sequence[TargetView]) -> dict[str, Json]:
    """Return targets as `targets --json` gives them; of variables only the names."""
    return {"version": VERSION, "targets": [_target_json(view) for view in views]}


def _target_json(view: TargetView) -> Json:
    target, terms = view.target, view.terms
    return {
        "name": target.name,
        "risk": target.risk or None,
        "mode": terms.mode,
        "rule": terms.rule,
        "ask": terms.ask,
        "labels": dict(target.labels),
        "params": {name: encode(value) for name, value in target.params.items()},
        "env": list(target.env),
        "approvers": list(terms.electorate.approvers),
        "quorum": terms.electorate.quorum,
        "separate": terms.electorate.separate,
        "run": None if view.run is None else view.run.id,
    }
