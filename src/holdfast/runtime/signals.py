"""Signals: the first asks the run to leave after the item in hand, the second leaves now."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from holdfast.runtime.life import Life

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While it is entered, signals end the life in order. Only the main thread can; elsewhere
    the process's own handlers stay."""

    def __init__(self, life: Life, tell: Callable[[str], None]) -> None:
        self._life, self._tell = life, tell
        self._before: dict[int, Any] = {}
        self._count = 0
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in HANDLED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    # An ignored SIGHUP (nohup) stays ignored.
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            _end_fork(number)
            return
        life, name = self._life, signal.Signals(number).name
        self._count += 1
        leaving = life.leave(f"{name} received", 128 + number, "signal")
        if self._count == 1:
            self._tell(f"{name}: leaving after the step in hand; once more to leave now")
            return
        life.is_cut_off = True
        # Not from the handler itself: ending programs takes their grace, and the step waits.
        try:
            threading.Thread(target=life.groups.kill_all, daemon=True).start()
        except RuntimeError:  # The system has no thread left: then without their grace.
            life.groups.kill_all(0.0)
        if life.in_body:
            # Only the user's code is interrupted; the journal's own code never is, not even where
            # a body calls it (`Life.uninterrupted`).
            raise leaving


def _end_fork(number: int) -> None:
    """Answer a signal in a process that was forked from the run's, and inherited its handlers:
    it has no life to leave. Ctrl-C and a hang-up are for the run's own process, which lets what
    is in hand end; SIGTERM ends this one, as whoever made it (a pool, say) expects."""
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


# --- workers of a pool --------------------------------------------------------------------------


@contextmanager
def sigterm_held() -> Iterator[None]:
    """Hold SIGTERM back in this thread, and in each worker that is forked meanwhile, until that
    answers as one: a signal that came while Python sets up a fork would be forgotten."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def answer_as_worker() -> None:
    """Answer signals as `_end_fork` says, in a process that does nothing but items; what its own
    set-up has chosen stays.

    The system itself ends it, for a broken pool waits for ever for a worker that SIGTERM does not
    end: a handler in Python is not called when its signal comes just before the wait for a lock.
    """
    if threading.current_thread() is threading.main_thread():
        for number in HANDLED:
            found = signal.getsignal(number)
            if found is signal.default_int_handler or _is_of_a_life(found):
                is_end = number == signal.SIGTERM
                signal.signal(number, signal.SIG_DFL if is_end else signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))


def _is_of_a_life(handler: object) -> bool:
    return getattr(handler, "__func__", None) is Signals._handle
