"""The verbs of the operator: thin faces over `app.commands`, each says what it changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any

import click

from holdfast.app import commands, holds
from holdfast.app.answering import typed_answer
from holdfast.app.finding import find_hold, find_run
from holdfast.app.given_outputs import typed_output
from holdfast.app.given_parameters import given_by
from holdfast.app.halting import stop_all
from holdfast.app.hold_standing import RESUMING_BARS
from holdfast.app.judging import is_owned, process_named
from holdfast.app.loading import workflow_of
from holdfast.app.meant import asked_about
from holdfast.app.starting import resume
from holdfast.app.stopping import end_owner, end_steps
from holdfast.cli import item_deciding
from holdfast.cli.desk import Desk, opened_desk
from holdfast.cli.each_again import going_again
from holdfast.cli.living import Presence, live_through, presence_options
from holdfast.cli.naming import hold_option, missing_run, run_argument, step_argument
from holdfast.cli.options import Common, store_options
from holdfast.cli.parameters import set_option
from holdfast.cli.text import safe
from holdfast.errors import RunLocked, UsageError
from holdfast.model.facts import Answer
from holdfast.model.json import Json
from holdfast.model.jsontext import loads
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow

_RUN = run_argument()
_STEP = step_argument()
_HOLD = hold_option(help="Which question, when there are several.")


def _message(help: str) -> Callable[[Any], Any]:
    return click.option("-m", "comment", metavar="TEXT", default="", help=help)


_WHY = _message("The reason; it is recorded.")
_NOTE = _message("A comment; it is recorded.")


# --- holds ------------------------------------------------------------------------------------


@click.command("approve")
@_RUN
@_HOLD
@_NOTE
@store_options
def approve(common: Common, run: str, hold: str | None, comment: str) -> None:
    """Say yes to what a run asks.

    Without --hold there must be exactly one open question. Repeating it changes nothing.
    """
    with opened_desk(common) as desk:
        _answer(desk, run, "approve", hold, comment)


@click.command("reject")
@_RUN
@_HOLD
@_WHY
@store_options
def reject(common: Common, run: str, hold: str | None, comment: str) -> None:
    """Say no to what a run asks, with the reason (-m)."""
    with opened_desk(common) as desk:
        _answer(desk, run, "reject", hold, comment)


def _answer(
    desk: Desk, run: str, given: Answer, hold: str | None, comment: str, value: Json = None
) -> None:
    row = find_run(desk.store, run)
    opened = find_hold(commands.state_of(desk.store, row), row, hold).opened
    click.echo(safe(f"{opened.id}: {opened.question}"), err=True)
    done = holds.answer(
        desk.store, row.id, desk.clock, desk.by, given,
        hold=hold, comment=comment, value=value,
    )  # fmt: skip
    desk.tell(done, caution=RESUMING_BARS if opened.electorate.separate else "")


@click.command("answer")
@_RUN
@click.argument("value")
@_HOLD
@_NOTE
@store_options
def answer(common: Common, run: str, value: str, hold: str | None, comment: str) -> None:
    """Give the value that a run asks for.

    VALUE is text for a question of type str, else JSON or the type's own text.
    """
    with opened_desk(common) as desk:
        row = find_run(desk.store, run)
        opened = find_hold(commands.state_of(desk.store, row), row, hold).opened
        given = typed_answer(opened, value) if opened.kind == "question" else value
        _answer(desk, row.id, "value", hold, comment, given)


# --- steps ------------------------------------------------------------------------------------


@click.command("done")
@_RUN
@_STEP
@click.option("--output", metavar="JSON", help="The result that later steps see.")
@_WHY
@store_options
def done(common: Common, run: str, step: str, output: str | None, comment: str) -> None:
    """Record that a step took effect, with the reason (-m): it will not run again.

    What it returned is typed by the step's annotation. As long as the run has not gone on since,
    saying it again corrects it.
    """
    _need_reason("done", comment)
    with opened_desk(common) as desk:
        row = find_run(desk.store, run)
        item = item_deciding.decided(desk, row, step, "done", comment, output)
        if item is not None:
            desk.tell(item)
            return
        given = _json_of(output)
        state = commands.state_of(desk.store, row)
        if not state.is_finished:
            with redirect_stdout(sys.stderr):
                given, note = typed_output(row, state, step, given)
            if note:
                click.echo(safe(note), err=True)
        desk.tell(commands.mark_done(desk.store, row.id, step, desk.clock, desk.by, given, comment))


@click.command("skip")
@_RUN
@_STEP
@_WHY
@store_options
def skip(common: Common, run: str, step: str, comment: str) -> None:
    """Go on without a step, with the reason (-m); its result is null.

    A step that asks for a yes is answered so.
    """
    _need_reason("skip", comment)
    with opened_desk(common) as desk:
        row = find_run(desk.store, run)
        item = item_deciding.decided(desk, row, step, "skipped", comment)
        if item is not None:
            desk.tell(item)
            return
        asked = asked_about(commands.state_of(desk.store, row), step)
        if asked is not None and "inputs" in asked.evidence:
            _answer(desk, row.id, "skip", asked.id, comment)
        else:
            desk.tell(commands.skip(desk.store, row.id, step, desk.clock, desk.by, comment))


@click.command("retry")
@_RUN
@step_argument(required=False)
@click.argument("file", required=False, metavar="[FILE]")
@item_deciding.failed_options
@_NOTE
@set_option
@presence_options
@store_options
def retry(
    common: Common,
    run: str,
    step: str | None,
    file: str | None,
    is_failed: bool,
    where: str | None,
    limit: int | None,
    comment: str,
    pairs: Sequence[str],
    presence: Presence,
) -> None:
    """Run a failed or in-doubt step again, and go on here.

    Without STEP: the one that is in doubt, or that failed; of a rollout that asks whether to go on,
    all that failed. STEP may be a scope: all in it that
    failed. A step that waits, for its next attempt or for a moment, waits no longer. STEP may be an
    item of a batch, ITEM or BATCH/ITEM; with --failed it is the batch, and may be left out where
    one batch has failed items. Give FILE, behind STEP, when the script has moved.
    """
    if not is_failed and (where is not None or limit is not None):
        raise click.UsageError("--where and --limit go with --failed")
    with opened_desk(common) as desk:
        row = find_run(desk.store, run)
        state = commands.state_of(desk.store, row)
        if pairs:
            _check_pairs(row, state, file, pairs)
        if is_failed:
            armed = item_deciding.retried_failed(desk, row, step, where, limit, comment)
        else:
            keys = [step] if step else commands.undecided(row, state)
            item = item_deciding.retried(desk, row, state, keys[0], comment)
            armed = item or commands.rearm_all(
                desk.store, row.id, keys, desk.clock, desk.by, comment
            )
        desk.tell(armed, resumable=False)
        goes_on_there = is_owned(row)
    if not goes_on_there:
        again = None if pairs or file else going_again(common, row.id)
        live_through(
            common, presence, again or (lambda setting: resume(setting, row.id, file, pairs=pairs))
        )


def _check_pairs(row: RunRow, state: RunState, file: str | None, pairs: Sequence[str]) -> None:
    """Raise before anything is recorded, when these parameters cannot be set."""
    if row.owner is not None and is_owned(row):
        raise RunLocked(
            f"run {row.id} is running in {process_named(row.owner)}: stop it before parameters are "
            f"set: holdfast stop {row.id}"
        )
    with redirect_stdout(sys.stderr):
        given_by(workflow_of(row, file, state), pairs)


def _need_reason(verb: str, comment: str) -> None:
    if not comment.strip():
        raise UsageError(f"{verb} needs a reason: add -m REASON")


def _json_of(text: str | None) -> Json:
    if text is None:
        return None
    try:
        return loads(text)
    except Exception as error:
        raise UsageError(f"--output {text!r} is not JSON: quote a text, '\"like this\"'") from error


# --- runs -------------------------------------------------------------------------------------


@click.command("stop")
@run_argument(required=False)
@click.option("--all", "is_all", is_flag=True, help="Every unfinished run of the store.")
@click.option("--now", is_flag=True, help="End its process too: SIGTERM twice, then SIGKILL.")
@store_options
def stop(common: Common, run: str | None, is_all: bool, now: bool) -> None:
    """Stop a run after the step in hand; `resume` goes on.

    With --all no run of the store begins another step; what each has in hand is listed.
    """
    if run is not None and is_all:
        raise UsageError("--all is every run: name one, or give --all")
    if run is None and not is_all:
        raise missing_run()
    with opened_desk(common) as desk:
        if run is None:
            _stop_all(desk, now)
            return
        asked, row = commands.stop(desk.store, run, desk.clock, desk.by, now=now)
        desk.tell(asked)
        if now and row.owner is not None:
            end_steps(desk.store, row.id, time.sleep)
            click.echo(safe(end_owner(row.owner, time.sleep)))


def _stop_all(desk: Desk, now: bool) -> None:
    """Stop every run. Raises the last error when one could not be asked."""
    halts = []
    for halt in stop_all(desk.store, desk.clock, desk.by, now=now):
        halts.append(halt)
        click.echo(safe(f"{halt.run}: {halt.error or halt.text}"), err=halt.error is not None)
    for halt in halts:
        if now and halt.owner is not None:
            end_steps(desk.store, halt.run, time.sleep)
            click.echo(safe(f"{halt.run}: {end_owner(halt.owner, time.sleep)}"))
    if not halts:
        click.echo("no run is unfinished: nothing to stop")
    errors = [halt.error for halt in halts if halt.error is not None]
    if errors:
        raise errors[-1]


@click.command("pause")
@_RUN
@store_options
def pause(common: Common, run: str) -> None:
    """Stop a run after the step in hand; only a person's resume goes on."""
    with opened_desk(common) as desk:
        desk.tell(commands.stop(desk.store, run, desk.clock, desk.by, pause=True)[0])


@click.command("cancel")
@_RUN
@click.option("--abandon", is_flag=True, help="Leave for ever what the run owes.")
@_WHY
@store_options
def cancel(common: Common, run: str, abandon: bool, comment: str) -> None:
    """End a run for good, with the reason (-m); a living one leaves at its next boundary.

    A run that owes something is not ended so: `settle` gives it back, --abandon leaves it.
    """
    _need_reason("cancel", comment)
    with opened_desk(common) as desk:
        ended = commands.cancel(desk.store, run, desk.clock, desk.by, comment, abandon=abandon)
        desk.tell(ended, resumable=False)
