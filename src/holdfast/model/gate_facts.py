"""The facts of a gate: that it began, what it saw, and who let it pass all the same."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from holdfast.model.json import Json
from holdfast.model.making import dataclass, field
from holdfast.model.parties import Who

Verdict: TypeAlias = Literal["pass", "fail", "inconclusive", "error"]


@dataclass(frozen=True, slots=True)
class GateOpened:
    """A gate takes samples from here on, none of which was taken before.

    It `wants` so many that pass or fail, the first at `first_at`, each `every_s`. When `until`
    has come it wants no more. One that `measures` judges nothing.
    """

    at: datetime
    key: str
    label: str = ""
    inputs: str = ""
    shown: str = ""
    code: str = ""
    location: str = ""
    wants: int = 1
    failure_limit: int = 0
    inconclusive_limit: int = 0
    every_s: float = 0.0
    first_at: datetime | None = None
    until: datetime | None = None
    limit: str = ""
    query: str = ""
    link: str = ""
    measures: bool = False


@dataclass(frozen=True, slots=True)
class SampleTaken:
    """What a gate saw once, or `count` times alike; `values` are those of the last time.

    They are by series: those that decide first, then those nearest to the limit, a few of the
    `series` there were. `read_at` is the time that the oldest of them is of, where it has one.
    """

    at: datetime
    key: str
    verdict: Verdict
    values: dict[str, Json] = field(default_factory=dict)
    why: str = ""
    read_at: datetime | None = None
    count: int = 1
    series: int = 1


@dataclass(frozen=True, slots=True)
class GateOverridden:
    """A person let the gate pass, this once, whatever it saw."""

    at: datetime
    key: str
    by: Who
    comment: str = ""
