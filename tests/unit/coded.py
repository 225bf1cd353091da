"""What the tests of the codec share: a value of a class, and the way there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdfast.model.codec import decode, dumps, encode, loads


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen dataclass."""

    name: str
    tags: tuple[str, ...] = ()


def round_trip(value: Any) -> Any:
    """Return what is read of a value that was recorded."""
    return decode(loads(dumps(encode(value))))
