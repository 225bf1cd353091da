"""What the operator's verbs work with: the store, the time, who speaks, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from holdfast.app.commands import Done
from holdfast.cli.ending import next_command
from holdfast.cli.options import Common
from holdfast.cli.text import safe
from holdfast.model.facts import Who
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import liveness, this_person


class Desk:
    """What a verb works with: the store, the time, and who speaks."""

    def __init__(self, store: Store, common: Common) -> None:
        self.store, self.common = store, common
        self.clock = SystemClock()
        self.by: Who = this_person(common.claimed)

    def tell(self, done: Done, *, resumable: bool = True, caution: str = "") -> None:
        """Say what changed, and how to go on when no process would do so by itself; `caution` is
        what whoever goes on should know."""
        click.echo(safe(f"{done.run}: {done.text.removeprefix(f'{done.run}: ')}"))
        row = self.store.row(done.run)
        if resumable and not done.leaves_open and row is not None and not is_owned(row):
            note = f"  # {caution}" if caution else ""
            click.echo(
                f"go on with: {next_command(self.common, 'resume', done.run)}{note}", err=True
            )


def is_owned(row: RunRow) -> bool:
    """Whether a process may be working on the run."""
    return row.owner is not None and liveness(row.owner) != "dead"


@contextmanager
def opened_desk(common: Common) -> Iterator[Desk]:
    """Open the store, which must be there already."""
    store = common.open(create=False)
    try:
        yield Desk(store, common)
    finally:
        store.close()
