"""The watch for silence, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from holdfast.runtime.stalls import StallWatch
from holdfast.testing.clock import JumpClock

AFTER_S = 10.0
DEADLINE_S = 20.0


class ScriptedClock(JumpClock):
    """Each look at the time while the watch waits takes the next step of a script."""

    def __init__(self, *steps: Callable[[], float]) -> None:
        super().__init__()
        self.steps, self.waits, self.at = list(steps), [], 0.0
        self.over = Event()

    def monotonic(self) -> float:
        return self.at

    def wait_s(self, seconds: float) -> float:
        self.waits.append(seconds)
        if not self.steps:
            self.over.set()
            return DEADLINE_S
        self.at += self.steps.pop(0)()
        return 0.0


def played(*steps: tuple[float, str]) -> tuple[list[tuple[tuple[str, ...], float]], list[float]]:
    """Let seconds pass and things happen, `begin`, `end` or `heard`; return what was told."""
    told: list[tuple[tuple[str, ...], float]] = []
    watches: list[StallWatch] = []

    def step(seconds: float, what: str) -> Callable[[], float]:
        def take() -> float:
            if what == "heard":
                watches[0].heard()
            elif what:
                getattr(watches[0], what)("a")
            return seconds

        return take

    clock = ScriptedClock(*(step(*each) for each in steps))

    watches.append(StallWatch(clock, AFTER_S, lambda keys, s: told.append((keys, s))))
    watches[0].start()
    assert clock.over.wait(DEADLINE_S)
    watches[0].stop()
    return told, clock.waits


def test_a_silence_is_told_once():
    """However long it lasts, and however often it is looked at."""
    told, _ = played((10.0, "begin"), (10.0, ""), (10.0, ""))

    assert [(("a",), 10.0)] == told


def test_another_silence_is_told_again():
    """Something was heard in between, so it is another one."""
    told, _ = played((10.0, "begin"), (10.0, "heard"), (10.0, ""))

    assert [(("a",), 10.0), (("a",), 10.0)] == told


def test_what_is_heard_begins_the_silence_anew():
    """The watch waits for what is left of it, so a silence is told on time."""
    told, waits = played((4.0, "begin"), (3.0, "heard"), (7.0, ""))

    assert [(("a",), 10.0)] == told
    assert [10.0, 6.0, 7.0, 10.0] == waits


def test_a_run_that_waits_is_not_silent():
    """Without a step that runs, a person or a time is waited for: nothing is told."""
    told, _ = played((100.0, ""), (0.0, "begin"), (100.0, "end"))

    assert [] == told
