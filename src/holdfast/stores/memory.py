"""A store that lives in this process: for tests, and the reference of the contract.

Facts pass through the same rows as on a disk, so that what is read is what a disk would give.
A `MemoryDisk` is the disk: it outlives the stores opened on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from holdfast.errors import LostOwnership, StoreCorrupt, StoreError, TargetLocked, UsageError
from holdfast.locks import Lock, forkable
from holdfast.model.facts import Fact, LifeStarted, Rewound, RunCreated, Spilled
from holdfast.model.json import Json
from holdfast.model.owing import DebtBegun, DebtMoved, debt_change
from holdfast.model.status import FINISHED
from holdfast.model.trials import KEPT_MAX, Trial
from holdfast.ports.store import Appended, DebtRow, Output, RunRow, Stored
from holdfast.stores import rows
from holdfast.stores.memory_batches import BatchDisk, MemoryBatches
from holdfast.stores.outputs import dump_output, load_output
from holdfast.stores.spill import checked, digest_of


@dataclass(slots=True)
class _Row:
    epoch: int
    kind: str
    body: str
    link: bytes


@dataclass(slots=True)
class _Run:
    row: RunRow
    journal: list[_Row] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    spilled: set[str] = field(default_factory=set)
    debts: dict[str, DebtRow] = field(default_factory=dict)


class MemoryDisk:
    """What survives when a store is closed; hand it to the next one."""

    def __init__(self) -> None:
        self.mutex = forkable(Lock())
        self.commits = 0
        self.runs: dict[str, _Run] = {}
        self.spilled: dict[str, bytes] = {}
        self.locks: dict[str, str] = {}
        self.begun: dict[tuple[str, str], Trial] = {}
        self.trials: dict[tuple[str, str], list[Trial]] = {}
        self.batches = BatchDisk()

    def keep(self, trials: Iterable[Trial]) -> None:
        """Keep trials, each ending the one that began of its run and key."""
        for trial in trials:
            self.begun.pop((trial.run, trial.key), None)
            if trial.outcome == "began":
                self.begun[trial.run, trial.key] = trial
            elif trial.outcome != "left":
                kept = self.trials.setdefault((trial.workflow, trial.step), [])
                kept.append(trial)
                del kept[:-KEPT_MAX]


class MemoryStore:
    """Journals on a `MemoryDisk`. Threads, and other stores on the same disk, may share it."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk()
        self.url = "memory:"
        self.dropped = 0
        self.batches = MemoryBatches(self.disk.batches, self._held, self._owned)
        self._is_closed = False

    # --- writing ------------------------------------------------------------------------

    def create(self, run: str, fact: RunCreated, *, newest: str | None = None) -> bool:
        with self._held() as disk:
            known = (made.row for made in disk.runs.values())
            same = ["", *(row.id for row in known if row.workflow == fact.workflow)]
            if run in disk.runs or newest not in (None, same[-1]):
                return False
            row = RunRow(
                id=run,
                workflow=fact.workflow,
                target=fact.target,
                status="queued",
                mode=fact.mode,
                file=fact.file,
                started_at=fact.at,
                ended_at=None,
                started_by=fact.by.name,
                due_at=None,
                epoch=0,
                owner=None,
                beat_monotonic=None,
                beat_at=None,
            )
            made = _Run(row)
            self._lock(run, fact.target)
            self._extend(run, made, (fact,))
            disk.runs[run] = made
            return True

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
        with self._held() as disk:
            found = self._run(run, after) if epoch is None else self._owned(run, epoch, after)
            others = tuple(stored.fact for stored in _stored(run, found.journal, after))
            if others and (only_if_current or epoch is None):
                return Appended(False, len(found.journal), others)
            is_owned = epoch is None and found.row.owner is not None
            self._extend(run, found, facts, is_owned=is_owned)
            disk.keep(trials)
            return Appended(True, len(found.journal), others)

    def claim(
        self,
        run: str,
        fact: LifeStarted | Rewound,
        *,
        after: int,
        expected_epoch: int,
        trials: Sequence[Trial] = (),
    ) -> int | None:
        assert fact.epoch > expected_epoch, "an epoch only ever grows"
        with self._held() as disk:
            found = self._run(run, after)
            if found.row.epoch != expected_epoch or len(found.journal) > after:
                return None
            owner = fact.owner if isinstance(fact, LifeStarted) else None
            if owner is not None:
                self._lock(run, found.row.target)
            found.row = replace(
                found.row, epoch=fact.epoch, owner=owner, beat_monotonic=None, beat_at=None
            )
            self._extend(run, found, (fact,))
            disk.keep(trials)
            return len(found.journal)

    def release(self, run: str, epoch: int, *, durable: bool = False) -> None:
        with self._held() as disk:
            found = disk.runs.get(run)
            if found is not None and found.row.epoch == epoch:
                found.row = replace(found.row, owner=None, beat_monotonic=None, beat_at=None)
                if found.row.status == "cancelled":
                    self._unlock(run)
                disk.commits += 1

    def beat(self, run: str, epoch: int, monotonic: float | None, at: datetime) -> bool:
        with self._held() as disk:
            found = disk.runs.get(run)
            if found is None or found.row.epoch != epoch:
                return False
            found.row = replace(found.row, beat_monotonic=monotonic, beat_at=at)
            disk.commits += 1
            return True

    def remove(self, run: str, *, seen: RunRow | None = None) -> bool:
        with self._held() as disk:
            removed = disk.runs.get(run)
            if removed is None or seen not in (None, removed.row):
                return False
            del disk.runs[run]
            self._unlock(run)
            disk.batches.remove(run)
            kept = {digest for other in disk.runs.values() for digest in other.spilled}
            for digest in removed.spilled - kept:
                disk.spilled.pop(digest, None)
            begun = [trial for trial in disk.begun.values() if trial.run == run]
            disk.keep(replace(trial, outcome="interrupted") for trial in begun)
            disk.commits += 1
            return True

    def keep_trials(self, trials: Sequence[Trial]) -> None:
        with self._held() as disk:
            disk.keep(trials)
            disk.commits += 1

    def sweep(self) -> None:
        pass  # A killed process leaves nothing here.

    def forget_trials(self, before: datetime) -> int:
        with self._held() as disk:
            begun = {(trial.workflow, trial.step) for trial in disk.begun.values()}
            old = [
                step
                for step, kept in disk.trials.items()
                if step not in begun and max(trial.at for trial in kept) < before
            ]
            for step in old:
                del disk.trials[step]
            return len(old)

    # --- reading ------------------------------------------------------------------------

    def read(self, run: str, after: int = 0) -> Iterator[Stored]:
        with self._held() as disk:
            found = disk.runs.get(run)
            journal = [] if found is None else list(found.journal)
        yield from _stored(run, journal, after)

    def load(self, spilled: Spilled) -> Json:
        with self._held() as disk:
            data = disk.spilled.get(spilled.digest)
        if data is None:
            raise StoreCorrupt(f"spilled value {spilled.digest} is gone")
        return checked(spilled, data)

    def row(self, run: str) -> RunRow | None:
        with self._held() as disk:
            found = disk.runs.get(run)
            return None if found is None else found.row

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
        with self._held() as disk:
            newest_first = [found.row for found in reversed(disk.runs.values())]
        return [
            row
            for row in newest_first
            if row.id.startswith(prefix)
            and status in (None, row.status)
            and target in (None, row.target)
            and workflow in (None, row.workflow)
            and (due_by is None or (row.due_at is not None and row.due_at <= due_by))
            and not (unfinished and row.status in FINISHED)
            and not (owned and row.owner is None)
        ][:limit]

    def holder(self, target: str) -> str | None:
        with self._held() as disk:
            return disk.locks.get(target)

    def trials(self, workflow: str, step: str, limit: int = KEPT_MAX) -> Sequence[Trial]:
        name = workflow, step
        with self._held() as disk:
            begun = [t for t in disk.begun.values() if (t.workflow, t.step) == name]
            ended = disk.trials.get(name, [])
            return [*reversed(begun), *ended[::-1][:limit]]

    def tried(self) -> Sequence[tuple[str, str]]:
        with self._held() as disk:
            begun = {(trial.workflow, trial.step) for trial in disk.begun.values()}
            return sorted(begun | disk.trials.keys())

    def debts(self, *, limit: int | None = None) -> Sequence[DebtRow]:
        with self._held() as disk:
            found = [debt for run in disk.runs.values() for debt in run.debts.values()]
        return sorted(found, key=lambda debt: (debt.since, debt.run, debt.key))[:limit]

    def changes(self) -> object:
        with self._held() as disk:
            return disk.commits

    # --- output -------------------------------------------------------------------------

    def write_output(self, run: str, outputs: Iterable[Output]) -> None:
        lines = [dump_output(output) for output in outputs]
        with self.disk.mutex:
            found = self.disk.runs.get(run)
            if found is None:
                self.dropped += len(lines)
            else:
                found.output += lines

    def read_output(self, run: str, after: int = 0) -> Iterator[tuple[int, Output]]:
        with self._held() as disk:
            found = disk.runs.get(run)
            lines = [] if found is None else found.output[after:]
        for position, line in enumerate(lines, after + 1):
            output = load_output(line)
            if output is not None:
                yield position, output

    def close(self) -> None:
        self._is_closed = True

    # --- how ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _held(self) -> Iterator[MemoryDisk]:
        if self._is_closed:
            raise StoreError("the store is closed")
        with self.disk.mutex:
            yield self.disk

    def _run(self, run: str, after: int) -> _Run:
        found = self.disk.runs.get(run)
        if found is None:
            raise UsageError(f"there is no run {run!r} in this store")
        if len(found.journal) < after:
            raise StoreError(
                f"the journal of run {run} ends at fact {len(found.journal)}, but {after} facts "
                "were read from it; nothing was written"
            )
        return found

    def _owned(self, run: str, epoch: int, after: int = 0) -> _Run:
        found = self._run(run, after)
        if found.row.epoch != epoch:
            raise LostOwnership(
                f"run {run} was taken over by another process (epoch {found.row.epoch}, ours "
                f"was {epoch}); nothing was written"
            )
        return found

    def _lock(self, run: str, target: str | None) -> None:
        """Give a run its target's lock. Raises TargetLocked."""
        if target is not None and self.disk.locks.setdefault(target, run) != run:
            raise TargetLocked(target, self.disk.locks[target])

    def _unlock(self, run: str) -> None:
        for target in [target for target, held in self.disk.locks.items() if held == run]:
            del self.disk.locks[target]

    def _extend(
        self, run: str, found: _Run, facts: Sequence[Fact], *, is_owned: bool = False
    ) -> None:
        """Append facts as one unit: all are rows before the first is seen."""
        link = found.journal[-1].link if found.journal else rows.first_link(run)
        added, row, kept = [], found.row, set[str]()

        def keep(value: str | Spilled) -> Spilled:
            if isinstance(value, str):
                data = value.encode()
                value = Spilled(digest_of(data), len(data))
                self.disk.spilled[value.digest] = data
            kept.add(value.digest)
            return value

        for fact in facts:
            kind, body = rows.dump(fact, keep)
            link = rows.chain(link, kind, body)
            added.append(_Row(row.epoch, kind, body, link))
            if changed := rows.row_changes(fact):
                row = replace(row, **changed)
            if rows.frees(fact, owned=is_owned):
                self._unlock(run)
        for fact in facts:
            _note_debt(run, found.debts, fact)
        found.journal += added
        found.spilled |= kept
        found.row = row
        self.disk.commits += 1


def _note_debt(run: str, debts: dict[str, DebtRow], fact: Fact) -> None:
    change = debt_change(fact)
    if change is None:
        return
    if isinstance(change, DebtBegun):
        since = debts[change.key].since if change.key in debts else change.since
        debts[change.key] = DebtRow(run, change.key, change.label, since)
    elif isinstance(change, DebtMoved):
        if (moved := debts.pop(change.was, None)) is not None:
            debts[change.key] = moved._replace(key=change.key)
    elif change.key:
        debts.pop(change.key, None)
    else:
        debts.clear()


def _stored(run: str, journal: Sequence[_Row], after: int) -> Iterator[Stored]:
    """Yield the facts after `after`. Raises StoreCorrupt where one is not what was written."""
    link = journal[after - 1].link if 0 < after <= len(journal) else rows.first_link(run)
    for seq, row in enumerate(journal[after:], after + 1):
        link = rows.chain(link, row.kind, row.body)
        if link != row.link:
            raise StoreCorrupt(
                f"fact {seq} of run {run} is not what was written: its chain does not follow"
            )
        yield Stored(seq, row.epoch, rows.load_at(run, seq, row.kind, row.body), link)
