"""One fact of every kind with every field set, made from the declared types.

A field of a new type fails here first, so that no store ever meets a fact nobody has tried.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from holdfast.model.facts import KINDS, Fact, LifeStarted, Owner, Rewound, RunCreated, Spilled, Who
from holdfast.model.shell_facts import Commands
from holdfast.model.terms import Electorate, Terms
from holdfast.model.undo_facts import Owed

AT: Final = datetime(2026, 11, 21, 4, 5, 6, 789_000, UTC)
WHO: Final = Who("ada", "host", "pts/1", "Ada Lovelace")
OWNER: Final = Owner("host", 4242, "123456", "boot", "ada")
ELECTORATE: Final = Electorate(("ada", "ben"), 2, True, "os")

JSON: Final[dict[str, Any]] = {
    "text": 'naïve 日本 \U0001f680 \x00 \u2028 "quoted" \\ \ud800',
    "numbers": [0, -1, 1.5, 1e300, 2**70, True, False, None],
    "nested": {"": [], "a": {"b": [{}]}},
    "$": {"tagged": "value"},
}
LOOKALIKES: Final[tuple[dict[str, Any], ...]] = (
    {"$spilled": "abc", "size": 1},
    {"$spilled": 1},
    {"$plain": {"$spilled": "abc", "size": 1}},
    {"$plain": None, "other": 1},
)
"""Values of users that look like what a row says of a spilled one."""


def run_created(workflow: str = "upgrade", **changed: Any) -> RunCreated:
    """Return the first fact of a run, on no target unless one is given: a target has one run."""
    made = RunCreated(AT, workflow, "upgrade.py", {"n": 1}, "digest", WHO, mode="confirm")
    return dataclasses.replace(made, **changed)


def life_started(epoch: int, **changed: Any) -> LifeStarted:
    """Return the fact with which a process takes a run up."""
    return dataclasses.replace(LifeStarted(AT, epoch, OWNER, WHO, "1.0"), **changed)


def rewound(epoch: int, **changed: Any) -> Rewound:
    """Return the fact with which a person goes back in a run."""
    return dataclasses.replace(Rewound(AT, epoch, WHO, "a", 2, ("a",)), **changed)


def every_fact() -> Iterator[Fact]:
    """Yield facts of every kind: with every field set, and with the required ones alone."""
    for cls in KINDS.values():
        hints = get_type_hints(cls)
        declared = dataclasses.fields(cls)
        full = {field.name: _sample(field.name, hints[field.name]) for field in declared}
        yield cls(**full)
        required = [field.name for field in declared if field.default is dataclasses.MISSING]
        yield cls(**{name: full[name] for name in required})


def _sample(name: str, hint: Any) -> Any:
    """Return a value of a type that is not what a field has by default."""
    known: dict[Any, Any] = {
        str: f"{name}: é日\ud800",
        int: 7,
        bool: True,
        float: 1.5,
        datetime: AT + timedelta(microseconds=1),
        Owner: OWNER,
        Who: WHO,
        Spilled: Spilled("0" * 64, 70_000),
        Electorate: ELECTORATE,
        Commands: Commands(("touch", "é \udcff"), "/srv", "test -e x", "rm x", "rm -f x"),
        Owed: Owed("uncordon", "uncordon é", ("node", "zone"), "0" * 32),
        Terms: Terms("confirm", "confirm: risk high", "stage", ELECTORATE, True, "high", None, 9.5),
    }
    if hint in known:
        return known[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return args[-1]
    if origin is dict:
        return JSON
    if origin is tuple:
        many = args[-1] is Ellipsis
        inner = args[:1] * 2 if many else args
        return tuple(_sample(f"{name}{n}", each) for n, each in enumerate(inner))
    if origin in (Union, types.UnionType):
        if any(get_origin(member) is list for member in args):
            return JSON
        return _sample(name, next(member for member in args if member is not type(None)))
    raise TypeError(f"no sample of a field of type {hint!r} yet; see testing.samples")
