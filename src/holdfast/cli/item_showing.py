"""How an item of a batch is shown: `why RUN ITEM`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from holdfast.app.item_reasons import why_item
from holdfast.app.views import view_run
from holdfast.cli.options import Common
from holdfast.cli.paper import Paper
from holdfast.cli.showing import next_lines
from holdfast.cli.text import ago, json_text, safe
from holdfast.ports.store import Store


def show_why_item(
    store: Store, run: str, text: str, sheet: Paper, common: Common, *, as_json: bool
) -> None:
    """Print why an item stands where it stands, and what to do about it."""
    found = why_item(store, view_run(store, run), text)
    options = common.repeated
    if as_json:
        click.echo(json_text(found.as_json(*options)))
        return
    item = found.item
    click.echo(f"{safe(found.run)}: item {safe(item.key)} of {safe(item.batch)}: {found.state}")
    click.echo()
    first, *more = found.text.split("\n")
    lines = [*sheet.wrap(safe(first), "  "), *(f"    {safe(line)}" for line in more)]
    if item.row is not None:
        lines += [f"    | {safe(line)}" for line in item.row.output.splitlines()]
        if item.row.location:
            lines.append(f"  at {safe(item.row.location)}")
        lines.append(f"  since {ago(item.row.at, datetime.now(UTC))}")
    if found.next:
        lines += ["", "Next:", *next_lines(found.next, options, sheet.columns)]
    for line in lines:
        click.echo(line, color=True)
