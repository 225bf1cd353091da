"""What a hold knows that a person needs to answer it, as short named texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdfast.app.answering import choice_text, choices_of
from holdfast.app.gates import gate_fields
from holdfast.app.rollout_views import is_about_units
from holdfast.app.rollouts import rollout_fields
from holdfast.app.wording import Field, moment
from holdfast.model.facts import HoldOpened
from holdfast.model.json import Json, list_in, objects_in
from holdfast.model.jsontext import dumps
from holdfast.model.keys import unescape
from holdfast.model.shown import few

GONE_SHOWN_MAX: Final = 10
PLAN_SHOWN_MAX: Final = 40


def evidence_of(opened: HoldOpened, *, is_over: bool = False) -> tuple[Field, ...]:
    """Return what a person should see beside the question; the text is as it was recorded.

    `is_over` says that nobody answered in time.
    """
    fields = (*(_of_batch(opened) or _fields(opened)), *_rules(opened, is_over))
    return tuple((name, text) for name, text in fields if text)


def changed_key(opened: HoldOpened) -> str:
    """Return the finished step that a drift hold reached with other inputs, or nothing."""
    changed = opened.evidence.get("changed")
    return _text(changed, "key") if isinstance(changed, dict) else ""


def _fields(opened: HoldOpened) -> Iterator[Field]:
    seen = opened.evidence
    match opened.kind:
        case "confirm":
            yield "runs", _placed(_text(seen, "runs"), seen)
            yield "inputs", _text(seen, "inputs")
            yield from _plan(seen)
            yield "undo", _text(seen, "undo")
            yield "reason", _text(seen, "reason")
            yield "why", _text(seen, "why")
            yield "history", _text(seen, "history")
        case "question":
            yield from _question(opened)
        case "in_doubt":
            yield from _doubt(seen)
        case "drift":
            yield from _drift(seen)
        case "gate":
            yield from gate_fields(seen)
        case "budget" if is_about_units(opened):
            yield from rollout_fields(seen)
        case "debt":
            yield from _owed(seen.get("owed"))
        case _:
            for name in seen:
                yield name, _text(seen, name)


def _question(opened: HoldOpened) -> Iterator[Field]:
    yield "type", _text(opened.evidence, "type")
    yield "choices", ", ".join(map(choice_text, choices_of(opened)))
    default = opened.evidence.get("default")
    if default is not None:
        yield "default", f"{choice_text(default)} (type it to take it)"


def _doubt(seen: dict[str, Json]) -> Iterator[Field]:
    yield "inputs", _text(seen, "inputs")
    where = f"pid {_text(seen, 'pid')} on {_text(seen, 'host')}"
    yield "began", f"attempt {_text(seen, 'attempt')}, {_text(seen, 'started_at')}, {where}"
    yield "then", _text(seen, "why")


def _owed(owed: Json) -> Iterator[Field]:
    debts = [f"{_text(debt, 'owes')}, since {_named(debt)}" for debt in objects_in(owed)]
    for line in few(debts):
        yield "owes", line


def _of_batch(opened: HoldOpened) -> list[Field]:
    """Return what a batch asks with: how far it is, or what is known of an item in doubt."""
    seen = opened.evidence
    if opened.kind == "budget" and not is_about_units(opened):
        of = "" if seen.get("total") is None else f" of {_text(seen, 'total')}"
        bad = [name for name in ("failed", "quarantined", "skipped") if seen.get(name)]
        counts = [f"{_text(seen, name)} {name}" for name in bad]
        return [("so far", ", ".join([f"{_text(seen, 'done')}{of} done", *counts]))]
    if opened.kind == "in_doubt" and "item" in seen:
        began = f"attempt {_text(seen, 'attempt')}, {_text(seen, 'started_at')}"
        return [("began", began), ("then", _text(seen, "why"))]
    return []


def _plan(seen: dict[str, Json]) -> Iterator[Field]:
    """Yield the steps that one yes covers."""
    steps = objects_in(seen.get("plan"))
    for number, step in enumerate(steps[:PLAN_SHOWN_MAX], 1):
        inputs = _text(step, "inputs")
        yield f"{number}.", _named(step) + (f"  ({inputs})" if inputs else "")
    if len(steps) > PLAN_SHOWN_MAX:
        yield "plan", f"and {len(steps) - PLAN_SHOWN_MAX} more: all of them in `show --json`"


def _rules(opened: HoldOpened, is_over: bool) -> Iterator[Field]:
    """Yield whose answers count, how many must agree, and until when."""
    electorate, until = opened.electorate, opened.expires_at
    names = ", ".join(electorate.approvers)
    if electorate.quorum > 1:
        names = f"{electorate.quorum} of {names}" if names else f"{electorate.quorum} people"
    if electorate.separate:
        names = f"{names or 'anybody'}, but nobody who started or resumed the run"
    yield "from", names
    if until is not None and is_over:
        then = "makes it a no" if opened.on_expiry == "reject" else "asks again"
        yield "until", f"{moment(until)}, which is over; `resume` {then}"
    elif until is not None:
        then = "then it is a no" if opened.on_expiry == "reject" else "then it is asked again"
        yield "until", f"{moment(until)}; {then}"


def world_of(opened: HoldOpened) -> list[tuple[str, str]]:
    """Return the finished steps whose checks did not say that it is so, and what they said."""
    parts = objects_in(opened.evidence.get("world"))
    return [(_text(part, "key"), _text(part, "says")) for part in parts]


def _world(seen: dict[str, Json]) -> Iterator[Field]:
    parts = objects_in(seen.get("world"))
    for part in parts[:GONE_SHOWN_MAX]:
        yield _text(part, "says"), _step(part)
    if len(parts) > GONE_SHOWN_MAX:
        yield "and", f"{len(parts) - GONE_SHOWN_MAX} more"


def _drift(seen: dict[str, Json]) -> Iterator[Field]:
    yield from _world(seen)
    changed, new, gone = seen.get("changed"), seen.get("new"), objects_in(seen.get("gone"))
    if isinstance(changed, dict):
        yield "changed", _step(changed)
        yield "recorded", _text(changed, "recorded") or "no inputs"
        yield "now", _text(changed, "now") or "no inputs"
    if isinstance(new, dict):
        yield "new", _step(new)
        yield "now", _text(new, "now")
    for part in gone[:GONE_SHOWN_MAX]:
        yield "gone", _step(part)
        yield "recorded", _text(part, "recorded")
    if len(gone) > GONE_SHOWN_MAX:
        yield "gone", f"and {len(gone) - GONE_SHOWN_MAX} more"
    alike = list_in(seen.get("renamed_or_volatile"))
    if alike:
        names = ", ".join(unescape(str(key)) for key in alike)
        advice = 'a new name? Then give the new step was="the old label". Else a label that changes'
        yield "same code", f"{names}: {advice} at every call makes it a new step each time"


def _step(part: dict[str, Json]) -> str:
    return _placed(_named(part), part)


def _named(part: dict[str, Json]) -> str:
    """Return a step's key as a person reads it: a label in it is what `was=` takes."""
    return unescape(_text(part, "key"))


def _placed(text: str, part: dict[str, Json]) -> str:
    location = _text(part, "location")
    return f"{text}  [{location}]" if location else text


def _text(values: dict[str, Json], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value)
