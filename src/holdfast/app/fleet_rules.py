"""What a fleet is told on the command line, as its rollout takes it: targets, groups, gates."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast.app.loading import load_module
from holdfast.app.terms import target_params
from holdfast.app.wording import SHOWN_MAX
from holdfast.errors import UsageError
from holdfast.flow.gates import Gate
from holdfast.flow.questions import confirm
from holdfast.flow.windowed import zone_of
from holdfast.flow.workflows import Workflow
from holdfast.model.durations import seconds
from holdfast.model.inventory import RISK_OF_THE_UNRATED, Inventory
from holdfast.model.rollout import waves_of
from holdfast.model.terms import RISKS
from holdfast.model.windows import parse

EVERY: Final = "all"
CONFIRM: Final = "confirm"
RISK: Final = "risk"


def chosen_targets(inventory: Inventory, wanted: Sequence[str]) -> list[str]:
    """Return the targets that any of these texts means, least risky first, then by name.

    A text is a name, `all`, or labels that a target must have, all of them: `tier=prod,zone=a`.
    Raises UsageError when one means nothing.
    """
    found: dict[str, None] = {}
    for text in wanted:
        names = [name for name in inventory.targets if _is_meant(inventory, name, text)]
        if not names:
            known = ", ".join(list(inventory.targets)[:SHOWN_MAX]) or "none"
            where = inventory.file or "there is no inventory"
            raise UsageError(f"--targets {text!r} means no target; there are: {known} ({where})")
        found.update(dict.fromkeys(names))
    return sorted(found, key=lambda name: (RISKS.index(_risk(inventory, name)), name))


def _is_meant(inventory: Inventory, name: str, text: str) -> bool:
    if text in (EVERY, name):
        return True
    pairs = [part.partition("=") for part in text.split(",")]
    labels: Any = inventory.targets[name].labels
    return all(sign and labels.get(key.strip()) == value.strip() for key, sign, value in pairs)


def _risk(inventory: Inventory, name: str) -> str:
    return inventory.target(name).risk or RISK_OF_THE_UNRATED


def groups_of(inventory: Inventory, key: str) -> Callable[[str], Hashable]:
    """Return what tells the value of a target's label, or its `risk`; a target without the label
    is of no group."""

    def group(target: str) -> Hashable:
        if key == RISK:
            return _risk(inventory, target)
        labels: Any = inventory.target(target).labels
        return str(labels[key]) if key in labels else None

    return group


def check_apart(inventory: Inventory, targets: Sequence[str], key: str) -> None:
    """Raise UsageError when none of the targets has the label."""
    group = groups_of(inventory, key)
    if all(group(target) is None for target in targets):
        known = sorted({str(name) for t in targets for name in inventory.target(t).labels})
        has = ", ".join(known) or "none"
        raise UsageError(
            f"--apart {key}: none of the {len(targets)} targets has such a label; they have: {has} "
            f"(and {RISK})"
        )


def check_plan(
    inventory: Inventory,
    targets: Sequence[str],
    shares: Sequence[str],
    apart: str,
    soak: str,
    window: str,
) -> None:
    """Raise UsageError for what would end the fleet's first life as a mistake."""
    counts = [int(share) if share.isdecimal() else share for share in shares]
    waves_of(targets, counts or None)
    if apart:
        check_apart(inventory, targets, apart)
    if soak:
        seconds(soak)
    if window:
        zone_of(parse(window))


def check_workflow(
    inventory: Inventory,
    workflow: Workflow[..., Any],
    targets: Sequence[str],
    params: Mapping[str, object],
) -> None:
    """Raise UsageError for what would keep the run of a target from beginning."""
    for target in targets:
        workflow.parameters.check(target_params(inventory, workflow, target, params))


def gates_of(specs: Sequence[str]) -> list[Any]:
    """Return the gates that `FILE:NAME` name: a `Gate`, or a function that says True.

    Raises UsageError for what is neither.
    """
    return [_gate(spec) for spec in specs]


def _gate(spec: str) -> Any:
    file, colon, name = spec.rpartition(":")
    if not colon or not name.isidentifier():
        raise UsageError(f"--gate {spec}: give FILE:NAME, a Gate or a function in a Python file")
    if not Path(file).is_file():
        raise UsageError(f"--gate {spec}: there is no file {file}")
    found = getattr(load_module(Path(file)), name, None)
    if isinstance(found, Gate) or (callable(found) and not isinstance(found, type)):
        return found
    what = "nothing" if found is None else type(found).__name__
    raise UsageError(f"--gate {spec}: {name} is {what} there; a Gate, or a function, is needed")


def absolute_gates(specs: Sequence[str], file: str) -> list[str]:
    """Return the specs with whole paths, so that a later life finds them; `:NAME`, or a bare
    NAME, is in the workflow's own file. Raises UsageError for what is no gate."""
    found = []
    for spec in specs:
        where, _, name = spec.rpartition(":")
        found.append(f"{Path(where or file).resolve()}:{name}")
    gates_of(found)
    return found


def between_of(text: str) -> Any:
    """Return what comes between waves: `confirm` asks whether to go on, another text asks that."""
    if not text:
        return None
    return confirm if text == CONFIRM else text
