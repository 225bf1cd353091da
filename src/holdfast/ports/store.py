"""Where journals live.

A store keeps, for each run, an append-only journal of facts, one row about who owns it, and the
output of its steps. It knows what facts look like; what they mean is the engine's business.
An implementation must pass `holdfast.testing.StoreSuite`: that suite is the contract.

Two kinds of writer append to one run. Its *owner* passes its `epoch`, and is refused only when
somebody took the run over. Everybody else passes `epoch=None`, and is refused when the journal
moved past the `after` they looked at, so that a control fact is always validated against what
it will follow. Neither ever makes the other lose a finished step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from holdfast.errors import UsageError
from holdfast.model.facts import Fact, LifeStarted, Owner, Rewound, RunCreated, Spilled
from holdfast.model.json import Json
from holdfast.model.making import dataclass, made_often
from holdfast.model.trials import KEPT_MAX, Trial

if TYPE_CHECKING:
    from holdfast.ports.batches import BatchStore


class StoreAbsent(UsageError):
    """There is no store at this place, and the caller did not ask to make one."""


class Stored(NamedTuple):
    """One fact as it lies in the journal. `link` covers it and everything before it."""

    seq: int
    epoch: int
    fact: Fact
    link: bytes

    @property
    def chain(self) -> str:
        """The link as people compare it, in hexadecimal digits."""
        return self.link.hex()


@made_often
@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did.

    `others` are the facts that other processes appended since `after`, in order, to be folded
    before ours. `written` is False when they were there and the caller asked not to write then.
    `seq` is the sequence number of the journal's last fact after this call.
    """

    written: bool
    seq: int
    others: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run at a glance, kept by the store from the facts it appends (`model.glance`)."""

    id: str
    workflow: str
    target: str | None
    status: str
    mode: str
    file: str
    started_at: datetime
    ended_at: datetime | None
    started_by: str
    due_at: datetime | None
    epoch: int
    owner: Owner | None
    beat_monotonic: float | None
    beat_at: datetime | None


class DebtRow(NamedTuple):
    """What one run owes, kept by the store from the facts it appends (`model.owing`)."""

    run: str
    key: str
    label: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Output:
    """Some output of a step, as text; `stream` is "out", "err" or "log"."""

    at: datetime
    key: str
    attempt: int
    stream: str
    text: str


class Store(Protocol):
    """Journals, ownership and output of many runs."""

    url: str

    @property
    def dropped(self) -> int:
        """How many pieces of output could not be kept."""

    @property
    def batches(self) -> BatchStore:
        """Where the items of the runs' batches live."""

    def create(self, run: str, fact: RunCreated, *, newest: str | None = None) -> bool:
        """Make a new run with its first fact (number 1, epoch 0), durably. Return False,
        writing nothing, when a run of this id exists; with `newest` also when another run than
        that is the newest of its workflow, or with an empty text when there is any.

        It takes its target's lock: raises TargetLocked, writing nothing, when another run has
        it. A run keeps the lock until a fact frees it (`model.status.Glance`), however many
        lives that takes.
        """

    def append(
        self,
        run: str,
        facts: Sequence[Fact],
        *,
        after: int,
        epoch: int | None,
        durable: bool = True,
        only_if_current: bool = False,
        trials: Sequence[Trial] = (),
    ) -> Appended:
        """Append `facts` as one unit at the end of the journal, and keep `trials` with them.

        With `durable` they survive power loss on return; without, they survive the death of
        every process and are hardened by the next durable append. `after` is the last sequence
        number the caller has folded. With `only_if_current`, nothing is written when somebody
        else appended since `after`. An `epoch` of None is somebody other than the owner, and
        implies `only_if_current`. Raises LostOwnership, writing nothing, when the run's epoch
        is no longer `epoch`; UsageError when there is no such run; StoreError when it is unknown
        whether the facts were written, and from then on for every call, until the store is
        opened anew; StoreError too when the journal ends before `after`: facts that were read
        are gone, and nothing is written over their place.

        A value over 64 KiB in `result` or `value` is kept outside its row, durable before the
        row: what is read back is a `Spilled`. Nothing else about a fact changes.
        """

    def claim(
        self,
        run: str,
        fact: LifeStarted | Rewound,
        *,
        after: int,
        expected_epoch: int,
        trials: Sequence[Trial] = (),
    ) -> int | None:
        """Make the process named in `fact` the run's owner under the epoch `fact.epoch`.

        The fact is appended, durably, in the same unit, with `trials`, and its sequence number
        returned.
        Return None, writing nothing, when the run's epoch is no longer `expected_epoch` or its
        journal is longer than `after`: look again. Whether the present owner may be displaced
        is the caller's decision (`runtime.ownership`). `fact.epoch` is above `expected_epoch`.
        The new owner has no heartbeat yet. A `Rewound` names no process: nobody owns the run
        then, a displaced owner is refused all the same, and the target's lock is as it was.
        Raises UsageError when there is no such run; TargetLocked, writing nothing, when the
        run's target was taken by another meanwhile.
        """

    def release(self, run: str, epoch: int, *, durable: bool = False) -> None:
        """Forget the owner if the run's epoch is still `epoch`; the epoch stays. A run that
        somebody ended lets go of its target with that. Not `durable`, a power cut may undo it:
        the owner is dead by its boot id then."""

    def beat(self, run: str, epoch: int, monotonic: float | None, at: datetime) -> bool:
        """Note that the owner is alive; `monotonic` is None for one that does not say so all the
        time. Return False when `epoch` is no longer the run's. Not a fact, and not hardened: a
        lost beat costs nothing."""

    def read(self, run: str, after: int = 0) -> Iterator[Stored]:
        """Yield the facts after `after`, in order; none for an unknown run.
        Raises StoreCorrupt where one does not decode, does not follow from what lies before it
        (its chain), or is missing."""

    def load(self, spilled: Spilled) -> Json:
        """Return a value that was too large for its row. Raises StoreCorrupt when its content
        does not have the digest that names it, or is gone."""

    def row(self, run: str) -> RunRow | None:
        """Return the run's row, or None."""

    def rows(
        self,
        *,
        prefix: str = "",
        status: str | None = None,
        target: str | None = None,
        workflow: str | None = None,
        due_by: datetime | None = None,
        unfinished: bool = False,
        owned: bool = False,
        limit: int | None = None,
    ) -> Sequence[RunRow]:
        """Return matching runs, the one created last first; at most `limit` of them. With
        `due_by`, only those whose `due_at` is not after it. With `unfinished`, only those that a
        life may follow: costs as much as there are of these, however many have ended. With `owned`,
        only those that an owner has not let go of."""

    def holder(self, target: str) -> str | None:
        """Return the run that has the target's lock, or None."""

    def keep_trials(self, trials: Sequence[Trial]) -> None:
        """Keep trials durably, in this order, as one unit.

        A trial ends the one that `began` of the same run and key, and `left` is not kept itself.
        Of each step of a workflow the newest `KEPT_MAX` that have ended are kept.
        """

    def trials(self, workflow: str, step: str, limit: int = KEPT_MAX) -> Sequence[Trial]:
        """Return a step's trials: first all that `began` and have not ended, then the newest
        `limit` of the others, each in the opposite order to that in which they were kept.
        Raises StoreCorrupt."""

    def tried(self) -> Sequence[tuple[str, str]]:
        """Return the workflow and name of every step that has trials, in alphabetical order."""

    def forget_trials(self, before: datetime) -> int:
        """Forget the steps whose newest trial was before a moment, and return how many. Never a
        part of what is known of one: without its last trial it would look better than it is."""

    def debts(self, *, limit: int | None = None) -> Sequence[DebtRow]:
        """Return what runs owe, the oldest debt first; at most `limit` of them. Costs as much as
        there are debts, however many runs there are."""

    def write_output(self, run: str, outputs: Iterable[Output]) -> None:
        """Keep output. It survives the process, not power loss; it never fails a run: what
        cannot be kept, or is of no run, is dropped and counted in `dropped`."""

    def read_output(self, run: str, after: int = 0) -> Iterator[tuple[int, Output]]:
        """Yield kept output in order, each with the position to read on from. A last line that
        a killed process left half-written is not yielded."""

    def changes(self) -> object:
        """Return what differs when anybody committed since it was last asked, cheaply. For
        waiting: read only when it is another. It is compared for equality, and tells nothing else;
        it is never None."""

    def remove(self, run: str, *, seen: RunRow | None = None) -> bool:
        """Forget a run: journal, row, output, spilled values and batches. For `gc` alone. Its
        trials and ledgers stay; one that had only begun is kept as `interrupted`.

        With `seen`, only while its row is that one: somebody else may have gone on with the run
        since it was looked at, or begun another of this id. Return False, having removed nothing,
        when it is not, or when there is none.
        """

    def sweep(self) -> None:
        """Remove what killed processes left beside the store and nothing refers to: values whose
        row was never written, files of runs that were being removed. For `gc` alone."""

    def close(self) -> None:
        """Release what is held. Safe to call twice. What was durable stays so."""
