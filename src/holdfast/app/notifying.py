"""Tell people who are not there: a life's facts become notices, given to a notifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from holdfast.app.batch_ways import is_about_item, item_ways
from holdfast.app.hold_ways import doubt_ways, hold_ways
from holdfast.app.next_ways import Next, about
from holdfast.errors import StoreError
from holdfast.model.facts import (
    AttemptFailed,
    Fact,
    HoldOpened,
    RunFailed,
    RunSucceeded,
    StepDoubted,
    StepFoundDone,
    StepLeft,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.making import dataclass
from holdfast.model.notices import Notice, Way, notice_of, stall_notice
from holdfast.model.state import RunState
from holdfast.ports.clock import Clock
from holdfast.ports.notifier import Notifier
from holdfast.ports.store import Output
from holdfast.runtime.journal import Journal
from holdfast.runtime.life import Listener
from holdfast.runtime.stalls import StallWatch

_TOLD = frozenset((HoldOpened, RunFailed, RunSucceeded))


@dataclass(frozen=True, slots=True)
class Telling:
    """Whom a life tells. `options` stand in each command that a notice names, so that it finds
    the store from another shell. `tell` hears what a person should know of the telling itself.
    """

    notifier: Notifier
    clock: Clock
    tell: Callable[[str], None]
    stalled_after_s: float | None = None
    options: tuple[str, ...] = ()

    @contextmanager
    def told(self, journal: Journal) -> Iterator[Sequence[Listener]]:
        """Give the listeners of a life that is about to begin.

        What a killed predecessor asked is told again, under the same id: whether it had been
        told nobody knows.
        """
        notices = Notices(self, journal)
        notices.tell_again()
        try:
            yield (notices,)
        finally:
            notices.close()

    def close(self) -> None:
        """No more lives are told of. Returns at once, and loses nothing."""
        self.notifier.close()


class Notices:
    """A `runtime.life.Listener` that gives notices to a notifier, and never fails a run."""

    def __init__(self, telling: Telling, journal: Journal) -> None:
        self._telling, self._journal = telling, journal
        self._run, self._state = journal.run, journal.state
        self._stalled_at = (0, 0)
        self._watch: StallWatch | None = None
        if telling.stalled_after_s is not None:
            self._watch = StallWatch(telling.clock, telling.stalled_after_s, self._stalled)
            self._watch.start()

    def fact(self, fact: Fact, state: RunState) -> None:
        if self._watch is not None:
            _follow(self._watch, fact)
        if type(fact) in _TOLD:
            self._give(partial(self._notice, fact))

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        if self._watch is not None:
            self._watch.heard()

    def output(self, output: Output) -> None:
        if self._watch is not None:
            self._watch.heard()

    def note(self, text: str) -> None:
        """A note is no sign of progress, and nothing to tell people elsewhere."""

    def tell_again(self) -> None:
        """Tell of the holds that are open since a process which was killed."""
        state = self._state
        if not state.open_holds or not state.lives[-1].took_over:
            return
        opened = {hold.opened.id for hold in state.open_holds}
        try:
            for stored in self._journal.store.read(self._run):
                fact = stored.fact
                if isinstance(fact, HoldOpened) and fact.id in opened:
                    self._give(partial(self._notice, fact, stored.seq))
        except StoreError as error:
            # The run's own reads and writes meet the same trouble, and report it in order.
            self._telling.tell(f"nobody was notified of open holds: {error}")

    def close(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    def _notice(self, fact: Fact, seq: int | None = None) -> Notice | None:
        ways = self._ways(_ways_after(self._run, self._state, fact))
        return notice_of(fact, self._state, run=self._run, seq=seq, ways=ways)

    def _stalled(self, keys: tuple[str, ...], silent_s: float) -> None:
        """Tell of a silence; called from the watch's thread."""
        seq, nth = self._stalled_at
        nth = nth + 1 if seq == self._state.seq else 1
        self._stalled_at = self._state.seq, nth
        at, ways = self._telling.clock.now(), self._ways(_ways_of_stalled(self._run, keys))
        self._give(
            lambda: stall_notice(self._state, keys, silent_s, at, run=self._run, nth=nth, ways=ways)
        )

    def _ways(self, ways: Iterator[Next]) -> tuple[Way, ...]:
        return tuple(Way(way.line(*self._telling.options), way.does) for way in ways)

    def _give(self, make: Callable[[], Notice | None]) -> None:
        try:
            notice = make()
            if notice is not None:
                self._telling.notifier.notify(notice)
        except Exception as error:
            # A notifier must not raise; one that does must not cost the run anything either.
            self._telling.tell(f"nobody was notified: {type(error).__name__}: {error}")


def _follow(watch: StallWatch, fact: Fact) -> None:
    """Let the watch know what runs now."""
    watch.heard()
    match fact:
        case StepStarted():
            watch.begin(fact.key)
        case (
            StepSucceeded()
            | StepFoundDone()
            | AttemptFailed()
            | StepDoubted()
            | StepSkipped()
            | StepLeft()
        ):
            watch.end(fact.key)
        case _:
            pass


def _ways_after(run: str, state: RunState, fact: Fact) -> Iterator[Next]:
    """Yield what to type after a fact that is told."""
    match fact:
        case HoldOpened(kind="in_doubt"):
            ways = item_ways(run, fact) if is_about_item(fact) else doubt_ways(run, fact.key)
            yield from ways
            yield Next(("resume", run), "go on, once that is decided")
        case HoldOpened():
            # By the time this is read other holds may be open: the id is always given.
            yield from hold_ways(run, state.holds[fact.id], is_only=False)
            if fact.kind != "drift":
                yield Next(("resume", run), "go on, once it is answered and no process waits")
        case RunFailed():
            yield Next(("why", run), "what failed, and every way on")
            if any(key in state.batches for key in fact.failures):
                yield Next(("failures", run), "which items failed, by error")
            yield Next(("resume", run), "retry what failed, and go on")
        case _:
            yield Next(("show", run), "what was done")


def _ways_of_stalled(run: str, keys: tuple[str, ...]) -> Iterator[Next]:
    yield about("what the step wrote so far", "log", run, keys[0])
    yield Next(("why", run), "where it runs")
    yield Next(("stop", run, "--now"), "end its process; resume goes on from there")
