"""The examples under kill -9, signals and failing disks: each ends as if nothing had happened.

An example runs once undisturbed, in a folder of its own, and once more while it is struck. Both
must come to the same result and leave the same files; no step that the journal knew as finished
may have begun again. The papers and the shell scripts have tests of their own, with real servers.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.services import serving
from tests.crash.killing import EXIT_IN_DOUBT, EXIT_LOCKED, EXIT_STORAGE, EXIT_TERM, traced
from tests.crash.lives import Life, Site
from tests.crash.soaking import dice_for

from holdfast.model.facts import StepStarted
from holdfast.model.state import RunState
from holdfast.stores.sqlite import SqliteStore

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
BLOWS = ("kill", "kill", "kill", "term", "stop", "disk")
FAULTS = ("fdatasync:error=EIO", "pwrite64:error=ENOSPC", "pwrite64:error=EIO")
EXIT_FAILED, EXIT_ON_HOLD = 1, 3
ENDS = {
    "kill": (-signal.SIGKILL, 0),
    "term": (EXIT_TERM, -signal.SIGTERM),
    "stop": (EXIT_LOCKED, -signal.SIGKILL),
    "disk": (0, EXIT_FAILED),  # a disk that fails under the example's own files fails its step
}
"""How a life may end that was struck, beside what holdfast itself says."""
STRIKES, LIVES_MAX = 5, 200
FAULT_AT_MOST = 120


@dataclass(frozen=True)
class Example:
    """How one is run, and what is compared in the end."""

    words: tuple[str, ...] = ()
    code: int = 0
    answers: tuple[tuple[str, ...], ...] = ()
    servers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    looks: Callable[[Path], object] | None = None
    tells: Callable[[Any], object] = lambda result: result


def rows_of(folder: Path) -> list[str]:
    """Return what a database holds, without when it was done."""
    with closing(sqlite3.connect(folder / "app.db")) as db:
        return [line for line in db.iterdump() if "schema_history" not in line]


STOPPED: dict[str, Example] = {
    "async_fetch": Example(("-p", "pages=8")),
    "backup": Example(("-p", "source=source", "-p", "into=copy"), files=("source",)),
    "migrate": Example(files=("app.db",), looks=rows_of),
    "saga": Example(
        servers=("flights", "hotels", "cars"), tells=sorted
    ),  # its values are new tokens
    "snapshot": Example(("-p", "port=80"), code=EXIT_FAILED),
    "training": Example(("-p", "steps=4000", "-p", "save_every=200")),
    "upgrade": Example(("--mode", "auto")),
    "wizard": Example(
        answers=(("answer", "r", "sessions"), ("answer", "r", "30"), ("approve", "r"))
    ),
}


class Struck:
    """One example in one folder, which is struck until it has had its share."""

    def __init__(self, folder: Path, name: str, more: list[str], dice: random.Random) -> None:
        self.example, self.dice = STOPPED[name], dice
        self.site, self.world = Site(folder / "site"), folder / "world"
        self.world.mkdir()
        for file in self.example.files:
            (self.world / file).write_bytes(
                b"" if file.endswith(".db") else bytes(range(256)) * 999
            )
        path = str(EXAMPLES / f"{name}.py")
        self.words = ("run", path, "--id", "r", "--plain", "--no-input", *self.example.words, *more)
        self.site.cwd = self.world

    def to_its_end(self, strikes: int, usual_s: float) -> float:
        """Run it, striking so often within the time that it usually takes; return what it took."""
        began, answers = time.monotonic(), iter(self.example.answers)
        for _ in range(LIVES_MAX):
            blow, strikes = (self.dice.choice(BLOWS), strikes - 1) if strikes else ("", 0)
            code, text = self._life(blow, self.dice.uniform(0, usual_s / 2))
            if code == EXIT_IN_DOUBT:
                assert self.site.decide(), text
            elif code == EXIT_ON_HOLD:
                assert 0 == self.site.holdfast(*next(answers))[0]
            elif code == EXIT_STORAGE:
                self.site.holdfast("doctor")
            elif code == self.example.code and blow != "disk":
                return time.monotonic() - began
            else:
                assert code in ENDS.get(blow, ()), (blow, code, text[-2000:])
        raise AssertionError("it does not end")

    def _life(self, blow: str, after_s: float) -> tuple[int, str]:
        if blow == "disk":
            fault = f"{self.dice.choice(FAULTS)}:when={self.dice.randrange(1, FAULT_AT_MOST)}+"
            life = traced(self.site, fault, self.words)
            return life.process.returncode, life.text
        with self.site.life(*self.words) as life:
            if blow and life.lasts(after_s):
                self._strike(life, blow)
            return life.end(), life.text

    def _strike(self, life: Life, blow: str) -> None:
        if blow != "stop":
            life.signal(signal.SIGKILL if blow == "kill" else signal.SIGTERM)
        elif life.stop():
            with self.site.life(*self.words) as second:
                second.lasts(self.dice.uniform(0, 1))
                second.kill()
            life.signal(signal.SIGCONT)

    def result(self) -> Any:
        state = self.site.state()
        return state.status, self.example.tells(state.result)

    def files(self) -> object:
        """Return what it left behind."""
        if self.example.looks is not None:
            return self.example.looks(self.world)
        found = sorted(path for path in self.world.rglob("*") if path.is_file())
        return {str(path.relative_to(self.world)): path.read_bytes() for path in found}

    def begun_again(self) -> list[str]:
        """Return the steps that began although they were finished, and nothing took them back."""
        state, again = RunState(), []
        with closing(SqliteStore(self.site.store, read_only=True)) as store:
            for stored in store.read("r"):
                fact = stored.fact
                if isinstance(fact, StepStarted):
                    known = state.steps.get(fact.key)
                    again += [fact.key] if known is not None and known.is_finished else []
                state.apply(fact)
        return again


@contextmanager
def services(names: tuple[str, ...]) -> Iterator[tuple[list[str], list[Any]]]:
    """Serve what the saga books at; give the words that say where it is."""
    with ExitStack() as open_:
        served = [open_.enter_context(serving()) for _ in names]
        places = zip(names, served, strict=True)
        yield [word for name, at in places for word in ("-p", f"{name}={at.url}")], served


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("name", STOPPED)
def test_an_example_ends_as_if_nothing_had_happened(tmp_path: Path, name: str) -> None:
    """The result and the files are those of an undisturbed run, and nothing finished ran again."""
    dice, example = dice_for(name), STOPPED[name]
    with services(example.servers) as (places, _):
        (tmp_path / "whole").mkdir()
        whole = Struck(tmp_path / "whole", name, places, dice)
        usual_s = whole.to_its_end(0, 0.0)
    with services(example.servers) as (places, served):
        struck = Struck(tmp_path, name, places, dice)
        struck.to_its_end(STRIKES, usual_s)

    assert whole.result() == struck.result()
    assert whole.files() == struck.files()
    assert [] == struck.begun_again()
    assert [] == struck.site.wrong()
    assert all(len(set(service.effects)) == len(service.effects) for service in served)
