"""What the operator's verbs work with: the store, the time, who speaks, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from holdfast.app.commands import Done
from holdfast.app.judging import is_owned
from holdfast.app.next_ways import Next
from holdfast.app.script_ways import with_script
from holdfast.cli.offered import line_of, to_type
from holdfast.cli.options import Common
from holdfast.cli.text import safe
from holdfast.model.facts import RunCreated, Who
from holdfast.ports.store import Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import this_person


class Desk:
    """What a verb works with: the store, the time, and who speaks."""

    def __init__(self, store: Store, common: Common) -> None:
        self.store, self.common = store, common
        self.clock = SystemClock()
        self.by: Who = this_person(common.claimed)

    def tell(self, done: Done, *, resumable: bool = True, caution: str = "") -> None:
        """Say what changed, and how to go on when no process would do so by itself; `caution` is
        what whoever goes on should know."""
        text = to_type(done.text.removeprefix(f"{done.run}: "), self.common)
        click.echo(safe(f"{done.run}: {text}"))
        row = self.store.row(done.run)
        if resumable and not done.leaves_open and row is not None and not is_owned(row):
            note = f"  # {caution}" if caution else ""
            click.echo(
                f"go on with: {line_of(self._way_on(done.run), self.common)}{note}", err=True
            )

    def _way_on(self, run: str) -> Next:
        """Return what goes on with the run: `resume`, or its script, which is run again."""
        way = Next(("resume", run), "go on")
        first = next(iter(self.store.read(run))).fact
        if not (isinstance(first, RunCreated) and first.shell):
            return way
        return next(with_script(Journal(self.store, run).refresh(), (way,)))


@contextmanager
def opened_desk(common: Common) -> Iterator[Desk]:
    """Open the store, which must be there already."""
    store = common.open(create=False)
    try:
        yield Desk(store, common)
    finally:
        store.close()
