"""Things that steps make and undos take away: what tests of going back share."""

from __future__ import annotations

from tests.unit.runs import touch

from holdfast.flow.decorator import step

MADE: list[str] = []


def unmake(name: str) -> None:
    touch(f"undo {name}")
    MADE.remove(name)


@step("make {name}", undo=unmake)
def make(name: str) -> str:
    MADE.append(name)
    return name


def boom() -> None:
    raise OSError("boom")
