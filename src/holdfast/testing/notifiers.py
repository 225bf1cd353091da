"""The contract of a notifier, as tests: every promise of `holdfast.ports.notifier`.

    class TestMine(NotifierSuite):
        def open(self, place):
            receiver = MyReceiver(place)
            return MyNotifier(receiver.address), receiver

`place` is a `pathlib.Path` of an empty directory, given by pytest. Whatever waits for the
receiver here waits for an event of it; a notifier that waits for its answer never gets there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from holdfast.model.facts import Fact, HoldOpened, RunFailed, RunSucceeded
from holdfast.model.notices import EVENTS, Notice, NoticeEvent, Way, notice_of, stall_notice
from holdfast.model.state import RunState
from holdfast.ports.notifier import Notifier
from holdfast.testing.samples import AT, life_started, run_created
from holdfast.testing.store_opening import in_threads

THREADS: Final = 6
STRANGE: Final = "né 日本 \U0001f680 \x00\x1b[31m \u202e \ud800 \"quoted\" 'single' $HOME \\ \n\n"
LONG: Final = "a very long question " * 20_000


class Receiver(Protocol):
    """Where the notices of a notifier under test arrive, and how it behaves."""

    def hang(self) -> None:
        """From now on, answer nobody."""

    def refuse(self) -> None:
        """From now on, refuse whatever comes."""

    def work(self) -> None:
        """Take what comes, also what hangs."""

    def wait_for_begun(self) -> None:
        """Return when another notice has come and hangs."""

    def wait_for_refused(self) -> None:
        """Return when another notice was refused."""

    def titles(self, count: int) -> list[str]:
        """Wait for the next `count` notices that are taken, and return their titles."""

    def close(self) -> None:
        """Leave nothing behind."""


class NotifierSuite(ABC):
    """Every promise of `ports.notifier`; subclass it, say how to `open`, run it with pytest."""

    @abstractmethod
    def open(self, place: Path) -> tuple[Notifier, Receiver]:
        """Return a notifier, and the receiver of its notices, which works. The notifier tries
        again within a second when it is refused, for at least some seconds."""

    @contextmanager
    def _opened(self, place: Path) -> Iterator[tuple[Notifier, Receiver]]:
        notifier, receiver = self.open(place)
        try:
            yield notifier, receiver
        finally:
            notifier.close()
            receiver.close()

    def test_every_event_arrives(self, tmp_path: Path) -> None:
        """A notice of each kind reaches the receiver."""
        sent = [sample_notice(event) for event in EVENTS]
        with self._opened(tmp_path) as (notifier, receiver):
            for notice in sent:
                notifier.notify(notice)

            assert sorted(n.title for n in sent) == sorted(receiver.titles(len(sent)))

    def test_a_slow_receiver_delays_nobody(self, tmp_path: Path) -> None:
        """Notices are taken over while the receiver answers none; it gets them later."""
        first, second = sample_notice("hold"), sample_notice("failed")
        with self._opened(tmp_path) as (notifier, receiver):
            receiver.hang()
            notifier.notify(first)
            receiver.wait_for_begun()
            notifier.notify(second)
            receiver.wait_for_begun()
            receiver.work()

            assert sorted([first.title, second.title]) == sorted(receiver.titles(2))

    def test_a_refused_notice_is_tried_again(self, tmp_path: Path) -> None:
        """A receiver that refuses raises nothing here, and gets the notice when it is well."""
        notice = sample_notice("failed")
        with self._opened(tmp_path) as (notifier, receiver):
            receiver.refuse()
            notifier.notify(notice)
            receiver.wait_for_refused()
            receiver.work()

            assert [notice.title] == receiver.titles(1)

    def test_a_repeated_notice_harms_nobody(self, tmp_path: Path) -> None:
        """The same notice may be given again; what arrives is that notice."""
        notice = sample_notice("hold")
        with self._opened(tmp_path) as (notifier, receiver):
            notifier.notify(notice)
            notifier.notify(notice)

            assert [notice.title] == receiver.titles(1)

    def test_notices_of_many_threads_arrive(self, tmp_path: Path) -> None:
        """Any thread may notify, at once with others."""
        sent = [replace(sample_notice("hold"), id=f"r:{n}", title=f"T{n}") for n in range(THREADS)]
        with self._opened(tmp_path) as (notifier, receiver):
            in_threads(*(lambda notice=notice: notifier.notify(notice) for notice in sent))

            assert sorted(n.title for n in sent) == sorted(receiver.titles(THREADS))

    def test_any_text_arrives(self, tmp_path: Path) -> None:
        """Controls, foreign scripts, broken and very long text stop no notice."""
        texts = (STRANGE, LONG)
        sent = [notice_about(HoldOpened(AT, "h1", "confirm", t, t, "d", {})) for t in texts]
        with self._opened(tmp_path) as (notifier, receiver):
            for notice in sent:
                notifier.notify(notice)

            assert sorted(n.title for n in sent) == sorted(receiver.titles(len(sent)))

    def test_what_was_taken_over_is_delivered_after_close(self, tmp_path: Path) -> None:
        """Closing returns at once, also beside a hanging receiver, and loses nothing."""
        notice = sample_notice("succeeded")
        with self._opened(tmp_path) as (notifier, receiver):
            receiver.hang()
            notifier.notify(notice)
            notifier.close()
            receiver.wait_for_begun()
            receiver.work()
            notifier.close()

            assert [notice.title] == receiver.titles(1)


def sample_notice(event: NoticeEvent) -> Notice:
    """Return a notice of this kind, as a run gives it."""
    match event:
        case "hold":
            return notice_about(HoldOpened(AT, "h1", "confirm", "drop a", "drop a?", "d", {}))
        case "failed":
            return notice_about(RunFailed(AT, "StepFailed", "it broke", ("drop a",)))
        case "succeeded":
            return notice_about(RunSucceeded(AT))
        case _:
            return stall_notice(_begun(), ("drop a",), 3600.0, AT, run="r")


def notice_about(fact: Fact) -> Notice:
    """Return the notice of a fact that a run's first life recorded."""
    state = _begun()
    state.apply(fact)
    notice = notice_of(fact, state, run="r", ways=[Way("holdfast why r", "see why")])
    assert notice is not None
    return notice


def _begun() -> RunState:
    state = RunState()
    state.apply(run_created())
    state.apply(life_started(1))
    return state
