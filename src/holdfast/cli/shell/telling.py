"""Tell people who are not at the script that its run holds, failed or succeeded."""

from __future__ import annotations

import os
from typing import Final

from holdfast.cli.shell.saying import say
from holdfast.errors import HoldfastError
from holdfast.model.facts import Fact, HoldOpened, RunFailed, RunSucceeded
from holdfast.model.state import RunState
from holdfast.runtime.journal import Journal

TOLD: Final = frozenset((HoldOpened, RunFailed, RunSucceeded))


def tell_elsewhere(journal: Journal) -> None:
    """From now on give notices of what this process records, as the inventory says; it is read
    when there is something to tell, which a step as a rule has not."""

    def observe(fact: Fact, state: RunState) -> None:
        if type(fact) in TOLD:
            _tell(journal, fact, state)

    journal.observers.append(observe)


def _tell(journal: Journal, fact: Fact, state: RunState) -> None:
    from holdfast.cli.options import Common
    from holdfast.wiring import open_telling

    config = os.environ.get("HOLDFAST_CONFIG")
    common = Common(None, "", config)
    options = ("--config", config) if config else ()
    try:
        telling = open_telling(common.inventory.notify, journal.store.url, say, options=options)
        if telling is None:
            return
        with telling.told(journal) as listeners:
            for listener in listeners:
                listener.fact(fact, state)
        telling.close()
    except HoldfastError as error:
        # Whom to tell costs the run nothing.
        say(f"nobody was notified: {error}")
