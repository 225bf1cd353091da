"""`holdfast demo`: kill a small run in the middle, resume it, and count what that cost."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click

from holdfast.app.wording import count
from holdfast.cli.prompt import is_interactive
from holdfast.errors import HoldfastError, UsageError
from holdfast.model.facts import StepStarted, StepSucceeded
from holdfast.model.keys import label_of
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.ports.store import Store
from holdfast.runtime.journal import Journal
from holdfast.wiring import open_store

RUN = "fleet"
KILL_AFTER_STEPS = 20
LOOK_EVERY_S = 0.01
PATIENCE_S = 30.0

SCRIPT = '''\
"""A pretend fleet upgrade. Kill it anywhere, and resume it."""

import time
from pathlib import Path

from holdfast import confirm, flight, postflight, preflight, require, step, workflow

EFFECTS = Path(__file__).with_name("effects.log")


def effect(what):
    """Stand in for what a real step does to the world; each time leaves a line to count."""
    with EFFECTS.open("a") as log:
        log.write(f"{what}\\n")
    time.sleep(0.06)


@step("snapshot {node}")
def snapshot(node):
    effect(f"snapshot {node}")


@step("cordon {node}")
def cordon(node):
    effect(f"cordon {node}")


@step("upgrade {node} to {version}")
def upgrade(node, version):
    effect(f"upgrade {node} to {version}")


@step("uncordon {node}")
def uncordon(node):
    effect(f"uncordon {node}")


@step("remove the snapshot of {node}")
def clean_up(node):
    effect(f"remove the snapshot of {node}")


@workflow
def fleet(size: int = 8, version: str = "3.5"):
    nodes = [f"node-{number}" for number in range(1, size + 1)]
    with preflight():
        require("the fleet is not empty", lambda: size > 0)
        for node in nodes:
            snapshot(node)
    with flight():
        for node in nodes:
            cordon(node)
            upgrade(node, version)
            uncordon(node)
    confirm(f"All of {size} nodes run {version}. Remove their snapshots?")
    with postflight():
        for node in nodes:
            clean_up(node)
    return {"upgraded": size}
'''


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo plays: its folder, script and store."""

    folder: Path

    @property
    def script(self) -> Path:
        return self.folder / "demo.py"

    @property
    def effects(self) -> Path:
        return self.folder / "effects.log"

    @property
    def database(self) -> Path:
        return self.folder / "demo.db"

    @property
    def environment(self) -> dict[str, str]:
        """Return what its commands are started with, so that they find its store."""
        return {**os.environ, "HOLDFAST_STORE": str(self.database)}

    def process(self, *words: str, stdin: int | None) -> subprocess.Popen[bytes]:
        """Start a holdfast command in the demo's folder."""
        argv = [sys.executable, "-m", "holdfast", *words]
        return subprocess.Popen(argv, stdin=stdin, cwd=self.folder, env=self.environment)


@click.command("demo")
@click.option("--dir", "folder", metavar="D", type=Path, help="Where; else a new folder.")
@click.option("--no-input", is_flag=True, help="Answer its question from another shell.")
def demo(folder: Path | None, no_input: bool) -> None:
    """Kill a small run in the middle and count what was lost: nothing.

    Writes a script of 50 lines, kills it with SIGKILL half way, resumes it, and compares the
    journal with what the steps left behind. Takes a few seconds; everything is in one folder.
    """
    place = _prepare(folder)
    asks_here = is_interactive() and not no_input
    _say(f"A pretend fleet upgrade: {place.script}\n")
    _show_place(place)
    before = _run_and_kill(place)
    status = _resume(place, asks_here=asks_here)
    if status != 0:
        _say(f"\nThe run is not finished (exit {status}). Go on with:\n")
        _show_place(place)
        _say(f"$ holdfast resume {RUN}")
        click.get_current_context().exit(status)
    is_right = _tally(place, before)
    _say("\nTry next")
    _show_place(place)
    _say(f"$ holdfast show {RUN}")
    _say("$ holdfast run demo.py --id second --mode confirm")
    _say("$ holdfast why second")
    click.get_current_context().exit(0 if is_right else 1)


def _say(text: str) -> None:
    print(text, flush=True)


def _show_place(place: Place) -> None:
    """Show how a shell gets to the demo's folder and store."""
    _say(f"$ cd {shlex.quote(str(place.folder))}")
    _say("$ export HOLDFAST_STORE=$PWD/demo.db")


def _prepare(folder: Path | None) -> Place:
    try:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
        place = Place(folder.resolve())
        for path in (place.script, place.effects, place.database):
            if path.exists():
                raise UsageError(f"{path} is there already; give --dir an empty folder")
        place.script.write_text(SCRIPT, encoding="utf-8")
    except OSError as error:
        where = folder or "the folder for temporary files"
        raise UsageError(
            f"the demo cannot write to {where}: {error.strerror}; give it another with --dir"
        ) from error
    return place


# --- the two lives ----------------------------------------------------------------------------


def _run_and_kill(place: Place) -> RunState:
    """Run the script, kill it in the middle, and return what its journal says then."""
    _say(f"$ holdfast run demo.py --id {RUN}")
    process = place.process("run", "demo.py", "--id", RUN, "--no-input", stdin=subprocess.DEVNULL)
    try:
        _until(place, process, lambda state: _finished(state) >= KILL_AFTER_STEPS)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    _say(f"\n\n$ kill -9 {process.pid}")
    with closing(_opened(place)) as store:
        state = Journal(store, RUN).refresh()
    in_hand = [step.key for step in state.steps.values() if step.status == "running"]
    _say(f"The journal has {count(_finished(state), 'finished step')}; {_in_hand(in_hand)}\n")
    return state


def _in_hand(keys: list[str]) -> str:
    return f"in hand was {keys[0]!r}." if keys else "it was between two steps."


def _resume(place: Place, *, asks_here: bool) -> int:
    """Resume the run to its end and return its exit status."""
    _say(f"$ holdfast resume {RUN}")
    process = (
        place.process("resume", RUN, stdin=None)
        if asks_here
        else place.process("resume", RUN, "--wait", stdin=subprocess.DEVNULL)
    )
    try:
        if not asks_here:
            _until(place, process, lambda state: bool(state.open_holds))
            _say(f"\n$ holdfast approve {RUN} -m looks-good   # from another shell")
            words = ("approve", RUN, "-m", "looks-good")
            place.process(*words, stdin=subprocess.DEVNULL).wait()
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _until(
    place: Place, process: subprocess.Popen[bytes], is_so: Callable[[RunState], bool]
) -> None:
    """Watch the journal of the running process until `is_so`."""
    deadline = time.monotonic() + PATIENCE_S
    journal: Journal | None = None
    try:
        while time.monotonic() < deadline:
            status = process.poll()
            if status is not None:
                raise HoldfastError(f"the demo's process ended early, with exit {status}")
            if journal is None:
                journal = _journal(place)
            if journal is not None and is_so(journal.refresh()):
                return
            time.sleep(LOOK_EVERY_S)
    finally:
        if journal is not None:
            journal.store.close()
    raise HoldfastError(f"the demo did not get on within {PATIENCE_S:.0f} s")


def _journal(place: Place) -> Journal | None:
    """Return the journal, or None while the process has not made it yet."""
    try:
        return Journal(_opened(place), RUN)
    except HoldfastError:
        return None


def _opened(place: Place) -> Store:
    """Return the demo's store, to read."""
    return open_store(str(place.database), create=False, read_only=True)


def _finished(state: RunState) -> int:
    return sum(step.is_finished for step in state.steps.values())


# --- what it cost -----------------------------------------------------------------------------


def _tally(place: Place, before: RunState) -> bool:
    """Print what the journal and the effects say the kill cost; return whether that is right."""
    with closing(_opened(place)) as store:
        facts = [stored.fact for stored in store.read(RUN)]
    done = Counter(fact.key for fact in facts if isinstance(fact, StepSucceeded))
    started = Counter(fact.key for fact in facts if isinstance(fact, StepStarted))
    effects = Counter(place.effects.read_text(encoding="utf-8").splitlines())

    acting = [key for key in done if "node-" in key]
    finished = [key for key in acting if _was_done(before, key)]
    lost = [key for key in acting if not effects[label_of(key)]]
    repeated = [key for key in finished if effects[label_of(key)] > 1 or started[key] > 1]
    again = [key for key in acting if started[key] > 1 and key not in finished]
    too_often = [key for key in acting if effects[label_of(key)] > 1 + (key in again)]

    _say("\nWhat the kill cost, by the journal and by effects.log")
    _say(f"  {len(done)} steps are recorded as done, {sum(effects.values())} effects were left")
    _say(f"  {len(lost)} of them lost")
    _say(f"  {len(repeated)} finished steps repeated")
    for key in again:
        times = effects[label_of(key)]
        _say(f"  1 step was in hand and ran again: {key} (its effect is there {times}×)")
    return not (lost or repeated or too_often) and len(again) <= 1 and bool(finished)


def _was_done(before: RunState, key: str) -> bool:
    step = before.steps.get(key)
    return step is not None and step.is_finished
