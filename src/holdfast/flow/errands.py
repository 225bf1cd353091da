"""What a life does other than go on: undo, roll back, settle, each after a walk of the script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from holdfast.engine.giving_back import Ways, roll_back, settle, undo_stage
from holdfast.engine.step import location_of
from holdfast.engine.trace import Trace
from holdfast.errors import Leaving, error_text, message_of
from holdfast.flow.giving_back import ways_of
from holdfast.flow.outcome import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import RunStopped, Who
from holdfast.model.making import dataclass
from holdfast.runtime.afterwards import Afterwards
from holdfast.runtime.context import FRAME, Frame
from holdfast.runtime.life import Life
from holdfast.runtime.replay import WALKED


@dataclass(frozen=True, slots=True)
class Errand:
    """To roll back, all or to the step or scope `to`, which began with the fact `since`; or to
    settle what is owed."""

    kind: Literal["rollback", "settle"]
    by: Who
    to: str = ""
    since: int = 0


def walked(workflow: Workflow[..., Any], params: Mapping[str, object], life: Life) -> object:
    """Run the workflow in this life to its recorded end, or through what is recorded while the
    life is replaying, and return its value. Raises what the script raises, and Leaving."""
    root = Trace(life.journal.state, is_replay=life.is_replaying)
    token = FRAME.set(Frame(life, root))
    try:
        return workflow.walk(life, root, params)
    finally:
        FRAME.reset(token)


def go_back(
    workflow: Workflow[..., Any], params: Mapping[str, object], life: Life, errand: Errand
) -> Outcome:
    """Do the errand and return how the run stands then. Raises Leaving when it holds, and what
    an undo that gave up raises: it is gone on with by the next life."""
    ways = _replayed(workflow, params, life)
    if errand.kind == "settle":
        count = workflow.perform(life, settle(ways))
        reason = f"settled {count} of what it owed, for {errand.by.name}"
        stopped = RunStopped(life.clock.now(), "verb", reason, 0)
        life.end(stopped)
    else:
        left = workflow.perform(life, roll_back(ways, errand.by, errand.to, errand.since))
        reason = "rolled back" if not left else f"rolled back; {len(left)} left as they are"
    life.raise_if_leaving()
    return Outcome(life.journal.state.status, None, life.run, 0, reason)


def undo_what_failed(
    workflow: Workflow[..., Any], params: Mapping[str, object], life: Life
) -> None:
    """Undo the stage that an earlier life began to undo, before anything else."""
    scope = life.journal.state.ledger.begun
    if scope:
        ways = _replayed(workflow, params, life)
        workflow.perform(life, undo_stage(scope, ways, ""))
        life.met.clear()


def _replayed(workflow: Workflow[..., Any], params: Mapping[str, object], life: Life) -> Ways:
    """Walk the script, and return how each step it met is given back."""
    replay(workflow, params, life)
    return ways_of(life)


def replay(workflow: Workflow[..., Any], params: Mapping[str, object], life: Life) -> None:
    """Walk the script through what is recorded; `life.met` are the steps it met.

    However the walk ends, it ends where nothing more was ever done, or where the script has
    changed: what it did not meet is asked about.
    """
    life.is_replaying = True
    try:
        walked(workflow, params, life)
    except Leaving as end:
        if end.kind != WALKED:
            raise
    except Exception as error:
        _tell_of(life, error)
    except BaseExceptionGroup as group:  # An asyncio.TaskGroup, in which tasks ended the walk.
        _, rest = group.split(_is_walked)
        if isinstance(rest, ExceptionGroup):
            _tell_of(life, rest)
        elif rest is not None:
            raise
    finally:
        life.is_replaying, life.afterwards = False, Afterwards()


def _is_walked(error: BaseException) -> bool:
    return isinstance(error, Leaving) and error.kind == WALKED


def _tell_of(life: Life, error: Exception) -> None:
    """Say what ended the walk when it is not what ended the run: an edited script, perhaps."""
    failures = life.journal.state.ledger.postponed
    known = {(failed.type, failed.message) for failed in failures}
    text = life.redactor(message_of(error))
    if (type(error).__name__, text) not in known:
        where = location_of(error)
        said = error_text(type(error).__name__, text)
        life.tell(f"the script could be walked only as far as {where}: {said}")
