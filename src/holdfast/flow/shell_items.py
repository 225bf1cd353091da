"""The command of an item, and what came of it: for `each` of a shell."""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from holdfast.errors import CommandFailed, NotDone
from holdfast.flow.shell_calls import LINE_BYTES_MAX, STEP, WHY_NOT
from holdfast.flow.shell_template import Template
from holdfast.flow.shell_words import as_value
from holdfast.model.batching import item_key
from holdfast.ports.store import Output
from holdfast.runtime.batches.spawning import Program, found
from holdfast.runtime.batches.work import CURRENT, Work
from holdfast.runtime.batches.wrote import Kept, Wrote
from holdfast.runtime.groups import Groups
from holdfast.runtime.life import Life
from holdfast.runtime.passing import NOT_EXECUTABLE, NOT_FOUND, Passing, no_room
from holdfast.runtime.watchdog import TOKEN

VALUE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of what an item writes, where that is to be recorded."""
LOG_BYTES_MAX: Final = 1024 * 1024
"""Of one attempt's output, as it is kept for people."""
LAST_CHARS_MAX: Final = 300
PIPE_BYTES: Final = 4096
LOOK_S: Final = 0.25
SIGPIPE_CODE: Final = 128 + signal.SIGPIPE
PATHS_MAX: Final = 1_000
_STEP, _TOKEN = STEP.encode(), TOKEN.encode()
_SIGNALLED: Final = 128
_PLAIN: Final = frozenset((errno.ENOENT, errno.EACCES))


class CommandExited(CommandFailed):
    """An item's command ended with another code than 0."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__((), code, "")
        self.args = (text,)


class CommandKilled(CommandExited):
    """A signal ended an item's command."""


class CommandNeverRan(NotDone):
    """An item's command could not be run at all."""


# --- what came of it --------------------------------------------------------------------------


def failure_of(code: int, err: bytes) -> Exception | None:
    """Return how a command failed that ended with `code`, `-n` for signal n; None when it did
    not."""
    if code == 0:
        return None
    last = err.decode(errors="backslashreplace").rstrip().rpartition("\n")[2].strip()
    last = f": {last[-LAST_CHARS_MAX:]}" if last else ""
    if code < 0:
        return CommandKilled(f"killed by {signal_name(-code)}{last}", code)
    why = WHY_NOT.get(code) or signal_name(code - _SIGNALLED, "as after ")
    return CommandExited(f"exit status {code}{f' ({why})' if why else ''}{last}", code)


def signal_name(number: int, before: str = "") -> str:
    """Return a signal's name; nothing for what is no signal's number."""
    try:
        return before + signal.Signals(number).name
    except ValueError:
        return "" if before else f"signal {number}"


class ItemCommand:
    """Runs a command for each item of a batch of a life: what it is run with, and where what it
    writes goes. `aside` is called around each write to our own outputs."""

    def __init__(
        self,
        life: Life,
        key: str,
        template: Template,
        *,
        attempts: int,
        text_of: Callable[[object], bytes],
        aside: Callable[[Callable[[], None]], None],
        keeps: bool = False,
        held: Sequence[str] = (),
    ) -> None:
        """With `keeps` what an item writes is its value. What it writes to the streams that are
        `held` is not passed on when it went well."""
        self.groups: Groups = life.groups_of(key)
        self._life, self._key, self._template = life, key, template
        self._attempts, self._text_of, self._aside = attempts, text_of, aside
        self._keeps, self._held = keeps, held
        self.marker = life.journal.state.token_of(life.run, key, "").encode()
        self._paths: dict[str, str] = {}
        self._env = {**os.environb, b"HOLDFAST_RUN": os.fsencode(life.run)}
        self._pid = os.getpid()
        # A process of an item's own has other ends in their places.
        self._to = (os.dup(1), os.dup(2))

    # --- before ---

    def program_of(self, work: Work) -> Program:
        item = os.fsdecode(self._text_of(work.item))
        if "\0" in item:
            raise CommandNeverRan("the item holds a NUL character, which no command can be given")
        argv = self._template.words(item, work.ordinal + 1)
        return Program(self._path_of(argv[0]), argv, {**self._env, **self._own(work)})

    def _path_of(self, name: str) -> str:
        """Return where a program is: looked for once, as a shell does."""
        path = self._paths.get(name)
        if path is None:
            path = found(name)
            if len(self._paths) < PATHS_MAX:
                self._paths[name] = path
        return path

    def _own(self, work: Work) -> dict[bytes, bytes]:
        key = item_key(self._key, work.shown)
        return {_STEP: os.fsencode(key), _TOKEN: b"%b:%d" % (self.marker, work.ordinal)}

    def is_cut_off(self) -> bool:
        return self._life.is_cut_off

    # --- after ---

    def refused(self, program: Program, error: OSError) -> Exception:
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        why = WHY_NOT[code] if error.errno in _PLAIN else str(error.strerror).lower()
        return CommandNeverRan(f"exit status {code}: {why}: {program.argv[0]}")

    def value_of(self, work: Work, code: int, wrote: Wrote) -> object:
        failure = failure_of(code, wrote.err.tail())
        self._log(work, wrote)
        held = self._held
        if failure is not None:
            # As of a step: another attempt may follow, and only one output is the right one.
            held = ("out",) if work.attempts + 1 < self._attempts else ()
        value = self._value(work, wrote) if self._keeps and failure is None else None
        out = Kept() if "out" in held else wrote.out
        err = Kept() if "err" in held else wrote.err
        if out.size or err.size:
            self.pass_on(out.chunks(), err.chunks())
        if failure is not None:
            raise failure
        return value

    def _value(self, work: Work, wrote: Wrote) -> dict[str, object]:
        if wrote.out.size + wrote.err.size > VALUE_BYTES_MAX:
            raise CommandExited(
                f"it wrote more than {VALUE_BYTES_MAX >> 20} MiB, which is not recorded: let the "
                "command write to a file of its own",
                0,
            )
        out, err = wrote.out.head(VALUE_BYTES_MAX), wrote.err.head(VALUE_BYTES_MAX)
        secret = self._life.redactor.found_in(os.fsdecode(b"%b\n%b" % (out, err)))
        if secret is not None:
            raise CommandExited(f"it wrote the secret {secret}, and those are never recorded", 0)
        value: dict[str, object] = {"item": as_value(self._text_of(work.item))}
        value["out"] = as_value(out) or ""
        if err:
            value["err"] = as_value(err)
        return value

    def _log(self, work: Work, wrote: Wrote) -> None:
        if not (wrote.out.size or wrote.err.size):
            return
        if os.getpid() != self._pid:
            for chunk in wrote.out.chunks():  # Whoever made this process keeps what it writes.
                os.write(1, chunk)
            return
        life, at = self._life, self._life.clock.now()
        key, attempt = item_key(self._key, work.shown), work.attempts + 1
        outputs = [
            Output(at, key, attempt, stream, life.redactor(line))
            for stream, kept in (("out", wrote.out), ("err", wrote.err))
            for line in _lines(kept)
        ]
        life.store.write_output(life.run, outputs)

    def pass_on(self, out: Iterable[bytes], err: Iterable[bytes]) -> None:
        """Write to our own outputs. Raises Leaving when nobody reads standard output, or waits for
        it, or there is no room for it."""
        if os.getpid() != self._pid:
            self._write(out, err)  # Whatever draws here may have been copied in the middle of it.
            return
        self._aside(lambda: self._write(out, err))

    def _write(self, out: Iterable[bytes], err: Iterable[bytes]) -> None:
        life = self._life
        try:
            if not all(write_all(self._to[0], chunk, self.is_cut_off) for chunk in out):
                why = "nobody reads what it writes to standard output"
                raise life.leaving or life.leave(why, SIGPIPE_CODE, "signal")
        except OSError as error:
            full = no_room(error)
            raise life.leave(str(full), full.exit_code, "storage") from error
        with suppress(OSError):
            all(write_all(self._to[1], chunk, self.is_cut_off) for chunk in err)

    # --- in a process of its own ---

    def here(self, item: object) -> object:
        """Do an item in this process, which was made for it."""
        work = CURRENT.get()
        assert work is not None
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        wrote = Wrote()

        def keep(stream: str, chunk: bytes) -> None:
            (wrote.out if stream == "out" else wrote.err).add(chunk)

        program = self.program_of(work)
        own = {os.fsdecode(k): os.fsdecode(v) for k, v in self._own(work).items()}
        code = Passing(program.argv, keep, True, own).run(Groups())
        if code in WHY_NOT and not (wrote.out.size or wrote.err.size):
            raise CommandNeverRan(f"exit status {code}: {WHY_NOT[code]}: {program.argv[0]}")
        return self.value_of(work, code, wrote)


def _lines(kept: Kept) -> list[str]:
    if not kept.size:
        return []
    text = kept.head(LOG_BYTES_MAX).decode(errors="replace").removesuffix("\n")
    told = [
        line[at : at + LINE_BYTES_MAX]
        for line in text.split("\n")
        for at in range(0, max(1, len(line)), LINE_BYTES_MAX)
    ]
    if kept.size > LOG_BYTES_MAX:
        told.append("[holdfast: the log ends here; what it wrote went on]")
    return told


def write_all(fd: int, content: bytes, is_over: Callable[[], bool]) -> bool:
    """Write all of it, however slow the reader is; False when nobody reads, or it `is_over`.
    Raises OSError where there is no room."""
    ready = select.poll()
    ready.register(fd, select.POLLOUT)
    left = memoryview(content)
    try:
        while left:
            if ready.poll(LOOK_S * 1000):
                left = left[os.write(fd, left[:PIPE_BYTES]) :]
            elif is_over():
                return False
    except BlockingIOError:
        return write_all(fd, bytes(left), is_over)
    except BrokenPipeError:
        return False
    return True
