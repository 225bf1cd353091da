"""Keep the books of one batch in one life: which items are settled, and how durably.

What ends well is a bit; everything else about an item is a row. A *note* survives the death of
the process and is made before a worker takes its next item: for most items that is a record in
the tail, and a transaction where there is a row or a value to write. A *checkpoint* survives
power loss: it is made of all notes since the last one, after 50 ms or 1,000 items.

The order of writes is the guarantee. An output is written before the note that counts it, synced
before the checkpoint that counts it, and the tail is emptied after the checkpoint that says what
it said. A crash between any two of them costs nothing, for each says again what the one before
said: at worst an output is a line longer than it should be, and is cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from holdfast.errors import LostOwnership, StoreError
from holdfast.locks import RLock
from holdfast.model.batches import BatchRow, Checkpoint, ItemRow, Seen
from holdfast.model.bits import Bits, segment_of
from holdfast.model.items import KEY_BYTES, PRINT_BYTES, ItemStatus
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field, replace
from holdfast.model.tail import done_record, key_record
from holdfast.ports.batches import Tail
from holdfast.runtime.batches.rules import BatchRules
from holdfast.runtime.batches.work import Work
from holdfast.runtime.life import Life

HARDENED_S: Final = 0.05
HARDENED_ITEMS: Final = 1_000
"""How long, and for how many items, a note waits to survive power loss (DESIGN 6)."""

ENTRY_BYTES: Final = KEY_BYTES + PRINT_BYTES
COUNTED: Final = (
    "done", "already", "failed", "quarantined", "skipped", "waiting", "suspect", "uncertain",
)  # fmt: skip
PAGES_MAX: Final = 10_000
"""So many cursors are remembered at most, while an early item waits and others are done."""
SETTLED: Final[frozenset[ItemStatus]] = frozenset({"failed", "quarantined", "skipped", "uncertain"})
"""A row of these says that nobody is to do the item."""


@dataclass(slots=True)
class Pending:
    """What was noted since the last checkpoint that survives power loss.

    `tail` is not even noted yet. What is in `rows`, `values` and `taken` needs a transaction.
    """

    tail: list[bytes] = field(default_factory=list)
    segments: set[int] = field(default_factory=set)
    rows: dict[int, ItemRow | None] = field(default_factory=dict)
    values: list[tuple[int, str, Json]] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    count: int = 0
    since: float | None = None

    @property
    def needs_transaction(self) -> bool:
        """Whether a record in the tail is not enough to note it."""
        return bool(self.rows or self.values or self.taken)


class Book:
    """The books of one batch. The driver and the thread that hardens share it."""

    def __init__(self, life: Life, rules: BatchRules, row: BatchRow) -> None:
        self.life, self.rules, self.row = life, rules, row
        self.store = life.store.batches
        self.lock = RLock()
        self.done, self.settled = Bits(), Bits()
        self.noted = Bits()
        """Items of which a row says that they are to be done."""
        self.rows: dict[int, ItemStatus] = {}
        """The rows of items in hand, or that wait in this life for another attempt."""
        self.counts: dict[str, int] = {name: getattr(row, name) for name in COUNTED}
        self.enumerated = row.enumerated
        self.recent: deque[str] = deque(row.recent, maxlen=_window(rules))
        self.life_done = self.tried = self.in_flight = 0
        self.output_bytes = row.output_bytes
        self.turn = row.turn
        self.is_ordered = rules.order == "input" and rules.out is not None
        self.is_bits_only = not (rules.keep or rules.out or rules.ledger or rules.once)
        """Whether nothing is written of an item that is done but its bit."""
        self.buffered: dict[int, Json] = {}
        """Values whose turn in the output has not come."""
        self.tail: Tail | None = None
        self.pages: deque[tuple[int, Json]] = deque()
        """Of a source with cursors: the address of the first item of each that is not done yet."""
        self._keys_at, self._keys = row.enumerated, bytearray()
        self.pending = Pending()

    @property
    def key(self) -> str:
        return self.row.key

    # --- addresses ---

    def enumerate(self, digest: bytes, fingerprint: bytes) -> int:
        """Give a new item its address, which the next note makes known."""
        with self.lock:
            ordinal = self.enumerated
            self.enumerated += 1
            self._keys += digest + fingerprint
            self.pending.tail.append(key_record(ordinal, digest, fingerprint))
            return ordinal

    def entry(self, ordinal: int) -> bytes:
        """Return an item's entry in the manifest; empty where it has none."""
        at = (ordinal - self._keys_at) * ENTRY_BYTES
        if at >= 0:
            return bytes(self._keys[at : at + ENTRY_BYTES])
        return self.store.manifest(self.life.run, self.key, ordinal, 1)

    # --- what is known of items ---

    def settle(self, ordinal: int) -> None:
        """An item is done: its bit is set."""
        self.done.add(ordinal)
        self.settled.add(ordinal)
        self.pending.segments.add(segment_of(ordinal))
        self.pending.tail.append(done_record(ordinal, self.output_bytes))
        self.counts["done"] += 1

    def unsettle(self, ordinal: int) -> None:
        """An item that was done is not: what it returned has no place."""
        self.done.discard(ordinal)
        self.pending.segments.add(segment_of(ordinal))
        self.counts["done"] -= 1

    def shown_of(self, ordinal: int) -> str:
        """Return how an item is called whose value waits for its turn."""
        for at, shown, _ in self.pending.values:
            if at == ordinal:
                return shown
        kept = self.store.values(self.life.run, self.key, after=ordinal - 1, limit=1)
        return kept[0].key if kept else str(ordinal)

    def settle_run(self, first: int, count: int) -> None:
        """Items are done of which nothing is to be written but their bits."""
        self.done.add_run(first, count)
        self.settled.add_run(first, count)
        self.pending.segments.update(range(segment_of(first), segment_of(first + count - 1) + 1))
        self.pending.tail.append(done_record(first, self.output_bytes, count))
        self.pending.count += count - 1
        self.counts["done"] += count
        self.tried += count
        self.life_done += count
        if self.recent.maxlen:
            self.recent.extend("." * count)

    def put(self, row: ItemRow) -> None:
        """Let a row be what is known of an item, whatever was before."""
        self._forget_row(row.ordinal)
        self.counts[row.status] += 1
        (self.settled.add if row.status in SETTLED else self.settled.discard)(row.ordinal)
        self.rows[row.ordinal] = row.status
        self.pending.rows[row.ordinal] = row

    def take(self, ordinal: int, status: ItemStatus) -> None:
        """An item is taken in hand of which the store has a row."""
        self.rows[ordinal] = status
        self.noted.discard(ordinal)

    def clear(self, ordinal: int) -> None:
        """Nothing but its bit is known of an item from now on, where it has one."""
        if self._forget_row(ordinal):
            self.settled.discard(ordinal)
            self.pending.rows[ordinal] = None

    def let_go(self, ordinal: int) -> None:
        """An item is not in hand any more; its row, if it has one, stays as it is."""
        self.rows.pop(ordinal, None)

    def is_early(self, ordinal: int) -> bool:
        """Whether others come before an item in the output."""
        return self.is_ordered and ordinal > self.turn

    def learn(self, digest: bytes, fingerprint: bytes) -> None:
        """Let the ledger know an item as it was done."""
        if self.rules.ledger:
            self.pending.seen.append(Seen(digest, fingerprint))

    def _forget_row(self, ordinal: int) -> bool:
        status = self.rows.pop(ordinal, None)
        if status is not None:
            self.counts[status] -= 1
        return status is not None

    def ended(self, outcome: str) -> None:
        """An attempt ended: "." well, "x" not."""
        self.recent.append(outcome)
        self.tried += 1
        self.life_done += outcome == "."

    @property
    def dead(self) -> int:
        """How many items are dead letters, those that kill their process among them."""
        return self.counts["failed"] + self.counts["quarantined"]

    # --- making it last ---

    def flush(self) -> None:
        """Note what was decided since the last note: on return it survives the death of the
        process. Raises Leaving when it cannot."""
        with self.lock:
            pending = self.pending
            if pending.needs_transaction:
                # A transaction may reach the disk before an output that was not synced.
                self.checkpoint(durable=self.rules.out is not None)
            elif pending.tail:
                assert self.tail is not None
                with self.guard():
                    self.tail.write(b"".join(pending.tail))
                self._noted()
            if pending.count >= HARDENED_ITEMS or self.rules.hardens_each:
                self.harden()

    def _noted(self) -> None:
        pending = self.pending
        pending.count += len(pending.tail)
        pending.tail.clear()
        if pending.since is None:
            pending.since = self.life.clock.monotonic()

    def harden_if_due(self) -> None:
        """Make a checkpoint when the oldest note has waited for its time."""
        with self.lock:
            since = self.pending.since
            if since is not None and self.life.clock.monotonic() - since >= HARDENED_S:
                self.harden()

    def harden(self) -> None:
        """Make all notes survive power loss. Raises Leaving."""
        with self.lock:
            if self.pending.since is not None or self.pending.tail:
                self.checkpoint()

    def checkpoint(self, *, durable: bool = True, anew: bool = False) -> None:
        """Write everything as one transaction. Raises Leaving when the store refuses."""
        with self.lock, self.guard():
            if durable and self.rules.out is not None:
                self.rules.out.sync()
            pending, row = self.pending, self.as_row()
            change = Checkpoint(
                row,
                anew,
                {number: self.done.encoded(number) for number in pending.segments},
                self._keys_at,
                bytes(self._keys),
                [found for found in pending.rows.values() if found is not None],
                [ordinal for ordinal, found in pending.rows.items() if found is None],
                pending.values,
                pending.taken,
                pending.seen,
            )
            epoch = self.life.journal.epoch
            assert epoch is not None
            self.store.checkpoint(self.life.run, epoch, change, durable=durable)
            self.row = row
            self._keys_at, self._keys = self.enumerated, bytearray()
            since = self.life.clock.monotonic() if pending.since is None else pending.since
            self.pending = Pending(since=None if durable else since)
            if self.tail is not None:
                self.tail.empty()

    def close(self) -> None:
        """Make the last checkpoint of a life: nothing is on its way to the output any more, so what
        somebody adds to it from now on can be told from what is ours. Raises Leaving."""
        with self.lock:
            self.row = replace(self.row, output_closed=self.rules.out is not None)
            self.checkpoint()

    def as_row(self) -> BatchRow:
        """Return the batch at a glance, as it is now."""
        with self.lock:  # Whoever hardens, and whoever tells how far it is, both ask.
            counts: dict[str, Any] = self.counts
            if self.pages:
                unfinished = self.settled.missing_from(self.pages[0][0])
                while len(self.pages) > 1 and self.pages[1][0] <= unfinished:
                    self.pages.popleft()
                at, cursor = self.pages[0]
                counts = {**counts, "cursor": [cursor, at]}
            return replace(
                self.row,
                enumerated=self.enumerated,
                in_flight=self.in_flight,
                life_done=self.life_done,
                recent="".join(self.recent),
                output_bytes=self.output_bytes,
                turn=self.turn,
                **counts,
            )

    def came_to(self, ordinal: int, cursor: Json) -> None:
        """The first item of a cursor has this address."""
        with self.lock:
            self.pages.append((ordinal, cursor))
            if len(self.pages) > PAGES_MAX:
                # Of any two the earlier will do: a reading may begin before what it looks for.
                self.pages = deque(islice(self.pages, 0, None, 2))

    def forget_cursors(self) -> None:
        """No cursor says any more before which everything is settled."""
        with self.lock:
            self.pages.clear()

    def guard(self) -> LeaveOnRefusal:
        """Turn what a store refuses into leaving the run: the script cannot go on past that."""
        return LeaveOnRefusal(self.life)


class LeaveOnRefusal:
    """While it is entered, an error of a store makes the life leave."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, LostOwnership):
            raise self._life.leave(str(error), error.exit_code, "lost") from error
        if isinstance(error, StoreError):
            raise self._life.leave(str(error), error.exit_code, "storage") from error


def _window(rules: BatchRules) -> int:
    """Return how many of the last outcomes are remembered: as many as the budget looks at."""
    budget = rules.budget
    return 0 if budget is None or budget.window is None else budget.window


def work_row(work: Work, status: ItemStatus, at: datetime) -> ItemRow:
    """Return a row of an item as it comes to its worker."""
    return ItemRow(work.ordinal, work.shown, status, at, work.attempts, work.deaths)


def begin_once(book: Book, chunk: Sequence[Work], at: datetime) -> None:
    """Note, durably, that `once` items begin: from now on each may have taken effect."""
    with book.lock:
        for work in chunk:
            row = work_row(work, "uncertain", at)
            book.put(replace(row, error="it began, and no outcome is recorded"))
        book.checkpoint()
