"""What the acceptance tests type with: commands in processes, and a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from tests.crash.soaking import struck

DEADLINE_S = 30.0
DROPPED = ("HOLDFAST_STORE", "COLUMNS", "LINES", "NO_COLOR", "HOLDFAST_USER", "TERM")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status, which may be right for another reason: whatever
    is typed, holdfast knows what it is about."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        assert "bug in holdfast" not in self.err, self.err


class Shell:
    """A folder with a script and a store, and the command line in it."""

    def __init__(self, folder: Path, script: str, *, deadline_s: float = DEADLINE_S) -> None:
        self.folder, self.deadline_s = folder, deadline_s
        self.store = folder / "state" / "holdfast.db"
        (folder / "script.py").write_text(script, "utf-8")

    def env(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
        return {**kept, "HOLDFAST_STORE": str(self.store), "PYTHONIOENCODING": "utf-8", **more}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "holdfast", *words]

    def __call__(self, *words: str, **env: str) -> Said:
        done = subprocess.run(
            self.argv(*words), cwd=self.folder, env=self.env(**env), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=self.deadline_s,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def begin(self, *words: str) -> Background:
        """Start a command whose stderr is read while it runs."""
        return Background(self, *words)

    def at_terminal(self, *words: str, columns: int = 120, **env: str) -> Terminal:
        """Start a command on a pseudo-terminal of its own."""
        return Terminal(self, words, columns, env)


class Background:
    """A command that runs on while the test does something else."""

    def __init__(self, shell: Shell, *words: str) -> None:
        self._process = subprocess.Popen(
            shell.argv(*words), cwd=shell.folder, env=shell.env(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.pid, self._deadline_s = self._process.pid, shell.deadline_s
        self.seen = ""

    def until(self, pattern: str) -> str:
        """Read stderr until it shows `pattern`."""
        assert self._process.stderr is not None
        fd = self._process.stderr.fileno()
        self.seen = _read_until(fd, pattern, self.seen, self._deadline_s)
        return self.seen

    def signal(self, number: signal.Signals) -> None:
        struck(number)
        self._process.send_signal(number)

    def end(self) -> Said:
        """Wait for the end and return everything it said."""
        out, err = self._process.communicate(timeout=self._deadline_s)
        return Said(self._process.returncode, out.decode(), self.seen + err.decode())


class Terminal:
    """A command on a real terminal of a given width."""

    def __init__(
        self, shell: Shell, words: tuple[str, ...], columns: int, env: dict[str, str]
    ) -> None:
        self.seen = ""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(shell.folder)
            size = struct.pack("HHHH", 40, columns, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            argv = shell.argv(*words)
            os.execve(argv[0], argv, shell.env(**{"TERM": "xterm-256color", **env}))

    @property
    def pid(self) -> int:
        """The process of the command, which is told at once, as the terminal shows it."""
        return self._pid

    def until(self, pattern: str) -> str:
        """Read what the terminal shows until it shows `pattern` after what was asked for last."""
        text = _read_until(self._fd, pattern, self.seen)
        match = re.search(pattern, plain(text))
        assert match is not None
        self.seen = ""
        return plain(text)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def end(self) -> tuple[int, str]:
        """Read to the end and return the exit status and what was shown since the last `until`."""
        text = _read_until(self._fd, None, self.seen)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status), text


def plain(text: str) -> str:
    """Return a terminal's text without escape sequences and with plain line ends."""
    return ESCAPES.sub("", text).replace("\r\n", "\n")


def _read_until(fd: int, pattern: str | None, seen: str, deadline_s: float = DEADLINE_S) -> str:
    deadline = time.monotonic() + deadline_s
    data = seen
    while pattern is None or not re.search(pattern, plain(data)):
        left = deadline - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], f"no {pattern!r} in:\n{data}"
        try:
            chunk = os.read(fd, 65536)
        except OSError:  # the other end of the terminal is closed
            chunk = b""
        if not chunk:
            assert pattern is None, f"it ended without {pattern!r}:\n{data}"
            break
        data += chunk.decode("utf-8", "replace")
    return data
