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
