"""What a person is told when a life of a run is over: what, why, how things stand, what next."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from holdfast.app.backward import left_lines, owed_labels
from holdfast.app.batch_ways import left_behind
from holdfast.app.fleet_targets import owed_by_targets
from holdfast.app.judging import process_named
from holdfast.app.next_ways import Next
from holdfast.app.reasons import Reason, why_of
from holdfast.app.rollout_views import rollouts_of
from holdfast.app.script_ways import with_script
from holdfast.app.views import RunView
from holdfast.app.wording import count, status_words
from holdfast.cli.batch_lines import counts_text, forecast_text
from holdfast.cli.life_words import shown
from holdfast.cli.offered import line_of, next_command
from holdfast.cli.options import Common
from holdfast.cli.text import field_lines, safe, took, width_of
from holdfast.errors import UNTIL_READ
from holdfast.flow.running import Outcome
from holdfast.model.shown import few
from holdfast.model.state import RunState
from holdfast.model.undoing import is_giving_back

EXIT_STORAGE = 74
EXIT_TIME = 75
KEYS_SHOWN_MAX = 3
FIELD_COLUMNS = 9
REASONS_SHOWN_MAX = 4
TAIL_LINES_MAX = 5

_COUNTED = (
    ("succeeded", "done"),
    ("already_done", "already done"),
    ("skipped", "skipped"),
    ("undone", "undone"),
    ("failed", "failed"),
    ("in_doubt", "in doubt"),
    ("interrupted", "interrupted"),
    ("waiting", "waiting"),
    ("running", "running"),
)
_NAMED = frozenset({"failed", "in_doubt", "interrupted", "running"})


def ending(
    outcome: Outcome,
    view: RunView | None,
    common: Common,
    columns: int | None = None,
    state: RunState | None = None,
    *,
    is_brief: bool = False,
) -> Iterator[str]:
    """Yield the lines that a life ends with; `view` is None when the store cannot be read, and
    `state` is what its process knows of the run then.

    Reasons are wrapped to `columns`, commands never: they are there to be copied. The first line
    is all where it `is_brief`: whoever reads that says the rest.
    """
    run = safe(outcome.run_id)
    if view is None:
        yield f"{_headline(outcome)}  (exit {outcome.exit_code})"
        yield from _field("why", [_unadvised(outcome.reason)], columns)
        ways = [Next(("doctor",), "what is wrong with the store")]
        resume = Next(("resume", outcome.run_id), "once it is well")
        ways.extend([resume] if state is None else with_script(state, [resume]))
        yield from _field("next", [line for way in ways for line in _way(way, common, columns)])
    elif outcome.status == "succeeded":
        steps = count(sum(step.status != "superseded" for step in view.steps), "step")
        spent = took(view.row.started_at, view.row.ended_at)
        yield f"{run} succeeded: {steps}, {spent}{_left_behind(view, common)}"
    elif outcome.status == "rolled_back":
        yield f"{run} rolled back: {_standing(view)}"
        yield from _back_fields(view, columns)
    else:
        yield f"{_headline(outcome)}  (exit {outcome.exit_code})"
        yield from () if is_brief else _fields(outcome, view, common, columns)


def _fields(outcome: Outcome, view: RunView, common: Common, columns: int | None) -> Iterator[str]:
    """Yield why a run goes on no more by itself, how things stand, and the commands that go on."""
    why = why_of(view)
    # What the disk refused could not be recorded: the journal knows no reason.
    is_storage = outcome.exit_code == EXIT_STORAGE
    reasons = () if is_storage else why.reasons[:REASONS_SHOWN_MAX]
    for at, reason in enumerate(reasons):
        yield from _field("why" if at == 0 else "", _lines(reason), columns)
        for name, text in reason.fields:
            yield from field_lines(name, text, columns, FIELD_COLUMNS + 2)
    if not reasons:
        yield from _field("why", [_unadvised(outcome.reason)], columns)
    yield from _field("state", [_standing(view)], columns)
    yield from _field("items", list(_batches(view)), columns)
    for rollout in rollouts_of(view.state):
        yield from _field("units", [rollout.counts()], columns)
    yield from _back_fields(view, columns)
    lines = [_way(way, common, columns) for way in why.next]
    if outcome.exit_code == EXIT_TIME:
        lines.sort(key=lambda way: " resume " not in way[0])
    if is_storage:
        lines.extend(_advised(outcome.reason, common))
    yield from _field("next", [line for way in lines for line in way])


def _left_behind(view: RunView, common: Common) -> str:
    """Return what a run that succeeded says of items and units that did not; mostly nothing."""
    ways = left_behind(view.id, view.state, view.batches.values())
    told = (f"; {way.does.partition(':')[0]}: {line_of(way, common)}" for way in ways)
    return "".join(told)


def _unadvised(reason: str) -> str:
    """Return why, without what a store's error says of how to go on: the commands follow it."""
    why, until, _ = reason.partition(UNTIL_READ)
    return safe(why + until)


def _advised(reason: str, common: Common) -> Iterator[list[str]]:
    """Yield the commands that an error tells to begin something anew with, beside `resume`."""
    import re

    for words in re.findall("`holdfast (rewind [^`]+)`", reason):
        command = next_command(common, *shlex.split(words))
        yield [f"{command}  # begin anew, once the file is out of the way"]


def _way(way: Next, common: Common, columns: int | None) -> list[str]:
    """Return a command with what it does: beside it, or below it where there is no room."""
    line = line_of(way, common)
    beside = f"{line}  # {safe(way.does)}"
    if columns is None or FIELD_COLUMNS + width_of(beside) <= columns:
        return [beside]
    return [line, f"  # {safe(way.does)}"]


def _headline(outcome: Outcome) -> str:
    words = {"stopped": "STOPPED", "on_hold": "ON HOLD"}
    status = words.get(outcome.status, status_words(outcome.status).upper())
    if outcome.exit_code == EXIT_STORAGE:
        status = "STORAGE ERROR"
    return f"{status} {safe(outcome.run_id)}"


def _lines(reason: Reason) -> list[str]:
    """Return a reason with the last lines of what failed below it, and where to look."""
    first, *more = reason.text.rstrip().split("\n")
    # What a hold shows has the place in it.
    where = f"  [{safe(reason.location)}]" if reason.location and not reason.fields else ""
    return [safe(first) + where, *(f"  {safe(line)}" for line in more[-TAIL_LINES_MAX:])]


def _field(name: str, lines: Sequence[str], columns: int | None = None) -> Iterator[str]:
    indent = " " * FIELD_COLUMNS
    for at, line in enumerate(lines):
        text = f"  {name if at == 0 else '':<6} {line}"
        if columns is None or width_of(text) <= columns:
            yield text
        else:
            yield from textwrap.wrap(text, columns, subsequent_indent=indent)


def _back_fields(view: RunView, columns: int | None) -> Iterator[str]:
    """Yield what is owed, and what a rollback or an undone stage has left as it is."""
    owed = [*owed_labels(view.state), *owed_by_targets(view.targets)]
    if owed:
        yield from _field("owed", [safe(" · ".join(few(owed)))], columns)
    yield from _field("left", [safe(line) for line in left_lines(view.state)], columns)


def _batches(view: RunView) -> Iterator[str]:
    """Yield how far each batch is that is not done, and how many lives the rest takes."""
    for key, batch in view.batches.items():
        if view.state.steps[key].is_finished:
            continue
        forecast = forecast_text(batch)
        yield f"{shown(key)}: {counts_text(batch)}" + (f"; {forecast}" if forecast else "")


def _standing(view: RunView) -> str:
    """Return how many steps are done, and by name those that are not as they should be."""
    statuses = {
        step.key: "interrupted" if step.is_orphaned and step.status == "running" else step.status
        for step in view.steps
        if not (is_giving_back(step.key) and step.status in ("succeeded", "already_done"))
    }
    counted = Counter(statuses.values())
    parts = []
    for status, word in _COUNTED:
        if counted[status]:
            keys = [key for key, own in statuses.items() if own == status]
            names = ", ".join(map(shown, keys[:KEYS_SHOWN_MAX])) if status in _NAMED else ""
            more = ", …" if names and len(keys) > KEYS_SHOWN_MAX else ""
            parts.append(f"{counted[status]} {word}{': ' if names else ''}{names}{more}")
    if view.is_alive and view.row.owner is not None:
        parts.append(f"owned by {process_named(view.row.owner)}")
    nothing = "nothing of it stands" if view.steps else "no step was started"
    return " · ".join(parts) or nothing
