"""Appending to journals: as one statement where this process knows the end, else after a look.

The end of a journal may be a note (see `notes`): of a fact that need not be durable, written by
the process that claimed the run, while nobody else has committed anything. The next append to that
journal, by whomever, makes a row of it. Who did not claim the run always looks first, as do the
steps of a shell script, which share the epoch that their script claimed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from holdfast.errors import LostOwnership, StoreError, UsageError
from holdfast.model.facts import Fact, Spilled
from holdfast.model.trials import Trial
from holdfast.ports.store import Appended, Stored
from holdfast.stores import rows, sqlite_rows, sqlite_trials
from holdfast.stores.lockfile import beside
from holdfast.stores.notes import Note, NoteFiles
from holdfast.stores.spill import SpillFiles
from holdfast.stores.sqlite_connection import NEVER, Database
from holdfast.stores.sqlite_rows import Head

HEADS_MAX: Final = 4096
"""How many journals' ends are remembered; beyond, they are looked up again."""


class Journals:
    """The journals of one store, and what this process knows of their ends."""

    def __init__(self, path: Path, database: Database, spill: SpillFiles) -> None:
        self._path, self._database, self._spill = path, database, spill
        self._notes = NoteFiles(beside(path, ".notes"))
        self._heads: dict[str, Head] = {}
        self._kept: list[Spilled] = []

    # --- appending ------------------------------------------------------------------------

    def append(
        self,
        run: str,
        facts: Sequence[Fact],
        after: int,
        epoch: int | None,
        durable: bool,
        only_if_current: bool,
        trials: Sequence[Trial],
    ) -> Appended:
        """Append as `Store.append` says."""
        head = self._heads.get(run)
        if (
            # The owner of a journal that nobody else has moved, as far as this process knows.
            head is not None
            and head.is_claimed
            and head.seq == after
            and head.epoch == epoch
            and not trials
            and len(facts) == 1
            and self._append_one(head, facts[0], durable)
        ):
            return Appended(True, after + 1)
        return self._append_anew(run, facts, after, epoch, durable, only_if_current, trials)

    def _append_one(self, head: Head, fact: Fact, durable: bool) -> bool:
        """Append at `head`, in one statement which checks that it is still the end, or as a note.

        Return False, having written nothing, when it must be looked at first.
        """
        note = sqlite_rows.next_note(head, fact)
        if note is None:
            return False
        version, is_noted = head.version, False
        if not (durable or head.noted):
            # Not noted when anybody else has committed since the head was known to be the end.
            write = partial(self._notes.write, head.number, note)
            version, is_noted = self._database.while_at(head, write)
        if not is_noted and not self._insert(head, note, durable):
            return False
        # An interrupt before this line leaves an old head: the next row finds its place taken. A
        # row that found its place shows that the head was the end at that version, too.
        head.seq, head.link, head.version = note.seq, note.link, version
        head.noted = note if is_noted else None
        return True

    def _insert(self, head: Head, note: Note, durable: bool) -> bool:
        statement, values = sqlite_rows.INSERT_AS_OWNER, sqlite_rows.as_owner(head.number, note)
        if head.noted is not None:
            statement = sqlite_rows.INSERT_NOTED_AS_OWNER
            values = (*sqlite_rows.as_owner(head.number, head.noted), *values)
        return self._database.insert(statement, values, durable=durable)

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
            done, head = self._append_looking(
                connection, run, facts, after, epoch, only_if_current or epoch is None
            )
            if self._kept:
                self._refer(connection, head.number)
            if done.written:
                sqlite_trials.keep(connection, trials)
            return done, head

        return self._database.write(
            work, durable=durable, afterwards=lambda done: self.remember(run, done[1])
        )[0]

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
        head = self.look(connection, run, after)
        if epoch is not None and head.epoch != epoch:
            self._notes.forget(head.number)
            raise LostOwnership(
                f"run {run} was taken over by another process (epoch {head.epoch}, ours was "
                f"{epoch}); nothing was written"
            )
        others = sqlite_rows.facts_after(connection, run, head, after)
        if others and only_if_current:
            return Appended(False, head.seq, others), head
        is_owned = epoch is None and sqlite_rows.is_owned(connection, head.number)
        sqlite_rows.insert_facts(connection, head, facts, self.keep, is_owned=is_owned)
        return Appended(True, head.seq, others), head

    # --- the ends of journals -------------------------------------------------------------

    def look(self, connection: sqlite3.Connection, run: str, after: int) -> Head:
        """Return the end of a journal, in a transaction that may write: of a note a row is made.

        Raises UsageError for an unknown run, StoreError when facts that the caller has read are
        gone.
        """
        known = self._heads.pop(run, None)
        if known is not None:
            _is_known_no_more(known)
        head = sqlite_rows.find_head(connection, run)
        if head is None:
            raise UsageError(f"there is no run {run!r} in {self._path}")
        note = self._notes.read(head.number)
        if note is not None and note.follows(head.epoch, head.seq, head.link):
            sqlite_rows.insert_note(connection, head, note)
        # Nobody can commit before we do: so long the database stays at this version for us.
        (head.version,) = connection.execute("PRAGMA data_version").fetchone()
        head.is_claimed = known is not None and known.is_claimed and known.epoch == head.epoch
        if head.seq < after:
            raise StoreError(
                f"the journal of run {run} ends at fact {head.seq}, but {after} facts were read "
                "from it: was the store replaced by an older copy? Nothing was written"
            )
        if known is not None and not self._is_past(connection, known, head):
            raise StoreError(
                f"fact {known.seq} of run {run} is not the one that this process knows: was a file "
                f"beside {self._path} removed or replaced? Nothing was written: look with "
                f"`holdfast verify {run}`, then `holdfast resume {run}`"
            )
        return head

    def _is_past(self, connection: sqlite3.Connection, known: Head, head: Head) -> bool:
        """Whether the end that this process knew is where the journal was before. Without the
        file of its note others would have appended in its place."""
        if known.number != head.number:
            return True  # A run of the same id: the other was removed.
        is_end = known.seq == head.seq
        link = head.link if is_end else sqlite_rows.link_of(connection, head.number, known.seq)
        return link == known.link

    def noted(self, run: str, number: int, seq: int) -> Iterator[Stored]:
        """Yield the note after a journal's fact `seq`, if that is its last row and there is one."""
        note = self._notes.read(number)
        if note is None or note.seq != seq + 1:
            return
        head = self._database.read(lambda connection: sqlite_rows.find_head(connection, run))
        if head is not None and note.follows(head.epoch, head.seq, head.link):
            fact = rows.load_at(run, note.seq, note.kind, note.body)
            yield Stored(note.seq, note.epoch, fact, note.link)

    def remember(self, run: str, head: Head | None) -> None:
        """Keep in mind where a journal ends, now that it is committed: still inside the lock, or
        a thread that comes later would put an end that others have moved in place of theirs."""
        if head is not None:
            if len(self._heads) >= HEADS_MAX:
                for known in self._heads.values():
                    _is_known_no_more(known)
                self._heads.clear()
            self._heads[run] = head

    def claimed(self, run: str, head: Head | None) -> None:
        """Keep in mind where the journal of a run ends that this process has taken, or could not.
        The file of its notes is opened anew: whoever had the run meanwhile took ours away."""
        if head is not None:
            self._notes.forget(head.number)
        self.remember(run, head)

    def changes(self) -> object:
        """Return what differs when a note was written since it was last asked."""
        return self._notes.changes()

    def release(self, run: str, is_released: bool) -> None:
        """Take away the file of a run that was given back, unless its note is still needed."""
        head = self._heads.get(run)
        if is_released and head is not None and head.noted is None:
            self._notes.remove(head.number)

    def remove(self, run: str, number: int) -> None:
        """Forget a journal that was removed."""
        known = self._heads.pop(run, None)
        if known is not None:
            _is_known_no_more(known)
        self._notes.remove(number)

    def close(self) -> None:
        """Close what is open, once the database refuses everything."""
        self._notes.close()

    # --- spilled values -------------------------------------------------------------------

    def keep(self, value: str | Spilled) -> Spilled:
        """Keep a large value before its row is written, and note that the row refers to it."""
        spilled = self._spill.keep(value) if isinstance(value, str) else value
        self._kept.append(spilled)
        return spilled

    def _refer(self, connection: sqlite3.Connection, number: int) -> None:
        sqlite_rows.refer(connection, number, [spilled.digest for spilled in self._kept])


def _is_known_no_more(head: Head) -> None:
    """Have no note written after it: another thread may hold it, waiting for its turn to append.
    This connection's own commits do not move the version that it would ask for."""
    head.version = NEVER
