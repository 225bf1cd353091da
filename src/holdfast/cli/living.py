"""One life of a run, as a command goes through it: who answers, what is shown, how it ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any, NoReturn

import click

from holdfast.app.starting import Setting
from holdfast.app.views import RunView, view_of, with_stored
from holdfast.cli.ending import ending
from holdfast.cli.failing import say
from holdfast.cli.live import Progress, progress_on
from holdfast.cli.offered import to_type
from holdfast.cli.options import Common
from holdfast.cli.paper import paper
from holdfast.cli.prompt import Ask, is_interactive, person_for
from holdfast.cli.text import json_text
from holdfast.errors import HoldfastError
from holdfast.flow.running import Outcome
from holdfast.model.codec import encode
from holdfast.model.durations import seconds
from holdfast.model.making import dataclass, replace
from holdfast.model.state import RunState
from holdfast.ports.store import Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import this_person, this_process
from holdfast.runtime.threads import end_if_items_left
from holdfast.wiring import open_telling


@dataclass(frozen=True, slots=True)
class Presence:
    """How a command lives through a run: who answers, how progress looks, how long it may take,
    and how much of that in waits. `within` a fleet it is brief: that one says what to do next."""

    no_input: bool = False
    wait: bool = False
    plain: bool = False
    budget_s: float | None = None
    patience_s: float | None = None
    within: bool = False


def presence_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a life, passed as one `presence`."""
    import functools

    @functools.wraps(function)
    def gathered(
        *args: Any, no_input: bool, wait: bool, plain: bool, budget_s: float | None, **rest: Any
    ) -> None:
        if no_input and wait:
            raise click.UsageError("--no-input parks at a question and --wait stays: give one")
        function(*args, presence=Presence(no_input, wait, plain, budget_s), **rest)

    for option in (
        click.option("--plain", is_flag=True, help="One line per event, also on a terminal."),
        click.option("--wait", is_flag=True, help="Stay at a question until somebody answers."),
        click.option("--no-input", is_flag=True, help="Never prompt: park at a question."),
        click.option(
            "--for", "budget_s", metavar="D", callback=_duration,
            help="Stop after this time (90s, 1h30m), exit 75.",
        ),
    ):  # fmt: skip
        gathered = option(gathered)
    return gathered


def _duration(ctx: click.Context, option: click.Parameter, text: str | None) -> float | None:
    return None if text is None else seconds(text)


def live_through(
    common: Common,
    presence: Presence,
    go: Callable[[Setting], Outcome],
    *,
    begins: bool = False,
) -> NoReturn:
    """Go through one life of a run and exit with its code: progress and how it ended on stderr,
    the result on stdout. Only what `begins` a run makes a store where there is none."""
    if presence.wait:
        from holdfast.app.fleet import STAYS

        STAYS.set(True)
    store = common.open(create=begins)
    try:
        outcome = lived_through(store, common, presence, go)
    finally:
        store.close()
    end_if_items_left(outcome.exit_code)
    click.get_current_context().exit(outcome.exit_code)


def lived_through(
    store: Store, common: Common, presence: Presence, go: Callable[[Setting], Outcome]
) -> Outcome:
    """Go through one life of a run and return how it ended, which is said."""
    prompts = is_interactive() and not (presence.no_input or presence.wait)
    typed = partial(to_type, common=common)
    progress = progress_on(
        sys.stderr, plain=presence.plain, prompts=prompts, is_timed=not presence.within,
        to_type=typed,
    )  # fmt: skip
    begun = _Begun(progress)
    clock, by = SystemClock(), this_person(common.claimed)
    ask = Ask(store, clock, by, progress, typed)
    person = person_for(ask, prompts=prompts, wait=presence.wait)
    config = ("--config", common.config) if common.config else ()
    telling = open_telling(common.inventory.notify, common.url, progress.note, options=config)
    setting = Setting(
        store, clock, person, by, (progress,), progress.note, begun, presence.budget_s,
        common.lease_s, inventory=common.inventory, telling=telling,
        patience_s=presence.patience_s,
    )  # fmt: skip
    try:
        with stdout_for_the_result():
            outcome = go(setting)
    finally:
        person.close()
        progress.close()
        if telling is not None:
            telling.close()
    _report(store, common, outcome, begun.state, is_brief=presence.within)
    if outcome.status == "succeeded" and outcome.result is not None:
        click.echo(json_text(encode(outcome.result)))
    return outcome


class _Begun:
    """The run that this process took up, once it did."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.state: RunState | None = None

    def __call__(self, run: str, state: RunState) -> None:
        self.state = state
        self._progress.begin(run, state)


@contextmanager
def stdout_for_the_result() -> Iterator[None]:
    """Send what the script prints to stderr: stdout is the result, which a program may read."""
    with redirect_stdout(sys.stderr):
        yield


def _report(
    store: Store, common: Common, outcome: Outcome, state: RunState | None, *, is_brief: bool
) -> None:
    try:
        view = _view(store, outcome.run_id, state)
    except HoldfastError:
        view = None
    try:
        columns = paper(stream=sys.stderr).columns
        lines = ending(outcome, view, common, columns, state, is_brief=is_brief)
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass
    if store.dropped:
        say(f"{store.dropped} lines of output could not be kept")


def _view(store: Store, run: str, state: RunState | None) -> RunView | None:
    row = store.row(run)
    if row is None:
        return None
    if row.owner == this_process():
        # Its life is over, also where the run is kept until somebody was told (`each`).
        row = replace(row, owner=None)
    return with_stored(view_of(row, state or Journal(store, run).refresh()), store)
