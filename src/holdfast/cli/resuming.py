"""`holdfast resume`, and `resume --due`: every run whose time has come, one after another."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Final

import click

from holdfast.app.due import PATIENCE_S, Due, due_runs, interrupted_runs
from holdfast.app.judging import status_of
from holdfast.app.reasons import why_of
from holdfast.app.starting import resume
from holdfast.app.views import time_json, view_run
from holdfast.app.wording import stands
from holdfast.cli.each_again import going_again
from holdfast.cli.failing import say
from holdfast.cli.living import Presence, live_through, presence_options
from holdfast.cli.naming import missing_run, run_argument
from holdfast.cli.offered import next_command
from holdfast.cli.options import Common, json_option, steal_options, store_options
from holdfast.cli.parameters import mode_option, set_option
from holdfast.cli.text import json_text, safe
from holdfast.errors import RunLocked, StoreError
from holdfast.model.json import Json
from holdfast.model.making import dataclass, replace
from holdfast.ports.store import RunRow, Store, StoreAbsent
from holdfast.runtime.child import Children
from holdfast.runtime.clock import SystemClock

PRESSING: Final = (74, 6, 4, 3, 1, 78, 2, 75)
"""Of several exit codes the one given first; any other is a failure."""
EXIT_FAILED: Final = 1


@click.command("resume")
@run_argument(required=False)
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--due", is_flag=True, help="Only what needs no person now; without RUN, every run.")
@click.option("--accept-drift", is_flag=True, help="Accept the difference that was shown.")
@click.option("--recheck", is_flag=True, help="First ask the checks of finished steps again.")
@set_option
@mode_option
@steal_options
@presence_options
@json_option
@store_options
@click.pass_context
def resume_command(
    context: click.Context,
    common: Common,
    run: str | None,
    file: str | None,
    due: bool,
    accept_drift: bool,
    recheck: bool,
    pairs: Sequence[str],
    mode: str | None,
    steal: str | None,
    presence: Presence,
    as_json: bool,
) -> None:
    """Go on with a run, also after a stop, a failure or a crash.

    Give FILE when the script has moved. What ended the run as a failure is tried again. With
    --recheck the run holds when the world is no more as finished steps left it.

    With --due, for cron: go on with the runs whose time has come and those whose questions are
    answered, one after another, never with one that a person stopped or paused. A run that has to
    wait again is left until the next time.
    """
    if run is None and not due:
        raise missing_run()
    if due and (accept_drift or recheck or pairs or steal is not None or presence.wait):
        raise click.UsageError(
            "--due asks nobody: no --accept-drift, --recheck, --set, --steal or --wait with it"
        )
    if as_json and (run is not None or not due):
        raise click.UsageError("--json goes with --due alone; of one run: show RUN --json")
    if run is None:
        if mode is not None or presence.budget_s is not None:
            raise click.UsageError("--mode and --for are for one run: resume RUN --due")
        context.exit(take_up_due(common, as_json=as_json))
    if due:
        presence = replace(presence, no_input=True, patience_s=PATIENCE_S)
    elif not (accept_drift or recheck or pairs or steal or mode):
        again = going_again(common, run)
        if again is not None:
            live_through(common, presence, again)
    live_through(
        common,
        presence,
        lambda setting: resume(
            setting,
            run,
            file,
            accept_drift=accept_drift,
            mode=mode,
            steal=steal,
            if_due=due,
            pairs=pairs,
            recheck=recheck,
        ),
    )


# --- every run that is due --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a run that was due; `is_ours` tells that this command took it up."""

    due: Due
    row: RunRow
    exit_code: int
    is_ours: bool
    text: str

    def as_json(self) -> Json:
        return {
            "run": self.row.id,
            "workflow": self.row.workflow,
            "why_due": self.due.why,
            "taken_up": self.is_ours,
            "status": status_of(self.row),
            "exit_code": self.exit_code,
            "due_at": time_json(self.row.due_at),
            "text": self.text,
        }


def take_up_due(common: Common, *, as_json: bool) -> int:
    """Take up every run that is due, say what became of each, and return the exit code.

    Each lives in a process of its own: no script meets what another one left behind, and one
    that breaks its process breaks no other.
    """
    children = Children()
    taken: list[Taken] = []
    left: list[RunRow] = []
    try:
        with closing(common.open(create=False, read_only=True)) as store, children.attended():
            for each in _taken_up(store, common, children):
                taken.append(each)
                if not as_json:
                    click.echo(safe(f"{each.row.id} {each.text}"))
            left = interrupted_runs(store)
    except StoreAbsent:
        pass  # Cron begins before the first run does.
    if as_json:
        runs = [each.as_json() for each in taken]
        click.echo(json_text({"version": 1, "runs": runs, "interrupted": [r.id for r in left]}))
    for row in [] if as_json else left:
        say(f"{row.id} is interrupted, and left so: {next_command(common, 'resume', row.id)}")
    return 128 + children.signalled if children.signalled else most_pressing(taken)


def _taken_up(store: Store, common: Common, children: Children) -> Iterator[Taken]:
    for due in due_runs(store, SystemClock().now()):
        if children.signalled:
            return
        sys.stdout.flush()
        pid, code = children.run((*_options(common), "resume", due.row.id, "--due", "--plain"))
        row = store.row(due.row.id)
        if row is None or (code == RunLocked.exit_code and row.epoch == due.row.epoch):
            continue  # Another process was faster.
        found = _became(store, due, row, pid, EXIT_FAILED if code < 0 else code)
        if found is not None:
            yield found


def _became(store: Store, due: Due, row: RunRow, pid: int, code: int) -> Taken | None:
    """Return what became of a run, or None when another process took it up instead of ours."""
    try:
        view = view_run(store, row.id)
    except StoreError as error:
        return Taken(due, row, code, False, f"cannot be read: {error}")
    if view.row.epoch == due.row.epoch:
        text = f"could not be taken up (exit {code}); {due.why}"
        return Taken(due, view.row, code, False, text)
    if all(life.owner.pid != pid for life in view.state.lives if life.epoch > due.row.epoch):
        return None
    summary = why_of(view).summary.partition("\n")[0]
    return Taken(due, view.row, code, True, f"{stands(view.status)}: {summary}")


def _options(common: Common) -> tuple[str, ...]:
    """Return the options with which another process does the same."""
    claimed = ("--as", common.claimed) if common.claimed else ()
    return (*common.repeated, *claimed)


def most_pressing(taken: Iterable[Taken]) -> int:
    """Return the exit code of a command that took up several runs."""
    codes = {each.exit_code for each in taken} - {0}
    unknown = codes - set(PRESSING)
    ranked = [code for code in PRESSING if code in codes or (code == EXIT_FAILED and unknown)]
    return ranked[0] if ranked else 0
