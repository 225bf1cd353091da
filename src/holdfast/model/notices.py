"""A notice: what somebody who is not there is told of a run, derived from a fact of it.

`as_json` is what a command reads on stdin; docs/reference/notices.md promises its members. A
notice holds what the fact holds, with secrets replaced before they were recorded, and no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, get_args

from holdfast.errors import error_text
from holdfast.model.durations import show
from holdfast.model.facts import Fact, HoldOpened, RunFailed, RunSucceeded
from holdfast.model.json import Json
from holdfast.model.making import dataclass, replace
from holdfast.model.shown import safe, safe_lines
from holdfast.model.state import RunState
from holdfast.model.status import RunStatus

NoticeEvent: TypeAlias = Literal["hold", "failed", "succeeded", "stalled"]
EVENTS: Final[tuple[NoticeEvent, ...]] = get_args(NoticeEvent)

VERSION: Final = 1
TITLE_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 4_000
"""Of a question, an error's message, or a name."""
COMMAND_CHARS_MAX: Final = 1_000
"""A command longer than this is left out: cut, it would be another one."""
KEYS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Way:
    """A command that goes on, as it is typed, and what it does."""

    command: str
    does: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `id` is the same whenever it is delivered again.

    `text` is for people: several lines, safe to show anywhere. `steps` are those that failed, or
    that are silent; `hold` and `failure` are the facts of those events.
    """

    id: str
    event: NoticeEvent
    run: str
    workflow: str
    target: str | None
    status: RunStatus
    host: str
    at: datetime
    title: str
    text: str
    hold: HoldOpened | None = None
    failure: RunFailed | None = None
    steps: tuple[str, ...] = ()
    next: tuple[Way, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return the document that is delivered; its size is bounded."""
        return {
            "version": VERSION,
            "id": self.id,
            "event": self.event,
            "run": self.run,
            "workflow": _cut(self.workflow),
            "target": None if self.target is None else _cut(self.target),
            "status": self.status,
            "host": self.host,
            "at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "title": self.title,
            "text": self.text,
            "hold": _hold_json(self.hold),
            "error": _error_json(self.failure),
            "steps": [_cut(key) for key in self.steps[:KEYS_MAX]],
            "next": [{"command": way.command, "does": way.does} for way in self.next],
        }


def notice_of(
    fact: Fact, state: RunState, *, run: str, seq: int | None = None, ways: Sequence[Way] = ()
) -> Notice | None:
    """Return what is told of a fact that was folded into `state`, or None.

    `seq` is the fact's place in the journal when it is not the last one. `ways` are what to type.
    """
    told = _Moment(state, run, state.seq if seq is None else seq, fact.at, ways)
    match fact:
        case HoldOpened():
            keys = (fact.key,) if fact.key else ()
            return told.notice("hold", "on_hold", fact.question, keys, hold=fact)
        case RunFailed():
            place = f"  [{fact.location}]" if fact.location else ""
            what = f"{error_text(fact.type, fact.message)}{place}"
            return told.notice("failed", "failed", what, fact.failures, failure=fact)
        case RunSucceeded():
            return told.notice("succeeded", "succeeded", _summary(state, fact.at))
        case _:
            return None


def stall_notice(
    state: RunState,
    keys: Sequence[str],
    silent_s: float,
    at: datetime,
    *,
    run: str,
    nth: int = 1,
    ways: Sequence[Way] = (),
) -> Notice:
    """Return what is told when the steps `keys` have run in silence for so long.

    `nth` counts the silences since the last fact: each is a notice of its own.
    """
    named = ", ".join(map(repr, keys[:KEYS_MAX])) or "a step"
    what = f"nothing recorded and nothing written for {show(silent_s)}, in {named}"
    notice = _Moment(state, run, state.seq, at, ways).notice("stalled", "running", what, keys)
    return notice if nth == 1 else replace(notice, id=f"{notice.id}-{nth}")


_WORDS: Final[dict[NoticeEvent, str]] = {
    "hold": "ON HOLD",
    "failed": "FAILED",
    "succeeded": "SUCCEEDED",
    "stalled": "STALLED",
}


@dataclass(frozen=True, slots=True)
class _Moment:
    """What every notice about one moment of a run says."""

    state: RunState
    run: str
    seq: int
    at: datetime
    ways: Sequence[Way]

    def notice(
        self,
        event: NoticeEvent,
        status: RunStatus,
        what: str,
        keys: Sequence[str] = (),
        *,
        hold: HoldOpened | None = None,
        failure: RunFailed | None = None,
    ) -> Notice:
        created, lives = self.state.created, self.state.lives
        workflow = created.workflow if created else ""
        target = self.state.target
        host = lives[-1].owner.host if lives else ""
        about = self.run if target is None else f"{self.run} on {target}"
        ways = tuple(way for way in self.ways if len(way.command) <= COMMAND_CHARS_MAX)
        lines = [
            *safe_lines(_cut(what)),
            *(f"step  {safe(_cut(key, TITLE_CHARS_MAX))}" for key in keys[:KEYS_MAX]),
            safe(_cut(f"run   {about}, workflow {workflow}, host {host}", TITLE_CHARS_MAX)),
            *(safe(f"next  {way.command}  # {way.does}") for way in ways),
        ]
        return Notice(
            id=f"{self.run}:{self.seq}:{event}",
            event=event,
            run=self.run,
            workflow=workflow,
            target=target,
            status=status,
            host=host,
            at=self.at,
            title=_title(f"{_WORDS[event]} {about}: {what}"),
            text="\n".join(lines),
            hold=hold,
            failure=failure,
            steps=tuple(keys),
            next=ways,
        )


def _title(text: str) -> str:
    return safe(_cut(text.partition("\n")[0].strip(), TITLE_CHARS_MAX))


def _summary(state: RunState, at: datetime) -> str:
    done = sum(step.is_finished for step in state.steps.values())
    steps = "1 step" if done == 1 else f"{done:,} steps"
    if state.created is None:
        return steps
    return f"{steps}, {show(max(0.0, (at - state.created.at).total_seconds()))}"


def _hold_json(hold: HoldOpened | None) -> Json:
    if hold is None:
        return None
    question = _cut(hold.question)
    return {"id": hold.id, "kind": hold.kind, "key": _cut(hold.key), "question": question}


def _error_json(failure: RunFailed | None) -> Json:
    if failure is None:
        return None
    message, location = _cut(failure.message), _cut(failure.location)
    return {"type": _cut(failure.type), "message": message, "location": location or None}


def _cut(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"
