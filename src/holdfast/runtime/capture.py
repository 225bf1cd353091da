"""What a step prints and logs goes to that step's log; secrets in it are covered.

`sys.stdout` and `sys.stderr` are replaced while a life runs. Lines written where `current_step`
is set go to the sink, everything else to the stream that was there before. A plain thread that a
step starts does not carry its context (`asyncio.to_thread` and our own threads do): what it
writes goes to the original stream.

*Logging.* A handler on the root logger would change the script's configuration: a later
`logging.basicConfig()` does nothing once the root has a handler, and warnings lose their way to
stderr. So `Logger.callHandlers` is wrapped instead: a record that a step emits is given to the
sink first and then to the handlers of the script, which write to the original streams as if we
were not there, but for secrets, which are covered. Levels and filters are the script's: by default
that means warnings and worse.
If the script configured no handler, the step's log is enough, and nothing is written twice.
`logging` is never imported here, for it costs every script more than our whole budget allows:
it is wrapped if the script has imported it when the life or a step begins.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, TypeAlias, cast

from holdfast.locks import Lock, forkable
from holdfast.model.json import Json
from holdfast.model.jsontext import texts

if TYPE_CHECKING:
    import logging

StepSink: TypeAlias = Callable[[str, int, str, str], None]
"""Takes the step's key, the attempt, the stream ("out", "err", "log") and a line."""

Place: TypeAlias = tuple[str, int]
current_step: ContextVar[Place | Callable[[], Place] | None] = ContextVar(
    "current_step", default=None
)
"""The key and the attempt of the step whose code runs here, or what tells them; None between the
steps."""

LINE_CHARS_MAX = 64 * 1024
SECRET_LINE_CHARS_MIN = 8
"""Shorter lines of a long secret, such as a lone brace, would cover half of every log."""

# Set while a sink or the script's own handlers run: what these write is nobody's step.
_bypassed: ContextVar[bool] = ContextVar("bypassed", default=False)


class Capture:
    """Route what steps print and log to `sink`, between `with` and its end.

    May be nested; the innermost gets what its steps write. The end puts back the streams that
    were there at the beginning, also if the script has replaced them meanwhile, and passes
    on lines that are not finished. Whoever keeps one of our streams may go on using it: it then
    writes to the original. `cover` covers secrets in the records that go on to the script's own
    handlers; the sink covers what it is given by itself.
    """

    def __init__(self, sink: StepSink, cover: Redactor | None = None) -> None:
        self._sink, self._cover = sink, cover
        self._lock = forkable(Lock())
        # By thread as well: print() writes a line and its newline in two calls.
        self.unfinished: dict[tuple[str, int, str, int], str] = {}
        """Lines without an end: by step, attempt and stream, and by thread."""
        self._originals: tuple[TextIO, TextIO] | None = None

    def __enter__(self) -> Capture:
        self._originals = sys.stdout, sys.stderr
        sys.stdout = cast(TextIO, _Stream("out", sys.stdout, self))
        sys.stderr = cast(TextIO, _Stream("err", sys.stderr, self))
        _live.append(self)
        self.notice_logging()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._originals is not None
        _live.remove(self)
        if not _live:
            _unhook()
        sys.stdout, sys.stderr = self._originals
        self._pass_on(list(self.unfinished))

    @property
    def is_live(self) -> bool:
        """Return whether steps still write here."""
        return self in _live

    def notice_logging(self) -> None:
        """Begin to route log records if `logging` was imported meanwhile; cheap, at every step."""
        if not _hooked and "logging" in sys.modules:
            _hook()

    def flush(self, key: str, attempt: int) -> None:
        """Pass on lines that the step left without a newline; call it when the attempt ends."""
        if not self.unfinished:
            return
        with self._lock:
            mine = [place for place in self.unfinished if place[:2] == (key, attempt)]
        self._pass_on(mine)

    def write(self, step: tuple[str, int], stream: str, text: str) -> None:
        """Pass on the lines that `text` completes, and keep its unfinished rest."""
        place = (*step, stream, threading.get_ident())
        with self._lock:
            *lines, rest = (self.unfinished.pop(place, "") + text).split("\n")
            if len(rest) > LINE_CHARS_MAX:
                lines, rest = [*lines, rest], ""
            if rest:
                self.unfinished[place] = rest
        for line in lines:
            self.say(step, stream, line)

    def say(self, step: tuple[str, int], stream: str, line: str) -> None:
        """Give one line to the sink; what the sink itself prints is nobody's step."""
        token = _bypassed.set(True)
        try:
            self._sink(*step, stream, line)
        finally:
            _bypassed.reset(token)

    def covered(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a step's record for the script's handlers: they write to its streams and files,
        where no sink covers a secret any more."""
        return _covered(record, self._cover) if self._cover else record

    def _pass_on(self, places: list[tuple[str, int, str, int]]) -> None:
        for place in places:
            with self._lock:
                line = self.unfinished.pop(place, "")
            if line:
                key, attempt, stream, _ = place
                self.say((key, attempt), stream, line)


class _Stream:
    """Stands for sys.stdout or sys.stderr; all but what steps write goes to the original."""

    def __init__(self, name: str, original: TextIO, capture: Capture) -> None:
        self._name, self._original, self._capture = name, original, capture

    def write(self, text: str) -> int:
        step = _step()
        if step is None or not self._capture.is_live:
            return self._original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.write(step, self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._original.flush()

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.flush()  # `with sys.stdout:` must not close what we only borrowed

    def __getattr__(self, name: str) -> object:
        return getattr(self._original, name)


def current_place() -> Place | None:
    """Return the key and the attempt of the step whose code is calling."""
    place = current_step.get()
    return place() if callable(place) else place


def _step() -> Place | None:
    return None if _bypassed.get() else current_place()


_live: list[Capture] = []
_hooked = False
_original: Callable[[logging.Logger, logging.LogRecord], None] | None = None
"""What `Logger.callHandlers` was before we wrapped it; kept, for threads that are inside."""


def _hook() -> None:
    global _hooked, _original
    logger_class = getattr(sys.modules["logging"], "Logger", None)
    if logger_class is not None:  # another thread may be in the middle of importing it
        _original = logger_class.callHandlers
        logger_class.callHandlers = _call_handlers
        _hooked = True


def _unhook() -> None:
    """Take the wrapping off, unless someone wrapped it once more: then it stays, idle."""
    global _hooked
    if _hooked:
        logger_class = sys.modules["logging"].Logger
        if logger_class.callHandlers is _call_handlers:
            logger_class.callHandlers = _original
            _hooked = False


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    assert _original is not None
    step, innermost = _step(), _live[-1:]
    if step is None or not innermost:
        _original(logger, record)
        return
    for line in _formatted(record).split("\n"):
        innermost[0].say(step, "log", line)
    if logger.hasHandlers():
        token = _bypassed.set(True)
        try:
            _original(logger, innermost[0].covered(record))
        finally:
            _bypassed.reset(token)


def _formatted(record: logging.LogRecord) -> str:
    """Return `LEVEL name: message` and the traceback; a wrong format raises nothing, as ever."""
    module = sys.modules["logging"]
    # A copy: formatting leaves texts in the record that the script's handlers would reuse.
    copy = module.makeLogRecord(record.__dict__)
    formatter: logging.Formatter = module.Formatter("%(levelname)s %(name)s: %(message)s")
    try:
        return formatter.format(copy)
    except Exception as error:
        return f"{record.levelname} {record.name}: {record.msg!r} {record.args!r} ({error})"


def _covered(record: logging.LogRecord, cover: Redactor) -> logging.LogRecord:
    """Return the record itself when its texts hold no secret, else a copy that is only text."""
    try:
        message = record.getMessage()
    except Exception:  # A wrong format: the handler reports it, with what it was given.
        message = f"{record.msg!r} {record.args!r}"
    module = sys.modules["logging"]
    trace = record.exc_text or ""
    if record.exc_info and not trace:
        trace = module.Formatter().formatException(record.exc_info)
    texts = message, trace, record.stack_info or ""
    if all(cover.found_in(text) is None for text in texts):
        return record
    copy: logging.LogRecord = module.makeLogRecord(record.__dict__)
    copy.msg, copy.args, copy.exc_info = cover(message), (), None
    copy.exc_text, copy.stack_info = cover(trace) or None, cover(texts[2]) or None
    return copy


class Redactor:
    """Cover the exact text of secrets with their names; safe to use from any thread.

    A secret that was encoded on its way (base64, JSON escapes, a URL) is not recognised.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._lock = forkable(Lock())

    def add(self, secret: str, name: str) -> None:
        """From now on show `secret` as `[secret NAME]`; an empty one is ignored.

        The lines of a secret of several lines (a private key) are covered one by one too,
        because logs are written line by line; a newline around it is not part of it.
        """
        text = secret.strip("\r\n")
        if not text:
            return
        lines = [line for line in text.splitlines() if len(line) >= SECRET_LINE_CHARS_MIN]
        with self._lock:
            for part in (text, *lines):
                self._names.setdefault(part, name)
            longest_first = sorted(self._names, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def found_in(self, text: str) -> str | None:
        """Return the name of a secret that `text` holds, or None."""
        found = None if self._pattern is None else self._pattern.search(text)
        return None if found is None else self._names[found[0]]

    def held_by(self, tree: Json) -> str | None:
        """Return the name of a secret that a value holds in the form in which it is recorded."""
        return self.found_in("\0".join(texts(tree))) if self else None

    def __bool__(self) -> bool:
        """Whether there is any secret to look for."""
        return self._pattern is not None

    def __call__(self, text: str) -> str:
        """Return `text` with every secret covered; where two overlap, the longer one."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[secret {self._names[found[0]]}]", text)
