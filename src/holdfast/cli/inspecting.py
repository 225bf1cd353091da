"""The commands that read: they make no store, take no lock, and change nothing; and `gc`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import get_args

import click

from holdfast.cli.failing import say
from holdfast.cli.naming import run_argument, step_argument, target_option
from holdfast.cli.options import Common, json_option, plain_option, store_options
from holdfast.cli.paper import Paper, paper
from holdfast.cli.reading import reading
from holdfast.cli.text import json_text, safe, safe_lines, when
from holdfast.errors import UsageError
from holdfast.model import durations
from holdfast.model.json import Json
from holdfast.model.status import RunStatus
from holdfast.ports.store import StoreAbsent

EXIT_UNHEALTHY = 74
OLDER_THAN = "30d"


class _Status(click.Choice[str]):
    """A status as JSON has it, or as `list` shows it: `on_hold`, `on hold`."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(value.replace(" ", "_").replace("-", "_").lower(), param, ctx)


@click.command("list")
@click.option(
    "--status",
    metavar="STATUS",
    type=_Status(get_args(RunStatus)),
    help="Only runs that stand so: running, on_hold, failed, …",
)
@target_option(metavar="NAME", help="Only runs on this target.")
@click.option("--workflow", metavar="NAME", help="Only runs of this workflow.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The newest N.",
)
@plain_option
@json_option
@store_options
def list_(
    common: Common,
    status: str | None,
    target: str | None,
    workflow: str | None,
    limit: int,
    is_plain: bool,
    as_json: bool,
) -> None:
    """The runs, the newest first."""
    from holdfast.app import views
    from holdfast.cli.showing import list_lines

    try:
        with reading(common) as store:
            rows = views.matching_rows(
                store, status=status, target=target, workflow=workflow, limit=limit
            )
    except StoreAbsent as absent:
        rows = []
        click.echo(f"{safe(str(absent))}; `holdfast run FILE` makes one", err=True)
    if as_json:
        click.echo(json_text(views.rows_json(rows)))
    elif rows:
        _echo(list_lines(rows, paper(is_plain=is_plain), _now()))
    if len(rows) == limit:
        click.echo(f"the newest {limit} are shown; --limit N shows more", err=True)


@click.command("show")
@run_argument()
@plain_option
@json_option
@store_options
def show(common: Common, run: str, is_plain: bool, as_json: bool) -> None:
    """Where a run stands: its steps, what it waits for, what failed, what to do next."""
    from holdfast.app import views
    from holdfast.cli.showing import run_lines

    with reading(common, run) as store:
        view = views.view_run(store, run)
        if as_json:
            click.echo(json_text(views.shown(store, view)))
        else:
            _echo(run_lines(view, paper(is_plain=is_plain), _now(), common.repeated))


@click.command("why")
@run_argument()
@click.argument("item", required=False)
@plain_option
@json_option
@store_options
def why(common: Common, run: str, item: str | None, is_plain: bool, as_json: bool) -> None:
    """Why a run stands where it stands, and the exact commands that go on.

    With ITEM: why that item of a batch stands where it stands.
    """
    if item is not None:
        from holdfast.cli.item_showing import show_why_item

        with reading(common, run) as store:
            show_why_item(store, run, item, paper(is_plain=is_plain), common, as_json=as_json)
        return
    from holdfast.app import reasons
    from holdfast.app.wording import stands
    from holdfast.cli.showing import why_lines

    with reading(common, run) as store:
        found = reasons.why(store, run)
    options = common.repeated
    if as_json:
        click.echo(json_text(found.as_json(*options)))
        return
    click.echo(f"{safe(found.run)} {stands(found.status)}")
    _echo(why_lines(found, paper(is_plain=is_plain), _now(), options))


@click.command("log")
@run_argument()
@step_argument(required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--all", "with_superseded", is_flag=True, help="Also what was superseded.")
@plain_option
@json_option
@store_options
def log(
    common: Common,
    run: str,
    step: str | None,
    follow: bool,
    with_superseded: bool,
    is_plain: bool,
    as_json: bool,
) -> None:
    """What happened in a run, or in one step or scope of it, and what its steps wrote."""
    from holdfast.app.finding import find_run
    from holdfast.app.timeline import Timeline
    from holdfast.cli import watching

    sheet = paper(is_plain=is_plain)
    with reading(common, run) as store, _ended_by_hand():
        timeline = Timeline(store, run, step, all=with_superseded)
        row = find_run(store, run)
        events = watching.follow(store, row, timeline) if follow else timeline.entries()
        if as_json and not follow:
            click.echo(json_text({"version": 1, "run": row.id, "events": [*events]}))
            return
        is_empty = True
        for event in events:
            is_empty = False
            _echo(_event_texts(event, sheet, as_json=as_json))
            if follow:
                sys.stdout.flush()
        if is_empty:
            say(f"{row.id}: {step} wrote nothing")


@click.command("watch")
@run_argument()
@plain_option
@json_option
@store_options
def watch(common: Common, run: str, is_plain: bool, as_json: bool) -> None:
    """See a run move, until it ends or goes on no more by itself."""
    from holdfast.app.finding import find_run
    from holdfast.app.timeline import Timeline
    from holdfast.cli import watching

    sheet = paper(is_plain=is_plain)
    with reading(common, run) as store, _ended_by_hand():
        row = find_run(store, run)
        if as_json:
            for event in watching.follow(store, row, Timeline(store, row.id)):
                _echo_now(json_text(event))
            return
        draw = watching.watch_drawn if sheet.can_redraw else watching.watch_lines
        draw(store, row, sheet, common.repeated, _echo_now)


@click.command("export")
@run_argument()
@click.option("--md", "as_markdown", is_flag=True, help="A Markdown document, to read.")
@json_option
@store_options
def export(common: Common, run: str, as_markdown: bool, as_json: bool) -> None:
    """Everything a run recorded, as one document; JSON unless `--md`."""
    from holdfast.app.export import export_json
    from holdfast.app.report import export_markdown

    if as_markdown and as_json:
        raise UsageError("--md and --json are two documents; give one of them")
    paper()
    with reading(common, run) as store:
        if as_markdown:
            _echo(safe_lines(export_markdown(store, run)))
        else:
            click.echo(json_text(export_json(store, run)))


@click.command("verify")
@run_argument()
@json_option
@store_options
def verify(common: Common, run: str, as_json: bool) -> None:
    """Check that a journal is what was written, and print its head digest to keep elsewhere."""
    from holdfast.app.upkeep import verify_run

    with reading(common, run) as store:
        found = verify_run(store, run)
    if as_json:
        click.echo(json_text(found.as_json()))
        return
    batches = f", batches: {found.batches}" if found.batches else ""
    click.echo(f"{found.run}: intact, {found.facts} facts{batches}, head {found.head}")
    if sys.stdout.isatty():
        click.echo("Keep the head elsewhere: only it shows that no facts were cut off.", err=True)


@click.command("gc")
@click.option(
    "--older-than",
    metavar="AGE",
    default=OLDER_THAN,
    show_default=True,
    help="Only those that ended longer ago.",
)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Of each workflow leave the newest N, however old.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
@store_options
def gc(common: Common, older_than: str, keep: int, dry_run: bool, as_json: bool) -> None:
    """Remove old runs that are finished: succeeded, rolled back or cancelled.

    With --keep both must hold: a run goes when it is older than the age, and not among those to
    keep.
    """
    from holdfast.app import upkeep
    from holdfast.app.wording import status_words
    from holdfast.runtime.clock import SystemClock

    limit = timedelta(seconds=durations.seconds(older_than))
    word = "would remove" if dry_run else "removed"
    removed: list[Json] = []
    try:
        store = common.open(create=False, read_only=dry_run)
    except StoreAbsent:
        store = None
    if store is not None:
        try:
            for run in upkeep.gc(
                store, SystemClock(), older_than=limit, keep_last=keep, dry_run=dry_run
            ):
                removed.append(upkeep.removed_json(run))
                if not as_json:
                    click.echo(
                        f"{word} {safe(run.run)}  {safe(run.workflow)}  "
                        f"{status_words(run.status)} {when(run.ended_at)}"
                    )
        finally:
            store.close()
    if as_json:
        click.echo(json_text({"version": 1, "dry_run": dry_run, "removed": removed}))
    else:
        count = "1 run" if len(removed) == 1 else f"{len(removed):,} runs"
        click.echo(f"{word} {count}", err=True)


@click.command("doctor")
@json_option
@store_options
def doctor(common: Common, as_json: bool) -> None:
    """Read the whole store and say how it is; exit 74 when it is not what was written."""
    from holdfast.cli.doctor import diagnose, doctor_json, doctor_lines

    paper()
    found = diagnose(common.url)
    if as_json:
        click.echo(json_text(doctor_json(found)))
    else:
        _echo(safe(line) for line in doctor_lines(found))
    if not found.is_healthy:
        raise click.exceptions.Exit(EXIT_UNHEALTHY)


# --- shared -----------------------------------------------------------------------------------


@contextmanager
def _ended_by_hand() -> Iterator[None]:
    """Let Ctrl-C end a command that only looks, in order."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(err=True)


def _event_texts(event: dict[str, Json], sheet: Paper, *, as_json: bool) -> Iterator[str]:
    from holdfast.cli.events import event_lines

    if as_json:
        yield json_text(event)
    else:
        yield from event_lines(event, sheet)


def _echo(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        click.echo(line, color=True)


def _echo_now(line: str) -> None:
    click.echo(line, color=True)
    sys.stdout.flush()


def _now() -> datetime:
    return datetime.now(UTC)
