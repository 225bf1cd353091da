"""What to type next about a run of a shell script: it goes on when the script is run again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import Any, Protocol, TypeVar

from holdfast.app.shell_runs import again
from holdfast.model.making import replace
from holdfast.model.state import RunState


class Typed(Protocol):
    """A command that goes on."""

    @property
    def argv(self) -> tuple[str, ...]: ...


W = TypeVar("W", bound=Typed)


def with_script(state: RunState, ways: Iterable[W]) -> Iterator[W]:
    """Yield the commands that go on, with the script in the place of `resume`, where it is the
    script that goes on: what a person stopped, or what is being undone, needs `resume` first."""
    if state.created is None or not state.created.shell or state.is_finished:
        yield from ways
        return
    is_theirs = state.stop is not None or state.ledger.is_going_back
    line = again(state) or f'eval "$(holdfast begin {quote(state.created.workflow)})"'
    for way in ways:
        if way.argv == ("resume", "--due"):
            continue  # Nobody but its author runs a shell script.
        is_resume = way.argv[0] == "resume" and len(way.argv) == 2
        yield typed_as(way, line) if is_resume and not is_theirs else way


def typed_as(way: W, line: str) -> W:
    """Return the command as another line to type."""
    changed: Any = replace(way, typed=line)  # type: ignore[type-var]
    found: W = changed
    return found
