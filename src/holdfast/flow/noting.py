"""What ran after a failure (DESIGN 3, Leaving): the script's recorded calls say where they are."""

from __future__ import annotations

from holdfast.runtime.context import Frame


def note_failure(frame: Frame, failure: BaseException) -> None:
    """Note that a failure reached this scope: what runs here from now on ran after it."""
    frame.life.afterwards.note_failure(failure, frame.trace, frame.lane)


def note_left(inner: Frame, outer: Frame) -> None:
    """Note that a failure left a scope: it has reached the one around it."""
    outer.life.afterwards.note_left(inner.trace, outer.trace, outer.lane)


def note_reached(frame: Frame, key: str) -> None:
    """Note a step or scope that the script reaches, perhaps after a failure."""
    frame.life.afterwards.note_reached(key, frame.trace, frame.lane)
