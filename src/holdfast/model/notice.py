"""Notices: who is told of what happens to a run while nobody looks."""

from __future__ import annotations

from typing import Final

from holdfast.model.making import dataclass

OCCASIONS: Final[tuple[str, ...]] = ("hold", "failed", "succeeded", "stalled")
"""What a notice may be sent for."""

STALLED_AFTER_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Notify:
    """Where notices go, for what, and after how long without progress a run counts as stalled.

    `urls` are apprise URLs, or references (`@env:NAME`, `@file:PATH`) to one; `command` is an
    argv that reads the notice as JSON.
    """

    urls: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    on: tuple[str, ...] = OCCASIONS
    stalled_after_s: float = STALLED_AFTER_S
