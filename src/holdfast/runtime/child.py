"""A command of ours in a process of its own, which does not outlive this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from holdfast.errors import HoldfastError
from holdfast.runtime.watchdog import watchdog

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CODE = (
    "import os, sys; os.read(0, 1) or os._exit(0); "
    "os.dup2(os.open(os.devnull, os.O_RDONLY), 0); "
    "at = sys.argv.index('--'); sys.path += sys.argv[2:at]; "
    "sys.argv[:at + 1] = sys.argv[1:2]; from holdfast.cli import main; sys.exit(main())"
)
"""It waits at its gate, its standard input, until the watchdog knows it; our death before that
closes the gate, and ends it. It finds what this Python finds, and nothing of a folder goes before
the standard library."""


class Children:
    """Commands, one after another. While it is entered, a signal is passed on to the one that
    runs, which ends in order; `signalled` is then its number, and no other should follow."""

    def __init__(self) -> None:
        self.signalled = 0
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, words: Sequence[str]) -> tuple[int, int]:
        """Run `holdfast WORDS` to its end and return its pid and its exit code, which is `-n`
        when signal n killed it.

        It reads nothing, and writes to our stderr only. When this process is killed, so is it.
        """
        if not sys.executable:
            raise HoldfastError("this Python does not know its own program")
        paths = (os.path.abspath(path) for path in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, sys.argv[0], *paths, "--", *words],
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno(),
            start_new_session=True,
        )
        assert process.stdin is not None
        try:
            with process.stdin as gate:
                watchdog.guard(process.pid)
                self._process = process
                if self.signalled:
                    os.kill(process.pid, self.signalled)
                with suppress(BrokenPipeError):
                    os.write(gate.fileno(), b"\n")
            # It stays a zombie until nobody would kill its number any more.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            self._process = None
            watchdog.release(process.pid)
        return process.pid, process.wait()

    def pass_on(self, number: int, frame: FrameType | None = None) -> None:
        """Signal the command that runs, and remember to begin no other."""
        self.signalled = number
        if self._process is not None:
            # Not by `send_signal`, which reaps one that has ended: `run` waits for it still.
            os.kill(self._process.pid, number)

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Pass signals on from here to the end of the block; an ignored one stays ignored."""
        handled = [n for n in PASSED_ON if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self.pass_on) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
