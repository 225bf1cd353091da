"""What a prompt shows for each kind of hold, and the keys that answer it."""

from __future__ import annotations

import textwrap
from typing import Literal

from holdfast.app.evidence import evidence_of
from holdfast.app.judging import process_named
from holdfast.app.wording import count
from holdfast.cli.text import field_lines, json_text, safe, when
from holdfast.errors import error_text
from holdfast.model.facts import HoldOpened
from holdfast.model.making import dataclass
from holdfast.model.state import RunState

ATTEMPTS_FIELD = "before"

Means = Literal["approve", "unit", "auto", "skip", "reject", "park", "details", "done", "retry"]


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
_UNIT = Key("u", "unit: all of it", "unit")
_STAGE = Key("u", "until the stage ends", "unit")
_YES_BECAUSE = Key("y", "yes", "approve", needs_reason=True)
_AUTO = Key("a", "auto from here on", "auto")
_SKIP = Key("s", "skip", "skip", needs_reason=True)
_NO = Key("n", "no", "reject", needs_reason=True)
_PARK = Key("p", "park", "park")
_DETAILS = Key("d", "details", "details")
_IT_DID = Key("y", "yes, it is done", "done", needs_reason=True)
_AGAIN = Key("r", "run it again", "retry")
_SAMPLE = Key("r", "retry: sample anew", "retry")


def keys_of(opened: HoldOpened, state: RunState, *, has_answered: bool = False) -> tuple[Key, ...]:
    """Return the keys that answer a hold; none for a question, whose value is typed."""
    if has_answered:
        # The others must agree: there is nothing left to say here but to leave.
        return (_PARK, _DETAILS)
    if opened.kind == "question":
        return ()
    if opened.kind == "in_doubt":
        return (_IT_DID, _AGAIN, _PARK, _DETAILS)
    if opened.kind == "confirm" and "inputs" in opened.evidence:
        # A step asks: it may be skipped, and more than it be agreed to.
        wider = () if state.terms.is_guarded else (*_whole(opened, state), _AUTO)
        return (_YES, *wider, _SKIP, _NO, _PARK, _DETAILS)
    if opened.kind == "gate":
        pass_it = () if opened.evidence.get("measures") else (_YES_BECAUSE,)
        return (_SAMPLE, *pass_it, _NO, _PARK, _DETAILS)
    if opened.kind == "debt":
        return (_YES_BECAUSE, _NO, _PARK, _DETAILS)
    return (_YES, _NO, _PARK, _DETAILS)


def key_lines(keys: tuple[Key, ...], columns: int) -> list[str]:
    """Return the keys side by side, in as many lines as they need."""
    lines: list[str] = []
    for key in keys:
        if lines and len(lines[-1]) + 2 + len(key.shown) <= columns:
            lines[-1] += f"  {key.shown}"
        else:
            lines.append(key.shown)
    return lines


def _whole(opened: HoldOpened, state: RunState) -> tuple[Key, ...]:
    """Return the key that says yes to all of the unit or stage that the step is in."""
    scope = scope_meant(opened, state)
    if not scope:
        return ()
    return (_UNIT,) if state.scope(scope).kind == "unit" else (_STAGE,)


def scope_meant(opened: HoldOpened, state: RunState) -> str:
    """Return the unit around the step that asks, else its stage, or nothing."""
    return state.enclosing(opened.key, "unit") or state.enclosing(opened.key, "stage")


def name_to_type(opened: HoldOpened) -> str:
    """Return what a person must type to say yes, where there is no way back; mostly nothing."""
    name = opened.evidence.get("type_to_confirm")
    return name if isinstance(name, str) else ""


def question_lines(state: RunState, opened: HoldOpened, columns: int) -> list[str]:
    """Return what a person needs to know to answer, in lines that fit."""
    lines = textwrap.wrap(f"? {safe(opened.question)}", columns, subsequent_indent="  ")
    for name, text in evidence_of(opened):
        lines += field_lines(name, text, columns)
    history = _history(state, opened.key) if opened.kind == "confirm" else ""
    if history:
        lines += field_lines(ATTEMPTS_FIELD, history, columns)
    return lines


def _history(state: RunState, key: str) -> str:
    """Return what became of earlier attempts of the step."""
    step = state.steps.get(key)
    if step is None or not step.attempts:
        return ""
    times = count(step.attempts, "attempt")
    if step.status == "running":
        life = state.life_of(step)
        where = f" in {process_named(life.owner)}" if life else ""
        return f"{times}; the last began {when(step.started_at)}{where} and was interrupted"
    if step.error or step.error_type:
        return f"{times}; the last failed: {error_text(step.error_type, step.error)}"
    return times


def details(run: str, state: RunState, opened: HoldOpened, answer: str, columns: int) -> list[str]:
    """Return everything the hold records, and `answer`, the command by which others see how."""
    lines = field_lines(
        "run", f"{run}, hold {opened.id} ({opened.kind}), since {when(opened.at)}", columns
    )
    lines += field_lines("step", opened.key or "none", columns)
    step = state.steps.get(opened.key)
    if step is not None and step.code:
        lines += field_lines("code", step.code, columns)
    lines += field_lines("digest", opened.digest, columns)
    for name, value in opened.evidence.items():
        if value is None or value == "" or name == "plan":
            continue  # The plan stands above, a step a line.
        lines += field_lines(name, value if isinstance(value, str) else json_text(value), columns)
    return [*lines, *field_lines("answer", answer, None)]
