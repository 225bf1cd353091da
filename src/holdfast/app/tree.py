"""The steps of a run as a tree of scopes."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.app.views import StepView
from holdfast.model.keys import label_of, scope_of
from holdfast.model.making import dataclass


@dataclass(slots=True)
class Branch:
    """A scope with what is in it, in the order of first appearance."""

    key: str
    label: str
    inside: dict[str, Branch | StepView]


def tree_of(steps: Sequence[StepView]) -> Branch:
    """Return the steps by scope; the root is the workflow itself."""
    root = Branch("", "", {})
    branches = {"": root}
    for step in steps:
        _branch(branches, scope_of(step.key)).inside[step.key] = step
    return root


def _branch(branches: dict[str, Branch], key: str) -> Branch:
    found = branches.get(key)
    if found is None:
        found = branches[key] = Branch(key, label_of(key), {})
        # A scope and a step of one name may stand side by side.
        _branch(branches, scope_of(key)).inside[key + "/"] = found
    return found
