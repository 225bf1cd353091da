"""Batches as rows: what is stored of a batch, an item and a kept result, and how it is checked.

A body is the JSON text of the fields that differ from their defaults (see `row_tables`), with the
version of its kind first. Beside every row lies its mark, a checksum over the row's id and
content: the counts of a batch have no chain of facts that would show a flipped bit.

Reading is strict, as of facts: an unknown version or field raises `StoreCorrupt`.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any, Final, TypeVar

from holdfast.errors import StoreCorrupt
from holdfast.model.batches import BATCH_VERSION, BatchRow, ItemRow
from holdfast.model.facts import Spilled
from holdfast.model.items import KEY_BYTES, PRINT_BYTES
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.stores.row_tables import NEWER, TABLES, decoded, load_json, table_for
from holdfast.stores.rows import Spill, spilled_text, storable

ENTRY_BYTES: Final = KEY_BYTES + PRINT_BYTES
"""A manifest's entry: the digest of a key, and a fingerprint."""
_HEAD: Final = f'{{"version":{BATCH_VERSION},'

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ValueRow:
    """A kept result, with its item's shown key."""

    key: str
    value: Json | Spilled


def dump(row: BatchRow | ItemRow | ValueRow, spill: Spill | None = None) -> str:
    """Return a row's body. A value over 64 KiB goes through `spill`. Raises ValueError for what
    no row can hold."""
    known = TABLES.get(row.__class__) or table_for(row.__class__)
    body = known.write(row, None if spill is None else partial(spilled_text, spill))
    # Every class here has a field without a default, so something follows the version.
    text = _HEAD + body[1:]
    return text if text.isascii() else storable(text)


def load(cls: type[R], body: str | bytes, what: str) -> R:
    """Return the row that `dump` wrote. Raises StoreCorrupt naming `what`."""
    try:
        text = body.decode() if isinstance(body, bytes) else body
    except UnicodeDecodeError as problem:
        raise StoreCorrupt(f"{what} is not text: {problem}") from problem
    stored = load_json(text, what)
    if stored.__class__ is not dict:
        raise StoreCorrupt(f"{what} is not a JSON object")
    version = stored.pop("version", None)
    if version.__class__ is not int or version != BATCH_VERSION:
        raise StoreCorrupt(f"{what} is of version {version!r}; {NEWER}")
    try:
        made: R = decoded(table_for(cls), stored)
    except StoreCorrupt as problem:
        raise StoreCorrupt(f"{what}: {problem}") from problem
    return made


def mark_of(row_id: int, content: str | bytes) -> int:
    """Return the checksum that lies beside a row."""
    text = content if isinstance(content, bytes) else content.encode()
    return zlib.crc32(text, row_id & 0xFFFF_FFFF ^ row_id >> 32)


def check(row_id: int, content: Any, mark: Any, what: str) -> None:
    """Raise StoreCorrupt naming `what` unless a row's content is what was written."""
    if content.__class__ not in (str, bytes) or mark_of(row_id, content) != mark:
        raise StoreCorrupt(
            f"{what} is not what was written: its checksum does not fit; nothing is guessed. "
            "Run `holdfast doctor`, and restore the store from a backup"
        )


def whole(keys: bytes) -> int:
    """Return how many entries a piece of a manifest has."""
    count, rest = divmod(len(keys), ENTRY_BYTES)
    assert rest == 0, "a manifest is written in whole entries"
    return count
