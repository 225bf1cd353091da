"""Shell scripts in real shells, with `holdfast` on their path."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.soaking import struck

from holdfast.model.state import RunState
from holdfast.runtime.journal import Journal
from holdfast.stores.sqlite import SqliteStore

BEGIN = 'eval "$(holdfast begin work "$@")"\n'
DEADLINE_S = 120.0
SHELLS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"),
    )
    for name in ("bash", "dash", "zsh")
]
every_shell = pytest.mark.parametrize("shell", SHELLS)
DROPPED = ("HOLDFAST_", "NO_COLOR", "TERM")


class Script:
    """A folder with a script, a store, and the command on the path of both."""

    def __init__(self, folder: Path, text: str, name: str = "script.sh") -> None:
        self.folder, self.name = folder, name
        self.store = folder / "state" / "holdfast.db"
        self.edit(text)
        bin = folder / "bin"
        bin.mkdir(exist_ok=True)
        command = bin / "holdfast"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m holdfast "$@"\n')
        command.chmod(0o755)

    def edit(self, text: str) -> None:
        """Give the script another text."""
        (self.folder / self.name).write_text(text, "utf-8")

    def env(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(DROPPED)}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {
            **kept, "PATH": path, "HOLDFAST_STORE": str(self.store),
            "PYTHONDONTWRITEBYTECODE": "", **more,
        }  # fmt: skip

    def start(self, shell: str, *words: str, **env: str) -> subprocess.Popen[bytes]:
        """Start the script in a session of its own."""
        return subprocess.Popen(
            [shell, self.name, *words], cwd=self.folder, env=self.env(**env),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def run(self, shell: str, *words: str, **env: str) -> Ran:
        """Run the script to its end."""
        with self.start(shell, *words, **env) as process:
            out, err = process.communicate(timeout=DEADLINE_S)
        return Ran(process.returncode, out, err.decode(errors="replace"))

    def type(self, *words: str, **env: str) -> Ran:
        """Type a holdfast command in the folder."""
        done = subprocess.run(
            [sys.executable, "-m", "holdfast", *words], cwd=self.folder, env=self.env(**env),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    @property
    def runs(self) -> list[str]:
        """The ids of the runs, the newest first."""
        with closing(SqliteStore(self.store, read_only=True)) as store:
            return [row.id for row in store.rows()]

    def state(self, run: str | None = None) -> RunState:
        """Return the state of the newest run, or of this one."""
        with closing(SqliteStore(self.store, read_only=True)) as store:
            return Journal(store, run or store.rows()[0].id).refresh()


class Ran:
    """What a script wrote, and its exit status. Whatever a script does, holdfast knows what it is
    about: its exit status alone would not tell."""

    def __init__(self, code: int, out: bytes, err: str) -> None:
        assert "bug in holdfast" not in err, err
        self.code, self.out, self.err = code, out, err

    @property
    def text(self) -> str:
        """Its standard output as text."""
        return self.out.decode()

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out!r}\n{self.err}"


def descendants(pid: int) -> list[int]:
    """Return the processes below one, parents first."""
    found = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def is_gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has waited for it yet."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text[text.rindex(")") + 2] in "ZX"


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
        struck(signal.SIGKILL)
    except ProcessLookupError:
        pass


def alone(script: Script, *words: str, items: str = "", **env: str) -> Ran:
    """Type `holdfast each` with items in a pipe."""
    command = str(script.folder / "bin" / "holdfast")
    done = subprocess.run(
        [command, "each", *words], cwd=script.folder, env=script.env(**env), input=items.encode(),
        capture_output=True, timeout=DEADLINE_S,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
