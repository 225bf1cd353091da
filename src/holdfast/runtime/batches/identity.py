"""Say which item is which, by its key; and take one whose key nobody can tell for a failed item.

A record without the field that `key=` looks for must not leave all behind it undone. It fails, and
is known by its content. But where not even the first item has a key, the mistake is the script's:
that ends the reading at once, before millions of items fail for it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from holdfast.errors import UsageError, error_text, message_of
from holdfast.model.items import (
    KEY_BYTES,
    NO_PRINT,
    ItemKey,
    content_digest,
    key_digest,
    key_of,
    print_of,
    unreadable_digest,
)
from holdfast.model.json import Json
from holdfast.ports.sources import Placed, Unreadable
from holdfast.runtime.batches.rules import BatchRules


class Identity(NamedTuple):
    """An item, or what stands for one that cannot be read; its key, the digest of that, and its
    fingerprint."""

    item: object
    key: ItemKey | bytes
    digest: bytes
    print: bytes = NO_PRINT


class Identities:
    """Tells the identity of each item of one reading."""

    def __init__(self, rules: BatchRules, items: object) -> None:
        self._key, self._fingerprint = rules.key, rules.fingerprint
        self._items = items
        self._has_prints: Final = rules.has_prints
        self._has_told = False

    def of(self, item: object, cursor: Json) -> Identity:
        """Return the identity of an item of this cursor. Raises what `key=` and `fingerprint=`
        raise for the first one, and for one that has no content to be told by either."""
        if isinstance(item, Unreadable):
            return _unreadable(item)
        try:
            key = key_of(item, self._key)
            fingerprint = print_of(item, self._fingerprint) if self._has_prints else NO_PRINT
        except Exception as error:  # It is the user's code.
            if not self._has_told:
                raise
            return _unreadable(self._unkeyed(item, cursor, error))
        self._has_told = True
        return Identity(item, key, key_digest(key), fingerprint)

    def _unkeyed(self, item: object, cursor: Json, error: Exception) -> Unreadable:
        """Return what stands for an item without a key: it is called by its place, where the
        source says that, and known by its content."""
        try:
            content = content_digest(item, KEY_BYTES, "").hex()
        except Exception:
            raise error from None
        items, place = self._items, content
        if isinstance(items, Placed) and cursor is not None:
            place = items.place_of(cursor)
        is_ours = isinstance(error, UsageError)
        said = error_text(type(error).__name__, message_of(error))
        return Unreadable(place, content, str(error) if is_ours else f"it has no key: {said}")


def _unreadable(item: Unreadable) -> Identity:
    return Identity(item, item.key, unreadable_digest(item.content))
