"""What the journal says of a batch: when it began, and what was decided about its items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from holdfast.model.batch_facts import BudgetGranted, ItemDecided, ItemsRearmed
from holdfast.model.holds import Holds
from holdfast.model.keys import join
from holdfast.model.making import dataclass, field
from holdfast.model.standing import StepState

Decision: TypeAlias = ItemsRearmed | ItemDecided


@dataclass(slots=True)
class BatchState:
    """`begun_seq` is the fact with which the batch began, over all its lives; `failed_seq` the
    one with which it last failed, 0 when it did not. `decisions` come with their numbers.
    `granted` is how many failures count no more."""

    begun_seq: int
    failed_seq: int = 0
    granted: int = 0
    decisions: list[tuple[int, Decision]] = field(default_factory=list)


class Folded(Protocol):
    """What these facts look at and change of a run's state."""

    seq: int
    epoch: int
    steps: dict[str, StepState]
    batches: dict[str, BatchState]
    holds: Holds


def item_key(batch: str, item: str) -> str:
    """Return the key of an item, as it stands in questions and on the command line."""
    return join(batch, item, 1)


def began(state: Folded, key: str, *, anew: bool) -> None:
    """Note that the step of a batch begins; `anew` when nothing of an earlier time counts."""
    if anew or key not in state.batches:
        state.batches[key] = BatchState(state.seq)


def failed(state: Folded, key: str) -> None:
    """Note that the batch failed: a life that takes it up tries its dead letters again."""
    state.batches[key].failed_seq = state.seq


def _decided(state: Folded, fact: Decision) -> None:
    batch = state.batches.get(fact.key)
    step = state.steps.get(fact.key)
    if batch is None or step is None:
        return
    batch.decisions.append((state.seq, fact))
    items = (fact.item,) if isinstance(fact, ItemDecided) else fact.items
    for item in items:
        state.holds.spend(item_key(fact.key, item), state.epoch)
    asked = state.holds.latest(fact.key, "budget")
    if asked is not None and asked.status == "open":
        asked.status = "void"  # Of other failures it is asked anew.
    if isinstance(fact, ItemsRearmed) and (step.is_finished or step.status == "failed"):
        step.status, step.forgiven, step.next_at = "waiting", step.attempts, None


def _granted(state: Folded, fact: BudgetGranted) -> None:
    batch = state.batches.get(fact.key)
    if batch is not None:
        batch.granted = fact.failed
    state.holds.spend(fact.key, state.epoch)


FOLD: dict[type, Callable[[Any, Any], None]] = {
    ItemsRearmed: _decided,
    ItemDecided: _decided,
    BudgetGranted: _granted,
}
