"""The operator's verbs where they are about items of a batch, and not about steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from holdfast.app import item_verbs
from holdfast.app.commands import Done, state_of
from holdfast.app.items import Item, item_named, near
from holdfast.cli.desk import Desk
from holdfast.errors import UsageError
from holdfast.model.batch_facts import ItemOutcome
from holdfast.model.keys import find
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow


def failed_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give `retry` the options about dead letters."""
    for option in (_LIMIT, _WHERE, _FAILED):
        function = option(function)
    return function


_FAILED = click.option(
    "--failed", "is_failed", is_flag=True, help="Of a batch (STEP): the items that failed for good."
)
_WHERE = click.option(
    "--where", metavar="error=TEXT", help="With --failed: those whose error contains TEXT."
)
_LIMIT = click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), help="With --failed: the first N."
)


def retried_failed(
    desk: Desk, row: RunRow, batch: str | None, where: str | None, limit: int | None, comment: str
) -> Done:
    """Have dead letters of a batch tried again. Raises UsageError."""
    name, sign, text = (where or "").partition("=")
    if where is not None and (name != "error" or not sign or not text):
        raise UsageError(f"--where is {where!r}; give error=TEXT")
    return item_verbs.retry_failed(
        desk.store, row, desk.clock, desk.by, batch, where=text, limit=limit, reason=comment
    )


def retried(desk: Desk, row: RunRow, state: RunState, text: str, comment: str) -> Done | None:
    """Have an item tried again; None when `text` means no item but a step."""
    item = _item(desk, row, state, text)
    if item is None:
        return None
    return item_verbs.retry_item(desk.store, row, desk.clock, desk.by, item, comment)


def decided(
    desk: Desk,
    row: RunRow,
    text: str,
    outcome: ItemOutcome,
    comment: str,
    output: str | None = None,
) -> Done | None:
    """Record what came of an item; None when `text` means no item but a step."""
    item = _item(desk, row, state_of(desk.store, row), text)
    if item is None:
        return None
    if output is not None:
        raise UsageError(f"{text!r} is an item of {item.batch}: it has no result; leave --output")
    return item_verbs.decide_item(desk.store, row, desk.clock, desk.by, item, outcome, comment)


def _item(desk: Desk, row: RunRow, state: RunState, text: str) -> Item | None:
    """Return the item that a person means where they may mean a step too: that goes first."""
    if not state.batches or find([*state.steps, *(s.key for s in state.superseded)], text):
        return None
    item = item_named(desk.store, row.id, state, text)
    if item is None or item.known != "unknown":
        return item
    alike = near(desk.store, row.id, item)
    guess = f"; did you mean {' or '.join(alike)}?" if alike else "."
    raise UsageError(
        f"run {row.id} has no step {text!r}, and its batches have met no such item{guess} "
        f"See `holdfast show {row.id}` and `holdfast failures {row.id}`"
    )
