"""One process's part of a run: it owns the journal, performs effects, and ends in order.

Three things may ask a life to leave: a person (a control fact), a signal, and lost ownership.
All set the same flag, which is raised as Leaving at the next boundary; nothing that runs is cut
off by it. Only the second signal, and `stop --now`, interrupt a body.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf

from holdfast.engine.effects import Call, Effect, Outcome, Record
from holdfast.engine.spec import Ahead, nothing_ahead
from holdfast.errors import Leaving, LostOwnership, StoreError, UsageError
from holdfast.model.facts import RunFailed, RunStopped, StopRequested
from holdfast.model.inventory import NO_INVENTORY, Target, expanded
from holdfast.model.trials import Trial
from holdfast.model.undoing import is_giving_back
from holdfast.ports.clock import Clock
from holdfast.ports.person import Person
from holdfast.ports.store import Output, Store
from holdfast.runtime.afterwards import Afterwards
from holdfast.runtime.calling import SLICE_S, outcome_of
from holdfast.runtime.capture import Capture, Redactor
from holdfast.runtime.journal import Journal
from holdfast.runtime.lanes import Lanes, Lull
from holdfast.runtime.listening import Listener as Listener
from holdfast.runtime.processes import Groups
from holdfast.runtime.replay import REPLAYING, walking
from holdfast.runtime.resting import STOP_KINDS, left_with, rest_of
from holdfast.runtime.threads import leave_items
from holdfast.runtime.trusting import trials_now

HOLD_POLL_S = 0.25
"""How soon a waiting process sees an answer given elsewhere; the promise is one second."""


UNDONE, UNDO_FAILED = "undone", "undo_failed"
"""The kinds of leaving after a failure in a stage that undoes itself: it did, or could not."""


Perform = Callable[[Effect], object]
Performers = Callable[["Life"], Perform]


class Life:
    """The owner of one run, in one process, under one epoch.

    `met` are the steps that this life could give back, by key. While it `is_replaying` nothing
    new is begun. `failure` is what made it leave, when that was one.
    """

    undoes = True
    """Whether a stage that fails is undone; a plan undoes nothing."""
    doubts: dict[str, tuple[str, ...]] | None = None
    """In a plan, what probes say is doubtful about them, by the key of their gate; else None."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        person: Person,
        performers: Performers,
        *,
        budget_s: float | None = None,
        patience_s: float | None = None,
    ) -> None:
        """`budget_s` is what the life may take, `patience_s` what it may spend in waits."""
        assert journal.epoch is not None
        self._performers = performers
        self.journal, self.clock, self.person = journal, clock, person
        self.groups = Groups()
        self.programs: dict[str, Groups] = {}
        """What the bodies that run now have started, by the step's key."""
        self.redactor = Redactor()
        self._told: set[str] = set()
        self.capture: Capture | None = None
        self.listeners: list[Listener] = []
        self.leaving: Leaving | None = None
        self.lanes = Lanes()
        self._lull = Lull()
        self._patience_s = patience_s
        self.is_cut_off = False
        self.in_body = False
        self.afterwards = Afterwards()
        self.params: Mapping[str, object] = {}
        self.ahead: Callable[[str], tuple[Ahead, ...]] = nothing_ahead
        self.inventory = NO_INVENTORY
        self.met: dict[str, object] = {}
        self.is_replaying = False
        self.stays_owned = False
        self.failure: BaseException | None = None
        self._edited: set[str] = set()
        self.under_way: set[str] = set()  # Keys of steps: see `giving_back.undo_stage`.
        self._main = threading.get_ident()
        self._deadline = None if budget_s is None else clock.monotonic() + budget_s
        self._changes: object = None

    @property
    def run(self) -> str:
        return self.journal.run

    @property
    def target(self) -> Target:
        """What the run acts on, as the inventory of this life knows it."""
        return self.inventory.target(self.journal.state.target)

    def people(self, approvers: Sequence[str]) -> tuple[str, ...]:
        """Return approvers with the inventory's groups resolved. Raises UsageError for a group
        that is not there."""
        groups = self.inventory.groups
        try:
            return expanded(groups, tuple(approvers))
        except KeyError as missing:
            known = f"the inventory has {', '.join(groups)}" if groups else "the inventory has none"
            known = known if self.inventory.file else "there is no inventory"
            group = f"@{missing.args[0]}"
            raise UsageError(f"approvers: there is no group {group!r}: {known}") from None

    @property
    def store(self) -> Store:
        return self.journal.store

    def performer(self) -> Perform:
        """Return what answers the effects of one program, in the calling thread."""
        perform = self._performers(self)
        if self.is_replaying or REPLAYING.get():
            return walking(perform)
        return perform

    def replays_here(self) -> bool:
        """Whether the calling code only walks through what is recorded: the whole life does, or
        the scope it is in was closed before."""
        return self.is_replaying or REPLAYING.get()

    # --- boundaries ---

    def record(self, effect: Record) -> bool:
        """Append an effect's facts. Raises Leaving at a boundary when the run is to stop, and
        when the store or the ownership is lost: the script cannot go on past that."""
        if effect.boundary:
            self.raise_if_due()
        try:
            written = self.journal.append(
                effect.facts, durable=effect.durable, only_if_current=effect.boundary
            )
        except LostOwnership as lost:
            raise self.leave(str(lost), lost.exit_code, "lost") from lost
        except StoreError as error:
            raise self.leave(str(error), error.exit_code, "storage") from error
        if not written:
            self.raise_if_asked_to_stop()
        return written

    def leave(self, reason: str, exit_code: int, kind: str) -> Leaving:
        """Set the flag that every recorded call raises from now on, and return it."""
        if self.leaving is None:
            self._lull = self.lanes.lull()
            self.leaving = Leaving(reason, exit_code, kind)
        return self.leaving

    def raise_if_leaving(self) -> None:
        if self.leaving is not None:
            raise self.leaving

    def raise_if_leaving_now(self) -> None:
        """Raise only when the bodies that run are to be given up on, too."""
        if self.leaving is not None and self.is_cut_off:
            raise self.leaving

    def is_due(self) -> bool:
        """Whether the run is to leave at the next boundary; the flag is set then."""
        try:
            self.raise_if_due()
        except Leaving:
            return True
        return False

    def raise_if_due(self) -> None:
        """Raise Leaving when a signal, spent time or a person asks the run to leave."""
        if self.leaving is not None:
            raise self.leaving
        if self._deadline is not None and self.clock.monotonic() >= self._deadline:
            raise self.leave("the time budget is spent", 75, "time")
        self.raise_if_asked_to_stop()

    @property
    def ends_at(self) -> float | None:
        """When the life's budget of time is spent, as the clock's monotonic time."""
        return self._deadline

    def forget_deadline(self) -> None:
        """Say that no work is left: a budget of time does not stop what is finished."""
        self._deadline = None

    def raise_if_asked_to_stop(self) -> None:
        """Raise Leaving when a person's stop, pause or cancel is in the journal."""
        state = self.journal.state
        if state.cancelled is not None:
            raise self.leave(f"cancelled: {state.cancelled.reason}", 3, "cancelled")
        if state.stop is not None:
            raise self._leave_at_request(state.stop)

    def _leave_at_request(self, stop: StopRequested) -> Leaving:
        by = stop.by.name
        word, kind = ("paused", "pause") if stop.pause else ("stopped", "verb")
        return self.leave(f"{word} by {by}", 3, kind)

    def note_edited(self, key: str) -> None:
        """Mention once for each new code that a finished step's result came from another."""
        code = self.journal.state.steps[key].code
        if code and code not in self._edited:
            self._edited.add(code)
            self.tell(f"{key}: its code was edited since; the recorded result is kept")

    def tell(self, text: str) -> None:
        """Show a person something that is no fact of the run."""
        for listener in self.listeners:
            listener.note(text)

    def tell_once(self, text: str) -> None:
        """Show it the first time in this life only."""
        if text not in self._told:
            self._told.add(text)
            self.tell(text)

    def trials_of(self, step: str, limit: int) -> tuple[Trial, ...]:
        """Return the newest trials of the step of that name, newest first. Raises Leaving."""
        created = self.journal.state.created
        assert created is not None
        try:
            return trials_now(self.store, created.workflow, step, self.clock.now(), limit)
        except StoreError as error:
            raise self.leave(str(error), error.exit_code, "storage") from error

    # --- what bodies use ---

    def groups_of(self, key: str) -> Groups:
        """Return the process groups of the step whose body runs now."""
        return self.programs.setdefault(key, Groups(self.groups))

    def kill_programs_of(self, key: str) -> None:
        """Kill what a step's body started; the body itself may go on."""
        self.groups_of(key).kill_all()

    def write_output(self, key: str, attempt: int, stream: str, text: str) -> None:
        """Keep one line of a step's output, with secrets replaced, and show it."""
        output = Output(self.clock.now(), key, attempt, stream, self.redactor(text))
        self.store.write_output(self.run, (output,))
        for listener in self.listeners:
            listener.output(output)

    def redact(self, name: str, text: str) -> None:
        """Have the exact `text` replaced wherever output or a failure's message shows it."""
        self.redactor.add(text, name)

    def end_of_body(self, key: str, attempt: int) -> None:
        """Keep the last, unfinished line of a body that ended, and forget its programs."""
        if self.capture is not None:
            self.capture.flush(key, attempt)
        self.programs.pop(key, None)

    # --- waiting and running ---

    def run_body(self, call: Call) -> Outcome:
        """Run the user's code of a sequential step, in the calling thread."""
        if threading.get_ident() != self._main:
            return outcome_of(call)
        self.in_body = True
        try:
            # A second signal just before now found no body to interrupt.
            self.raise_if_leaving_now()
            return outcome_of(call)
        finally:
            self.in_body = False

    def uninterrupted(self, call: Callable[[], object]) -> None:
        """Make a call of our own inside a body: a second signal is for the user's code alone. Who
        calls this looks afterwards whether the run is to leave."""
        is_interruptible = self.in_body and threading.get_ident() == self._main
        if is_interruptible:
            self.in_body = False
        try:
            call()
        finally:
            if is_interruptible:
                self.in_body = True

    def wait_until(self, moment: datetime, most_s: float = inf) -> None:
        """Return at `moment` by the wall clock, which may jump, but after `most_s` at the latest,
        or when another process decided something; leave when asked to meanwhile, or when nothing
        here is worth the wait."""
        foreign, ends_at = self.journal.foreign, self.clock.monotonic() + most_s
        with self.lanes.waiting(moment):
            while True:
                left = min(self.left_of(moment), ends_at - self.clock.monotonic())
                if left <= 0 or self.journal.foreign != foreign:
                    return
                self.look_for_requests()
                time.sleep(self.clock.wait_s(left))

    def left_of(self, moment: datetime) -> float:
        """Return how long to sleep before the next look at a wait; 0 when it is over.

        Raises Leaving when the run is to leave, and when every lane waits for longer than this
        process may stay.
        """
        if self.leaving is not None and not self._lull.is_idle:
            self._lull = self.lanes.lull()  # A signal came on the way to this wait.
        self.raise_if_due()
        left = (moment - self.clock.now()).total_seconds()
        if left > 0 and not (self._deadline is self._patience_s is None):
            self._leave_if_long()
        return min(left, SLICE_S)

    def _leave_if_long(self) -> None:
        until = self.lanes.lull().until
        if until is None:
            return
        left = (until - self.clock.now()).total_seconds()
        late = self._deadline is not None and self.clock.monotonic() + left > self._deadline
        if late or (self._patience_s is not None and left > self._patience_s):
            raise self.leave(f"waits until {until:%Y-%m-%d %H:%M:%S} UTC", 75, "timer")
        if self._patience_s is not None:
            self._patience_s -= min(left, SLICE_S)

    def look_for_requests(self) -> None:
        """Fold in what others appended since the last look, and leave when it says so."""
        try:
            changes = self.store.changes()
            if changes == self._changes:
                return
            self.journal.refresh()
        except StoreError as error:
            raise self.leave(str(error), error.exit_code, "storage") from error
        self._changes = changes
        self.raise_if_asked_to_stop()

    def wait_for_person(self) -> None:
        """Return when the journal may hold an answer. Raises Leaving to park the run."""
        self.raise_if_due()
        before = self.journal.state.seq
        self.look_for_requests()
        state = self.journal.state
        # What gives back is asked about first: older questions are of the way forward.
        holds = sorted(state.open_holds, key=lambda hold: not is_giving_back(hold.opened.key))
        if state.seq != before or not holds:
            return
        try:
            with self.lanes.waiting(for_person=True):
                answer = self.person.attend(self.run, state, holds)
        except Leaving as parked:
            # The flag is what keeps a `finally:` of the script from starting anything more.
            raise self.leave(parked.reason, parked.exit_code, parked.kind) from None
        if answer is not None:
            self.record(Record((answer,)))

    # --- the end ---

    def end_left(self, leaving: Leaving) -> None:
        """Record why the run left this process, where that can still be recorded."""
        if leaving.kind in STOP_KINDS:
            with suppress(StoreError):  # What is appended next meets the same trouble.
                self.journal.refresh()
        at = self.clock.now()
        rest = rest_of(leaving, self.journal.state, at, self._lull)
        if rest is not None:
            (kind, due_at), code = rest, left_with(leaving, self.journal.state)
            self.end(RunStopped(at, kind, leaving.reason, code, due_at))

    def end(self, fact: RunFailed | RunStopped) -> None:
        """Record how the life ended, where that can still be recorded."""
        try:
            self.journal.append((fact,))
        except LostOwnership as lost:
            self.leave(str(lost), lost.exit_code, "lost")
        except StoreError as error:
            self.leaving = Leaving(str(error), error.exit_code, "storage")

    def leave_items(self) -> None:
        """Keep the run for as long as this process lives: items of it still run here, and whoever
        went on with it elsewhere would do them a second time beside that."""
        self.stays_owned = True
        leave_items()

    def close(self) -> None:
        """Give the run back, unless it `stays_owned`. Never raises: what matters is recorded
        already."""
        if self.stays_owned:
            return
        epoch = self.journal.epoch
        assert epoch is not None
        with suppress(StoreError, LostOwnership):
            # Else the next life finds this process gone, or the store's own error explains it.
            self.store.release(self.run, epoch)
