"""Values that are read back from the journal.

A script made its way by what its steps returned. Where that cannot be read any more, the run
leaves: `except Exception` in the script would take another way for want of it, and do what the run
never did.
"""

from __future__ import annotations

import sys
from typing import Final

from holdfast.errors import HoldfastError, Leaving, StoreCorrupt, StoreError
from holdfast.model.codec import decode, encode
from holdfast.model.facts import Spilled
from holdfast.model.json import Json
from holdfast.model.typed import command
from holdfast.model.types import Types
from holdfast.runtime.life import Life
from holdfast.runtime.replay import walk_over

PLAIN_JSON: Final = (str, int, float, bool, type(None))
"""The types of recorded values that stand for themselves."""
UNREADABLE: Final = "unreadable"
"""The kind of leaving after which the run has failed, with the life's `failure`."""


def refuse_later(value: object, types: Types, modules: int) -> None:
    """Raise Unrecordable for an object whose class is of a module that only this body imports:
    there were so many when it began. A later life answers without the body."""
    if len(sys.modules) > modules and type(value) not in PLAIN_JSON:
        encode(value, types.without_later(modules))


def value_of(life: Life, recorded: Json | Spilled, types: Types) -> object:
    """Return the value that a recorded result stands for, inside the body of a step, whose failure
    is recorded. Raises StoreError when it is lost, Undecodable when the code cannot read it."""
    if type(recorded) in PLAIN_JSON:
        return recorded
    return decode(life.journal.load(recorded), types)


def read_back(life: Life, recorded: Json | Spilled, types: Types) -> object:
    """Return the value that a recorded result stands for.

    Raises Leaving when it is lost, and when today's code cannot read it: then the run fails with
    what says how it can be mended, and goes on with the recorded value after that.
    """
    try:
        return value_of(life, recorded, types)
    except StoreCorrupt as error:
        raise unreadable(life, StoreCorrupt(f"{error}{_made_again(life, recorded)}")) from error
    except HoldfastError as error:
        raise unreadable(life, error) from error


def _made_again(life: Life, recorded: Json | Spilled) -> str:
    """Return how a lost value is had again, where a step returned it."""
    for key, step in life.journal.state.steps.items():
        if step.result == recorded:
            again = command("rewind", (life.run,), ("--to", key))
            return f"; put it back from a copy of the store, or run its step again: {again}"
    return ""


def unreadable(life: Life, error: HoldfastError) -> Leaving:
    """Return what leaves the script for a recorded value that cannot be read back. A walk of it
    that only learns how its steps are given back ends there: the others are asked about."""
    if life.replays_here():
        life.tell(f"the script could be walked only so far: {life.redactor(str(error))}")
        return walk_over()
    if isinstance(error, StoreError) and not isinstance(error, StoreCorrupt):
        # Nothing is to be written where nothing can be read; a value that is lost is told.
        return life.leave(str(error), error.exit_code, "storage")
    life.failure = life.failure or error
    return life.leave(str(error), error.exit_code, UNREADABLE)
