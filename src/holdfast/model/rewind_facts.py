"""The facts of an operator who goes back in a run, sets parameters, or has the world looked at."""

from __future__ import annotations

from datetime import datetime

from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.parties import Who


@dataclass(frozen=True, slots=True)
class Rewound:
    """A person went back to where `to` began: what was reached since is set aside, to run again.

    `since` is the number of the fact with which `to` began. `keys` are the steps and scopes that
    are set aside, a scope for everything in it. It raises the run's epoch, and no process owns
    the run after it: an owner that comes back to life is refused.
    """

    at: datetime
    epoch: int
    by: Who
    to: str
    since: int
    keys: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """A person gave parameters other values. Answers that were not heeded yet are void.

    `params` are the new values, in the codec's form, `digest` is that of all parameters since.
    """

    at: datetime
    by: Who
    params: dict[str, Json]
    digest: str


@dataclass(frozen=True, slots=True)
class Rechecked:
    """A person had the checks of finished steps asked again (`resume --recheck`).

    `asked` is how many; `found` are the steps whose check did not say that it is so, and what it
    said: absent, partial or unknown. A run holds on them until they are accepted or run again.
    """

    at: datetime
    by: Who
    asked: int
    found: tuple[tuple[str, str], ...] = ()
