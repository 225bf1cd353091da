"""The store of one machine: an SQLite database, with large values and output in files beside it.

`<db>.lock` is taken around every write, `<db>.spill/` holds values over 64 KiB, `<db>.output/`
the output of steps, `<db>.notes/` the intents of those that run, `<db>.batches/` the tails of
batches. The directory is 0700 and the files 0600 when we make them, and none is opened through a
link.

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

from holdfast.errors import StoreError
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
from holdfast.stores.sqlite_journals import HEADS_MAX, Journals
from holdfast.stores.sqlite_opening import check_place, open_database
from holdfast.stores.sqlite_rows import Head

if TYPE_CHECKING:
    from holdfast.stores import sqlite_health
    from holdfast.stores.sqlite_batches import SqliteBatches


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
        self._journals = Journals(self.path, self._database, self._spill)
        self._numbers: dict[str, int] = {}

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

    def create(self, run: str, fact: RunCreated, *, newest: str | None = None) -> bool:
        def work(connection: sqlite3.Connection) -> Head | None:
            if newest not in (None, sqlite_rows.newest_of(connection, fact.workflow)):
                return None
            head = sqlite_rows.insert_run(connection, run, fact)
            if head is not None:
                sqlite_locks.take(connection, head.number, fact.target)
                sqlite_rows.insert_facts(connection, head, (fact,), self._journals.keep)
            return head

        def afterwards(head: Head | None) -> None:
            if head is not None:
                # In an older copy of the database its number may have been another run's.
                self._journals.remove(run, head.number)
                self._outputs.remove(head.number)
            self._journals.remember(run, head)

        return self._database.write(work, durable=True, afterwards=afterwards) is not None

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
        return self._journals.append(run, facts, after, epoch, durable, only_if_current, trials)

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
            head = self._journals.look(connection, run, after)
            if head.epoch != expected_epoch or head.seq > after:
                return None
            owner = fact.owner if isinstance(fact, LifeStarted) else None
            if owner is not None:
                sqlite_locks.take(connection, head.number, sqlite_rows.target_of(connection, run))
            head.epoch, head.is_claimed = fact.epoch, owner is not None
            taken = {
                "epoch": fact.epoch,
                "owner": owner,
                "beat_monotonic": None,
                "beat_at": None,
            }
            sqlite_rows.update_run(connection, head.number, taken)
            sqlite_rows.insert_facts(connection, head, (fact,), self._journals.keep)
            sqlite_trials.keep(connection, trials)
            return head

        claimed = partial(self._journals.claimed, run)
        head = self._database.write(work, durable=True, afterwards=claimed)
        return None if head is None else head.seq

    def release(self, run: str, epoch: int, *, durable: bool = False) -> None:
        self._database.write(
            lambda connection: sqlite_rows.release_run(connection, run, epoch),
            durable=durable,
            afterwards=lambda is_released: self._journals.release(run, is_released),
        )

    def beat(self, run: str, epoch: int, monotonic: float | None, at: datetime) -> bool:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE run SET beat_monotonic = ?, beat_at = ? WHERE id = ? AND epoch = ?",
                (monotonic, dump_time(at), run, epoch),
            ).rowcount

        return self._database.write(work, durable=False) == 1

    def remove(self, run: str, *, seen: RunRow | None = None) -> bool:
        def work(connection: sqlite3.Connection) -> tuple[int, list[str]] | None:
            if seen is not None and sqlite_rows.select_run(connection, run) != seen:
                return None
            sqlite_trials.interrupt(connection, run)
            self.batches.delete(connection, run)
            return sqlite_rows.delete_run(connection, run)

        def afterwards(removed: tuple[int, list[str]] | None) -> None:
            # Inside the lock still: a writer may be about to keep the same value again.
            if removed is not None:
                self._spill.drop(removed[1])
                self._outputs.remove(removed[0])
                self.batches.remove(removed[0])
                self._journals.remove(run, removed[0])

        removed = self._database.write(work, durable=True, afterwards=afterwards)
        self._numbers.pop(run, None)
        return removed is not None

    def sweep(self) -> None:
        from holdfast.stores.sweeping import sweep

        self._database.write(lambda connection: sweep(connection, self.path), durable=False)

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
            if found:
                after, link = found[-1].seq, found[-1].link
            if len(found) < sqlite_rows.PAGE_ROWS:
                yield from self._journals.noted(run, number, after)
                return

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
        unfinished: bool = False,
        owned: bool = False,
        limit: int | None = None,
    ) -> Sequence[RunRow]:
        wanted = {"status": status, "target": target, "workflow": workflow}
        statement, values = sqlite_rows.select_runs(
            wanted, prefix=prefix, due_by=due_by, unfinished=unfinished, owned=owned, limit=limit
        )
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

    def changes(self) -> object:
        def work(connection: sqlite3.Connection) -> int:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            return int(version)

        # The first does not count what this connection commits. Side by side, not added up: notes
        # are also taken away.
        return self._database.read(work), self._database.commits, self._journals.changes()

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
        self._journals.close()

    def _number(self, run: str) -> int | None:
        if len(self._numbers) >= HEADS_MAX:
            self._numbers.clear()
        number = self._database.read(lambda connection: sqlite_rows.number_of(connection, run))
        if number is not None:
            self._numbers[run] = number
        return number
