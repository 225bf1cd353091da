"""Runs of one workflow on many targets: what tests of earned autonomy share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.runs import Runs

from holdfast.app.planning import plan
from holdfast.flow.decorator import step
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model.terms import Terms
from holdfast.runtime.journal import Journal
from holdfast.testing.crash import Crash, Mortal

EARNED = Terms("earned", "earned: --mode")
DRAIN = "drain {node}"


def failing() -> None:
    raise OSError("no route")


def kill(mortal: Mortal) -> None:
    mortal.is_dead = True
    raise Crash


def before(fleet: Fleet) -> Callable[[str], str]:
    """Return the step's code as it was first. What a method returned would be its whole class."""

    def drain(node: str) -> str:
        fleet.trouble()
        return node

    return drain


def after(fleet: Fleet) -> Callable[[str], str]:
    """Return the step's code after an edit."""

    def drain(node: str) -> str:
        fleet.trouble()
        return node.lower()

    return drain


class Fleet(Runs):
    """Runs of one workflow on several targets, and what the next one on another would do."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Callable[[], object] = lambda: None
        self.is_edited = False

    def workflow(self, **options: Any) -> Workflow[..., Any]:
        """Return one step as a workflow, the code of which may be edited."""
        body = (after if self.is_edited else before)(self)

        @workflow(name="upgrade")
        def upgrade() -> object:
            return step(DRAIN, **options)(body)("n1")

        return upgrade

    def on(self, target: str, mode: str = "auto", **options: Any) -> Any:
        """Make a new run on a target and return its outcome."""
        self.clock.jump(60)
        run = f"run-{len(self.store.rows())}"
        return self.start(self.workflow(**options), id=run, target=target, mode=mode)

    def earn(self) -> None:
        for target in ("low-1", "low-2", "low-3"):
            assert "succeeded" == self.on(target).status

    def rule(self, terms: Terms = EARNED, **options: Any) -> str:
        """Return the rule by which the step would proceed, or ask, on one more target."""
        found = plan(
            self.workflow(**options), {}, self.clock, store=self.store, target="db", terms=terms
        )
        (line,) = found.steps
        asked = {"run": "", "ask and run": "asks ", "read": "reads "}[line.will]
        return asked + line.rule

    def last(self) -> str:
        return self.store.rows()[0].id

    def state_of(self, run: str) -> Any:
        return Journal(self.store, run).refresh()
