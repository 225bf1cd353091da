"""The keys of `holdfast.toml`: what each takes, and what holds without it.

One table for the checks, for their messages and for the page that documents the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from holdfast.errors import UsageError
from holdfast.model.durations import seconds
from holdfast.model.durations import show as show_duration
from holdfast.model.guessing import guess
from holdfast.model.inventory_secrets import Part, Place, is_reference
from holdfast.model.making import dataclass
from holdfast.model.notice import OCCASIONS, STALLED_AFTER_S
from holdfast.model.terms import ASKS, IDENTITIES, MODES, RISKS, SUCCESSES, WITHIN_S
from holdfast.model.trials import KEPT_MAX

LEASE_S_MIN: Final = 3.0
"""A heartbeat comes three times a lease, and a busy machine may be late by a second."""
LEASE_S_MAX: Final = 86_400.0
NAME_CHARS_MAX: Final = 200
COUNT_MAX: Final = 1_000_000

Read: TypeAlias = Callable[[Any], Any]
"""Return the value as it is meant, or raise Refused."""


class Refused(Exception):
    """What a key does not take: for each wrong part its place inside the value, and a text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.wrongs: list[tuple[Place, str]] = [((), text)]


@dataclass(frozen=True, slots=True)
class Key:
    """What a key takes and what holds without it, in words, and how its value is read."""

    takes: str
    default: str
    read: Read


# --- what one value may be --------------------------------------------------------------------


def shown(value: object) -> str:
    """Return a value, cut short; of a table or an array only that it is one."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of that size"  # Python may refuse to write it in decimal.
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def one_of(*words: str) -> Read:
    """Return what reads one of these words."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        given = f"given {shown(value)}{guess(value, words)}"
        raise Refused(f"takes one of {', '.join(words)}; {given}")

    return read


def duration(least_s: float, most_s: float | None = None) -> Read:
    """Return what reads a duration between these, in seconds."""
    forms = 'takes a duration such as "90s", "5m", "1h30m" or "2d"'

    def read(value: object) -> float:
        try:
            found = seconds(value)  # type: ignore[arg-type]
        except UsageError:
            raise Refused(f"{forms}; given {shown(value)}") from None
        if found < least_s:
            raise Refused(f"{forms}, at least {show_duration(least_s)}; given {shown(value)}")
        if most_s is not None and found > most_s:
            raise Refused(f"{forms}, at most {show_duration(most_s)}; given {shown(value)}")
        return found

    return read


def flag(value: object) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    raise Refused(f"takes true or false; given {shown(value)}")


def count(value: object) -> int:
    """Read a whole number, from 1."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= COUNT_MAX:
        return value
    raise Refused(f"takes a whole number from 1 to {COUNT_MAX}; given {shown(value)}")


def name(value: object) -> str:
    """Read a name: text that can be typed, shown on one line and told from others."""
    if not isinstance(value, str):
        raise Refused(f"takes a name, as text; given {shown(value)}")
    if not value.strip():
        raise Refused("the name is empty; give it one character at least")
    if value != value.strip() or not value.isprintable():
        raise Refused(
            f"the name {shown(value)} has blanks around it or control characters in it; "
            "leave them out"
        )
    if len(value) > NAME_CHARS_MAX:
        raise Refused(f"the name {shown(value)} is longer than {NAME_CHARS_MAX} characters")
    return value


def text(value: object) -> str:
    """Read a text on one line; it is not shown, for it may be a secret."""
    if not isinstance(value, str):
        raise Refused(f"takes text; given {kind_of(value)}")
    if not value or not value.isprintable():
        raise Refused("is empty or has control characters in it; give one line of text")
    return value


def kind_of(value: object) -> str:
    """Return what a value is, for messages that must not show it."""
    if isinstance(value, Mapping):
        return "a table"
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "a list" if isinstance(value, list) else "a date or time")


# --- what several values may be ---------------------------------------------------------------


def read_parts(parts: Iterable[tuple[Part, Callable[[], Any]]]) -> list[Any]:
    """Return what each part's reading gives. Raises Refused with all that is wrong, by place."""
    good, wrongs = [], list[tuple[Place, str]]()
    for at, read in parts:
        try:
            good.append(read())
        except Refused as refused:
            wrongs += [((at, *place), why) for place, why in refused.wrongs]
    if wrongs:
        several = Refused("")
        several.wrongs = wrongs
        raise several
    return good


def array(takes: str, read: Read, *, may_be_empty: bool = False) -> Read:
    """Return what reads a list, each of its values by `read`; `takes` names it in a refusal."""

    def listed(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Refused(f"takes {takes}; given {kind_of(value)}")
        if not value and not may_be_empty:
            raise Refused(f"takes {takes}; given an empty one: fill it or leave the key out")
        return tuple(read_parts((at, partial(read, part)) for at, part in enumerate(value)))

    return listed


def table(takes: str, key: Read, read: Read) -> Read:
    """Read a table whose keys are the user's own names."""

    def tabled(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Refused(f"takes {takes}; given {kind_of(value)}")
        return _entries_read(value, key, read)

    return tabled


def _entries_read(value: Mapping[str, object], key: Read, read: Read) -> dict[str, Any]:
    keys = [(at, partial(key, at)) for at in value]
    values = [(at, partial(read, part)) for at, part in value.items()]
    found = read_parts([*keys, *values])
    return dict(zip(value, found[len(keys) :], strict=True))


def _label(given: str) -> str:
    if "=" in given or "," in given:
        raise Refused(f"the label {shown(given)} has a = or a comma in its name; leave it out")
    return name(given)


def _label_value(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f'takes text; given {kind_of(value)}: put it in quotes, "{shown(value)}"')
    return text(value)


def _parameter(given: str) -> str:
    if not given.isidentifier():
        near = re.sub(r"\W", "_", given)
        meant = f"; did you mean {near!r}?" if near.isidentifier() else ""
        raise Refused(f"{shown(given)} cannot be the name of a workflow's parameter{meant}")
    return given


def _variable(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", given):
        raise Refused(f"{shown(given)} is no name of a variable: letters, digits and _")
    return given


def _variable_value(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"takes text; given {kind_of(value)}: put it in quotes")
    if "\0" in value:
        raise Refused("has a NUL in it, which no program can be given")
    if is_reference(value) and not re.fullmatch(r"@env:[A-Za-z_]\w*|@file:.+", value):
        raise Refused("a reference is written @env:NAME or @file:PATH")
    return value


def _earning(value: object) -> int | dict[str, int | None]:
    many = f"from 1 to {KEPT_MAX}"
    takes = f'takes a whole number {many}, or a table by risk, {{ low = 1, critical = "never" }}'
    if isinstance(value, Mapping):
        return _entries_read(value, one_of(*RISKS), _times)
    try:
        return _reachable(value)
    except Refused:
        raise Refused(f"{takes}; given {shown(value)}") from None


def _times(value: object) -> int | None:
    if value == "never":
        return None
    try:
        return _reachable(value)
    except Refused:
        takes = f'takes a whole number from 1 to {KEPT_MAX}, or "never"'
        raise Refused(f"{takes}; given {shown(value)}") from None


def _reachable(value: object) -> int:
    """Return how many trials are asked for; more than are kept could never be reached."""
    number = count(value)
    if number > KEPT_MAX:
        raise Refused("")
    return number


def _anything(value: object) -> object:
    return value


# --- the keys ---------------------------------------------------------------------------------

_words = array("a list of texts", text)
_labels = table("a table of texts", _label, _label_value)

TOP: Final[dict[str, Key]] = {
    "store": Key(
        "the URL of the store; a relative path begins at the file's folder",
        "the user's own state folder",
        text,
    ),
    "lease": Key(
        "a duration from 3s to a day: how long an owner may be silent before it is taken over",
        "30s",
        duration(LEASE_S_MIN, LEASE_S_MAX),
    ),
    "identity": Key(
        "`os` or `claimed`: whether a person is the system's user or the name of `--as`",
        "os",
        one_of(*IDENTITIES),
    ),
    "targets": Key("tables `[targets.NAME]`", "any target, without terms", _anything),
    "policy": Key("tables `[[policy]]`, the first that fits decides", "none", _anything),
    "groups": Key("a table `[groups]` of lists of names, or of other groups", "none", _anything),
    "earned": Key("a table `[earned]`", "3 successes within 90d", _anything),
    "notify": Key("a table `[notify]`", "nobody is told", _anything),
}
TARGET: Final[dict[str, Key]] = {
    "risk": Key("`low`, `medium`, `high` or `critical`", "none", one_of(*RISKS)),
    "mode": Key("`auto`, `confirm` or `earned`", "see below", one_of(*MODES)),
    "ask": Key(
        "`step`, `unit` or `stage`: how much one yes covers", "the workflow's", one_of(*ASKS)
    ),
    "labels": Key("a table of texts", "none", _labels),
    "params": Key(
        "a table of the workflow's parameters",
        "none",
        table("a table of parameters", _parameter, _anything),
    ),
    "env": Key(
        "a table of texts: variables for every program that a run starts",
        "none",
        table("a table of texts", _variable, _variable_value),
    ),
    "approvers": Key(
        "a list of names and `@group`s whose answers count",
        "anybody",
        array("a list of names", name),
    ),
    "quorum": Key("how many approvers must agree", "1", count),
    "separate": Key("`true` when whoever started or resumed the run cannot approve", "false", flag),
}
POLICY: Final[dict[str, Key]] = {
    "labels": Key("a table of texts, all of which the target has", "required", _labels),
    "mode": Key("`auto`, `confirm` or `earned`", "required", one_of(*MODES)),
}
EARNED: Final[dict[str, Key]] = {
    "successes": Key(
        f"a whole number from 1 to {KEPT_MAX}, or a table by risk of such numbers or `never`",
        str(SUCCESSES),
        _earning,
    ),
    "within": Key("a duration", f"{WITHIN_S / 86_400:.0f}d", duration(1)),
}
NOTIFY: Final[dict[str, Key]] = {
    "urls": Key("a list of apprise URLs, or of references to one", "none", _words),
    "command": Key("a list of texts: a program and its arguments", "none", _words),
    "on": Key(
        f"a list of {', '.join(f'`{word}`' for word in OCCASIONS)}",
        "all of them",
        array(f"a list of {', '.join(OCCASIONS)}", one_of(*OCCASIONS), may_be_empty=True),
    ),
    "stalled_after": Key(
        "a duration without progress", show_duration(STALLED_AFTER_S), duration(1)
    ),
}
TABLES: Final[dict[str, dict[str, Key]]] = {
    "": TOP,
    "targets.NAME": TARGET,
    "policy": POLICY,
    "earned": EARNED,
    "notify": NOTIFY,
}
"""Every table with keys of ours; those of `[groups]` are the user's."""
