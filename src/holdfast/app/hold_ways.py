"""The commands that answer what a run asks, whatever it asks about, or decide a step in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdfast.app.answering import choice_text, choices_of
from holdfast.app.batch_ways import budget_ways, item_ways
from holdfast.app.evidence import changed_key, world_of
from holdfast.app.gates import gate_ways
from holdfast.app.next_ways import Next, about
from holdfast.app.rollout_views import is_about_units
from holdfast.app.rollouts import rollout_ways
from holdfast.model.facts import HoldOpened
from holdfast.model.holds import HoldState
from holdfast.model.undoing import is_giving_back

GONE_WAYS_MAX: Final = 3
_GO_ON_EDITED: Final = "go on with the edited script"


def hold_ways(run: str, hold: HoldState, *, is_only: bool) -> Iterator[Next]:
    """Yield the commands that answer a hold, with `--hold` where there are several, or where
    only some people may."""
    opened = hold.opened
    is_named = not is_only or opened.electorate.approvers
    which = ("--hold", opened.id) if is_named else ()
    match opened.kind:
        case "question":
            yield from _question_ways(run, opened, which)
        case "in_doubt":
            yield from item_ways(run, opened)
        case "gate":
            yield from gate_ways(run, opened, which)
        case "budget" if is_about_units(opened):
            yield from rollout_ways(run, opened, which)
        case "budget":
            yield from budget_ways(run, which)
        case "drift":
            yield from _drift_ways(run, opened)
        case "debt":
            yield Next(("settle", run), "give it back")
            end = ("approve", run, *which, "-m", "REASON")
            yield Next(end, "end the run all the same: nobody gives it back")
        case _:
            yield Next(("approve", run, *which), "say yes")
            yield Next(("reject", run, *which, "-m", "REASON"), "say no")


def _question_ways(run: str, opened: HoldOpened, which: tuple[str, ...]) -> Iterator[Next]:
    default = opened.evidence.get("default")
    if default is not None:
        text = choice_text(default)
        yield about("take the default", "answer", run, text, *which)
    yield Next(("answer", run, *which, "VALUE"), _wanted(opened))


def _drift_ways(run: str, opened: HoldOpened) -> Iterator[Next]:
    """Yield what to do about an edited script, or a world that has changed."""
    world = world_of(opened)
    if world:
        yield from _world_ways(run, world)
        return
    changed = changed_key(opened)
    does = "keep its recorded result, and go on" if changed else _GO_ON_EDITED
    yield Next(("resume", run, "--accept-drift"), does)
    if changed:
        yield about("run it anew with the new inputs, and go on", "retry", run, changed)


def _world_ways(run: str, found: list[tuple[str, str]]) -> Iterator[Next]:
    """Yield what to do about finished steps that are not so any more."""
    gone = [key for key, says in found if says != "unknown"]
    for key in gone[:GONE_WAYS_MAX]:
        yield about("run it again, and go on", "retry", run, key)
    if gone:
        does = "run it again, and all that followed it"
        yield Next(("rewind", run, "--to", gone[0], "-m", "REASON"), does)
    yield Next(("resume", run, "--accept-drift"), "go on with the world as it is")
    yield Next(("resume", run, "--recheck"), "look again, once it is put right by hand")


def _wanted(opened: HoldOpened) -> str:
    """Return what a question wants for a value."""
    if choices_of(opened):
        return f"give one of {', '.join(map(choice_text, choices_of(opened)))}"
    return f"give the value ({opened.evidence.get('type') or 'str'})"


def doubt_ways(run: str, key: str, again: str = "run it again") -> Iterator[Next]:
    """Yield the commands that decide a step in doubt."""
    output = "" if is_giving_back(key) else "; --output JSON is its result"
    took = f"it took effect: record it as done{output}"
    yield about(took, "done", run, key, "-m", "REASON")
    yield about(f"it did not: {again}", "retry", run, key)
