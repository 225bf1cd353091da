"""On what terms a run is to go on: what was said for it, its target, its workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.app.inventory_file import FILE_NAME, place_in
from holdfast.app.wording import some_of
from holdfast.errors import UsageError
from holdfast.flow.workflows import Workflow
from holdfast.model.inventory import Inventory, resolve
from holdfast.model.state import RunState
from holdfast.model.terms import Terms


def terms_for(
    inventory: Inventory,
    workflow: Workflow[..., Any],
    target: str | None,
    given_mode: str = "",
    given_ask: str = "",
) -> Terms:
    """Return the terms of a life that starts now; what was given for the run comes first.

    Raises UsageError, with the names that are near, for a target that the inventory has not.
    """
    check_target(inventory, workflow, target)
    return resolve(inventory, target, given_mode, given_ask, workflow.mode, workflow.ask)


def check_target(inventory: Inventory, workflow: Workflow[..., Any], target: str | None) -> None:
    """Raise UsageError where a target is needed, or is none of an inventory that has some."""
    known = inventory.targets
    if target is None and workflow.target == "required":
        there = f"; {inventory.file} has {some_of(list(known))}" if known else ""
        raise UsageError(f"workflow {workflow.name} needs a target: add --target NAME{there}")
    if target is None or target in known or not known:
        return
    raise UsageError(f"{_missing(inventory, target)}; `holdfast targets` shows them")


def _missing(inventory: Inventory, target: str) -> str:
    """Return that an inventory which has targets has not this one, with the names that are near."""
    from difflib import get_close_matches  # Here alone: a target that is there needs none.

    known = list(inventory.targets)
    near = get_close_matches(target, known, 3, 0.4)
    guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{inventory.file} has no target {target!r}; {guess}it has {some_of(known)}"


def check_guard(inventory: Inventory, run: str, state: RunState) -> None:
    """Raise UsageError where a run's guarded target is unknown: the inventory is another one, or
    has it no more.

    Whoever resumes in another folder must not loosen by that what its target's terms were.
    """
    target = str(state.target)
    if not state.terms.is_guarded or target in inventory.targets:
        return
    which = f"go on in the folder of its {FILE_NAME}, or give --config PATH"
    if not inventory.file:
        seen = f"there is no {FILE_NAME} here"
    elif not inventory.targets:
        seen = f"{inventory.file} has no targets"
    else:
        seen = _missing(inventory, target)
        which = f"a target keeps its name until its runs are over. Name it so again, or {which}"
    raise UsageError(f"run {run} acts on {target}, which names approvers, but {seen}: {which}")


def target_params(
    inventory: Inventory, workflow: Workflow[..., Any], target: str | None, given: Mapping[str, Any]
) -> dict[str, object]:
    """Return the parameters of a run: those given, and the target's that the workflow has.

    One inventory serves many workflows, so what this one does not declare is left out. Raises
    UsageError, with the inventory's line, for a value that is not what is declared.
    """
    params = dict(given)
    for name, value in inventory.target(target).params.items():
        if name not in workflow.parameters.names or name in given:
            continue
        try:
            params[name] = workflow.parameters.fit(name, value)
        except UsageError as error:
            place = place_in(inventory, "targets", str(target), "params", name)
            raise UsageError(f"{place}: {error}") from error
    return params
