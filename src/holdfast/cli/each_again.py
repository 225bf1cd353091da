"""`resume` and `retry` of a run that is nothing but one `holdfast each`: they do it again, here."""

from __future__ import annotations

import os
from collections.abc import Callable

from holdfast.app.finding import find_run
from holdfast.app.starting import Setting
from holdfast.cli.each_alone import PIPE, alone_in
from holdfast.cli.options import Common
from holdfast.cli.reading import reading
from holdfast.cli.shell.words import read
from holdfast.errors import UsageError
from holdfast.flow.running import Outcome
from holdfast.model.facts import Commands
from holdfast.model.state import RunState
from holdfast.runtime.journal import Journal


def going_again(common: Common, run: str) -> Callable[[Setting], Outcome] | None:
    """Return what goes on with the run as its own command did; None for every other run, and
    where the items came from a pipe: whoever has them has to call it."""
    with reading(common) as store:
        row = find_run(store, run)
        commands = _commands(Journal(store, row.id).refresh())
    taken = None if commands is None else read(commands.argv[1:])
    if commands is None or taken is None or taken.get("items") in (None, PIPE):
        return None
    try:
        os.chdir(commands.cwd)
    except OSError as error:
        raise UsageError(f"{commands.cwd}, where it was called, is no place: {error}") from error
    return alone_in(taken, row.id)


def _commands(state: RunState) -> Commands | None:
    """Return how the run was called, when a call of `each` is all that it is."""
    created = state.created
    if created is None or not created.shell or state.ledger.is_going_back or state.is_finished:
        return None
    known = [life.commands for life in state.lives if life.commands is not None]
    is_each = bool(known) and known[-1].argv[:2] == ("holdfast", "each")
    return known[-1] if is_each else None
