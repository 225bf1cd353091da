"""What holds for a batch: how many at once, how often, how long, and what for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal, TypeAlias

from holdfast.model.batches import Identity
from holdfast.model.budget import Budget
from holdfast.model.making import dataclass, field
from holdfast.model.rate import Rate
from holdfast.model.retry import Retry
from holdfast.model.types import NO_TYPES, Types
from holdfast.ports.outputs import OutputFile

if TYPE_CHECKING:
    from holdfast.runtime.batches.programs import Commands

Order: TypeAlias = Literal["any", "input"]


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What `each` was told. Durations are in seconds. `at_once` is None where the executor says
    it. Without an executor the items are done here: by the calling thread, by threads, or by
    tasks when the function is async. With `commands` each is a program. `types` finds the classes
    of kept values."""

    identity: Identity = "keys"
    key: Callable[..., object] | None = None
    fingerprint: Callable[..., object] | None = None
    at_once: int | None = None
    executor: Executor | Callable[[], Executor] | None = None
    chunk: int = 1
    retry: Retry = field(default_factory=lambda: Retry(attempts=1))
    timeout_s: float | None = None
    order: Order = "any"
    budget: Budget | None = None
    rate: Rate | None = None
    ledger: str = ""
    out: OutputFile | None = None
    keep: bool = False
    time_budget_s: float | None = None
    stop_after: int | None = None
    once: bool = False
    hardens_each: bool = False
    types: Types = NO_TYPES
    commands: Commands | None = None

    @property
    def has_prints(self) -> bool:
        """Whether an item can change while its key stays the same."""
        return self.fingerprint is not None or self.key is not None
