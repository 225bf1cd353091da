"""What a prompt shows for each kind of hold, and the keys that answer it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from holdfast.app.answering import choice_text, choices_of
from holdfast.app.views import process_named
from holdfast.cli.text import json_text, safe, when
from holdfast.model.facts import HoldOpened
from holdfast.model.json import Json
from holdfast.model.state import RunState

FIELD_COLUMNS = 13
ATTEMPTS_FIELD = "before"

Means = Literal["approve", "auto", "skip", "reject", "park", "details", "done", "retry"]


@dataclass(frozen=True, slots=True)
class Key:
    """One letter a person may type, the word for it, and what it means."""

    letter: str
    word: str
    means: Means
    needs_reason: bool = False

    @property
    def shown(self) -> str:
        """The word with its letter in brackets: `[y]es`."""
        if self.word.startswith(self.letter):
            return f"[{self.letter}]{self.word[1:]}"
        return f"[{self.letter}] {self.word}"


_YES = Key("y", "yes", "approve")
_AUTO = Key("a", "auto from here on", "auto")
_SKIP = Key("s", "skip", "skip", needs_reason=True)
_NO = Key("n", "no", "reject", needs_reason=True)
_PARK = Key("p", "park", "park")
_DETAILS = Key("d", "details", "details")
_IT_DID = Key("y", "yes, it is done", "done", needs_reason=True)
_AGAIN = Key("r", "run it again", "retry")


def keys_of(opened: HoldOpened) -> tuple[Key, ...]:
    """Return the keys that answer a hold; none for a question, whose value is typed."""
    if opened.kind == "question":
        return ()
    if opened.kind == "in_doubt":
        return (_IT_DID, _AGAIN, _PARK, _DETAILS)
    if opened.kind == "confirm" and "undo" in opened.evidence:
        # A step asks: it may be skipped, and its mode be changed.
        return (_YES, _AUTO, _SKIP, _NO, _PARK, _DETAILS)
    return (_YES, _NO, _PARK, _DETAILS)


def question_lines(state: RunState, opened: HoldOpened, columns: int) -> list[str]:
    """Return what a person needs to know to answer, in lines that fit."""
    lines = textwrap.wrap(f"? {safe(opened.question)}", columns, subsequent_indent="  ")
    for name, text in _fields(state, opened):
        if text:
            lines += _field(name, text, columns)
    return lines


def _field(name: str, text: str, columns: int) -> list[str]:
    return textwrap.wrap(
        f"  {name:<{FIELD_COLUMNS - 3}} {safe(text)}",
        columns,
        subsequent_indent=" " * FIELD_COLUMNS,
        break_on_hyphens=False,
    )


def _fields(state: RunState, opened: HoldOpened) -> Iterator[tuple[str, str]]:
    seen = opened.evidence
    match opened.kind:
        case "confirm":
            yield "runs", _text(seen, "runs") + _place(_text(seen, "location"))
            yield "inputs", _text(seen, "inputs")
            yield "undo", _text(seen, "undo")
            yield "why", _text(seen, "why")
            yield ATTEMPTS_FIELD, _history(state, opened.key)
        case "question":
            yield "type", _text(seen, "type")
            yield "choices", ", ".join(map(choice_text, choices_of(opened)))
            if seen.get("default") is not None:
                yield "default", f"{choice_text(seen['default'])} (type it to take it)"
        case "in_doubt":
            yield "inputs", _text(seen, "inputs")
            where = f"pid {_text(seen, 'pid')} on {_text(seen, 'host')}"
            yield "began", f"attempt {_text(seen, 'attempt')}, {_text(seen, 'started_at')}, {where}"
            yield "then", _text(seen, "why")
        case "drift":
            yield from _drift(seen)
        case _:
            for name in seen:
                yield name, _text(seen, name)


def _drift(seen: dict[str, Json]) -> Iterator[tuple[str, str]]:
    changed, new, gone = seen.get("changed"), seen.get("new"), seen.get("gone")
    if isinstance(changed, dict):
        yield "step", _text(changed, "key") + _place(_text(changed, "location"))
        yield "recorded", _text(changed, "recorded")
        yield "now", _text(changed, "now")
    if isinstance(new, dict):
        yield "new", _text(new, "key") + _place(_text(new, "location"))
    for part in gone if isinstance(gone, list) else []:
        if isinstance(part, dict):
            yield "gone", _text(part, "key") + _place(_text(part, "location"))
    alike = seen.get("renamed_or_volatile")
    if isinstance(alike, list):
        yield "same code", ", ".join(map(str, alike)) + ": renamed, or its label changes each time"


def _history(state: RunState, key: str) -> str:
    """Return what became of earlier attempts of the step."""
    step = state.steps.get(key)
    if step is None or not step.attempts:
        return ""
    times = "1 attempt" if step.attempts == 1 else f"{step.attempts} attempts"
    if step.status == "running":
        life = state.life_of(step)
        where = f" in {process_named(life.owner)}" if life else ""
        return f"{times}; the last began {when(step.started_at)}{where} and was interrupted"
    if step.error or step.error_type:
        return f"{times}; the last failed: {step.error_type}: {step.error}"
    return times


def details(run: str, state: RunState, opened: HoldOpened, columns: int) -> list[str]:
    """Return everything the hold records, and how to answer from elsewhere."""
    lines = _field(
        "run", f"{run}, hold {opened.id} ({opened.kind}), since {when(opened.at)}", columns
    )
    lines += _field("step", opened.key or "none", columns)
    step = state.steps.get(opened.key)
    if step is not None and step.code:
        lines += _field("code", step.code, columns)
    lines += _field("digest", opened.digest, columns)
    for name, value in opened.evidence.items():
        if value is None:
            continue
        lines += _field(name, value if isinstance(value, str) else json_text(value), columns)
    return lines + _field("answer", f"holdfast why {run}", columns)


def _text(values: dict[str, Json], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def _place(location: str) -> str:
    return f"  [{location}]" if location else ""
