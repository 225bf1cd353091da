"""The commands that go on: how each is told, and those about the target of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from holdfast.app.fleet_targets import TargetRun
from holdfast.model.making import dataclass
from holdfast.model.typed import behind, typed

_ACTING: Final = ("resume", "retry", "rollback", "settle")
"""The verbs that go on with a run, for which it needs its target."""
TARGETS_SHOWN_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Next:
    """A command that goes on, as its arguments, and what it does; `typed` is a line that is typed
    instead."""

    argv: tuple[str, ...]
    does: str
    typed: str = ""

    def line(self, *options: str) -> str:
        """Return what to type; `options` stand after the program's name, where it is ours."""
        if self.typed:
            program, _, rest = self.typed.partition(" ")
            is_ours = program == "holdfast" and options
            return f"{typed((program, *options))} {rest}" if is_ours else self.typed
        return typed(("holdfast", *options, *self.argv))


def about(does: str, verb: str, run: str, name: str, *options: str) -> Next:
    """Return a command about a step or an item, by its name."""
    return Next(behind(verb, (run, name), options), does)


def displaced_ways(run: str, by: str, ways: Iterable[Next]) -> Iterator[Next]:
    """Yield what can be done while the run `by` has the target: nothing that acts on it."""
    yield Next(("why", by), f"{by} has its target: once that has ended, `resume` goes on here")
    back = ("resume", run, "--steal", "-m", "REASON")
    yield Next(back, f"take the target back, where nobody works on {by}, and go on")
    yield from without_target(ways)


def without_target(ways: Iterable[Next]) -> Iterator[Next]:
    """Yield the commands that are not refused while another run has the target."""
    return (way for way in ways if way.argv[0] not in _ACTING)


def target_ways(run: str, targets: Iterable[TargetRun]) -> Iterator[Next]:
    """Yield what to do about the targets of a fleet that wait for a person."""
    waiting = [each for each in targets if each.waits]
    for each in waiting[:TARGETS_SHOWN_MAX]:
        if each.is_stopped:
            yield Next(("resume", each.run), f"go on with {each.target}, which was stopped")
        else:
            yield Next(("why", each.run), f"what {each.target} waits for")
    if len(waiting) > 1:
        yield Next(("fleet", "status", run), f"all {len(waiting)} that wait, and the others")
