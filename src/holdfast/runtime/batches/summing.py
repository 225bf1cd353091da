"""Say what became of a batch: its counts, what failed most, and what a person has to decide."""

from __future__ import annotations

from collections import Counter
from typing import Final

from holdfast.engine.batch import Doubtful, Ended
from holdfast.model.json import Json
from holdfast.model.signature import signature
from holdfast.runtime.batches.book import Book
from holdfast.runtime.batches.digest import digest_of
from holdfast.runtime.batches.opening import rows_of

COUNTS: Final = (
    "total", "done", "already", "failed", "quarantined", "skipped", "duplicates", "gone", "changed",
)  # fmt: skip
GROUPS_MAX: Final = 3
ROWS_MAX: Final = 10_000
"""So many dead letters are looked at to say what failed most."""
DOUBTFUL_MAX: Final = 1_000
"""So many uncertain items are asked about at once."""


def ended(book: Book, *, budget_why: str = "") -> Ended:
    """Return what became of the batch; its books are closed, and nothing is in hand."""
    counts = counts_of(book)
    decided = book.row.decided_seq
    if budget_why:
        return Ended("budget", counts, budget_why, book.dead, decided_seq=decided)
    if book.counts["uncertain"]:
        return Ended("uncertain", counts, doubtful=_doubtful(book), decided_seq=decided)
    if book.dead and book.rules.budget is None:
        return Ended("failed", counts, _why(book), book.dead, decided_seq=decided)
    return Ended("done", counts, failed=book.dead, decided_seq=decided)


def counts_of(book: Book) -> dict[str, Json]:
    """Return the counts as they are recorded, with the digest of everything they count."""
    row = book.as_row()
    digest = digest_of(book.store, book.life.run, book.key)
    return {**{name: getattr(row, name) for name in COUNTS}, "digest": digest}


def _why(book: Book) -> str:
    total = book.row.total
    of = f" of {total}" if total is not None else ""
    groups: Counter[str] = Counter()
    for seen, row in enumerate(rows_of(book, "failed", "quarantined")):
        if seen == ROWS_MAX:
            break
        groups[signature(row.error_type, row.error)] += 1
    most = "; ".join(f"{count} × {text}" for text, count in groups.most_common(GROUPS_MAX))
    words = "1 item" if book.dead == 1 else f"{book.dead} items"
    return f"{words}{of} failed: {most}"


def _doubtful(book: Book) -> tuple[Doubtful, ...]:
    found = []
    for row in rows_of(book, "uncertain"):
        evidence: dict[str, Json] = {
            "item": row.key,
            # Only an attempt that came to an end is counted in its row.
            "attempt": row.attempts if row.error_type else row.attempts + 1,
            "started_at": row.at.isoformat(),
            "why": row.error,
        }
        found.append(Doubtful(row.key, evidence))
        if len(found) == DOUBTFUL_MAX:
            break
    return tuple(found)
