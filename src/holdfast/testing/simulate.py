"""Play a random workflow through random trouble, all of it drawn from one seed.

A seed makes a `Plan` (what the workflow does) and the trouble of each life: the process dies
beside any effect or inside any body, other people stop, pause and answer, another process takes
the run over, a signal comes, the clock jumps. Whatever happens, the run must end as it does in
calm weather. `play(seed)` returns what was broken; the same seed breaks the same way.

Threads run one at a time (`at_once=1`), so that a seed means one course of events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, cast

from holdfast.app import commands, holds
from holdfast.app.starting import Setting, resume, start
from holdfast.engine.effects import Effect, Record
from holdfast.engine.spec import Check
from holdfast.errors import Leaving, NotDone, StepFailed, UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.questions import ask, confirm
from holdfast.flow.running import Outcome
from holdfast.flow.scopes import parallel, stage
from holdfast.flow.verbs import sleep
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model.codec import encode
from holdfast.model.facts import (
    HoldAnswered,
    LifeStarted,
    Owner,
    StepFoundDone,
    StepRearmed,
    StepSucceeded,
)
from holdfast.model.retry import Retry
from holdfast.model.state import RunState, ScopeState
from holdfast.runtime.blocking import Performer
from holdfast.runtime.life import Life, Perform
from holdfast.runtime.ownership import host_name
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import TESTER, Crash, Mortal, Patient

RUN = "r"
LIVES_MAX = 300
TROUBLED_LIVES = 12
"""After so many lives the weather calms down, so that every run can end."""
DEPTH_MAX = 3
KINDS = (
    "plain", "plain", "once", "once", "check", "flaky", "caught", "fails", "not_done", "cursor",
    "sleep", "confirm", "ask", "stage", "parallel", "nested",
)  # fmt: skip
GROUPS = ("stage", "parallel", "nested")
DEAD = Owner(host_name(), 2**22 + 1, "1", "", "nobody")
"""A process that cannot be there: its pid is above every system's limit."""


@dataclass(frozen=True, slots=True)
class Node:
    """One thing that the workflow does; `members` are those of a group."""

    kind: str
    label: str
    members: tuple[Node, ...] = ()


def plan(dice: Random, depth: int = 0, prefix: str = "") -> tuple[Node, ...]:
    """Return a random workflow."""
    nodes = []
    for n in range(dice.randint(2, 7 if depth == 0 else 3)):
        kind = dice.choice(KINDS)
        if kind in GROUPS and depth >= DEPTH_MAX:
            kind = "plain"
        label = f"{kind} {prefix}{n}"
        members = plan(dice, depth + 1, f"{prefix}{n}.") if kind in GROUPS else ()
        nodes.append(Node(kind, label, members))
    return tuple(nodes)


class World:
    """What outlives every process: the store, the clock, and what really happened."""

    def __init__(self, seed: int, *, calm: bool = False) -> None:
        self.calm = calm
        self.plan = plan(Random(f"plan {seed}"))
        self.dice = Random(f"trouble {seed}")
        self.store, self.clock = MemoryStore(), JumpClock()
        self.effects: Counter[str] = Counter()
        self.bodies: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.broken: list[str] = []
        self.lives = self.thefts = 0
        self.process = Mortal(self.store)
        self.last: Life | None = None

    # --- the workflow ---

    def workflow(self) -> Workflow[..., Any]:
        """Return the plan as a workflow whose result names all that it did."""

        @workflow(name="simulated")
        def simulated() -> list[Any]:
            return self._walk(self.plan)

        return simulated

    def _walk(self, nodes: Sequence[Node]) -> list[Any]:
        return [self._do(node) for node in nodes]

    def _do(self, node: Node) -> Any:
        match node.kind:
            case "stage":
                with stage(node.label):
                    return self._walk(node.members)
            case "parallel":
                calls = [(m.label, self._do, m) for m in node.members]
                return parallel(*calls, at_once=1)
            case "nested":
                return workflow(name=node.label)(self._walk)(node.members)
            case "sleep":
                return sleep("3h")
            case "confirm":
                return bool(confirm(node.label))
            case "ask":
                return ask(node.label, str)
            case "caught":
                try:
                    _caught(node.label)
                except StepFailed as failure:
                    return failure.type
                return None
            case _:
                return _STEPS[node.kind](node.label)

    def is_first(self, label: str) -> bool:
        """Whether the weather is rough, and this body has not run before."""
        return not self.calm and self.bodies[label] == 0

    def body(self, label: str, *, fails: bool = False) -> str:
        """Change the world, or fail, or die before or after."""
        self.bodies[label] += 1
        self._may_die(label, 0.03)
        if fails:
            raise OSError(f"{label} fails")
        self.effects[label] += 1
        self._may_die(label, 0.03)
        return label

    # --- trouble ---

    def _is_troubled(self) -> bool:
        return not self.calm and self.lives <= TROUBLED_LIVES

    def _may_die(self, label: str, chance: float) -> None:
        if self._is_troubled() and self.dice.random() < chance:
            self.deaths[label] += 1
            self.process.is_dead = True
            raise Crash

    def performer(self, life: Life) -> Perform:
        """Return a performer around whose effects anything may happen."""
        self.last = life
        perform = Performer(life)
        return lambda effect: self._perform(life, perform, effect)

    def _perform(self, life: Life, perform: Callable[[Effect], object], effect: Effect) -> object:
        if not self._is_troubled() or self.process.is_dead:
            return perform(effect)
        self._may_die("", 0.01)
        self._trouble(life, effect)
        answer = perform(effect)
        self._may_die("", 0.01)
        return answer

    def _trouble(self, life: Life, effect: Effect) -> None:
        drawn = self.dice.random()
        if drawn < 0.005:
            self._ask_to_stop(pause=self.dice.random() < 0.3)
        elif drawn < 0.01:
            life.leave("SIGTERM received", 143, "signal")
        elif drawn < 0.013:
            self._steal()
        elif drawn < 0.03 and isinstance(effect, Record):
            # Not between its looking at the clock and its waiting, a microsecond later.
            self.clock.step(self.dice.choice((-86_400, -60, 60, 86_400)))

    def _ask_to_stop(self, *, pause: bool) -> None:
        try:
            commands.stop(self.store, RUN, self.clock, TESTER, pause=pause)
        except UsageError:
            pass  # it is over already

    def _steal(self) -> None:
        """Another process takes the run over, and dies."""
        self.thefts += 1
        row = self.store.row(RUN)
        assert row is not None
        seq = sum(1 for _ in self.store.read(RUN))
        fact = LifeStarted(self.clock.now(), row.epoch + 1, DEAD, TESTER, "0")
        self.store.claim(RUN, fact, after=seq, expected_epoch=row.epoch)

    # --- lives ---

    def live(self) -> Outcome | None:
        """Run one life; None when its process died."""
        self.lives += 1
        self.process, self.last = Mortal(self.store), None
        person = Patient() if self.calm or self.dice.random() < 0.5 else _Away()
        setting = Setting(
            cast(Any, self.process), self.clock, person, TESTER, performers=self.performer
        )
        try:
            if self.lives == 1 or self.dice.random() < 0.3:
                return start(setting, self.workflow(), {}, id=RUN)
            return resume(setting, RUN, self.workflow())
        except Crash:
            row = self.store.row(RUN)
            if row is not None:
                self.store.release(RUN, row.epoch)
            return None
        finally:
            self._compare_folds()

    def between_lives(self) -> None:
        """People answer what is asked and decide what is in doubt, sometimes."""
        if self.store.row(RUN) is None:
            return
        state = _fold(self.store)
        for hold in state.open_holds:
            given = {"confirm": "approve", "question": "value"}.get(hold.opened.kind)
            if given is not None and self.dice.random() < 0.8:
                holds.answer(
                    self.store, RUN, self.clock, TESTER, cast(Any, given),
                    hold=hold.opened.id,
                )  # fmt: skip
        for doubtful in state.in_doubt():
            if doubtful.leaves_doubt:
                self._decide(doubtful.key)

    def _decide(self, key: str) -> None:
        label = key.rpartition("/")[2]
        store, clock = self.store, self.clock
        if self.effects[label]:
            commands.mark_done(store, RUN, key, clock, TESTER, encode(label), "seen")
        else:
            commands.rearm(store, RUN, key, clock, TESTER, "not seen")

    def run(self) -> Outcome | None:
        """Live until the run is over, and return how it ended."""
        _PLAYED[:] = [self]
        outcome = None
        for _ in range(LIVES_MAX):
            outcome = self.live()
            if outcome is not None and outcome.status == "succeeded":
                return outcome
            self.between_lives()
        self.broken.append(f"it does not end within {LIVES_MAX} lives: {outcome}")
        return None

    # --- what must hold ---

    def _compare_folds(self) -> None:
        """What the owner has folded while it wrote is what anybody folds who reads."""
        if self.last is None:
            return
        live = self.last.journal.state
        facts = [stored.fact for stored in self.store.read(RUN)]
        read = RunState()
        for fact in facts[: live.seq]:
            read.apply(fact)
        for name, value in _shown(live).items():
            if value != _shown(read)[name]:
                self.broken.append(
                    f"life {self.lives}: the owner's {name} is {value!r}, "
                    f"a reader's {_shown(read)[name]!r}"
                )

    def judge(self, outcome: Outcome | None, expected: object) -> None:
        """Note everything that is not as it must be."""
        if outcome is not None and outcome.result != expected:
            self.broken.append(f"the result is {outcome.result!r}, not {expected!r}")
        facts = [stored.fact for stored in self.store.read(RUN)]
        ended = Counter(f.key for f in facts if isinstance(f, StepSucceeded | StepFoundDone))
        self.broken += [f"{key} succeeded {n} times" for key, n in ended.items() if n != 1]
        rearmed = Counter(f.key.rpartition("/")[2] for f in facts if isinstance(f, StepRearmed))
        for label, count in self.effects.items():
            if label.startswith(("once", "not_done", "check")) and count != 1:
                self.broken.append(f"{label} took effect {count} times")
            excused = self.deaths[label] + self.deaths[""] + self.thefts
            if count > 1 + excused:
                self.broken.append(f"{label} took effect {count} times, excused {excused}")
        for label, count in self.bodies.items():
            if label.startswith("once") and count > 1 + rearmed[label]:
                self.broken.append(f"{label} ran {count} times for {rearmed[label]} decisions")


_PLAYED: list[World] = []
"""The world whose workflow runs. Steps are functions of this module, so that the hash of their
code is computed once."""


@step("{label}")
def _plain(label: str) -> str:
    return _PLAYED[-1].body(label)


@step("{label}", once=True)
def _once(label: str) -> str:
    return _PLAYED[-1].body(label)


@step("{label}", once=True)
def _not_done(label: str) -> str:
    world = _PLAYED[-1]
    if world.is_first(label):
        world.bodies[label] += 1
        raise NotDone("nothing was touched")
    return world.body(label)


def _is_done(label: str) -> object:
    return Check.done(label) if _PLAYED[-1].effects[label] else Check.ABSENT


@step("{label}", check=_is_done)
def _checked(label: str) -> str:
    return _PLAYED[-1].body(label)


@step("{label}", retry=Retry(attempts=1_000, first="1s", most="1m"))
def _flaky(label: str) -> str:
    world = _PLAYED[-1]
    return world.body(label, fails=world.bodies[label] < 2)


@step("{label}")
def _caught(label: str) -> str:
    return _PLAYED[-1].body(label, fails=True)


@step("{label}")
def _fails(label: str) -> str:
    world = _PLAYED[-1]
    return world.body(label, fails=world.is_first(label))


@step("{label}")
def _cursor(label: str) -> str:
    for position in range(saved(0), 3):
        _PLAYED[-1].body(f"{label}:{position}")
        save(position + 1)
    return label


_STEPS: Final[dict[str, Callable[[str], str]]] = {
    "plain": _plain, "once": _once, "not_done": _not_done, "check": _checked, "flaky": _flaky,
    "fails": _fails, "cursor": _cursor,
}  # fmt: skip


class _Away:
    """Nobody is there: a hold parks the run."""

    def attend(self, run: str, state: Any, holds: Any) -> HoldAnswered | None:
        raise Leaving("waits for a person", 3, "park")


def _fold(store: MemoryStore) -> RunState:
    state = RunState()
    for stored in store.read(RUN):
        state.apply(stored.fact)
    return state


def _shown(state: RunState) -> dict[str, Any]:
    """Return all that a state says, without scopes that were only looked up."""
    said = {name: value for name, value in vars(state).items() if name[0] != "_"}
    said["scopes"] = {k: s for k, s in state.scopes.items() if s != ScopeState(k)}
    return said


def play(seed: int) -> list[str]:
    """Play one seed and return what was broken; nothing, as it should be."""
    calm = World(seed, calm=True)
    expected = calm.run()
    if expected is None:
        return calm.broken
    world = World(seed)
    outcome = world.run()
    world.judge(outcome, expected.result)
    return [*calm.broken, *world.broken]
