"""The facts of a hold: a place where a run waits for a person."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.parties import Who
from holdfast.model.terms import ANYBODY, Electorate

HoldKind: TypeAlias = Literal["confirm", "question", "in_doubt", "gate", "drift", "budget", "debt"]
Answer: TypeAlias = Literal["approve", "reject", "skip", "done", "retry", "value"]
OnExpiry: TypeAlias = Literal["ask", "reject"]


@dataclass(frozen=True, slots=True)
class HoldOpened:
    """The run waits for a person. `digest` binds an answer to what was shown.

    With `covers` a yes is to these steps, a whole stage or unit that was shown as a plan, and
    `key` is their scope. An answer later than `expires_at` counts for nothing; no answer until
    then is a no, or is asked again, by `on_expiry`.
    """

    at: datetime
    id: str
    kind: HoldKind
    key: str
    question: str
    digest: str
    evidence: dict[str, Json]
    electorate: Electorate = ANYBODY
    covers: tuple[str, ...] = ()
    expires_at: datetime | None = None
    on_expiry: OnExpiry = "ask"


@dataclass(frozen=True, slots=True)
class HoldAnswered:
    """A person answered an open hold; the first valid answer wins, later ones are kept too.

    With `scope` a yes covers every step in that stage or unit that would ask in this life.
    """

    at: datetime
    id: str
    by: Who
    answer: Answer
    value: Json = None
    comment: str = ""
    digest: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class HoldVoided:
    """What the hold asked about changed; it is asked again under a new id."""

    at: datetime
    id: str
    why: str


@dataclass(frozen=True, slots=True)
class HoldExpired:
    """Nobody answered in time. It never means yes: the hold is a no, or is asked again."""

    at: datetime
    id: str
