"""The names that a person gives on the command line: of runs, steps, holds and targets.

Tab completes them from the store and the inventory; where these cannot be read, nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from holdfast.cli.options import Common

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from holdfast.model.state import RunState

SHOWN_MAX: Final = 100

Complete: TypeAlias = "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]"


def places_given(context: click.Context) -> Common:
    """Return the store and the inventory that the words before say."""
    store = config = None
    at: click.Context | None = context
    while at is not None:
        store, config = store or at.params.get("store"), config or at.params.get("config")
        at = at.parent
    return Common(store, config=config)


def _completed(find: Callable[[click.Context, str], Iterable[tuple[str, str]]]) -> Complete:
    """Return a completer that offers what `find` yields: names and what they are."""

    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from holdfast.errors import HoldfastError

        try:
            return [CompletionItem(name, help=what) for name, what in find(context, begun)]
        except HoldfastError:
            return []

    return complete


def _runs(context: click.Context, begun: str) -> Iterable[tuple[str, str]]:
    from holdfast.cli.reading import reading

    with reading(places_given(context)) as store:
        rows = store.rows(prefix=begun, limit=SHOWN_MAX)
    return [(row.id, f"{row.workflow}: {row.status}") for row in rows]


def _state(context: click.Context) -> RunState:
    from holdfast.app.finding import find_run
    from holdfast.cli.reading import reading
    from holdfast.runtime.journal import Journal

    # Behind an option that still lacks its value, the words before it have not become arguments.
    text = context.params.get("run") or next((word for word in context.args if word), "")
    with reading(places_given(context)) as store:
        return Journal(store, find_run(store, text).id).refresh()


def _steps(context: click.Context, begun: str) -> Iterable[tuple[str, str]]:
    # A word that has begun with a quote is one of ours, and a shell needs the quotes around it.
    wanted = begun.lstrip("'\"")
    steps = _state(context).steps.values()
    found = [(shlex.quote(s.key), s.status) for s in steps if s.key.startswith(wanted)]
    return found[-SHOWN_MAX:]


def _holds(context: click.Context, begun: str) -> Iterable[tuple[str, str]]:
    holds = _state(context).open_holds
    return [
        (hold.opened.id, hold.opened.question) for hold in holds if hold.opened.id.startswith(begun)
    ]


def _targets(context: click.Context, begun: str) -> Iterable[tuple[str, str]]:
    targets = places_given(context).inventory.targets.values()
    return [(target.name, target.risk) for target in targets if target.name.startswith(begun)]


def missing_run() -> click.MissingParameter:
    """Return what to raise where the run that a command is about was not given."""
    context = click.get_current_context()
    run = next(param for param in context.command.params if param.name == "run")
    return click.MissingParameter(ctx=context, param=run, param_hint="'RUN'")


run_argument = partial(click.argument, "run", shell_complete=_completed(_runs))
step_argument = partial(click.argument, "step", shell_complete=_completed(_steps))
run_option = partial(click.option, "--run", metavar="RUN", shell_complete=_completed(_runs))
to_option = partial(click.option, "--to", metavar="STEP", shell_complete=_completed(_steps))
hold_option = partial(click.option, "--hold", metavar="ID", shell_complete=_completed(_holds))
target_option = partial(click.option, "--target", metavar="T", shell_complete=_completed(_targets))
