"""JSON text: how a tree is written, read and digested."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

from holdfast.errors import StoreCorrupt
from holdfast.model.hashing import blake2b
from holdfast.model.json import Json

DIGEST_BYTES: Final = 16


def dumps(tree: Json) -> str:
    """Return `tree` as compact JSON, its keys in their order; ValueError for nan and infinity."""
    return _COMPACT(tree)


def loads(text: str) -> Json:
    """Return the tree that `dumps` wrote, or raise StoreCorrupt."""
    try:
        tree: Json = _READ(text)
    except (ValueError, RecursionError) as error:
        raise StoreCorrupt(f"a stored value is not JSON: {error}") from error
    return tree


def texts(tree: Json) -> Iterator[str]:
    """Yield every text in `tree` as it is, the names in its dicts too, and its numbers as text."""
    todo = [tree]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            yield from part
            todo.extend(part.values())
        elif isinstance(part, list):
            todo.extend(part)
        elif part is not None and not isinstance(part, bool):
            yield part if isinstance(part, str) else dumps(part)


def digest(tree: Json) -> str:
    """Return a digest that is equal for equal values, whatever the order of their dicts' keys."""
    text = canonical(tree)
    if '{"$":"dict"' in text:
        text = canonical(_pairs_sorted(tree))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()


def _pairs_sorted(tree: Json) -> Json:
    """Return `tree` with the pairs of its tagged dicts in an order of their own."""
    if isinstance(tree, list):
        return [_pairs_sorted(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    done = {key: _pairs_sorted(part) for key, part in tree.items()}
    pairs = done.get("v")
    if tree.get("$") == "dict" and isinstance(pairs, list):
        done["v"] = sorted(pairs, key=canonical)
    return done


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _writer(*, sort_keys: bool) -> Callable[[object], str]:
    """Return what writes a tree as compact JSON.

    `JSONEncoder.encode` makes its C encoder anew at each call, which costs more than a small
    tree; where CPython has one, it is kept here instead.
    """
    made = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"),
        sort_keys=sort_keys,
    )  # fmt: skip
    kept = getattr(json.encoder, "c_make_encoder", None)
    if kept is None:
        return made.encode
    write = kept(
        None, made.default, json.encoder.encode_basestring, None, ":", ",", sort_keys, False, False
    )
    return lambda tree: "".join(write(tree, 0))


_COMPACT: Final = _writer(sort_keys=False)
canonical: Final = _writer(sort_keys=True)
"""Returns the one text of a tree: compact, its keys sorted."""

_READ: Final = json.JSONDecoder(parse_constant=_no_constant).decode
