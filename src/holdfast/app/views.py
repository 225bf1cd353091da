"""What a run and many runs look like: pure reads, in the shapes that `--json` promises.

A run whose row says that it runs, and whose owner is dead, is `interrupted`; a `once` step that
it left running is `in_doubt`. Nothing here writes, and nothing folds more than one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from holdfast.app.batch_views import BatchView, batches_of
from holdfast.app.finding import find_run
from holdfast.app.fleet_targets import TargetRun, target_runs
from holdfast.app.judging import LIVING, displaced_by, owner_is, status_of, step_judged
from holdfast.app.rollout_views import rollouts_of
from holdfast.errors import error_text
from holdfast.model.facts import HoldAnswered, LifeStarted, Owner, Spilled
from holdfast.model.json import Json
from holdfast.model.keys import label_of, scope_of
from holdfast.model.making import dataclass, field, replace
from holdfast.model.state import HoldState, RunState, StepState
from holdfast.model.status import RunStatus, StepStatus
from holdfast.model.undoing import Debt
from holdfast.ports.store import DebtRow, RunRow, Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import Liveness

VERSION: Final = 1
"""Of the JSON documents; it grows when a consumer of the old shape would be misled."""

LIST_LIMIT: Final = 50
DEFAULT_MODE: Final = "auto"
JUDGED_MAX: Final = 10_000
"""Rows looked at to tell running runs from interrupted ones."""
LOOKS_MAX: Final = 10
"""How often a run that moves is looked at again before it is shown as it was last seen."""

_JUDGED: Final = frozenset({"running", "interrupted"})


@dataclass(frozen=True, slots=True)
class StepView:
    """One step as a person should see it, and the process that last attempted it.

    `is_orphaned` is a step that was running when its process ended: nothing is known of its end.
    """

    key: str
    label: str
    stage: str | None
    status: StepStatus
    attempts: int
    result: Json | Spilled
    error: str
    location: str
    started_at: datetime | None
    ended_at: datetime | None
    next_at: datetime | None
    decided_by: str
    life: LifeStarted | None
    is_orphaned: bool
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class RunView:
    """One run, folded and judged. `owner_is` tells how its owner is, None without one; `at` is
    when it was looked at: what a run asks may have expired since it asked. `displaced_by` is the
    run that has its target now, where that was taken from it; `targets` are, of a fleet, the runs
    of its targets that are begun and not done."""

    row: RunRow
    state: RunState
    status: RunStatus
    owner_is: Liveness | None
    steps: tuple[StepView, ...]
    at: datetime
    batches: dict[str, BatchView] = field(default_factory=dict)
    displaced_by: str = ""
    targets: tuple[TargetRun, ...] = ()

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def is_alive(self) -> bool:
        """Whether a process may be working on the run now."""
        return self.owner_is in LIVING


# --- many runs --------------------------------------------------------------------------------


def list_runs(
    store: Store,
    *,
    status: str | None = None,
    target: str | None = None,
    workflow: str | None = None,
    limit: int = LIST_LIMIT,
) -> dict[str, Json]:
    """Return the newest matching runs, from their rows alone.

    What only a journal knows (`params`, `result`, `error`) is null here; `show` has it.
    """
    rows = matching_rows(store, status=status, target=target, workflow=workflow, limit=limit)
    return rows_json(rows)


def rows_json(rows: Sequence[RunRow]) -> dict[str, Json]:
    """Return rows as `list --json` gives them."""
    return {"version": VERSION, "runs": [_row_json(row) for row in rows]}


def matching_rows(
    store: Store,
    *,
    status: str | None = None,
    target: str | None = None,
    workflow: str | None = None,
    limit: int = LIST_LIMIT,
) -> Sequence[RunRow]:
    """Return the newest rows that match; `status` is what the reader sees, not what is stored."""
    if status not in _JUDGED:
        rows = store.rows(status=status, target=target, workflow=workflow, limit=limit)
        return [_settled(store, row) for row in rows]
    rows = store.rows(status="running", target=target, workflow=workflow, limit=JUDGED_MAX)
    found = [row for row in rows if status_of(row) == status][:limit]
    return [row for row in (_settled(store, row) for row in found) if status_of(row) == status]


def _settled(store: Store, row: RunRow) -> RunRow:
    """Return the row read anew when its owner is gone: it may have ended in order meanwhile."""
    if status_of(row) != "interrupted":
        return row
    return store.row(row.id) or row


# --- one run ----------------------------------------------------------------------------------


def view_run(store: Store, run: str) -> RunView:
    """Return the run of this id, or of the only id that begins so, folded and judged.

    Raises UsageError for an unknown one.
    """
    row = find_run(store, run)
    return look(Journal(store, row.id), row)


def look(journal: Journal, row: RunRow) -> RunView:
    """Return a run as it stands now; `journal` is read on from where it is.

    An owner that ends in order writes so before it goes: when the journal stood still around
    the look at the owner, a dead one is a dead one.
    """
    journal.refresh()
    for _ in range(LOOKS_MAX):
        seq = journal.state.seq
        row = journal.store.row(journal.run) or row
        view = view_of(row, journal.state)
        if journal.refresh().seq == seq:
            break
    return with_stored(view, journal.store)


def with_stored(view: RunView, store: Store) -> RunView:
    """Return a view with what the store has beside the journal, as it stands there now: the run's
    batches, who has its target, and the runs of a fleet's targets."""
    return replace(
        view,
        batches=batches_of(store, view.id, view.state, is_living=view.is_alive),
        displaced_by=displaced_by(store, view.row, view.state),
        targets=target_runs(store, view.row, view.state, view.at),
    )


def view_of(row: RunRow, state: RunState) -> RunView:
    """Return a folded run, judged by its row."""
    health = owner_is(row)
    living = health in LIVING
    stages = Stages(state)
    names = set(state.steps)
    steps = [*state.steps.values(), *(s for s in state.superseded if s.key not in names)]
    latest = {step.key: step for step in steps}
    views = tuple(_step_view(state, step, stages, is_living=living) for step in latest.values())
    return RunView(row, state, status_of(row), health, views, SystemClock().now())


class Stages:
    """Which stage each step is in: the outermost scope around it that is one."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._known: dict[str, str | None] = {"": None}

    def of(self, key: str) -> str | None:
        """Return the label of the stage that a step or scope is in, or None."""
        scope = scope_of(key)
        if scope not in self._known:
            outer = self.of(scope)
            found = self._state.scopes.get(scope)
            mine = label_of(scope) if found is not None and found.kind == "stage" else None
            self._known[scope] = outer or mine
        return self._known[scope]


def _step_view(state: RunState, step: StepState, stages: Stages, *, is_living: bool) -> StepView:
    status, orphaned = step_judged(state, step, is_living=is_living)
    return StepView(
        key=step.key,
        label=step.label or label_of(step.key),
        stage=stages.of(step.key),
        status=status,
        attempts=step.attempts,
        result=step.result,
        error=_error(step),
        location=step.location,
        started_at=step.started_at,
        ended_at=step.ended_at,
        next_at=step.next_at,
        decided_by=step.decided_by,
        life=state.life_of(step),
        is_orphaned=orphaned,
        is_batch=step.is_batch,
    )


def _error(step: StepState) -> str:
    return "" if step.is_finished else error_text(step.error_type, step.error)


# --- as JSON ----------------------------------------------------------------------------------


def show_run(store: Store, run: str) -> dict[str, Json]:
    """Return a run as `show --json` gives it; values too large for their rows are loaded.

    Raises UsageError for an unknown run, StoreCorrupt for a journal that does not decode.
    """
    return shown(store, view_run(store, run))


def shown(store: Store, view: RunView) -> dict[str, Json]:
    """Return a run that was looked at as `show --json` gives it."""
    return {
        "version": VERSION,
        "run": run_json(store, view),
        "steps": [_step_json(store, step) for step in view.steps],
        "holds": [_hold_json(hold) for hold in view.state.holds.values()],
        "debts": [_debt_json(debt) for debt in view.state.ledger.debts.values()],
        "batches": [batch.as_json() for batch in view.batches.values()],
        "rollouts": [rollout.as_json() for rollout in rollouts_of(view.state)],
    }


def run_json(store: Store, view: RunView) -> dict[str, Json]:
    """Return the `run` of `show --json`."""
    state, failed = view.state, view.state.failed
    assert state.created is not None
    return {
        **_row_json(view.row),
        "mode": state.mode or DEFAULT_MODE,
        "params": dict(state.params),
        "result": _loaded(store, state.result),
        "error": error_text(failed.type, failed.message) if failed else None,
    }


def _row_json(row: RunRow) -> dict[str, Json]:
    return {
        "id": row.id,
        "workflow": row.workflow,
        "target": row.target,
        "status": status_of(row),
        "mode": row.mode or DEFAULT_MODE,
        "params": None,
        "result": None,
        "error": None,
        "started_at": time_json(row.started_at),
        "ended_at": time_json(row.ended_at),
        "started_by": row.started_by,
        "owner": owner_json(row.owner),
        "due_at": time_json(row.due_at),
    }


def owner_json(owner: Owner | None) -> Json:
    """Return a process as JSON."""
    return None if owner is None else {"host": owner.host, "pid": owner.pid, "user": owner.user}


def _step_json(store: Store, step: StepView) -> Json:
    return {
        "key": step.key,
        "label": step.label,
        "stage": step.stage,
        "status": step.status,
        "attempts": step.attempts,
        "result": _loaded(store, step.result),
        "error": step.error or None,
        "started_at": time_json(step.started_at),
        "ended_at": time_json(step.ended_at),
        "decided_by": step.decided_by,
    }


def _hold_json(hold: HoldState) -> Json:
    opened = hold.opened
    return {
        "id": opened.id,
        "kind": opened.kind,
        "key": opened.key,
        "question": opened.question,
        "status": hold.status,
        "answers": [_answer_json(answer) for answer in hold.answers],
    }


def _debt_json(debt: Debt) -> Json:
    return {
        "key": debt.key,
        "label": debt.owed.label,
        "settled": debt.status == "settled",
        "accepted": debt.status == "accepted",
        "since": time_json(debt.since),
    }


def owed_json(rows: Sequence[DebtRow]) -> dict[str, Json]:
    """Return what runs owe as `owed --json` gives it."""
    return {
        "version": VERSION,
        "debts": [
            {"run": row.run, "key": row.key, "label": row.label, "since": time_json(row.since)}
            for row in rows
        ],
    }


def _answer_json(answer: HoldAnswered) -> Json:
    by = answer.by
    return {
        "by": by.name,
        "at": time_json(answer.at),
        "from": f"{by.host}:{by.tty}" if by.tty else by.host,
        "answer": answer.answer,
        "value": answer.value,
        "comment": answer.comment,
        "digest": answer.digest,
    }


def _loaded(store: Store, value: Json | Spilled) -> Json:
    return store.load(value) if isinstance(value, Spilled) else value


def time_json(at: datetime | None) -> str | None:
    """Return a moment in UTC, ISO 8601, always as long: such texts sort by time."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
