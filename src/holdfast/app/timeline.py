"""What happened in one run, in the order of time: its facts, and what its steps wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TypeAlias

from holdfast.app.finding import find_run
from holdfast.app.items import Item, item_named
from holdfast.app.views import time_json
from holdfast.app.wording import latest_of
from holdfast.errors import UsageError
from holdfast.model.batching import item_key
from holdfast.model.facts import (
    Fact,
    HoldAnswered,
    HoldVoided,
    ItemDecided,
    ItemsRearmed,
    Spilled,
    StepRenamed,
)
from holdfast.model.json import Json
from holdfast.model.keys import find, is_meant, scopes_around
from holdfast.model.state import RunState
from holdfast.ports.store import Output, Store, Stored

Event: TypeAlias = dict[str, Json]
"""`{"seq", "at", "kind", "key", …}`: a fact with its fields, or an `Output` without a seq."""


def log_entries(
    store: Store, run: str, step: str | None = None, *, all: bool = False
) -> Iterator[Event]:
    """Return what happened in a run so far. Raises UsageError for an unknown run or step."""
    return Timeline(store, run, step, all=all).entries()


class Timeline:
    """The events of one run, or of one step or scope in it; asked again, those since.

    What was superseded is left out unless `all` is asked for.
    """

    def __init__(
        self, store: Store, run: str, step: str | None = None, *, all: bool = False
    ) -> None:
        """Raises UsageError for an unknown run, and for a step that it does not have."""
        self.store, self.run = store, find_run(store, run).id
        self._all = all
        self._state = RunState()
        self._cuts = _Cuts()
        self._outputs_after = 0
        self._scope = ""
        self._keys: frozenset[str] | None = None
        self._item: Item | None = None
        self._sought: set[tuple[str, int]] = set()
        self._catch_up()
        if step is not None:
            self._choose(step)
        self._told = 0

    def entries(self) -> Iterator[Event]:
        """Yield what happened since this was last asked, in the order of time."""
        self._catch_up()
        facts = self._facts()
        fact = next(facts, None)
        for output in self._outputs():
            if not self._has_begun(output):
                # It was written since: the start of its step comes first.
                self._catch_up()
                fact = fact or next(facts := self._facts(), None)
            event = output_event(output)
            while fact is not None and _time_of(fact) <= _time_of(event):
                yield fact
                fact = next(facts, None)
            yield event
        while fact is not None:
            yield fact
            fact = next(facts, None)

    def skip(self) -> None:
        """Pass over what happened until now."""
        for stored in self.store.read(self.run, self._state.seq):
            self._fold(stored)
        self._told = self._state.seq
        for position, _ in self.store.read_output(self.run, self._outputs_after):
            self._outputs_after = position

    def _catch_up(self) -> None:
        """Fold in what was recorded since."""
        for stored in self.store.read(self.run, self._state.seq):
            self._fold(stored)

    def _has_begun(self, output: Output) -> bool:
        """Whether the start of what wrote this is folded in, or was looked for already; an item
        has none, but its batch."""
        steps = self._state.steps
        step = steps.get(output.key)
        if step is not None and step.attempts >= output.attempt:
            return True
        if any(scope in steps for scope in scopes_around(output.key)):
            return True
        written = (output.key, output.attempt)
        was_sought = written in self._sought
        self._sought.add(written)
        return was_sought

    def _fold(self, stored: Stored) -> None:
        before = len(self._state.superseded)
        self._state.apply(stored.fact)
        self._cuts.note(stored, self._state, before)

    def _choose(self, step: str) -> None:
        names = dict.fromkeys([*self._state.steps, *(s.key for s in self._state.superseded)])
        found = find(list(names), step)
        if not found:
            item = item_named(self.store, self.run, self._state, step)
            if item is not None and item.known != "unknown":
                self._keys, self._item = frozenset((item_key(item.batch, item.key),)), item
                return
            known = latest_of(names)
            or_item = " or item" if self._state.batches else ""
            raise UsageError(f"no step{or_item} {step!r} in run {self.run}; it has {known}")
        self._keys = frozenset(found) | self._cuts.older_names(found)
        is_batch = len(found) == 1 and found[0] in self._state.batches
        self._scope = found[0] if is_batch else _scope_meant(found[0], step)

    def _facts(self) -> Iterator[Event]:
        for stored in self.store.read(self.run, self._told):
            if stored.seq > self._state.seq:
                return
            self._told = stored.seq
            key = subject_of(stored.fact, self._state)
            is_wanted = self._is_wanted(key) or self._is_about_item(stored.fact)
            if is_wanted and (self._all or self._cuts.keeps_fact(key, stored.seq)):
                yield fact_event(stored, key)

    def _outputs(self) -> Iterator[Output]:
        for position, output in self.store.read_output(self.run, self._outputs_after):
            self._outputs_after = position
            kept = self._all or self._cuts.keeps_output(output)
            if kept and self._is_wanted(output.key):
                yield output

    def _is_about_item(self, fact: Fact) -> bool:
        """Whether a fact of the batch is about the one item that was asked for."""
        item = self._item
        if item is None or not isinstance(fact, ItemDecided | ItemsRearmed):
            return False
        items = (fact.item,) if isinstance(fact, ItemDecided) else fact.items
        return fact.key == item.batch and item.key in items

    def _is_wanted(self, key: str) -> bool:
        if self._keys is None:
            return True
        if key in self._keys:
            return True
        # A step may have come into the scope since it was asked for.
        return bool(self._scope) and (key == self._scope or key.startswith(self._scope + "/"))


class _Cuts:
    """Up to where each superseded step's record no longer counts, and steps' older names."""

    def __init__(self) -> None:
        self._at: dict[str, tuple[int, datetime]] = {}
        self._names: dict[str, str] = {}

    def note(self, stored: Stored, state: RunState, before: int) -> None:
        """Take in a fact that was just folded; `before` steps were superseded until then."""
        for step in state.superseded[before:]:
            if step.status != "superseded":
                continue  # undone, or an undo: that it was done once is what happened
            self._at[step.key] = (stored.seq, stored.fact.at)
        if isinstance(stored.fact, StepRenamed):
            self._names[stored.fact.was] = stored.fact.key

    def keeps_fact(self, key: str, seq: int) -> bool:
        return key not in self._at or seq > self._at[key][0]

    def keeps_output(self, output: Output) -> bool:
        return output.key not in self._at or output.at > self._at[output.key][1]

    def older_names(self, keys: list[str]) -> frozenset[str]:
        """Return the names that these steps had before."""
        wanted = set(keys)
        return frozenset(was for was, now in self._names.items() if now in wanted)


def _scope_meant(key: str, wanted: str) -> str:
    """Return the scope that `wanted` named when `key` was found in it, or nothing."""
    text = wanted.rstrip("/")
    if key.startswith(text + "/"):
        return text
    around = reversed([*scopes_around(key)])
    return next((scope for scope in around if is_meant(scope, wanted)), "")


# --- events -----------------------------------------------------------------------------------


_KIND_OF = {"RunStopped": "stop_kind", "HoldOpened": "hold_kind"}


def fact_event(stored: Stored, key: str) -> Event:
    """Return a fact about `key` as an event: where it lies, when, what kind, and its fields."""
    fact = stored.fact
    kind = type(fact).__name__
    event: Event = {"seq": stored.seq, "at": time_json(fact.at), "kind": kind, "key": key or None}
    for field in fields(fact):
        if field.name not in ("at", "key"):
            name = _KIND_OF.get(kind, "scope_kind") if field.name == "kind" else field.name
            event[name] = plain(getattr(fact, field.name))
    return event


def output_event(output: Output) -> Event:
    """Return a piece of output as an event; it has no place in the journal."""
    return {
        "seq": None,
        "at": time_json(output.at),
        "kind": "Output",
        "key": output.key or None,
        "attempt": output.attempt,
        "stream": output.stream,
        "text": output.text,
    }


def plain(value: object) -> Json:
    """Return a fact's field as JSON; a value outside its row is named by its digest."""
    if isinstance(value, Spilled):
        return {"$": "spilled", "digest": value.digest, "size_bytes": value.size_bytes}
    if isinstance(value, datetime):
        return time_json(value)
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    assert value is None or isinstance(value, str | int | float | bool)
    return value


def subject_of(fact: Fact, state: RunState) -> str:
    """Return the key of the step or scope that a fact is about; empty for the run."""
    if isinstance(fact, HoldAnswered | HoldVoided):
        hold = state.holds.get(fact.id)
        return hold.opened.key if hold else ""
    return getattr(fact, "key", "") or getattr(fact, "scope", "")


def _time_of(event: Event) -> str:
    # Times of one form and zone sort as text.
    return str(event["at"])
