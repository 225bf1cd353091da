"""What a run would do, without doing it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from io import StringIO
from typing import Any, Literal

from holdfast.app.gates import foreseen, is_silent, warnings_of
from holdfast.app.planning_store import Later
from holdfast.app.wording import moment
from holdfast.engine.spec import Ahead
from holdfast.engine.step import location_of
from holdfast.engine.trace import Trace
from holdfast.errors import HoldfastError, Leaving, StepFailed, error_text, named_error
from holdfast.flow.workflows import Workflow
from holdfast.model.codec import digest
from holdfast.model.facts import (
    AttemptFailed,
    Fact,
    GateOpened,
    HoldAnswered,
    HoldOpened,
    PointPassed,
    RolloutPlanned,
    RunCreated,
    SampleTaken,
    ScopeEntered,
    StepFoundDone,
    StepStarted,
    StepSucceeded,
    TimerSet,
    Who,
)
from holdfast.model.holds import Holds
from holdfast.model.inventory import NO_INVENTORY, Inventory
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field
from holdfast.model.state import RunState
from holdfast.model.terms import AUTO, Terms
from holdfast.model.unknown import DependsOnUnknown
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store
from holdfast.runtime.batches.surveying import Survey
from holdfast.runtime.context import FRAME, LIVES, Frame
from holdfast.runtime.dry import DryJournal, DryLife

Will = Literal["run", "ask and run", "read", "wait", "hold", "already so", "enter", "no return",
               "gate", "measure"]  # fmt: skip


@dataclass(slots=True)
class Planned:
    """One line of a plan: what is reached, and what will happen there. `items` is what a batch
    would find in its source, `silent` why a gate's probe could tell nothing."""

    key: str
    will: Will
    rule: str = ""
    shown: str = ""
    location: str = ""
    marks: tuple[str, ...] = ()
    says: str = ""
    code: str = ""
    items: Survey | None = None
    silent: str = ""


@dataclass(slots=True)
class Plan:
    """A walk through the workflow, and why it ended where it did.

    `owes` is what it would still owe at its end. `depends_on` tells where the rest depends on a
    result that is not known yet; `fails` what would stop the run today. `warnings` are of gates
    whose probes could tell nothing now, by their keys.
    """

    workflow: str
    file: str
    params: dict[str, Json]
    recorded: int
    terms: Terms = AUTO
    steps: list[Planned] = field(default_factory=list)
    depends_on: str = ""
    fails: str = ""
    owes: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as `plan --json` prints it."""
        return {
            "version": 1,
            "workflow": self.workflow,
            "file": self.file,
            "params": self.params,
            "recorded": self.recorded,
            "mode": self.terms.mode,
            "rule": self.terms.rule,
            "ask": self.terms.ask,
            "steps": [
                {
                    "key": line.key,
                    "will": line.will,
                    "rule": line.rule,
                    "inputs": line.shown,
                    "location": line.location,
                    "marks": list(line.marks),
                    "says": line.says,
                    "items": None if line.items is None else asdict(line.items),
                }
                for line in self.steps
            ],
            "owes": list(self.owes),
            "warnings": [{"key": key, "text": text} for key, text in self.warnings],
            "depends_on": self.depends_on or None,
            "fails": self.fails or None,
        }


def plan(
    workflow: Workflow[..., Any],
    params: Mapping[str, object],
    clock: Clock,
    *,
    store: Store | None = None,
    run: str | None = None,
    target: str | None = None,
    terms: Terms = AUTO,
    unanswered: bool = False,
    inventory: Inventory = NO_INVENTORY,
    ledgers: Callable[[], Store | None] = lambda: None,
) -> Plan:
    """Walk `workflow` and return what it would do on `terms`; with `run`, what is left of it.

    `ledgers` gives the store of what batches know, for a plan of no run, when a batch asks for it.
    With `unanswered` it is as if nobody had answered any hold of the run yet.
    Nothing is written, and no step is called but those with `reads=True` and checks. The code
    between the steps does run, as it does at every resume. Raises UsageError for wrong
    parameters, and what the script raises there.
    """
    checked = workflow.parameters.check(params)
    recorded = workflow.recorded(checked)
    journal = _journal(store or Later(ledgers), run)
    if journal.state.created is None:
        created = RunCreated(
            clock.now(), workflow.name, workflow.file, recorded, digest(recorded), Who("", ""),
            target, terms.mode,
        )  # fmt: skip
        journal.append((created,))
    if unanswered:
        journal.state.holds = Holds()
    journal.state.terms = terms
    finished = sum(step.is_finished for step in journal.state.steps.values())
    found = Plan(workflow.name, workflow.file, recorded, finished, terms)
    journal.observers.append(_Writer(found).fact)
    life = DryLife(journal, clock, asks_probes=not unanswered)
    life.params, life.inventory = checked, inventory
    _walk(workflow, checked, life, found)
    for line in found.steps:
        line.items = life.surveys.get(line.key)
        found.warnings += warnings_of(line.key, line.silent, life.doubts or {})
    return found


def steps_ahead(
    workflow: Workflow[..., Any],
    params: Mapping[str, object],
    clock: Clock,
    *,
    store: Store,
    run: str,
    terms: Terms,
    inventory: Inventory,
) -> Callable[[str], tuple[Ahead, ...]]:
    """Return what tells, by scope, which steps of a run will be asked about, as far as a plan
    made now can name them. What the script prints meanwhile is dropped: it will print it again.
    """
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        found = plan(
            workflow, params, clock,
            store=store, run=run, terms=terms, unanswered=True, inventory=inventory,
        )  # fmt: skip
    asked = [
        Ahead(line.key, line.shown, line.code)
        for line in found.steps
        if line.will == "ask and run" and _is_by_mode(line.rule, terms)
    ]

    def ahead(scope: str) -> tuple[Ahead, ...]:
        return tuple(step for step in asked if step.key.startswith(f"{scope}/"))

    return ahead


def _is_by_mode(rule: str, terms: Terms) -> bool:
    """Whether it is the mode that asks, and not the step itself: one yes may cover that."""
    return rule == terms.rule or (terms.mode == "earned" and rule.startswith("earned: "))


def _journal(store: Store | Later, run: str | None) -> DryJournal:
    if isinstance(store, Later) or run is None:
        return DryJournal(store, "plan", 0)  # type: ignore[arg-type]
    journal = DryJournal(store, run, 0)
    journal.refresh()
    return journal


def _walk(
    workflow: Workflow[..., Any], params: Mapping[str, object], life: DryLife, found: Plan
) -> None:
    root = Trace(life.journal.state)
    token = FRAME.set(Frame(life, root))
    LIVES.add(life)
    try:
        workflow.walk(life, root, params)
    except DependsOnUnknown as unknown:
        found.depends_on = f"{unknown.of} ({unknown.question}), {location_of(unknown)}"
    except StepFailed as failure:
        found.fails = str(failure)
    except (Leaving, HoldfastError) as stopped:
        found.fails = str(stopped)
    except Exception as error:
        # The script's own code met a result that is not known yet, or fails by itself.
        found.fails = f"{named_error(error)}, {location_of(error)}"
    finally:
        LIVES.discard(life)
        FRAME.reset(token)


_ASKED_ABOUT = frozenset(("inputs", "type_to_confirm"))
"""In the evidence of a hold about a step, or about a point of no return."""


class _Writer:
    """Turns the facts that the dry life folds into the lines of a plan."""

    def __init__(self, found: Plan) -> None:
        self._plan = found
        self._asked: dict[str, str] = {}
        self._lines: dict[str, Planned] = {}

    def fact(self, fact: Fact, state: RunState) -> None:
        """Add what the fact says to the plan."""
        match fact:
            case ScopeEntered():
                self._add(Planned(fact.key, "enter", marks=(fact.kind,)))
            case StepStarted():
                self._started(fact)
            case StepFoundDone():
                self._add(Planned(fact.key, "already so", fact.decided_by, fact.shown))
            case TimerSet():
                until = "" if fact.until is None else f"until {moment(fact.until)}"
                self._add(Planned(fact.key, "wait", until))
            case GateOpened() | SampleTaken() | RolloutPlanned():
                self._watched(fact)
            case HoldOpened() | HoldAnswered():
                # An answer here is the plan's own, perhaps to what the run asks already.
                self._held(state.holds[fact.id].opened, state)
            case PointPassed():
                rule = self._asked.get(fact.key, fact.decided_by)
                self._add(Planned(fact.key, "no return", rule, says=fact.reason))
            case AttemptFailed():
                self._say(fact.key, f"fails now: {error_text(fact.type, fact.message)}")
            case StepSucceeded():
                self._succeeded(fact.key)
            case _:
                pass

    def _succeeded(self, key: str) -> None:
        if key in self._lines and self._lines[key].will == "read":
            self._say(key, "is so now")

    def _watched(self, fact: GateOpened | SampleTaken | RolloutPlanned) -> None:
        if isinstance(fact, SampleTaken):
            self._say(fact.key, foreseen(fact))
            if fact.key in self._lines and is_silent(fact):
                self._lines[fact.key].silent = foreseen(fact)
            return
        if isinstance(fact, RolloutPlanned):
            waves = " + ".join(map(str, fact.sizes))
            marks = (f"{len(fact.units)} units in waves of {waves}", f"budget {fact.budget}")
            self._add(Planned(fact.key, "enter", marks=marks))
            return
        will: Will = "measure" if fact.measures else "gate"
        self._add(Planned(fact.key, will, fact.query, fact.shown, fact.location))

    def _held(self, hold: HoldOpened, state: RunState) -> None:
        if hold.kind == "debt":
            self._plan.owes = [debt.owed.label for debt in state.ledger.open_debts]
        elif hold.kind == "confirm" and _ASKED_ABOUT & hold.evidence.keys():
            self._asked[hold.key] = str(hold.evidence.get("why", ""))
        else:
            self._add(Planned(hold.key, "hold", hold.kind, says=hold.question))

    def _started(self, fact: StepStarted) -> None:
        asked = self._asked.get(fact.key)
        will: Will = "read" if fact.reads else "run" if asked is None else "ask and run"
        marks = {
            "once": fact.once,
            "undo": fact.undoes,
            f"owes {fact.owes.label if fact.owes else ''}": fact.owes is not None,
        }
        rule = fact.decided_by if asked is None else asked
        shown = re.sub(r"(Unknown|Eventually)\(of='([^']*)'\)", r"<\2>", fact.shown)
        held = tuple(mark for mark in marks if marks[mark])
        self._add(Planned(fact.key, will, rule, shown, fact.location, held, code=fact.code))

    def _add(self, line: Planned) -> None:
        if line.key not in self._lines:
            self._lines[line.key] = line
            self._plan.steps.append(line)

    def _say(self, key: str, text: str) -> None:
        if key in self._lines:
            self._lines[key].says = text
