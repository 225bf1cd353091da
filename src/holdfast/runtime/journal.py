"""One run's journal, with its state kept folded: every thread of a life shares it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

from holdfast.collector import without_collector
from holdfast.errors import Leaving, StoreError
from holdfast.locks import RLock, forkable
from holdfast.model.facts import Fact, Spilled, StepStarted
from holdfast.model.json import Json
from holdfast.model.state import RunState
from holdfast.model.trials import Trial, trials_of
from holdfast.model.undoing import is_giving_back, is_inside
from holdfast.ports.store import Store

LONG_FACTS = 10_000
SHUT = "shut"
"""The kind of leaving of what may not begin any more. It leaves by itself, and not the run."""
Observer = Callable[[Fact, RunState], None]


class Journal:
    """Reads and appends one run's facts under its owner's epoch (None: not the owner)."""

    def __init__(self, store: Store, run: str, epoch: int | None = None) -> None:
        self.store, self.run, self.epoch = store, run, epoch
        self.state = RunState()
        self.observers: list[Observer] = []
        self.foreign = 0
        self._shut = ""
        self._lock = forkable(RLock())

    def refresh(self) -> RunState:
        """Fold in what was appended since the last look. Raises StoreCorrupt."""
        with self._lock, without_collector():
            state, before = self.state, self.state.seq
            apply, observers = state.apply, self.observers
            for number, stored in enumerate(self.store.read(self.run, before), before + 1):
                if stored.seq != number:
                    raise StoreError(f"run {self.run}: fact {number} is missing from its journal")
                apply(stored.fact)
                if observers:
                    self._tell(stored.fact)
            self.foreign += state.seq - before
            if state.seq - before >= LONG_FACTS:
                # They live as long as the run: no collection need ever walk them.
                gc.freeze()
            return state

    def append(
        self, facts: Sequence[Fact], *, durable: bool = True, only_if_current: bool = False
    ) -> bool:
        """Make `facts` permanent, fold them in after whatever others appended, and tell the
        observers. Return False when nothing was written because others had appended. Raises
        Leaving, with nothing written, for a step that would begin where the journal is shut.

        What counts of them for trust is written with them. A crash after the store has written
        costs nothing: the next life reads the facts.
        """
        with self._lock:
            if only_if_current and self._shut:
                for fact in facts:
                    if isinstance(fact, StepStarted) and not is_giving_back(fact.key):
                        self.refuse_shut(fact.key)
            # What others appended since concerns no step that the writer ends.
            trials: list[Trial] = []
            for fact in facts:
                trials += trials_of(fact, self.state, self.run)
            appended = self.store.append(
                self.run,
                facts,
                after=self.state.seq,
                epoch=self.epoch,
                durable=durable,
                only_if_current=only_if_current,
                trials=trials,
            )
            if appended.others:
                self.foreign += len(appended.others)
                for fact in appended.others:
                    self._fold(fact)
            if appended.written:
                for fact in facts:
                    self._fold(fact)
            return appended.written

    def shut(self, scope: str) -> None:
        """Let nothing begin within a scope any more, but what gives back. What is under way goes
        on. Raises Leaving when that was said of one before: whoever did that ends the life."""
        with self._lock:
            if self._shut:
                raise self._leaving()
            self._shut = scope

    def refuse_shut(self, key: str) -> None:
        """Raise Leaving for what is within the scope that was shut."""
        if self.is_shut(key):
            raise self._leaving()

    def is_shut(self, key: str) -> bool:
        return bool(self._shut) and is_inside(key, self._shut)

    def _leaving(self) -> Leaving:
        return Leaving(f"{self._shut} is being undone", 1, SHUT)

    def load(self, value: Json | Spilled) -> Json:
        """Return a recorded value, fetching it when it was too large for its row."""
        return self.store.load(value) if isinstance(value, Spilled) else value

    def _fold(self, fact: Fact) -> None:
        self.state.apply(fact)
        if self.observers:
            self._tell(fact)

    def _tell(self, fact: Fact) -> None:
        for observer in self.observers:
            observer(fact, self.state)
