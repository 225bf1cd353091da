"""Where a run that holds finds a person: a prompt at the terminal, patience, or nobody."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from holdfast.app.answering import typed_answer
from holdfast.app.commands import mark_done, rearm
from holdfast.app.holds import check_counts
from holdfast.app.item_verbs import answer_item
from holdfast.app.nobody import Nobody
from holdfast.cli.asking import (
    Key,
    details,
    key_lines,
    keys_of,
    name_to_type,
    question_lines,
    scope_meant,
)
from holdfast.cli.life_words import clean
from holdfast.cli.live import Progress
from holdfast.cli.sink import Sink
from holdfast.errors import HoldfastError, Leaving, StoreError, UsageError
from holdfast.locks import Lock
from holdfast.model.facts import Answer, HoldAnswered, HoldOpened, Who
from holdfast.model.holds import voter
from holdfast.model.json import Json
from holdfast.model.jsontext import loads
from holdfast.model.making import dataclass, replace
from holdfast.model.state import AUTO_REST, HoldState, RunState
from holdfast.ports.clock import Clock
from holdfast.ports.person import Person
from holdfast.ports.store import Store

LINE_WAIT_S = 0.5
"""How long one look at the keyboard takes: an answer given elsewhere is seen within a second."""
POLL_S = 0.25
RECORDED_SOON_S, RECORDED_WITHIN_S = 0.02, 5.0
"""How soon an answer is looked for once it was given, and how long it may take to be recorded."""
TYPED_BYTES_MAX = 64 * 1024
COLUMNS_MAX = 100


@dataclass(frozen=True, slots=True)
class Ask:
    """What whoever attends a run acts with: its store, the time, a name, and the screen.
    `to_type` makes the commands in a text find the same store."""

    store: Store
    clock: Clock
    by: Who
    progress: Progress
    to_type: Callable[[str], str] = str


def is_interactive() -> bool:
    """Return whether a person can be asked here: stdin and stderr are terminals."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


class Attendant(Person, Protocol):
    """Who attends a run, until the life is over."""

    def close(self) -> None:
        """Leave the keyboard as it was found."""


def person_for(ask: Ask, *, prompts: bool, wait: bool) -> Attendant:
    """Return who attends: a prompt, somebody elsewhere who is waited for, or nobody."""
    if prompts:
        return Prompt(ask, Terminal())
    return Waiting(ask.progress.note) if wait else Nobody()


class Waiting:
    """Stay until somebody answers from another shell or the console."""

    def __init__(
        self, tell: Callable[[str], None], wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._tell, self._wait = tell, wait
        self._told: set[str] = set()

    def attend(self, run: str, state: RunState, holds: Sequence[HoldState]) -> HoldAnswered | None:
        for hold in holds:
            if hold.opened.id not in self._told:
                self._told.add(hold.opened.id)
                self._tell(f"waits for an answer to {hold.opened.id}: {hold.opened.question}")
        self._wait(POLL_S)
        return None

    def close(self) -> None:
        return None


# --- the prompt -------------------------------------------------------------------------------


class Lines(Protocol):
    """A keyboard and the screen beside it."""

    @property
    def columns(self) -> int: ...

    def write(self, text: str) -> None: ...

    def forget(self) -> None:
        """Drop what was typed before the question was shown: it cannot be meant for it."""

    def read(self, wait_s: float) -> str | None:
        """Return a line, or None when none was finished in time. Raises EOFError."""


class Terminal:
    """The terminal behind stdin and stderr, in the mode the user has it in."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._sink = Sink(sys.stderr)
        self._typed = b""

    @property
    def columns(self) -> int:
        return min(COLUMNS_MAX, shutil.get_terminal_size().columns)

    def write(self, text: str) -> None:
        self._sink.write(text)

    def forget(self) -> None:
        self._typed = b""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error:
            pass

    def read(self, wait_s: float) -> str | None:
        if not self._is_ours():
            # In the background reading would stop the whole process (SIGTTIN).
            time.sleep(wait_s)
            return None
        if not select.select([self._fd], [], [], wait_s)[0]:
            return None
        try:
            read = os.read(self._fd, TYPED_BYTES_MAX)
        except OSError as error:
            raise EOFError from error
        if not read:
            raise EOFError
        self._typed = (self._typed + read)[-TYPED_BYTES_MAX:]
        line, end, rest = self._typed.partition(b"\n")
        if not end:
            return None
        self._typed = rest
        return line.decode("utf-8", "replace").strip()

    def _is_ours(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return True


@dataclass(slots=True)
class Dialog:
    """One hold being asked about: the key that was chosen, and what is still to be typed."""

    hold: HoldState
    keys: tuple[Key, ...]
    chosen: Key | None = None
    reason: str = ""


class Prompt:
    """Ask at the terminal; an answer given elsewhere meanwhile is as good."""

    def __init__(self, ask: Ask, lines: Lines) -> None:
        self._ask, self._lines = ask, lines
        self._dialog: Dialog | None = None
        self._answered_last = ("", 0.0)
        self._lock = Lock()

    def attend(self, run: str, state: RunState, holds: Sequence[HoldState]) -> HoldAnswered | None:
        # Branches that hold at the same time take turns: there is one keyboard.
        if not self._lock.acquire(timeout=LINE_WAIT_S):
            return None
        try:
            # What another branch has heard meanwhile is not asked again.
            asked = next((hold for hold in holds if hold.status == "open"), None)
            if asked is not None and not self._is_being_recorded(asked):
                return self._attend(run, state, asked)
        finally:
            self._lock.release()
        time.sleep(RECORDED_SOON_S)
        return None

    def _is_being_recorded(self, hold: HoldState) -> bool:
        """Whether this hold was answered here just now, and its journal does not say so yet."""
        answered, until = self._answered_last
        is_it = answered == hold.opened.id and time.monotonic() < until
        return is_it and not self._has_answered(hold)

    def close(self) -> None:
        """Drop a line that was being typed when the answer came from elsewhere: it is not meant
        for the shell either."""
        if self._dialog is not None:
            self._lines.forget()

    def _attend(self, run: str, state: RunState, hold: HoldState) -> HoldAnswered | None:
        dialog = self._dialog
        if dialog is None or dialog.hold.opened.id != hold.opened.id:
            dialog = self._open(state, hold)
        try:
            line = self._lines.read(LINE_WAIT_S)
        except EOFError:
            self._lines.write("\n")
            raise self._parked() from None
        if line is None:
            return None
        try:
            return self._take(run, state, dialog, line)
        except StoreError:
            raise
        except HoldfastError as refused:
            self._answered_last = ("", 0.0)
            self._lines.write(f"{clean(self._ask.to_type(str(refused)))}\n")
            dialog.chosen, dialog.reason = None, ""
            if self._dialog is dialog:
                self._show_keys(dialog)
            return None

    def _open(self, state: RunState, hold: HoldState) -> Dialog:
        opened = hold.opened
        self._ask.progress.pause(opened.id, opened.key)
        has_answered = self._has_answered(hold)
        dialog = self._dialog = Dialog(hold, keys_of(opened, state, has_answered=has_answered))
        self._lines.forget()
        text = "\n".join(question_lines(state, opened, self._lines.columns))
        self._lines.write(f"{text}\n")
        if has_answered:
            self._lines.write("your answer is recorded; waiting for the others\n")
        self._show_keys(dialog)
        return dialog

    def _has_answered(self, hold: HoldState) -> bool:
        electorate = hold.opened.electorate
        me = voter(self._ask.by, electorate)
        return me in [voter(given.by, electorate) for given in hold.counted]

    def _show_keys(self, dialog: Dialog) -> None:
        if dialog.keys:
            for line in key_lines(dialog.keys, self._lines.columns):
                self._lines.write(f"{line}\n")
        self._lines.write("> ")

    # --- one line ---

    def _take(self, run: str, state: RunState, dialog: Dialog, line: str) -> HoldAnswered | None:
        if not dialog.keys:
            return self._value(state, dialog, line)
        if dialog.chosen is not None:
            return self._explained(run, state, dialog, dialog.chosen, line)
        wanted = line.lower()
        key = next((key for key in dialog.keys if wanted in (key.letter, key.word)), None)
        if key is None:
            # Enter alone is no answer either.
            letters = ", ".join(key.letter for key in dialog.keys)
            self._lines.write(f"type one of {letters}\n> ")
            return None
        return self._choose(run, state, dialog, key)

    def _choose(self, run: str, state: RunState, dialog: Dialog, key: Key) -> HoldAnswered | None:
        match key.means:
            case "park":
                raise self._parked()
            case "details":
                answer = self._ask.to_type(f"holdfast why {run}")
                lines = details(run, state, dialog.hold.opened, answer, self._lines.columns)
                self._lines.write("\n".join(lines) + "\n")
                self._show_keys(dialog)
                return None
            case "retry":
                self._over()
                ask, opened = self._ask, dialog.hold.opened
                if not answer_item(ask.store, run, ask.clock, ask.by, opened, "retry"):
                    rearm(ask.store, run, opened.key, ask.clock, ask.by)
                return None
        name = name_to_type(dialog.hold.opened) if key.means == "approve" else ""
        if key.needs_reason or name:
            dialog.chosen = key
            self._lines.write(f"there is no way back: type {name} to go on: " if name else "why? ")
            return None
        return self._answered(state, dialog, key)

    def _explained(
        self, run: str, state: RunState, dialog: Dialog, key: Key, line: str
    ) -> HoldAnswered | None:
        """Take the line that follows a choice: its reason, the name that a way without return
        asks for, and for `done` the result."""
        name = name_to_type(dialog.hold.opened) if key.means == "approve" else ""
        if name:
            if line != name:
                raise UsageError("nothing was decided: that is not the name")
            return self._answered(state, dialog, key)
        if not dialog.reason:
            if not line:
                raise UsageError("nothing was decided: a reason is needed")
            if key.means != "done":
                return self._answered(state, dialog, key, line)
            dialog.reason = line
            ask, opened = self._ask, dialog.hold.opened
            if answer_item(ask.store, run, ask.clock, ask.by, opened, "done", dialog.reason):
                self._over()
                return None
            self._lines.write("its result, as JSON (Enter: none): ")
            return None
        reason, dialog.reason = dialog.reason, ""
        output = _json(line)
        ask, opened = self._ask, dialog.hold.opened
        self._over()
        mark_done(ask.store, run, opened.key, ask.clock, ask.by, output, reason)
        return None

    def _value(self, state: RunState, dialog: Dialog, line: str) -> HoldAnswered | None:
        opened = dialog.hold.opened
        if not line:
            self._lines.write("type a value; Ctrl-D parks the run\n> ")
            return None
        return self._checked(state, dialog, self._fact(opened, "value", typed_answer(opened, line)))

    def _answered(
        self, state: RunState, dialog: Dialog, key: Key, comment: str = ""
    ) -> HoldAnswered:
        opened = dialog.hold.opened
        given: Answer = {"skip": "skip", "reject": "reject"}.get(key.means, "approve")  # type: ignore[assignment]
        value = AUTO_REST if key.means == "auto" else None
        fact = self._fact(opened, given, value, comment)
        if key.means == "unit":
            fact = replace(fact, scope=scope_meant(opened, state))
        return self._checked(state, dialog, fact)

    def _checked(self, state: RunState, dialog: Dialog, fact: HoldAnswered) -> HoldAnswered:
        """Return an answer that counts. Raises UsageError, to be shown, for any other."""
        check_counts(state, dialog.hold, fact)
        self._over()
        return fact

    def _fact(
        self, opened: HoldOpened, given: Answer, value: Json, comment: str = ""
    ) -> HoldAnswered:
        ask = self._ask
        return HoldAnswered(
            ask.clock.now(), opened.id, ask.by, given, value, comment, opened.digest
        )

    def _over(self) -> None:
        if self._dialog is not None:
            until = time.monotonic() + RECORDED_WITHIN_S
            self._answered_last = (self._dialog.hold.opened.id, until)
        self._dialog = None
        self._ask.progress.go_on()

    def _parked(self) -> Leaving:
        self._over()
        by = self._ask.by
        return Leaving(f"parked by {by.name}", 3, "park")


def _json(line: str) -> Json:
    try:
        return loads(line) if line else None
    except StoreError as error:
        raise UsageError(f"{line!r} is not JSON") from error
