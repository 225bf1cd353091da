"""What an item of a batch is called, and how it is told from another and from its own past.

Three identities: the *key* says which item it is, its *address* (ordinal) where its bit is, and
its *fingerprint* whether it changed. Keys of different types differ: "1", 1 and True are three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from holdfast.errors import UsageError
from holdfast.model.codec import Unrecordable, dumps, encode
from holdfast.model.hashing import blake2b

KEY_BYTES: Final = 16
PRINT_BYTES: Final = 8
NO_PRINT: Final = bytes(PRINT_BYTES)
"""The fingerprint of an item whose key says all there is to say."""
KEY_CHARS_MAX: Final = 1_000

ItemKey: TypeAlias = str | int
ItemStatus: TypeAlias = Literal[
    "waiting", "failed", "quarantined", "skipped", "suspect", "uncertain"
]
"""What an item can be that is not simply done, or not simply untried.

`waiting`: it failed, and is tried again at a moment. `failed`: a dead letter. `quarantined`: it
kills the process it runs in. `suspect`: it was in flight when its process died. `uncertain`: a
`once` item that was begun and whose outcome nobody knows. `skipped`: a person said so.
"""


def key_of(item: object, given: Callable[..., object] | None) -> ItemKey | bytes:
    """Return an item's key: what `given` says, else a str or int itself, unless it is too long for
    one, else the digest of its JSON as bytes. Raises UsageError."""
    if given is not None:
        key = given(item)
        if type(key) is str or type(key) is int:
            return _bounded(key)
        raise UsageError(f"key= returned {key!r} for an item; it must return a str or an int")
    if (type(item) is str or type(item) is int) and len(str(item)) <= KEY_CHARS_MAX:
        return item
    return content_digest(item, KEY_BYTES, "its key is the digest of its JSON; give key=")


def _bounded(key: ItemKey) -> ItemKey:
    if len(str(key)) > KEY_CHARS_MAX:
        raise UsageError(
            f"an item's key has more than {KEY_CHARS_MAX} characters ({str(key)[:40]}…); "
            "give key= with something shorter that names it"
        )
    return key


def key_digest(key: ItemKey | bytes) -> bytes:
    """Return the 16 bytes by which the manifest and a ledger know a key."""
    if type(key) is bytes:
        return key
    kind, text = ("i", str(key)) if type(key) is int else ("s", str(key))
    named = (kind + text).encode(errors="surrogatepass")
    return blake2b(named, digest_size=KEY_BYTES).digest()


def unreadable_digest(content: str) -> bytes:
    """Return the 16 bytes by which an item is known that cannot be read: no key has them."""
    named = ("u" + content).encode(errors="surrogatepass")
    return blake2b(named, digest_size=KEY_BYTES).digest()


def shown_key(key: ItemKey | bytes) -> str:
    """Return a key as people see and type it: a text that looks like a number is in quotes."""
    if type(key) is bytes:
        return key.hex()
    if type(key) is str and key.lstrip("-").isdigit():
        return f'"{key}"'
    return str(key)


def print_of(item: object, given: Callable[..., object] | None) -> bytes:
    """Return an item's fingerprint: the digest of what `given` returns, else of the item.
    Raises UsageError."""
    value = item if given is None else given(item)
    return content_digest(value, PRINT_BYTES, "give fingerprint= with what tells a change")


def content_digest(value: object, size: int, advice: str) -> bytes:
    """Return a digest of a value's JSON. Raises UsageError, with `advice`."""
    try:
        text = dumps(encode(value))
    except Unrecordable as error:
        raise UsageError(f"an item of type {type(value).__name__}: {error}; {advice}") from error
    return blake2b(text.encode(errors="surrogatepass"), digest_size=size).digest()
