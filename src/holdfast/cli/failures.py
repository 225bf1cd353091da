"""`holdfast failures`: what failed in the batches of a run, by kind of error."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

import click

from holdfast.app.batch_views import DEAD
from holdfast.app.batch_ways import item_ways, shown_holds
from holdfast.app.failures import (
    Batches,
    Group,
    batches_meant,
    group_json,
    groups_of,
    item_json,
    rows_listed,
)
from holdfast.app.next_ways import Next, about
from holdfast.app.views import RunView, view_run
from holdfast.cli.batch_lines import items
from holdfast.cli.naming import run_argument
from holdfast.cli.options import Common, json_option, plain_option, store_options
from holdfast.cli.paper import Paper, paper
from holdfast.cli.reading import reading
from holdfast.cli.showing import next_lines
from holdfast.cli.text import json_text, safe
from holdfast.model.batches import ItemRow
from holdfast.model.items import ItemStatus
from holdfast.model.typed import behind
from holdfast.ports.store import Store

GROUPS_SHOWN_MAX: Final = 30
ROWS_SHOWN_MAX: Final = 10
"""Quarantined items, and items in doubt, that are drawn; `--json` has all."""
ITEMS_PER_WRITE: Final = 1_000
HEADS: Final[dict[ItemStatus, str]] = {
    "quarantined": "In quarantine: each of these ended the process that it ran in",
    "uncertain": "In doubt: each of these began, runs at most once, and may have taken effect",
}


@click.command("failures")
@run_argument()
@click.argument("batch", required=False)
@plain_option
@json_option
@store_options
def failures(common: Common, run: str, batch: str | None, is_plain: bool, as_json: bool) -> None:
    """What failed in the batches of a run, grouped by error.

    Errors that differ only in numbers and ids are of one kind. An item in quarantine has killed
    its process: its signal and its last lines are shown.
    """
    sheet = paper(is_plain=is_plain)
    with reading(common, run) as store:
        view = view_run(store, run)
        meant = batches_meant(view.state, batch)
        batches = {key: view.batches[key].decided for key in meant if key in view.batches}
        groups = groups_of(store, view.id, batches)
        if as_json:
            _print_json(store, view, batches, groups)
            return
        for line in _lines(store, view, batches, groups, sheet):
            click.echo(line, color=True)
        ways = list(_ways(view, groups))
        if ways:
            click.echo()
        for line in next_lines(ways, common.repeated, sheet.columns):
            click.echo(line, color=True)


def _print_json(store: Store, view: RunView, batches: Batches, groups: list[Group]) -> None:
    """Print one object, some items at a time: it may be longer than the memory."""
    is_one = len(view.batches) <= 1
    shown = [group_json(group, is_one=is_one) for group in groups]
    click.echo(f'{{"version": 1, "groups": {json_text(shown)}, "items": [', nl=False)
    rows = chain(
        rows_listed(store, view.id, batches, *DEAD),
        rows_listed(store, view.id, _resting(view, batches), "uncertain"),
    )
    texts = (
        (", " if at else "") + json_text(item_json(batch, row))
        for at, (batch, row) in enumerate(rows)
    )
    while some := list(islice(texts, ITEMS_PER_WRITE)):
        click.echo("".join(some), nl=False)
    click.echo("]}")


def _lines(
    store: Store, view: RunView, batches: Batches, groups: list[Group], sheet: Paper
) -> Iterator[str]:
    doubtful = next(rows_listed(store, view.id, _resting(view, batches), "uncertain"), None)
    if not groups and doubtful is None:
        yield f"{safe(view.id)}: no item has failed"
        return
    several = len(view.batches) > 1
    total = sum(group.count for group in groups)
    failed = f"{items(total)} failed" if total else "no item has failed for good"
    yield sheet.paint(f"{safe(view.id)}: {failed}", "", bold=True)
    for group in groups[:GROUPS_SHOWN_MAX]:
        yield ""
        where = f"  ({safe(group.batch)})" if several else ""
        yield from sheet.wrap(f"{group.count:>7,} × {safe(group.error)}{where}", " " * 10)
        place = f"  [{safe(group.location)}]" if group.location else ""
        yield from sheet.wrap(f"{'':10}{safe(group.named())}{place}", " " * 10)
    if len(groups) > GROUPS_SHOWN_MAX:
        yield f"{'':10}and {len(groups) - GROUPS_SHOWN_MAX} more kinds: --json has them"
    yield from _section(store, view, batches, "quarantined", sheet)
    yield from _section(store, view, _resting(view, batches), "uncertain", sheet)


def _resting(view: RunView, batches: Batches) -> Batches:
    """Return the batches of which nothing is in hand: a `once` item in hand is in no doubt yet."""
    return {key: what for key, what in batches.items() if not view.batches[key].is_moving}


def _section(
    store: Store, view: RunView, batches: Batches, status: ItemStatus, sheet: Paper
) -> Iterator[str]:
    """Yield the items in a status one by one, each with its last lines."""
    rows = list(islice(rows_listed(store, view.id, batches, status), ROWS_SHOWN_MAX))
    if not rows:
        return
    yield ""
    yield from sheet.wrap(HEADS[status], "  ")
    for _, row in rows:
        yield from _row_lines(row, sheet)
    if len(rows) == ROWS_SHOWN_MAX:
        yield "  these are the first of them: --json has all"


def _row_lines(row: ItemRow, sheet: Paper) -> Iterator[str]:
    tries = f", {row.attempts} attempts" if row.attempts > 1 else ""
    yield from sheet.wrap(f"  {safe(row.key)}: {safe(row.error)}{tries}", "    ")
    for line in row.output.splitlines():
        yield f"      {safe(line)}"


def _ways(view: RunView, groups: list[Group]) -> Iterator[Next]:
    run = view.id
    if view.state.is_finished:
        return
    several = len(view.batches) > 1
    for hold in shown_holds(view.state.open_holds):
        yield from item_ways(run, hold.opened)
    if groups:
        named = (run, groups[0].batch) if several else (run,)
        key = groups[0].keys[0]
        item = f"{groups[0].batch}/{key}" if several else key
        where = f"error={groups[0].error}"
        all_of_them, of_this_kind = ("--failed",), ("--failed", "--where", where)
        yield Next(behind("retry", named, all_of_them), "try all of them again, and go on")
        yield Next(behind("retry", named, of_this_kind), "only those of this kind")
        yield about("only this one", "retry", run, item)
        yield about("it was done by hand", "done", run, item, "-m", "REASON")
        yield about("go on without it", "skip", run, item, "-m", "REASON")
