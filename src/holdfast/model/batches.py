"""What is stored of a batch: its counts, its exceptional items, and one change of both.

Successes are bits (`model.bits`), everything else about an item is a row. The counts are kept
beside them, written in the same transaction, so that nobody has to count ten million items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias

from holdfast.model.items import ItemStatus
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field

Identity: TypeAlias = Literal["keys", "position"]
"""How items are told apart: by key, through a manifest, or by their place alone."""
BATCH_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch at a glance.

    `total` is how many distinct items its source has, None until that is known. `enumerated` is
    how many have an address. `done`, `failed`, … count items in that status; `already` are those
    of `done` that a ledger knew. `duplicates`, `gone` and `changed` are what the last whole reading
    of the source found beside. `in_flight` is what one more kill would repeat. `tried` counts
    every end of an attempt in this life, `life_at` when the life began and `life_done` what it has
    done: rate and forecast come from these, never from what earlier lives did. `recent` is the
    outcomes of the last attempts as "." and "x", for a budget over a window. `paused_until` is
    what a rate limit asked for. `begun_seq` is the fact with which the step began whose items
    these are: another one begins anew. `decided_seq` is the last fact about items that was
    applied, `granted` how many failures a person let pass, and `output_bytes` the length of the
    output that is part of this checkpoint; with `output_closed` a life left it at exactly that,
    and what follows there is somebody else's. With output in the order of the input, `turn` is the
    first ordinal that is not in it yet. `cursor` is where a source that can be resumed has its
    oldest unfinished item, `tat` what a rate remembers (`model.rate`).
    """

    key: str
    identity: Identity = "keys"
    total: int | None = None
    enumerated: int = 0
    done: int = 0
    already: int = 0
    failed: int = 0
    quarantined: int = 0
    skipped: int = 0
    waiting: int = 0
    suspect: int = 0
    uncertain: int = 0
    duplicates: int = 0
    gone: int = 0
    changed: int = 0
    in_flight: int = 0
    life_epoch: int = 0
    life_at: datetime | None = None
    life_done: int = 0
    seconds: float = 0.0
    recent: str = ""
    paused_until: datetime | None = None
    begun_seq: int = 0
    decided_seq: int = 0
    granted: int = 0
    output_bytes: int = 0
    turn: int = 0
    cursor: Json = None
    tat: float = 0.0
    ledger: str = ""
    output_closed: bool = False


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item that is not simply done or untried. `key` is as people see it.

    `attempts` are those that ended, over all lives; `deaths` how often its process died. `output`
    are the last lines it wrote.
    """

    ordinal: int
    key: str
    status: ItemStatus
    at: datetime
    attempts: int = 0
    deaths: int = 0
    error_type: str = ""
    error: str = ""
    next_at: datetime | None = None
    location: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a ledger knows of an item: its key's digest, and the fingerprint it was done with."""

    key: bytes
    print: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One change of a batch, made as a unit.

    `batch` replaces the counts; with `anew` everything else that was known of the batch goes
    first: it is to run again from the beginning. `segments` replace those of these numbers.
    `keys` are the manifest's entries from `keys_at` on (each the 16 bytes of a key and the 8 of a
    fingerprint). `items` replace the rows of their ordinals and `cleared` removes some. `values`
    are results to keep, by ordinal, each with the item's shown key; `taken` removes some that
    were only waiting for their turn. `seen` is what the batch's ledger learns.
    """

    batch: BatchRow
    anew: bool = False
    segments: Mapping[int, bytes] = field(default_factory=dict)
    keys_at: int = 0
    keys: bytes = b""
    items: Sequence[ItemRow] = ()
    cleared: Sequence[int] = ()
    values: Sequence[tuple[int, str, Json]] = ()
    taken: Sequence[int] = ()
    seen: Sequence[Seen] = ()
