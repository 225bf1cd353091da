"""`holdfast trust`: what steps have earned, by which runs, and taking it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import click

from holdfast.app.trust import Trust, revoke, trust, trust_json
from holdfast.cli.options import Common, json_option, plain_option, store_options
from holdfast.cli.paper import Paper, paper
from holdfast.cli.reading import reading
from holdfast.cli.table import table_lines
from holdfast.cli.text import ago, field_lines, json_text, safe, since
from holdfast.errors import UsageError
from holdfast.model.trials import Trial
from holdfast.ports.store import StoreAbsent
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import this_person

CODE_COLUMNS: Final = 8
HEADS: Final = ("WORKFLOW", "STEP", "CLEAN", "LAST", "CODE", "TAKEN BACK")
CLEAN_COLUMN: Final = 2
GIVES_WAY: Final = ((5, 12), (0, 6), (4, 0), (1, 10), (5, 0), (0, 0))
"""Which column gives way to a narrow paper, in this order, and how narrow it may become."""


@click.command("trust")
@click.argument("step", required=False, default="")
@click.option("--workflow", metavar="NAME", default="", help="Only steps of this workflow.")
@click.option("--revoke", "revoked", metavar="STEP", help="Take back what it has earned.")
@click.option("-m", "comment", metavar="TEXT", default="", help="The reason; it is recorded.")
@plain_option
@json_option
@store_options
def trust_command(
    common: Common,
    step: str,
    workflow: str,
    revoked: str | None,
    comment: str,
    is_plain: bool,
    as_json: bool,
) -> None:
    """What steps have earned in the mode earned, by which runs, and what took it back.

    STEP is a step's name for all its calls, as in "drain {node}", or its beginning.
    """
    if revoked is not None:
        if step or as_json:
            raise UsageError("--revoke STEP -m REASON goes with neither another STEP nor --json")
        _revoke(common, revoked, workflow, comment)
        return
    if comment:
        raise UsageError("-m gives the reason of --revoke STEP")
    now = datetime.now(UTC)
    found: Sequence[Trust] = ()
    try:
        with reading(common) as store:
            found = trust(store, now, step, workflow, common.inventory.earned)
    except StoreAbsent as absent:
        click.echo(f"{safe(str(absent))}; `holdfast run FILE` makes one", err=True)
    if as_json:
        click.echo(json_text(trust_json(found)))
        return
    sheet = paper(is_plain=is_plain)
    for line in _blocks(found, sheet, now) if step else _table(found, sheet, now):
        click.echo(line, color=True)
    if not found:
        click.echo(
            "nothing was on trial: steps are where a run has a --target, or --mode earned",
            err=True,
        )


def _revoke(common: Common, step: str, workflow: str, reason: str) -> None:
    store = common.open(create=False)
    try:
        by = this_person(common.claimed)
        of, name = revoke(store, SystemClock(), by, step, reason, workflow)
    finally:
        store.close()
    click.echo(safe(f"{name} of {of}: revoked; it asks again on every target"))


# --- how it is drawn --------------------------------------------------------------------------


def _table(found: Sequence[Trust], sheet: Paper, now: datetime) -> Iterator[str]:
    """Yield a line per step; green is what goes on by itself."""

    def paint(row: int, column: int, text: str) -> str:
        is_earned = column == CLEAN_COLUMN and not found[row].asks
        return sheet.paint(text, "green") if is_earned else text

    cells = [_cells(known, now) for known in found]
    return table_lines(HEADS, cells, sheet, GIVES_WAY, paint) if cells else iter(())


def _cells(known: Trust, now: datetime) -> tuple[str, ...]:
    latest, bad = known.streak.latest_at, known.last_bad
    return (
        safe(known.workflow),
        safe(known.step),
        _clean(known),
        since(latest, now) if latest else "-",
        known.code[:CODE_COLUMNS] or "-",
        safe(f"{bad.told} {since(bad.at, now)}") if bad else "-",
    )


def _clean(known: Trust) -> str:
    return f"{known.streak.successes} of {known.needed}"


def _blocks(found: Sequence[Trust], sheet: Paper, now: datetime) -> Iterator[str]:
    """Yield everything that is known of each step."""
    for number, known in enumerate(found):
        if number:
            yield ""
        yield from sheet.wrap(safe(f"{known.step} of {known.workflow}: {_state(known)}"), "  ")
        yield from field_lines("rule", known.rule, sheet.columns)
        yield from field_lines("code", known.code or "unknown", sheet.columns)
        for trial in known.streak.clean:
            yield from field_lines("clean", f"{_place(trial)}, {ago(trial.at, now)}", sheet.columns)
        if (bad := known.last_bad) is not None:
            text = f"{bad.why}; {_place(bad)}, {ago(bad.at, now)}"
            yield from field_lines("taken back", text, sheet.columns)


def _state(known: Trust) -> str:
    return f"{_clean(known)} clean in a row, {'it asks' if known.asks else 'goes on by itself'}"


def _place(trial: Trial) -> str:
    run = f"run {trial.run}" if trial.run else "by a person"
    return f"{run} on {trial.target}" if trial.target else run
