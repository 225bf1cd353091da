"""Kill a workflow at every point it can be killed, without killing the process.

`Mortal` is a store that dies with its process: from the moment of death every call raises Crash
and nothing more is written, as after SIGKILL. `Fuse` chooses the moment: just before or just
after the n-th effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from holdfast.app.starting import Setting, start
from holdfast.engine.effects import Effect
from holdfast.errors import Leaving
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import Answer, HoldAnswered, Who
from holdfast.ports.clock import Clock
from holdfast.ports.person import Person
from holdfast.ports.store import Store
from holdfast.runtime.blocking import Performer
from holdfast.runtime.life import Life, Perform
from holdfast.testing.clock import JumpClock

When = Literal["before", "after"]
MOMENTS: tuple[When, When] = ("before", "after")
TESTER = Who("tester", "testing")


class Crash(BaseException):
    """The process died here. Not an Exception, so that nothing can swallow it."""


class Mortal:
    """A store as one process sees it, which ends with that process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_dead = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.is_dead:
                if name == "beat":
                    return True  # its thread has died, too; here it only falls silent
                raise Crash
            return value(*args, **kwargs)

        return call


class Fuse:
    """Performs effects until number `at` of the whole life, then kills it beside that one."""

    def __init__(self, store: Mortal, at: int, when: When) -> None:
        self._store, self._left, self._when = store, at, when
        self.seen = 0

    def performer(self, life: Life) -> Perform:
        """Return a performer that counts; for `live(performers=…)`."""
        perform = Performer(life)
        return lambda effect: self._perform(perform, effect)

    def _perform(self, perform: Callable[[Effect], object], effect: Effect) -> object:
        self.seen += 1
        self._left -= 1
        if self._left == 0 and self._when == "before":
            self._die()
        answer = perform(effect)
        if self._left == 0:
            self._die()
        return answer

    def _die(self) -> None:
        self._store.is_dead = True
        raise Crash


@dataclass(frozen=True, slots=True)
class Patient:
    """A person who approves everything, but leaves what is in doubt to who can look."""

    def attend(self, run: str, state: Any, holds: Any) -> HoldAnswered | None:
        opened = holds[0].opened
        if opened.kind == "in_doubt":
            raise Leaving(f"{opened.key} is in doubt", 6, "park")
        given: Answer = "value" if opened.kind == "question" else "approve"
        return HoldAnswered(opened.at, opened.id, TESTER, given, digest=opened.digest)


def live_once(
    workflow: Workflow[..., Any],
    store: Store,
    *,
    run: str = "r",
    params: dict[str, object] | None = None,
    fuse_at: int = 0,
    when: When = "before",
    clock: Clock | None = None,
    person: Person | None = None,
    go: Callable[[Setting], Outcome] | None = None,
) -> tuple[Outcome | None, int]:
    """Run one life, which a fuse may end, and return its outcome (None: it was killed) and the
    number of effects it had. The run is free to be taken up again in both cases. `go` begins the
    life where it is not started or resumed, such as a rollback."""
    mortal = Mortal(store)
    fuse = Fuse(mortal, fuse_at, when)
    setting = Setting(
        cast(Store, mortal),
        clock or JumpClock(),
        person or Patient(),
        TESTER,
        performers=fuse.performer,
    )
    try:
        if go is not None:
            return go(setting), fuse.seen
        return start(setting, workflow, params or {}, id=run), fuse.seen
    except Crash:
        row = store.row(run)
        if row is not None:
            # The owner is this very process, which goes on: say for it that it is gone.
            store.release(run, row.epoch)
        return None, fuse.seen


def sweep(
    workflow: Workflow[..., Any],
    open_store: Callable[[], Store],
    verdict: Callable[[Outcome, int, When, Store], None],
    *,
    reset: Callable[[], None] = lambda: None,
    params: dict[str, object] | None = None,
    lives_max: int = 20,
    clock: Clock | None = None,
) -> int:
    """Kill a run before and after each of its effects in turn, let it finish, and judge it.

    `reset` is called before each run, `verdict` after it with the last outcome. Without a `clock`
    each life has its own. Returns how many runs were made: twice the effects of a clean one.
    """
    reset()
    _, effects = live_once(workflow, open_store(), params=params, clock=clock)
    for at in range(1, effects + 1):
        for when in MOMENTS:
            reset()
            store = open_store()
            outcome, _ = live_once(
                workflow, store, params=params, fuse_at=at, when=when, clock=clock
            )
            for _ in range(lives_max):
                if outcome is not None:
                    break
                outcome, _ = live_once(workflow, store, params=params, clock=clock)
            assert outcome is not None, f"effect {at} ({when}): the run does not end"
            verdict(outcome, at, when, store)
    return 2 * effects
