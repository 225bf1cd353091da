"""Lives of runs as real processes: begin them, watch them, kill them, count what they did.

A `Site` is a store, and a file in which each effect of a step leaves the step's key as a line.
What really happened is in that file; what holdfast says of it is in the store.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tests.crash.soaking import struck

from holdfast.app import commands
from holdfast.model.state import RunState
from holdfast.ports.store import StoreAbsent
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import this_person
from holdfast.stores import sqlite_health
from holdfast.stores.sqlite import SqliteStore

SCRIPTS = Path(__file__).with_name("scripts")
LEASED = str(Path(__file__).with_name("leased.py"))
TRIES_MAX = 100
DEADLINE_S = 30.0
"""How long anything here may take before the test gives up on it."""


class Life:
    """One process, with its stderr as a pipe that the test reads line by line.

    A second pipe, the witness, is inherited by every program that the life starts: each effect
    sends one byte there, and its end means that all of them are dead.
    """

    def __init__(self, words: Sequence[str], env: Mapping[str, str], **options: object) -> None:
        self._witness, theirs = os.pipe()
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
                list(words),
                env={**env, "WITNESS": str(theirs)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs,),
                bufsize=0,
                **options,
            )
        finally:
            os.close(theirs)
        self.pid = self.process.pid
        self.text = ""
        self.effects = 0

    def read(self) -> bool:
        """Read what is there, waiting for it; False at the end. Fails after DEADLINE_S."""
        assert self.process.stderr is not None
        readable, _, _ = select.select([self.process.stderr], [], [], DEADLINE_S)
        assert readable, f"nothing more was said after:\n{self.text}"
        chunk = os.read(self.process.stderr.fileno(), 65_536)
        self.text += chunk.decode(errors="replace")
        return bool(chunk)

    def has_effects(self, count: int) -> bool:
        """Wait until `count` effects took place; False when it ended before."""
        assert self.process.stderr is not None
        while self.effects < count:
            readable, _, _ = select.select([self._witness, self.process.stderr], [], [], DEADLINE_S)
            assert readable, f"no effect came after:\n{self.text}"
            if self._witness in readable and not self._read_witness():
                return False
            if self.process.stderr in readable and not self.read():
                return False
        return True

    def _read_witness(self) -> bool:
        chunk = os.read(self._witness, 65_536)
        self.effects += len(chunk)
        return bool(chunk)

    def says(self, text: str) -> bool:
        """Read on until `text` was said; False when the life ended without."""
        while text not in self.text:
            if not self.read():
                return False
        return True

    def wait_for(self, text: str) -> None:
        """Read on until `text` was said. Fails when the life ends without."""
        assert self.says(text), f"it ended without saying {text!r}:\n{self.text}"

    def lasts(self, seconds: float) -> bool:
        """Wait for as long as the process lives, at most `seconds`; True when it still does."""
        handle = os.pidfd_open(self.pid)
        try:
            return not select.select([handle], [], [], seconds)[0]
        finally:
            os.close(handle)

    def signal(self, number: int) -> None:
        struck(number)
        self.process.send_signal(number)

    def stop(self) -> bool:
        """Stop the process and return when it stands still; False when it ended before."""
        self.signal(signal.SIGSTOP)
        found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return found is not None and found.si_code == os.CLD_STOPPED

    def kill(self) -> int:
        """End it with SIGKILL and return its exit code."""
        self.signal(signal.SIGKILL)
        return self.end()

    def end(self) -> int:
        """Read to the end and return the exit code. Fails after DEADLINE_S."""
        while self.read():
            pass
        return self.process.wait(DEADLINE_S)

    def leaves_nobody(self, seconds: float = DEADLINE_S) -> bool:
        """Whether every program that the life started is dead within `seconds`."""
        while select.select([self._witness], [], [], seconds)[0]:
            if not self._read_witness():
                return True
        return False

    def close(self) -> None:
        """Leave no process behind, whatever the test found."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self._witness)


class Site:
    """A store and a file of effects in one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store, self.effects = folder / "s.db", folder / "effects"
        self.effects.touch()
        self.cwd: Path | None = None
        self.env = {
            **os.environ,
            "EFFECTS": str(self.effects),
            "HOLDFAST_STORE": f"sqlite:///{self.store}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @contextmanager
    def life(self, *words: str, **options: object) -> Iterator[Life]:
        """Begin `holdfast WORDS`; it is over when the block is left."""
        command = [sys.executable, "-m", "holdfast", *words]
        with self.process(*command, **options) as life:
            yield life

    @contextmanager
    def process(self, *words: str, **options: object) -> Iterator[Life]:
        life = Life(words, self.env, **{"cwd": self.cwd, **options})
        try:
            yield life
        finally:
            life.close()

    def holdfast(self, *words: str) -> tuple[int, str]:
        """Run `holdfast WORDS` to its end; return its exit code and what it said on stderr."""
        with self.life(*words) as life:
            return life.end(), life.text

    def counted(self) -> Counter[str]:
        """Return how often each effect happened."""
        return Counter(self.effects.read_text().splitlines())

    def state(self, run: str = "r") -> RunState:
        """Return the run as its journal says; an empty one when there is no store yet."""
        try:
            with closing(SqliteStore(self.store, read_only=True)) as store:
                return Journal(store, run).refresh()
        except StoreAbsent:
            return RunState()

    def decide(self, run: str = "r") -> list[str]:
        """Decide each step in doubt by what really happened; return their keys."""
        happened = self.counted()
        state, clock, by = self.state(run), SystemClock(), this_person()
        keys = [step.key for step in state.in_doubt() if step.leaves_doubt]
        with closing(SqliteStore(self.store)) as store:
            for key in keys:
                if happened[key]:
                    commands.mark_done(store, run, key, clock, by, key, "its line is there")
                else:
                    commands.rearm(store, run, key, clock, by, "its line is not there")
        return keys

    def wrong(self) -> list[str]:
        """Return what is wrong with the store's files and chains."""
        if not self.store.exists():
            return ["there is no store"]
        health = sqlite_health.inspect(self.store)
        return [*health.integrity, *(f"{run}: {why}" for run, why in health.broken_chains)]


def script(name: str) -> str:
    """Return FILE:WORKFLOW of a script here, named as `file:workflow`."""
    file, _, workflow = name.partition(":")
    return f"{SCRIPTS / file}.py:{workflow}"


def leased(lease_s: float, workflow: str, *params: str) -> list[str]:
    """Return the command that runs a workflow as run `r` with a short lease."""
    return [sys.executable, LEASED, str(lease_s), script(workflow), "r", *params]


def take_over(site: Site, command: list[str]) -> Life:
    """Try until the run can be taken up; return the life that did."""
    for _ in range(TRIES_MAX):
        with site.process(*command) as life:
            if life.end() == 0:
                return life
            assert "is stopped (SIGSTOP); it can be taken over in" in life.text
    raise AssertionError(f"never taken over: {life.text}")
