"""Parameters that a person gives another value in the middle of a run (`--set`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.flow.workflows import Workflow
from holdfast.model.codec import digest
from holdfast.model.facts import ParameterSet, Who
from holdfast.model.json import Json
from holdfast.ports.clock import Clock
from holdfast.runtime.journal import Journal


def given_by(workflow: Workflow[..., Any], pairs: Sequence[str]) -> dict[str, Json]:
    """Return the values of `NAME=VALUE` pairs, typed by the workflow's annotations, as they are
    recorded; secrets are references. Raises UsageError for what does not fit."""
    parameters = workflow.parameters
    parsed = parameters.parse(pairs, option="--set")
    return workflow.recorded({n: parameters.fit(n, value) for n, value in parsed.items()})


def set_parameters(journal: Journal, given: Mapping[str, Json], clock: Clock, by: Who) -> str:
    """Record the values that are not what they were, as the run's owner, and return what is to
    be said of it. Durable on return: no code of the script has seen the old values in this life.
    """
    known = journal.state.params
    changed = {
        name: value
        for name, value in given.items()
        if name not in known or digest(known[name]) != digest(value)
    }
    if changed:
        together = digest({**known, **changed})
        journal.append((ParameterSet(clock.now(), by, changed, together),))
    same = [name for name in given if name not in changed]
    parts = [f"set {', '.join(changed)}"] if changed else []
    parts += [f"{', '.join(same)} had that value already"] if same else []
    return "; ".join(parts)
