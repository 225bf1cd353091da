"""The store of one machine: an SQLite database, with large values and output in files beside it.

`<db>.lock` is taken around every write, `<db>.spill/` holds values over 64 KiB, `<db>.output/`
the output of steps, `<db>.batches/` the tails of batches. The directory is 0700 and the files
0600 when we make them, and none is opened through a link.

Never open the database file itself with `open`: closing it would drop every lock that SQLite
holds on it for this process.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import LostOwnership, StoreError, UsageError
from holdfast.model.facts import Fact, LifeStarted, Rewound, RunCreated, Spilled
from holdfast.model.json import Json
from holdfast.model.trials import KEPT_MAX, Trial
from holdfast.ports.store import Appended, DebtRow, Output, RunRow, Stored
from holdfast.stores import sqlite_locks, sqlite_rows, sqlite_trials
from holdfast.stores.late import Late
from holdfast.stores.lockfile import OnBlocked, beside
from holdfast.stores.outputs import OutputFiles
from holdfast.stores.row_tables import dump_time
from holdfast.stores.spill import SpillFiles
from holdfast.stores.sqlite_debts import select_debts
from holdfast.stores.sqlite_opening import check_place, open_database
from holdfast.stores.sqlite_rows import Head

if TYPE_CHECKING:
    from holdfast.stores import sqlite_health
    from holdfast.stores.sqlite_batches import SqliteBatches

HEADS_MAX = 4096
"""How many journals' ends are remembered; beyond, they are looked up again."""


class SqliteStore:
    """Journals in one SQLite database. Threads may share it; forked children may not."""

    # Imported when they are asked for: the step of a shell script has to begin at once.
    @staticmethod
    def inspect(path: Path) -> sqlite_health.Health:
        from holdfast.stores import sqlite_health

        return sqlite_health.inspect(path)

    @staticmethod
    def clear_suspect(path: Path) -> None:
        from holdfast.stores import sqlite_health

        sqlite_health.clear_suspect(path)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        create: bool = True,
        on_blocked: OnBlocked | None = None,
    ) -> None:
        """Open the store at `path`; make it when there is none, unless told otherwise.

        With `read_only` nothing is written to the database. `on_blocked` is told the pid of
        who holds the lock while a writer waits, and may end a stopped one. Raises StoreAbsent,
        having made nothing; ConfigError for what we must not touch; StoreCorrupt for what is
        no database; StoreError when a disk failed here before and `holdfast doctor` has not
        looked since.
        """
        self.path = Path(os.path.abspath(path))
        self.url = f"sqlite:///{self.path}"
        self.warnings: list[str] = []
        check_place(self.path, read_only=read_only, create=create, warnings=self.warnings)
        self._database = open_database(self.path, read_only, on_blocked)
        self._spill = SpillFiles(beside(self.path, ".spill"))
        self._outputs = OutputFiles(beside(self.path, ".output"))
        self._batches = Late(self._open_batches)
        self._heads: dict[str, Head] = {}
        self._numbers: dict[str, int] = {}
        self._kept: list[Spilled] = []

    @property
    def dropped(self) -> int:
        """How many pieces of output could not be kept."""
        return self._outputs.dropped

    @property
    def batches(self) -> SqliteBatches:
        return self._batches()

    def _open_batches(self) -> SqliteBatches:
        from holdfast.stores.sqlite_batches import SqliteBatches

        return SqliteBatches(self.path, self._database, self._spill)

    # --- writing ------------------------------------------------------------------------

    def create(self, run: str, fact: RunCreated) -> bool:
        def work(connection: sqlite3.Connection) -> Head | None:
            head = sqlite_rows.insert_run(connection, run, fact)
            if head is not None:
                sqlite_locks.take(connection, head.number, fact.target)
                sqlite_rows.insert_facts(connection, head, (fact,), self._keep)
            return head

        return self._remember(run, self._database.write(work, durable=True)) is not None

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
        head = self._heads.get(run)
        if (
            # The owner of a journal that nobody else has moved, as far as this process knows.
            head is not None
            and head.seq == after
            and head.epoch == epoch
            and not trials
            and len(facts) == 1
            and self._append_one(head, facts[0], durable)
        ):
            return Appended(True, after + 1)
        return self._append_anew(run, facts, after, epoch, durable, only_if_current, trials)

    def _append_one(self, head: Head, fact: Fact, durable: bool) -> bool:
        """Append at `head` in a single statement, which checks that it is still the end.

        Return False, having written nothing, when it must be looked at first.
        """
        row = sqlite_rows.next_row(head, fact)
        if row is None:
            return False
        link, values = row
        if not self._database.insert(sqlite_rows.INSERT_AS_OWNER, values, durable=durable):
            return False
        # An interrupt before this line leaves an old head: the next row finds its place taken.
        head.seq, head.link = head.seq + 1, link
        return True

    def _append_anew(
        self,
        run: str,
        facts: Sequence[Fact],
        after: int,
        epoch: int | None,
        durable: bool,
        only_if_current: bool,
        trials: Sequence[Trial],
    ) -> Appended:
        """Append in a transaction that looks first. Apart from `append`, in which the variables
        of a function within would cost every step a microsecond."""

        def work(connection: sqlite3.Connection) -> tuple[Appended, Head]:
            self._heads.pop(run, None)
            done, head = self._append_looking(
                connection, run, facts, after, epoch, only_if_current or epoch is None
            )
            if self._kept:
                self._refer(connection, head.number)
            if done.written:
                sqlite_trials.keep(connection, trials)
            return done, head

        done, head = self._database.write(work, durable=durable)
        self._remember(run, head)
        return done

    def _append_looking(
        self,
        connection: sqlite3.Connection,
        run: str,
        facts: Sequence[Fact],
        after: int,
        epoch: int | None,
        only_if_current: bool,
    ) -> tuple[Appended, Head]:
        """Append after looking at what the journal holds, which somebody else may have moved."""
        self._kept.clear()
        head = self._head(connection, run, after)
        if epoch is not None and head.epoch != epoch:
            raise LostOwnership(
                f"run {run} was taken over by another process (epoch {head.epoch}, ours was "
                f"{epoch}); nothing was written"
            )
        others = sqlite_rows.facts_after(connection, run, head, after)
        if others and only_if_current:
            return Appended(False, head.seq, others), head
        is_owned = epoch is None and sqlite_rows.is_owned(connection, head.number)
        sqlite_rows.insert_facts(connection, head, facts, self._keep, is_owned=is_owned)
        return Appended(True, head.seq, others), head

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

        def work(connection: sqlite3.Connection) -> Head | None:
            head = self._head(connection, run, after)
            if head.epoch != expected_epoch or head.seq > after:
                return None
            owner = fact.owner if isinstance(fact, LifeStarted) else None
            if owner is not None:
                sqlite_locks.take(connection, head.number, sqlite_rows.target_of(connection, run))
            head.epoch = fact.epoch
            taken = {
                "epoch": fact.epoch,
                "owner": owner,
                "beat_monotonic": None,
                "beat_at": None,
            }
            sqlite_rows.update_run(connection, head.number, taken)
            sqlite_rows.insert_facts(connection, head, (fact,), self._keep)
            sqlite_trials.keep(connection, trials)
            return head

        head = self._remember(run, self._database.write(work, durable=True))
        return None if head is None else head.seq

    def release(self, run: str, epoch: int, *, durable: bool = False) -> None:
        self._database.write(
            lambda connection: sqlite_rows.release_run(connection, run, epoch), durable=durable
        )

    def beat(self, run: str, epoch: int, monotonic: float, at: datetime) -> bool:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE run SET beat_monotonic = ?, beat_at = ? WHERE id = ? AND epoch = ?",
                (monotonic, dump_time(at), run, epoch),
            ).rowcount

        return self._database.write(work, durable=False) == 1

    def remove(self, run: str) -> None:
        def work(connection: sqlite3.Connection) -> tuple[int, list[str]] | None:
            sqlite_trials.interrupt(connection, run)
            self.batches.delete(connection, run)
            return sqlite_rows.delete_run(connection, run)

        def afterwards(removed: tuple[int, list[str]] | None) -> None:
            # Inside the lock still: a writer may be about to keep the same value again.
            if removed is not None:
                self._spill.drop(removed[1])
                self._outputs.remove(removed[0])
                self.batches.remove(removed[0])

        self._database.write(work, durable=True, afterwards=afterwards)
        self._heads.pop(run, None)
        self._numbers.pop(run, None)

    def keep_trials(self, trials: Sequence[Trial]) -> None:
        self._database.write(
            lambda connection: sqlite_trials.keep(connection, trials), durable=True
        )

    def forget_trials(self, before: datetime) -> int:
        return self._database.write(
            lambda connection: sqlite_trials.forget(connection, before), durable=True
        )

    # --- reading ------------------------------------------------------------------------

    def read(self, run: str, after: int = 0) -> Iterator[Stored]:
        """Pages, each read on its own: nobody is held up while the caller thinks."""
        number = self._number(run)
        link = None
        while number is not None:
            found = self._database.read(
                partial(sqlite_rows.page, run=run, number=number, after=after, link=link)
            )
            yield from found
            if len(found) < sqlite_rows.PAGE_ROWS:
                return
            after, link = found[-1].seq, bytes.fromhex(found[-1].chain)

    def load(self, spilled: Spilled) -> Json:
        return self._spill.load(spilled)

    def row(self, run: str) -> RunRow | None:
        return self._database.read(lambda connection: sqlite_rows.select_run(connection, run))

    def rows(
        self,
        *,
        prefix: str = "",
        status: str | None = None,
        target: str | None = None,
        workflow: str | None = None,
        due_by: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[RunRow]:
        statement, values = sqlite_rows.select_runs(prefix, status, target, workflow, due_by, limit)
        found = self._database.read(
            lambda connection: connection.execute(statement, values).fetchall()
        )
        return [sqlite_rows.run_row(row) for row in found]

    def holder(self, target: str) -> str | None:
        return self._database.read(lambda connection: sqlite_locks.holder(connection, target))

    def trials(self, workflow: str, step: str, limit: int = KEPT_MAX) -> Sequence[Trial]:
        return self._database.read(
            lambda connection: sqlite_trials.select(connection, workflow, step, limit)
        )

    def tried(self) -> Sequence[tuple[str, str]]:
        return self._database.read(sqlite_trials.tried)

    def debts(self, *, limit: int | None = None) -> Sequence[DebtRow]:
        return self._database.read(partial(select_debts, limit=limit))

    def changes(self) -> int:
        def work(connection: sqlite3.Connection) -> int:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            return int(version)

        # Both only grow; the first does not count what this connection commits.
        return self._database.read(work) + self._database.commits

    # --- output -------------------------------------------------------------------------

    def write_output(self, run: str, outputs: Iterable[Output]) -> None:
        number = self._numbers.get(run)
        if number is None:
            with contextlib.suppress(StoreError):
                number = self._number(run)
        if number is None:
            self._outputs.dropped += len(list(outputs))
        else:
            self._outputs.write(number, outputs)

    def read_output(self, run: str, after: int = 0) -> Iterator[tuple[int, Output]]:
        number = self._number(run)
        if number is not None:
            yield from self._outputs.read(number, after)

    def close(self) -> None:
        self._outputs.close()
        self._database.close()

    # --- what is known of journals --------------------------------------------------------

    def _head(self, connection: sqlite3.Connection, run: str, after: int) -> Head:
        """Return the end of a journal. Raises UsageError for an unknown run, StoreError when
        facts that the caller has read are gone."""
        head = sqlite_rows.find_head(connection, run)
        if head is None:
            raise UsageError(f"there is no run {run!r} in {self.path}")
        if head.seq < after:
            raise StoreError(
                f"the journal of run {run} ends at fact {head.seq}, but {after} facts were read "
                "from it: was the store replaced by an older copy? Nothing was written"
            )
        return head

    def _remember(self, run: str, head: Head | None) -> Head | None:
        if head is not None:
            if len(self._heads) >= HEADS_MAX:
                self._heads.clear()
            self._heads[run] = head
        return head

    def _number(self, run: str) -> int | None:
        if len(self._numbers) >= HEADS_MAX:
            self._numbers.clear()
        number = self._database.read(lambda connection: sqlite_rows.number_of(connection, run))
        if number is not None:
            self._numbers[run] = number
        return number

    # --- spilled values -------------------------------------------------------------------

    def _keep(self, value: str | Spilled) -> Spilled:
        """Keep a large value before its row is written, and note that the row refers to it."""
        spilled = self._spill.keep(value) if isinstance(value, str) else value
        self._kept.append(spilled)
        return spilled

    def _refer(self, connection: sqlite3.Connection, number: int) -> None:
        sqlite_rows.refer(connection, number, [spilled.digest for spilled in self._kept])
