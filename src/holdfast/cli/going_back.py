"""`holdfast rollback`, `settle` and `owed`: undo a run, give back what is owed, and see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import click

from holdfast.app import starting
from holdfast.app.views import owed_json
from holdfast.cli.living import Presence, live_through, presence_options
from holdfast.cli.naming import run_argument, to_option
from holdfast.cli.options import Common, json_option, plain_option, store_options
from holdfast.cli.paper import paper
from holdfast.cli.reading import reading
from holdfast.cli.showing import owed_lines
from holdfast.cli.text import json_text, safe
from holdfast.model.terms import MODES
from holdfast.ports.store import DebtRow, StoreAbsent

OWED_MAX: Final = 1_000
_MODE = click.option("--mode", type=click.Choice(MODES), help="Whether undos ask for a yes.")


@click.command("rollback")
@run_argument()
@click.argument("file", required=False, metavar="[FILE]")
@to_option(help="Only back to this step or scope, itself included.")
@_MODE
@presence_options
@store_options
def rollback(
    common: Common,
    run: str,
    file: str | None,
    to: str | None,
    mode: str | None,
    presence: Presence,
) -> None:
    """Undo what a run did, the last thing first, and give back what it owes.

    Each undo is a step of its own, and asks as steps do. Killed or stopped, `resume` goes on with
    it. Refused after a point of no return. A whole rollback is final; after --to, `resume` runs
    everything from STEP on again. Give FILE when the script has moved.
    """
    live_through(
        common,
        presence,
        lambda setting: starting.rollback(setting, run, file, to=to, mode=mode),
    )


@click.command("settle")
@run_argument()
@click.argument("file", required=False, metavar="[FILE]")
@_MODE
@presence_options
@store_options
def settle(
    common: Common, run: str, file: str | None, mode: str | None, presence: Presence
) -> None:
    """Give back what a run owes, and run nothing else.

    When the run is gone on with, the steps that borrowed run again.
    """
    live_through(common, presence, lambda setting: starting.settle(setting, run, file, mode=mode))


@click.command("owed")
@plain_option
@json_option
@store_options
def owed(common: Common, is_plain: bool, as_json: bool) -> None:
    """What all runs owe, the oldest debt first."""
    rows: Sequence[DebtRow] = ()
    try:
        with reading(common) as store:
            rows = list(store.debts(limit=OWED_MAX))
    except StoreAbsent as absent:
        click.echo(safe(str(absent)), err=True)
    if as_json:
        click.echo(json_text(owed_json(rows)))
        return
    for line in owed_lines(rows, paper(is_plain=is_plain), datetime.now(UTC)):
        click.echo(line)
    if not rows:
        click.echo("nothing is owed", err=True)
    if len(rows) == OWED_MAX:
        click.echo(f"the oldest {OWED_MAX} are shown", err=True)
