"""`holdfast rewind`: go back to an earlier step, in the same run."""

from __future__ import annotations

import click

from holdfast.app.rewinding import rewind
from holdfast.cli.desk import opened_desk
from holdfast.cli.naming import run_argument, to_option
from holdfast.cli.options import Common, store_options


@click.command("rewind")
@run_argument()
@to_option(required=True, help="The first step, or scope, to run again.")
@click.option("-m", "comment", metavar="TEXT", default="", help="The reason; it is recorded.")
@store_options
def rewind_command(common: Common, run: str, to: str, comment: str) -> None:
    """Go back to a step: it, and all that was reached since it began, runs again.

    STEP may be a scope, such as one node. What is set aside stays in `log --all`; nothing of it
    is undone. Refused while a process owns the run, and while a step is in doubt that would run
    again. A reason (-m) is needed when steps would run again that run at most once.
    """
    with opened_desk(common) as desk:
        desk.tell(rewind(desk.store, run, to, desk.clock, desk.by, comment, lease_s=common.lease_s))
