"""`holdfast targets`: what runs may act on, on what terms, and which run has it now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import click

from holdfast.app.target_views import TargetView, targets_json, view_targets
from holdfast.app.wording import status_words
from holdfast.cli.options import Common, json_option, plain_option, store_options
from holdfast.cli.paper import STATUS_COLOURS, Colour, Paper, paper
from holdfast.cli.reading import reading
from holdfast.cli.table import table_lines
from holdfast.cli.text import json_text, safe
from holdfast.ports.store import StoreAbsent

HEADS: Final = ("TARGET", "RISK", "MODE", "ASK", "APPROVERS", "LABELS", "RUN")
_MODE, _ASK, _APPROVERS, _LABELS, _RUN = range(2, 7)
_GIVE_WAY: Final = ((_LABELS, 8), (_MODE, 24), (_APPROVERS, 9), (_LABELS, 0), (_ASK, 0),
                    (_APPROVERS, 0), (_MODE, 10), (_RUN, 0))  # fmt: skip
_COLOURS: Final[dict[str, Colour]] = {"confirm": "yellow", "earned": "cyan", "auto": "green"}


@click.command("targets")
@plain_option
@json_option
@store_options
def targets_command(common: Common, is_plain: bool, as_json: bool) -> None:
    """What runs may act on, by the inventory: how risky it is and on what terms.

    The mode is the one of a run without flags, with the rule that decides it; a workflow may say
    another where neither the target nor a policy does. RUN is the unfinished run that has the
    target.
    """
    views = _views(common)
    if as_json:
        click.echo(json_text(targets_json(views)))
    elif views:
        for line in target_lines(views, paper(is_plain=is_plain)):
            click.echo(line, color=True)
    for note in _notes(common, views):
        click.echo(note, err=True)


def _views(common: Common) -> list[TargetView]:
    if not common.inventory.targets:
        return []
    with suppress(StoreAbsent), reading(common) as store:
        return view_targets(common.inventory, store)
    return view_targets(common.inventory, None)


def _notes(common: Common, views: Sequence[TargetView]) -> Iterator[str]:
    if not views:
        yield _nothing(common)
    for view in views:
        if view.terms.is_guarded and view.terms.mode == "auto":
            name = safe(view.target.name)
            yield f"{name} names approvers, but its steps do not ask ({view.terms.rule})"


def _nothing(common: Common) -> str:
    if common.inventory.file:
        return f"{safe(common.inventory.file)} names no targets; add a table [targets.NAME]"
    return (
        "there is no inventory here: no holdfast.toml in this folder or above it; any --target "
        "will do, and none has terms of its own"
    )


def target_lines(views: Sequence[TargetView], sheet: Paper) -> Iterator[str]:
    """Yield the table of targets; their names are never cut."""

    def painted(row: int, column: int, text: str) -> str:
        if column == _MODE:
            return sheet.paint(text, _COLOURS[views[row].terms.mode])
        if column == _RUN:
            return sheet.paint(text, STATUS_COLOURS.get(views[row].run_status, ""))
        return text

    yield from table_lines(HEADS, [_cells(view) for view in views], sheet, _GIVE_WAY, painted)


def _cells(view: TargetView) -> tuple[str, ...]:
    labels = ", ".join(f"{name}={value}" for name, value in view.target.labels.items())
    run = "-"
    if view.run is not None:
        run = f"{view.run.id} ({status_words(view.run_status)})"
    texts = (
        view.target.name,
        view.target.risk or "-",
        view.terms.rule,
        view.terms.ask,
        _approvers(view),
        labels or "-",
        run,
    )
    return tuple(safe(text) for text in texts)


def _approvers(view: TargetView) -> str:
    electorate = view.terms.electorate
    if not electorate.approvers:
        return "anybody"
    barred = ", not who started it" if electorate.separate else ""
    return f"{electorate.quorum} of {', '.join(electorate.approvers)}{barred}"
