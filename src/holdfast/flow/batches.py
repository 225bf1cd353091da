"""`each`: run a function for every item, checkpointing each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Literal, cast

from holdfast.engine.batch import Ended, batch
from holdfast.engine.spec import Call
from holdfast.errors import HoldfastError, StepFailed, UsageError
from holdfast.flow.decorator import limit_s, refuse_generator
from holdfast.flow.noting import note_failure
from holdfast.flow.recorded import read_back, unreadable
from holdfast.flow.steps import plain, prepare, refuse_promises
from holdfast.flow.verbs import adhoc, named
from holdfast.model.batching import item_key
from holdfast.model.budget import Budget
from holdfast.model.called import PLAIN, has_run, is_async, name_of
from holdfast.model.codec import decode
from holdfast.model.durations import seconds
from holdfast.model.facts import Spilled
from holdfast.model.json import Json
from holdfast.model.rate import Rate
from holdfast.model.retry import Retry
from holdfast.model.types import Types
from holdfast.model.unknown import Unknown
from holdfast.ports.outputs import OutputFile
from holdfast.runtime.batches.rules import BatchRules, Order
from holdfast.runtime.batches.running import run_items
from holdfast.runtime.batches.surveying import survey
from holdfast.runtime.batches.work import CURRENT, Body
from holdfast.runtime.capture import current_step
from holdfast.runtime.context import FRAME, Frame, in_workflow
from holdfast.runtime.driving import drive
from holdfast.runtime.dry import DryLife
from holdfast.runtime.life import Life

Duration = str | float | timedelta
AT_ONCE_MAX = 10_000
CHUNK_MAX = 100_000
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch. `total` counts distinct items, and `done` those that ended well, in
    any life; `already` are those of them that the ledger knew. `failed` and `quarantined` items
    are dead letters, which a budget let pass. `skipped` were left out by a person. `duplicates`
    are items whose key came twice, `gone` those that the source has no more, `changed` finished
    ones that are not what they were when they were done."""

    __holdfast_advice__: ClassVar[str] = "give what you need of it, such as its numbers"

    key: str
    total: int
    done: int
    already: int
    failed: int
    quarantined: int
    skipped: int
    duplicates: int
    gone: int
    changed: int
    _kept: Callable[[], Iterator[tuple[str, Any]]] = field(repr=False, compare=False)

    def results(self) -> Iterator[tuple[str, Any]]:
        """Yield the key and the value of every item whose result was kept (`keep=True`), in the
        order in which the items first came. Reads them as it goes."""
        return self._kept()


def each(
    items: Iterable[Any],
    fn: Callable[[Any], Any],
    *,
    name: str | None = None,
    key: Callable[[Any], str | int] | Literal["position"] | None = None,
    fingerprint: Callable[[Any], Any] | None = None,
    at_once: int | None = None,
    executor: Executor | Callable[[], Executor] | None = None,
    chunk: int = 1,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
    order: Order = "any",
    budget: Budget | int | str | None = None,
    rate: Rate | str | None = None,
    ledger: str | None = None,
    out: OutputFile | None = None,
    keep: bool = False,
    time_budget: Duration | None = None,
    stop_after: int | None = None,
    once: bool = False,
    sync: Literal["item"] | None = None,
) -> Batch:
    """Run `fn(item)` for every item, once to success each, and return what became of them.

    Every item is a checkpoint: whatever kills the process, at most the items in flight
    (`at_once` × `chunk`) run again. A worker begins its next item only when its last one survives
    the death of the process; it survives power loss within 50 ms or 1,000 items, and with
    `sync="item"` at once. An item is known by its `key`: what is inserted, removed or moved in
    the source between two lives costs nothing. Items that failed for good are dead letters;
    without a `budget` any of them fails the step after all have been tried. Raises StepFailed.
    """
    frame = in_workflow("each")
    rules = batch_rules(
        fn, key=key, fingerprint=fingerprint, at_once=at_once, executor=executor, chunk=chunk,
        retry=retry, timeout=timeout, order=order, budget=budget, rate=rate, ledger=ledger,
        out=out, keep=keep, time_budget=time_budget, stop_after=stop_after, once=once, sync=sync,
    )  # fmt: skip
    call = batch_call(frame, fn, name, rules, items)
    frame.life.under_way.add(call.key)
    try:
        recorded = drive(batch(call), frame.life.performer())
    except StepFailed as failure:
        note_failure(frame, failure)
        raise
    finally:
        frame.life.under_way.discard(call.key)
    return batch_of(frame, call, recorded, rules.types)


# --- what was asked for ---


def batch_rules(
    fn: Callable[..., Any],
    *,
    key: Callable[[Any], str | int] | str | None,
    at_once: int | None,
    chunk: int,
    retry: Retry | int | None,
    timeout: Duration | None,
    order: str,
    budget: Budget | int | str | None,
    rate: Rate | str | None,
    ledger: str | None,
    time_budget: Duration | None,
    stop_after: int | None,
    sync: str | None,
    **taken: Any,
) -> BatchRules:
    """Return the rules of a batch. Raises UsageError for options that contradict each other."""
    if isinstance(key, str) and key != "position":
        raise UsageError(f'each: key is {key!r}; give "position" or a function of the item')
    if order not in ("any", "input"):
        raise UsageError(f"each: order is {order!r}; choose any or input")
    if sync not in (None, "item"):
        raise UsageError(f'each: sync is {sync!r}; give "item" or nothing')
    by_position = key == "position"
    rules = BatchRules(
        identity="position" if by_position else "keys",
        key=None if isinstance(key, str) else key,
        at_once=_whole("at_once", at_once, AT_ONCE_MAX),
        chunk=_whole("chunk", chunk, CHUNK_MAX) or 1,
        retry=Retry.of(retry),
        timeout_s=limit_s(timeout),
        order=cast(Order, order),
        budget=Budget.of(budget),
        rate=Rate.of(rate),
        ledger=ledger or "",
        time_budget_s=None if time_budget is None else seconds(time_budget),
        stop_after=_whole("stop_after", stop_after, 2**53),
        hardens_each=sync == "item",
        types=Types.of_result(fn),
        **taken,
    )
    _refuse_contradictions(rules, has_retry=retry is not None)
    refuse_promises("each", fn)
    refuse_generator("each: ", plain(fn))
    if is_async(plain(fn)) and rules.executor is not None:
        raise UsageError("each: an async function runs on an event loop; leave executor= out")
    return rules


def _refuse_contradictions(rules: BatchRules, *, has_retry: bool) -> None:
    if rules.identity == "position" and (rules.fingerprint or rules.ledger):
        raise UsageError(
            'each: key="position" says that nothing is known of an item but its place; it takes '
            "no fingerprint and no ledger"
        )
    if rules.once and has_retry:
        raise UsageError("each: once=True and retry= contradict each other: a once item is never "
                         "repeated")  # fmt: skip
    if rules.once and rules.chunk > 1:
        raise UsageError("each: once=True takes one item at a time; leave chunk= out")


def _whole(name: str, given: int | None, most: int) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise UsageError(f"each: {name} is {given!r}; give a whole number, 1 to {most:,}")
    return given


# --- its step ---


def batch_call(
    frame: Frame,
    fn: Callable[..., Any],
    name: str | None,
    rules: BatchRules,
    items: Iterable[Any],
    loop: Any = None,
) -> Call:
    """Return the batch as a step's call, whose body does the items."""
    label = name or label_of(fn)
    step = named(adhoc(fn), label)
    call = prepare(frame, step, {})

    def run(whole: Call) -> Ended:
        if isinstance(frame.life, DryLife):
            frame.life.surveys[whole.key] = survey(frame.life, whole.key, rules, items)
            return Ended("done", {})
        function = plain(fn)
        # Once for all items: the crews take this context along.
        FRAME.set(Frame(frame.life, frame.trace, whole, frame.lane))
        inner = function if rules.executor is not None else _placed(frame, whole, function)
        on_loop = (loop or True) if is_async(function) else False
        return run_items(frame.life, whole.key, rules, items, inner, on_loop)

    def body(whole: Call) -> Ended:
        place, logged = FRAME.get(), current_step.get()
        try:
            return run(whole)
        finally:
            FRAME.set(place)
            current_step.set(logged)

    return replace(call, body=body, inputs="", shown="")


def label_of(fn: Callable[..., Any]) -> str:
    """Return what a batch is called that was given no name. Raises UsageError."""
    inner = fn.func if isinstance(fn, partial) else fn
    found = str(getattr(plain(inner), "__name__", ""))
    if not found or found == "<lambda>":
        raise UsageError("each: this function has no name; give each() one with name=")
    return found


def _placed(frame: Frame, call: Call, function: Callable[..., Any]) -> Body:
    """Return the user's function as it runs for an item: in the batch's place of the run, where
    what it prints, and the programs that it starts, are the item's."""
    life, capture = frame.life, frame.life.capture
    programs, unfinished = life.programs, {} if capture is None else capture.unfinished
    called = name_of(function)

    def where() -> tuple[str, int]:
        work = CURRENT.get()
        if work is None:  # The source is read, or a key is asked for.
            return call.key, 1
        return item_key(call.key, work.shown), work.attempts + 1

    def run(item: object) -> object:
        try:
            value = function(item)
            return value if type(value) in PLAIN else has_run(value, called)
        finally:
            # Rare, and the place of an item costs more than most of what follows it.
            if programs or unfinished:
                life.end_of_body(*where())

    async def awaited(item: object) -> object:
        try:
            return has_run(await function(item), called)
        finally:
            if programs or unfinished:
                life.end_of_body(*where())

    current_step.set(where)
    return cast(Body, awaited) if is_async(function) else run


# --- its result ---


def batch_of(frame: Frame, call: Call, recorded: Json | Spilled, types: Types) -> Batch:
    """Return the result of a batch from what is recorded."""
    life = frame.life
    counts = read_back(life, recorded, types)
    if not isinstance(counts, dict):
        if isinstance(counts, Unknown):
            return cast(Batch, counts)  # A plan: what becomes of the items is not known yet.
        counts = dict.fromkeys(_COUNTS, 0)  # A person skipped the batch, or said that it is done.
    kept = partial(_kept, life, call.key, types)
    numbers = {name: int(counts.get(name) or 0) for name in _COUNTS}
    return Batch(call.key, **numbers, _kept=kept)


_COUNTS = (
    "total", "done", "already", "failed", "quarantined", "skipped", "duplicates", "gone", "changed",
)  # fmt: skip


def _kept(life: Life, key: str, types: Types) -> Iterator[tuple[str, Any]]:
    after = -1
    while True:
        try:
            page = life.store.batches.values(life.run, key, after=after, limit=PAGE)
            values = [(kept.key, decode(kept.value, types)) for kept in page]
        except HoldfastError as error:
            raise unreadable(life, error) from error
        yield from values
        if len(page) < PAGE:
            return
        after = page[-1].ordinal
