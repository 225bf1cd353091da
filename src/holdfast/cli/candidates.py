"""Which runs a person may have meant who gave none: a few words for the refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli.naming import places_given

if TYPE_CHECKING:
    from holdfast.ports.store import RunRow, Store

SHOWN_MAX: Final = 5
LOOKED_AT_MAX: Final = 200
"""Rows among which unfinished ones are looked for."""

_ON_HOLD: Final = frozenset({"approve", "reject", "answer"})
_UNFINISHED: Final = frozenset({"resume", "stop", "pause", "cancel", "retry", "done", "skip",
                               "rewind", "rollback", "settle"})  # fmt: skip


def candidates(error: click.MissingParameter) -> str:
    """Return what may stand for the RUN that was not given, as `on hold: a, b`.

    Nothing when something else is missing, or when the store cannot be read.
    """
    from holdfast.cli.reading import reading
    from holdfast.errors import HoldfastError
    from holdfast.ports.store import StoreAbsent

    context, missing = error.ctx, error.param
    if context is None or missing is None or missing.name != "run":
        return ""
    try:
        with reading(places_given(context)) as store:
            return _runs_for(store, context.command.name or "")
    except StoreAbsent:
        return "there are no runs here yet"
    except HoldfastError:
        return ""


def _runs_for(store: Store, command: str) -> str:
    if command in _ON_HOLD:
        return _named("on hold", store.rows(status="on_hold", limit=SHOWN_MAX + 1))
    if command in _UNFINISHED:
        from holdfast.model.status import FINISHED

        rows = store.rows(limit=LOOKED_AT_MAX)
        return _named("unfinished", [row for row in rows if row.status not in FINISHED])
    return _named("the newest", store.rows(limit=SHOWN_MAX))


def _named(what: str, rows: Sequence[RunRow]) -> str:
    names = ", ".join(row.id for row in rows[:SHOWN_MAX])
    more = ", …" if len(rows) > SHOWN_MAX else ""
    return f"{what}: {names or 'none'}{more}"
