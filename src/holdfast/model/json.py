"""The values a journal can hold as they are, and what stands for one that is too large."""

from __future__ import annotations

from typing import TypeAlias

from holdfast.model.making import dataclass

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Spilled:
    """A value too large for its row: the digest names where it is kept."""

    digest: str
    size_bytes: int


def list_in(value: Json) -> list[Json]:
    """Return a value that is a list; an empty one in the place of any other."""
    return value if isinstance(value, list) else []


def objects_in(value: Json) -> list[dict[str, Json]]:
    """Return the objects in a value that is a list; nothing for any other."""
    return [part for part in list_in(value) if isinstance(part, dict)]
