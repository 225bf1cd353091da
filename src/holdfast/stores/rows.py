"""Facts as rows: a kind, a body of JSON text, and a chain over everything before.

The body holds the fields that differ from their defaults, by name (see `row_tables`).

Reading is strict: a kind, a field or a shape we do not know was written by a newer holdfast or
by nobody we know, and guessing would decide what runs twice. It raises `StoreCorrupt`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from holdfast.errors import StoreCorrupt
from holdfast.model.facts import KINDS, Fact, LifeStarted, Owner, Spilled
from holdfast.model.hashing import blake2b
from holdfast.model.status import UNCHANGED, glance
from holdfast.stores.row_tables import (
    NEWER,
    TABLES,
    Table,
    decoded,
    dump_json,
    json_or_spilled,
    load_json,
    nested,
    scan,
    table_for,
)

INLINE_BYTES_MAX: Final = 64 * 1024
"""A value whose JSON is longer is kept outside its row."""

SPILLED: Final = '"$spilled"'
"""Is in the body of every fact that refers to a value kept elsewhere."""

Spill: TypeAlias = Callable[[str | Spilled], Spilled]
"""Keeps a large value's JSON text; also told of values that a fact carries spilled already."""

_BY_KIND: Final[dict[str, Table]] = {}


def dump(fact: Fact, spill: Spill | None = None) -> tuple[str, str]:
    """Return a fact's kind and body. Values over `INLINE_BYTES_MAX` go through `spill`.

    Raises ValueError for what no journal can hold: a time without its zone, NaN outside the
    codec's tagged form.
    """
    known = TABLES.get(fact.__class__) or table_for(fact.__class__)
    body = known.write(fact, None if spill is None else partial(spilled_text, spill))
    if not body.isascii():
        body = storable(body)
    return known.kind, body


def load(kind: str, body: str) -> Fact:
    """Return the fact that `dump` wrote. Raises StoreCorrupt, naming what is not understood."""
    known = _BY_KIND.get(kind) or _table_of(kind)
    try:
        stored = scan(body)
    except ValueError as problem:
        raise StoreCorrupt(f"the body of a {kind} is not JSON: {problem}") from problem
    if stored.__class__ is not dict:
        raise StoreCorrupt(f"the body of a {kind} is not a JSON object")
    made: Fact = decoded(known, stored)
    return made


def load_at(run: str, seq: int, kind: str, body: str) -> Fact:
    """Return a fact. Raises StoreCorrupt saying where it lies."""
    try:
        return load(kind, body)
    except StoreCorrupt as problem:
        raise StoreCorrupt(f"fact {seq} of run {run}: {problem}") from problem


def load_from(run: str, seq: int, kinds: Sequence[str], bodies: Sequence[str]) -> list[Fact]:
    """Return the facts from `seq` on. Raises StoreCorrupt saying where the first lies that is not
    understood.

    Their bodies, of which their links have told that they are as they were written, are read as
    one JSON text: the names of their fields are made once then, and that is half of the work.
    """
    facts: list[Fact] = []
    try:
        for kind, stored in zip(kinds, scan(f"[{','.join(bodies)}]"), strict=True):
            table = _BY_KIND.get(kind) or _table_of(kind)
            read = table.readers.get(tuple(stored))
            facts.append(decoded(table, stored) if read is None else read(stored))
        return facts
    except (AttributeError, LookupError, StoreCorrupt, TypeError, ValueError):
        pass  # One by one they say which it is.
    each = enumerate(zip(kinds, bodies, strict=True), seq)
    return [load_at(run, seq, kind, body) for seq, (kind, body) in each]


def first_link(run: str) -> bytes:
    """Return what the first fact of a run's journal is chained to, so that runs never mix."""
    name = run.encode(errors="backslashreplace")
    return blake2b(name, digest_size=16, person=b"holdfast-run").digest()


def chain(previous: bytes, kind: str, body: str) -> bytes:
    """Return the link of a fact: 16 bytes over the previous link, the kind and the body."""
    return blake2b(previous + (kind + body).encode(), digest_size=16).digest()


def links_from(previous: bytes, kinds: Iterable[str], bodies: Iterable[str]) -> list[bytes]:
    """Return the links of facts that follow one another."""
    links = []
    for kind, body in zip(kinds, bodies, strict=True):
        # As `chain` has it, without a call for each of a long journal's facts.
        previous = blake2b(previous + (kind + body).encode(), digest_size=16).digest()
        links.append(previous)
    return links


_NOTHING: Final[dict[str, Any]] = {}
_LIVING: Final = frozenset({"queued", "running"})


def row_changes(fact: Fact) -> dict[str, Any]:
    """Return the fields of the run's row that `fact` changes; mostly none.

    A run that lives again has neither ended nor a time at which it is due; its script may have
    moved.
    """
    seen = glance(fact)
    if seen is UNCHANGED:
        return _NOTHING
    changed: dict[str, Any] = {}
    if seen.status is not None:
        changed["status"] = seen.status
    if seen.status in _LIVING:
        changed["ended_at"] = changed["due_at"] = None
    if seen.ended_at is not None:
        changed["ended_at"] = seen.ended_at
    if seen.due_at is not None:
        changed["due_at"] = seen.due_at
    if isinstance(fact, LifeStarted) and fact.file:
        changed["file"] = fact.file
    return changed


def frees(fact: Fact, *, owned: bool) -> bool:
    """Return whether a run lets go of its target with `fact`; `owned` says whether a process
    other than the one that wrote it may still be at work."""
    when = glance(fact).frees
    return when == "now" or (when == "unowned" and not owned)


def dump_owner(owner: Owner) -> str:
    """Return an owner as JSON text."""
    return nested(owner)


def load_owner(text: str) -> Owner:
    """Return the owner that `dump_owner` wrote. Raises StoreCorrupt."""
    owner: Owner = decoded(table_for(Owner), load_json(text, "an owner"))
    return owner


def _table_of(kind: str) -> Table:
    cls = KINDS.get(kind)
    if cls is None:
        raise StoreCorrupt(f"the journal holds a fact of the unknown kind {kind!r}; {NEWER}")
    known = _BY_KIND[kind] = table_for(cls)
    return known


def spilled_text(spill: Spill, value: Any, text: str) -> str:
    """Return what the row holds of a value that may be too large for it."""
    if value.__class__ is Spilled:
        return json_or_spilled(spill(value))
    # UTF-8 is at most four bytes a character, so short texts need no second look.
    if len(text) <= INLINE_BYTES_MAX // 4 or len(storable(text).encode()) <= INLINE_BYTES_MAX:
        return text
    return json_or_spilled(spill(storable(dump_json(value))))


def storable(text: str) -> str:
    """Return JSON text as it is, or escaped where UTF-8 cannot hold it (lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), separators=(",", ":"))
    return text
