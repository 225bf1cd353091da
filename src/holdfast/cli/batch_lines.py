"""How a batch is drawn below its step: counts, pace, what is at risk, the exceptions by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from holdfast.app.batch_views import NAMES_MAX, BatchView, Listed
from holdfast.app.views import StepView
from holdfast.cli.paper import Paper
from holdfast.cli.text import safe
from holdfast.model.forecast import pace_text

NAME_COLUMNS: Final = 11
COUNTED: Final = (
    ("already", "of them known to the ledger"),
    ("failed", "failed"),
    ("quarantined", "quarantined"),
    ("uncertain", "uncertain"),
    ("skipped", "skipped"),
    ("duplicates", "duplicates"),
    ("changed", "changed since they were done"),
    ("gone", "gone from the source"),
)


def items(count: int) -> str:
    """Return `1 item` or `1,000 items`."""
    return "1 item" if count == 1 else f"{count:,} items"


def counts_text(batch: BatchView) -> str:
    """Return how far a batch is, in a line: `340 of 1,000 done, 7 failed, 653 left`."""
    row, left = batch.row, batch.left
    of = "" if row.total is None else f" of {row.total:,}"
    parts = [f"{row.done:,}{of} done"]
    for name, word in COUNTED:
        number = getattr(row, name)
        if number:
            parts.append(f"{number:,} {word}")
    if left:
        parts.append(f"{left:,} left")
    return ", ".join(parts)


def forecast_text(batch: BatchView) -> str:
    """Return how many more lives the rest takes, or nothing while that cannot be said."""
    lives, done = batch.lives_left, batch.row.life_done
    if lives is None:
        return ""
    more = "one more" if lives == 1 else f"{lives:,} more"
    return f"this life did {items(done)}, and the rest takes about {more} like it"


def batch_lines(batch: BatchView, paper: Paper, now: datetime, indent: str) -> Iterator[str]:
    """Yield what there is to say of a batch below the line of its step."""
    row = batch.row
    text = counts_text(batch)
    pace = pace_text(batch.per_second(now), batch.left)
    yield from paper.wrap(f"{indent}{text}" + (f"; {pace}" if pace else ""), indent + "  ")
    if batch.in_hand:
        risk = "at risk now" if batch.is_moving else "in hand when its process died"
        yield f"{indent}{risk}: {items(batch.in_hand)}"
    if batch.is_moving and row.paused_until is not None and row.paused_until > now:
        yield f"{indent}rate limited: no item begins before {row.paused_until:%H:%M:%S} UTC"
    for listed in batch.listed:
        yield from paper.wrap(f"{indent}{listed_text(listed)}", indent + " " * (NAME_COLUMNS + 2))
    if batch.decided:
        text = f"decided:     {decided_text(batch)}; applied when it goes on"
        yield from paper.wrap(indent + text, indent + " " * (NAME_COLUMNS + 2))


def decided_text(batch: BatchView) -> str:
    """Return what people decided of items that is not applied yet: `7 (done), 13 (skipped)`."""
    texts = [f"{safe(key)} ({what})" for key, what in islice(batch.decided.items(), NAMES_MAX)]
    more = len(batch.decided) - len(texts)
    return ", ".join(texts) + (f" and {more:,} more" if more else "")


def batch_note(batch: BatchView, step: StepView, note: str) -> str:
    """Return what stands beside the label of a batch: of any other step it would be `note`."""
    if batch.is_asked:
        return "waits for a person"
    if step.is_orphaned:
        return note.replace("runs again", "goes on with the items that are left")
    return "goes on with the items that are left" if step.status == "waiting" else note


def listed_text(listed: Listed) -> str:
    """Return which items are in a status: `failed: 7, 1040-1043, and 12 more`."""
    names = ", ".join(map(safe, listed.names))
    more = f"{' and' if names else ''} {listed.more:,} more" if listed.more else ""
    return f"{listed.status + ':':<{NAME_COLUMNS + 1}} {names}{more}".rstrip()
