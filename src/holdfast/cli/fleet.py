"""`holdfast fleet`: one workflow on many targets, in waves; and the picture of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from holdfast.app.finding import find_run
from holdfast.app.fleet import STOP_AFTER, fleet
from holdfast.app.fleet_children import check_fleet_id, check_targets
from holdfast.app.fleet_rules import absolute_gates, check_plan, check_workflow, chosen_targets
from holdfast.app.fleet_views import FleetView, fleet_view
from holdfast.app.loading import load_workflow
from holdfast.app.next_ways import Next
from holdfast.app.starting import start
from holdfast.app.views import view_run
from holdfast.app.wording import status_words
from holdfast.cli.living import Presence, live_through, presence_options
from holdfast.cli.naming import run_argument
from holdfast.cli.options import Common, json_option, plain_option, store_options
from holdfast.cli.paper import Paper, paper
from holdfast.cli.parameters import parameters_from
from holdfast.cli.reading import reading
from holdfast.cli.rollouts import picture
from holdfast.cli.shell.running import shell_of
from holdfast.cli.showing import next_lines
from holdfast.cli.text import json_text, safe
from holdfast.cli.watching import Watched
from holdfast.model.terms import MODES
from holdfast.ports.store import Store

NEED_SHOWN_MAX = 10


@click.group("fleet", invoke_without_command=True)
@click.pass_context
def fleet_group(context: click.Context) -> None:
    """One workflow on many targets, in waves: each target's run is its own."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@fleet_group.command("run")
@click.argument("file", metavar="FILE[:WORKFLOW]")
@click.option(
    "--targets", "wanted", metavar="WHICH", multiple=True, required=True,
    help="A target, labels such as tier=prod,zone=a, or all.",
)  # fmt: skip
@click.option("--waves", default="", metavar="W,…", help="Counts, percents, rest: 1,10%,rest.")
@click.option(
    "--budget", default=0, metavar="N", type=click.IntRange(0), help="How many targets may fail."
)
@click.option(
    "--at-once", default=1, metavar="N", type=click.IntRange(1), help="How many run side by side."
)
@click.option("--apart", default="", metavar="LABEL", help="Never two with its value together.")
@click.option("--soak", default="", metavar="D", help="Wait so long after each wave.")
@click.option(
    "--gate", "gates", metavar="[FILE:]NAME", multiple=True,
    help="A Gate, or a function, watched after each wave, throughout the soak.",
)  # fmt: skip
@click.option(
    "--between", default="", metavar="confirm|QUESTION", help="Ask before each further wave."
)
@click.option("--window", default="", metavar="W", help="Begin targets only inside this window.")
@click.option(
    "--stop-after", metavar="N", type=click.IntRange(1), help="Begin so many, then leave: exit 75."
)
@click.option("--mode", type=click.Choice(MODES), help="Whether the steps on the targets ask.")
@click.option(
    "-p", "pairs", metavar="NAME=VALUE", multiple=True, help="A parameter of the workflow."
)
@click.option("--id", metavar="ID", help="The fleet's id; the same again goes on with it.")
@presence_options
@store_options
def fleet_run(
    common: Common,
    file: str,
    wanted: Sequence[str],
    waves: str,
    budget: int,
    at_once: int,
    apart: str,
    soak: str,
    gates: Sequence[str],
    between: str,
    window: str,
    stop_after: int | None,
    mode: str | None,
    pairs: Sequence[str],
    id: str | None,
    presence: Presence,
) -> None:
    """Run a workflow on many targets, the least risky first.

    Each target has a run of its own, ID.TARGET, with its own lock and mode. The same command
    again goes on. Targets whose run failed use up --budget; one more holds, exit 4. While the
    run of one waits for a person, the others of its wave go on and the next wave does not begin:
    exit 3, or with --wait this command stays until it is answered.
    """
    common.find_places()
    path, colon, name = file.partition(":") if not Path(file).exists() else (file, "", "")
    script = str(Path(path).resolve())
    words = [*_outer(common), "--", *_inner(mode, pairs)]
    targets = chosen_targets(common.inventory, wanted)
    shares = [part.strip() for part in waves.split(",") if part.strip()]
    if id is not None:
        check_fleet_id(id)
        check_targets(id, targets)
    check_plan(common.inventory, targets, shares, apart, soak, window)
    params: dict[str, object] = {
        "file": f"{script}{colon}{name}",
        "targets": targets,
        "waves": shares,
        "budget": budget,
        "at_once": at_once,
        "soak": soak,
        "words": words,
    }
    more = {
        "apart": apart,
        "window": window,
        "between": between,
        "gates": absolute_gates(gates, script),
    }
    params |= {word: value for word, value in more.items() if value}
    if shell_of(path) is not None:
        raise click.UsageError(f"{path} is a shell script; a fleet runs a Python workflow")
    workflow = load_workflow(file)
    check_workflow(common.inventory, workflow, targets, parameters_from(workflow, pairs, None))
    STOP_AFTER.set(stop_after)
    live_through(
        common, presence, lambda setting: start(setting, fleet, params, id=id), begins=True
    )


def _inner(mode: str | None, pairs: Sequence[str]) -> list[str]:
    """Return the options of each target's run."""
    words = ["--mode", mode] if mode else []
    for pair in pairs:
        words += ["-p", pair]
    return words


def _outer(common: Common) -> list[str]:
    """Return the options by which a target's run finds the same store and inventory, from any
    folder, and acts under the same name."""
    config = common.config or common.inventory.file
    places = ["--config", str(Path(config).absolute())] if config else []
    claimed = ["--as", common.claimed] if common.claimed else []
    return ["--store", common.url, *places, *claimed]


@fleet_group.command("status")
@run_argument(metavar="RUN")
@plain_option
@json_option
@store_options
def fleet_status(common: Common, run: str, as_json: bool, is_plain: bool) -> None:
    """Show the waves of a fleet, unit by unit.

    So it does of any run with a rollout. On a terminal it is drawn again as long as the run
    goes on by itself.
    """
    sheet = paper(is_plain=is_plain)
    with reading(common, run) as store:
        if as_json:
            click.echo(json_text(fleet_view(store, view_run(store, run)).as_json()))
            return
        watched = Watched(store, find_run(store, run))
        if sheet.can_redraw and not watched.is_over:
            _draw(store, watched, sheet)
        view = fleet_view(store, watched.view)
        click.echo("\n".join([*picture_lines(view, sheet), *_needing(view, common, sheet)]))


def _draw(store: Store, watched: Watched, sheet: Paper) -> None:
    """Draw the picture, again whenever the run moved, until it goes on no more by itself."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def drawn() -> Text:
        rows = shutil.get_terminal_size().lines - 2
        lines = list(picture_lines(fleet_view(store, watched.view), sheet))
        return Text.from_ansi("\n".join(lines[-max(3, rows) :]), no_wrap=True)

    console = Console(no_color=not sheet.has_colour, highlight=False)
    with Live(drawn(), console=console, auto_refresh=False, transient=True) as live:
        while not watched.is_over:
            if watched.tick():
                live.update(drawn(), refresh=True)


def picture_lines(view: FleetView, sheet: Paper) -> Iterator[str]:
    """Yield how a fleet stands, and its waves."""
    yield f"{safe(view.run.id)}: {status_words(view.run.status)}"
    for rollout in view.rollouts:
        yield from picture(rollout, sheet)


def _needing(view: FleetView, common: Common, sheet: Paper) -> Iterator[str]:
    """Yield the commands about the targets that failed or wait."""
    needing = [
        Next(("why", view.children[unit.key][0]), f"{unit.label}: {unit.status}")
        for rollout in view.rollouts
        for unit in rollout.units
        if unit.status in ("failed", "waiting") and unit.key in view.children
    ]
    if needing:
        yield from ("", "Needs you:")
        yield from next_lines(needing[:NEED_SHOWN_MAX], common.repeated, sheet.columns)
