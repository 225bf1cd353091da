"""What to type next about a run whose script is not ours to find.

One of a shell goes on when it is run again, and what a program in no file began goes on when
somebody names a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import join, quote

from holdfast.app.next_ways import Next
from holdfast.app.shell_runs import again
from holdfast.model.making import replace
from holdfast.model.state import RunState


def with_script(state: RunState, ways: Iterable[Next]) -> Iterator[Next]:
    """Yield the commands that go on, with the script in the place of `resume`, where it is the
    script that goes on: what a person stopped, or what is being undone, needs `resume` first."""
    if state.created is None or state.is_finished:
        yield from ways
        return
    if not state.created.shell:
        has_file = bool(state.created.file or any(life.file for life in state.lives))
        yield from ways if has_file else map(_with_file, ways)
        return
    is_theirs = state.stop is not None or state.ledger.is_going_back
    line = again(state) or f'eval "$(holdfast begin {quote(state.created.workflow)})"'
    for way in ways:
        if way.argv == ("resume", "--due"):
            continue  # Nobody but its author runs a shell script.
        is_resume = way.argv[0] == "resume" and len(way.argv) == 2
        yield replace(way, typed=line) if is_resume and not is_theirs else way


def _with_file(way: Next) -> Next:
    """Return the command with a place for the script: what began the run is in no file."""
    is_acting = way.argv[0] in ("resume", "rollback", "settle") and len(way.argv) == 2
    return replace(way, typed=f"{join(('holdfast', *way.argv))} FILE") if is_acting else way
