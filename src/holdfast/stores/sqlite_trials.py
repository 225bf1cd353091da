"""The statements about trials: what counts for trust, beside the journals it was derived from."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from holdfast.errors import StoreCorrupt
from holdfast.model.trials import KEPT_MAX, OUTCOMES, Trial
from holdfast.stores.row_tables import dump_time, load_time
from holdfast.stores.sqlite_schema import column_text

_COLUMNS: Final = "workflow, step, code, run, key, target, at"
_BEGIN: Final = f"INSERT INTO trial_begun ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_END: Final = "DELETE FROM trial_begun WHERE run = ? AND key = ?"
_KEEP: Final = f"INSERT INTO trial ({_COLUMNS}, outcome, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PRUNE: Final = (
    "DELETE FROM trial WHERE workflow = ?1 AND step = ?2 AND id <= (SELECT id FROM trial "
    "WHERE workflow = ?1 AND step = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)"
)
_BEGUN: Final = (
    f"SELECT {_COLUMNS}, 'began', '' FROM trial_begun WHERE workflow = ? AND step = ? "
    "ORDER BY id DESC"
)
_ENDED: Final = (
    f"SELECT {_COLUMNS}, outcome, note FROM trial WHERE workflow = ? AND step = ? "
    "ORDER BY id DESC LIMIT ?"
)
_TRIED: Final = (
    "SELECT workflow, step FROM trial UNION SELECT workflow, step FROM trial_begun ORDER BY 1, 2"
)
_FORGOTTEN: Final = (
    "SELECT workflow, step FROM trial GROUP BY workflow, step HAVING max(rtrim(at, 'Z')) < ? "
    "EXCEPT SELECT workflow, step FROM trial_begun"
)
"""Without its last letter the text of a time sorts as the time does, with a fraction or not."""


def keep(connection: sqlite3.Connection, trials: Sequence[Trial]) -> None:
    """Keep trials, each ending the one that began of its run and key."""
    for trial in trials:
        run, key = column_text(trial.run), column_text(trial.key)
        connection.execute(_END, (run, key))
        step = column_text(trial.workflow), column_text(trial.step)
        row = (
            *step, trial.code, run, key, column_text(trial.target), dump_time(trial.at),
        )  # fmt: skip
        if trial.outcome == "began":
            connection.execute(_BEGIN, row)
        elif trial.outcome != "left":
            connection.execute(_KEEP, (*row, trial.outcome, column_text(trial.note)))
            connection.execute(_PRUNE, (*step, KEPT_MAX))


def select(connection: sqlite3.Connection, workflow: str, step: str, limit: int) -> list[Trial]:
    """Return a step's trials: those that only began, then the newest that ended."""
    if not _are_kept(connection):
        return []
    step_row = column_text(workflow), column_text(step)
    found = connection.execute(_BEGUN, step_row).fetchall()
    found += connection.execute(_ENDED, (*step_row, limit)).fetchall()
    return [_trial(row) for row in found]


def tried(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the steps that have trials."""
    return connection.execute(_TRIED).fetchall() if _are_kept(connection) else []


def forget(connection: sqlite3.Connection, before: datetime) -> int:
    """Delete what is known of steps that nothing was heard of since, and count these."""
    steps = connection.execute(_FORGOTTEN, (dump_time(before).rstrip("Z"),)).fetchall()
    connection.executemany("DELETE FROM trial WHERE workflow = ? AND step = ?", steps)
    return len(steps)


def interrupt(connection: sqlite3.Connection, run: str) -> None:
    """End what had begun in a run that nobody can go on with any more."""
    connection.execute(
        f"INSERT INTO trial ({_COLUMNS}, outcome, note) "
        f"SELECT {_COLUMNS}, 'interrupted', '' FROM trial_begun WHERE run = ? ORDER BY id",
        (run,),
    )
    connection.execute("DELETE FROM trial_begun WHERE run = ?", (run,))


def _are_kept(connection: sqlite3.Connection) -> bool:
    """Whether the database has these tables: one that is only read keeps its old schema."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'trial_begun'")
    return found.fetchone() is not None


def _trial(row: Sequence[Any]) -> Trial:
    workflow, step, code, run, key, target, at, outcome, note = row
    if outcome not in OUTCOMES:
        raise StoreCorrupt(
            f"a trial of step {step!r} ended {outcome!r}, which is no outcome; "
            "was it written by a newer holdfast?"
        )
    try:
        return Trial(workflow, step, code, run, key, target, load_time(at), outcome, note)
    except (TypeError, ValueError) as problem:
        raise StoreCorrupt(f"a trial of step {step!r} does not decode: {problem}") from problem
