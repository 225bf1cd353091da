"""Tell people who are not at the script that its run holds, failed or succeeded."""

from __future__ import annotations

import os
from typing import Final

from holdfast.cli.saying import say
from holdfast.errors import HoldfastError
from holdfast.model.facts import Fact, HoldOpened, RunFailed, RunSucceeded
from holdfast.model.state import RunState
from holdfast.runtime.journal import Journal

INVENTORY: Final = "HOLDFAST_INVENTORY"
"""The variable with the inventory that was found where the run began, from where the script may go
to another folder; empty when there was none."""
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

    config, found = os.environ.get("HOLDFAST_CONFIG"), os.environ.get(INVENTORY)
    if not config and found == "":
        return
    common = Common(None, "", config or found)
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
