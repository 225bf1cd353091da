"""What tests of behaviour share: runs on a store in memory, with a clock that jumps."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

from holdfast.app import commands, holds
from holdfast.app.loading import load_workflow
from holdfast.app.nobody import Nobody
from holdfast.app.starting import Setting, resume, rollback, settle, start
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import Fact, HoldAnswered
from holdfast.model.state import HoldState, RunState, StepState
from holdfast.ports.store import Output
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import this_process
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import TESTER, Crash, Mortal, live_once

CALLS: Counter[str] = Counter()
"""What ran, by name, in the test that runs now."""

PREAMBLE = """
from holdfast import *
from tests.unit.runs import touch
"""


def touch(name: str, value: object = None) -> Any:
    """Note that something ran, and return `value`, or the name."""
    CALLS[name] += 1
    return name if value is None else value


def fail_until(attempt: int, name: str = "try") -> int:
    """Fail, until this is called for the n-th time; return that number."""
    touch(name)
    if CALLS[name] < attempt:
        raise OSError(f"try {CALLS[name]} failed")
    return CALLS[name]


class Says:
    """A person who gives one answer to every question, and keeps what was asked."""

    def __init__(self, answer: Any, value: Any = None, comment: str = "") -> None:
        self.answer, self.value, self.comment = answer, value, comment
        self.asked: list[str] = []

    def attend(self, run: str, state: RunState, holds: Any) -> HoldAnswered | None:
        opened = holds[0].opened
        self.asked.append(opened.question)
        return HoldAnswered(
            opened.at, opened.id, TESTER, self.answer, self.value, self.comment, opened.digest
        )


class HeldUp:
    """A store as a verb sees it, held up once `before` something, or before its n-th call: between
    its look at the row and at the journal, unless another is named."""

    def __init__(
        self, store: Any, meanwhile: Callable[[], object], before: str | int = "read"
    ) -> None:
        self._store, self._meanwhile, self._before = store, [meanwhile], before
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        self._calls += 1
        while self._before in (name, self._calls) and self._meanwhile:
            self._meanwhile.pop()()
        return getattr(self._store, name)


class Runs:
    """One run, "r", of whatever workflow is started, over as many lives as a test needs."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), JumpClock()
        self.notes: list[str] = []
        self.setting = Setting(self.store, self.clock, Nobody(), TESTER, tell=self.notes.append)

    def start(
        self, workflow: Workflow[..., Any], params: dict[str, Any] | None = None, **more: Any
    ) -> Outcome:
        """Run one life under the id "r"; options of a Setting may be given too."""
        names = ("person", "budget_s", "patience_s", "listeners", "store", "by")
        changed = {name: more.pop(name) for name in names if name in more}
        more.setdefault("id", "r")
        return start(replace(self.setting, **changed), workflow, params or {}, **more)

    def resume(self, workflow: Workflow[..., Any], **more: Any) -> Outcome:
        """Resume as a person would, the script being `workflow` now."""
        return resume(self.setting, "r", workflow, **more)

    def rollback(self, workflow: Workflow[..., Any], **more: Any) -> Outcome:
        """Roll the run back, the script being `workflow` now; a `person` may be given."""
        setting = replace(self.setting, person=more.pop("person", self.setting.person))
        return rollback(setting, "r", workflow, **more)

    def settle(self, workflow: Workflow[..., Any], **more: Any) -> Outcome:
        """Give back what the run owes."""
        return settle(self.setting, "r", workflow, **more)

    def crash(self, workflow: Workflow[..., Any], at: int, when: Any = "after") -> None:
        """Run one life that is killed beside its n-th effect."""
        outcome, _ = live_once(workflow, self.store, fuse_at=at, when=when, clock=self.clock)
        assert outcome is None, "the workflow has ended before the fuse"

    def is_crashed(self, workflow: Workflow[..., Any], at: int, when: Any) -> bool:
        """Run one life that is killed beside its n-th effect; False when it has fewer. (After an
        effect that has others within itself it is not killed.)"""
        _, seen = live_once(workflow, self.store, fuse_at=at, when=when, clock=self.clock)
        return seen >= at

    def die_in(self, workflow: Workflow[..., Any], arm: Callable[[Mortal], object]) -> None:
        """Run one life on a store that a step may kill, by `mortal.is_dead = True; raise Crash`."""
        mortal = Mortal(self.store)
        arm(mortal)
        try:
            self.start(workflow, store=mortal)
        except Crash:
            self.store.release("r", self.row.epoch)

    @property
    def row(self) -> Any:
        row = self.store.row("r")
        assert row is not None
        return row

    @property
    def state(self) -> RunState:
        return Journal(self.store, "r").refresh()

    def step(self, key: str) -> StepState:
        return self.state.steps[key]

    def hold(self) -> HoldState:
        """Return the only open hold."""
        (hold,) = self.state.open_holds
        return hold

    def facts(self, *kinds: type[Fact]) -> list[Any]:
        facts = [stored.fact for stored in self.store.read("r")]
        return [fact for fact in facts if not kinds or isinstance(fact, kinds)]

    def output(self) -> list[Output]:
        return [output for _, output in self.store.read_output("r")]

    def answer(self, given: Any, **more: Any) -> str:
        return holds.answer(self.store, "r", self.clock, TESTER, given, **more).text

    def done(self, step: str, output: Any = None) -> str:
        return commands.mark_done(self.store, "r", step, self.clock, TESTER, output, "seen").text

    def rearm(self, step: str) -> str:
        return commands.rearm(self.store, "r", step, self.clock, TESTER).text

    def stop(self, **more: Any) -> str:
        return commands.stop(self.store, "r", self.clock, TESTER, **more)[0].text

    def owned_by_a_living_process(self) -> None:
        """Make this very process the owner of the run, from outside of any life."""
        from holdfast.testing.samples import life_started

        row = self.row
        fact = life_started(row.epoch + 1, owner=this_process(), at=self.clock.now())
        seq = self.state.seq
        assert self.store.claim("r", fact, after=seq, expected_epoch=row.epoch) is not None


class Script:
    """A script on disk that is edited between the lives of its run."""

    def __init__(self, runs: Runs, folder: Path) -> None:
        self.runs, self.folder, self.edits = runs, folder, 0
        self.file = folder / "none.py"

    def edit(self, text: str) -> Script:
        """Replace the script; a new file each time, for Python caches what it has read."""
        self.edits += 1
        self.file = self.folder / f"{self.folder.name}_{self.edits}.py"
        self.file.write_text(PREAMBLE + dedent(text))
        return self

    def start(self) -> Outcome:
        return self.runs.start(load_workflow(str(self.file)))

    def resume(self, **more: Any) -> Outcome:
        return resume(self.runs.setting, "r", str(self.file), **more)

    def line_of(self, text: str) -> str:
        """Return file:line of the line that begins with `text`."""
        lines = self.file.read_text().splitlines()
        number = next(n for n, line in enumerate(lines, 1) if line.strip().startswith(text))
        return f"{self.file}:{number}"

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.startswith(self.folder.name)]:
            del sys.modules[name]
        sys.path[:] = [folder for folder in sys.path if folder != str(self.folder)]
