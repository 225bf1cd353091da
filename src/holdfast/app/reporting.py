"""A run that is not taken up: how it stands, and what it returned."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.errors import UsageError
from holdfast.flow.outcome import Outcome
from holdfast.model.codec import decode
from holdfast.model.records import Undecodable
from holdfast.model.types import Types
from holdfast.runtime.journal import Journal


def not_to_be_resumed(journal: Journal, types: Types) -> Outcome | None:
    """Return how the run stands when the same `--id` must not take it up again."""
    state = journal.state
    if state.is_finished:
        return reported(journal, lambda: types)
    if state.stop is not None:
        by = state.stop.by.name
        word = "paused" if state.stop.pause else "stopped"
        reason = f"{word} by {by}; go on with: holdfast resume {journal.run}"
        return Outcome(word, None, journal.run, 3, reason)
    return None


def reported(journal: Journal, types: Callable[[], Types]) -> Outcome:
    """Return how a finished run ended.

    `types` is asked where its result is made of classes that only the script knows. Raises
    Undecodable when it does not know them either, or cannot be loaded any more.
    """
    state = journal.state
    recorded = journal.load(state.result)
    try:
        result = decode(recorded)
    except Undecodable as unknown:
        try:
            known = types()
        except UsageError as problem:
            raise Undecodable(unknown.name, f"its script cannot be loaded: {problem}") from problem
        result = decode(recorded, known)
    code = {"succeeded": 0, "rolled_back": 0}.get(state.status, 1)
    return Outcome(state.status, result, journal.run, code, "" if code == 0 else state.status)
