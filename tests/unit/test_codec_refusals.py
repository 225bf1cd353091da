"""What the codec refuses, and how it says so."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.unit.test_codec import Frozen, round_trip

from holdfast.errors import StoreCorrupt, UsageError
from holdfast.model.codec import (
    NESTING_MAX,
    Unrecordable,
    decode,
    encode,
    loads,
)


class Text(str):
    pass


@dataclass
class Both(dict):
    name: str = ""


@dataclass
class Bad:
    config: dict


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        (Bad({"x": [0, 1, 2, object()]}), ".config['x'][3]", "has no recorded form"),
        ([{"k": Text("a")}], "[0]['k']", "is a str and more"),
        (OrderedDict(a=1), "", "is a dict and more"),
        (Both("n"), "", "is a dict and more"),
        ([Both("n")], "[0]", "is a dict and more"),
        ({(1, Text("k")): 1}, ".keys()[<tuple>][1]", "is a str and more"),
        ((1, {object}), "[1]{<type>}", "has no recorded form"),
        (ValueError("x"), "", "has no recorded form"),
        (len, "", "has no recorded form"),
        (
            datetime(2026, 1, 1, tzinfo=type("Tz", (UTC.__class__.__base__,), {})()),
            "",
            "time zone is a Tz",
        ),
    ],
)
def test_a_refusal_names_the_path(value, path, why):
    """What cannot be recorded is named by where it is and why."""
    with pytest.raises(Unrecordable, match=why) as caught:
        encode(value)

    assert path == caught.value.path


def test_a_cycle_is_refused():
    """A value that contains itself is named where it does so."""
    value = {"a": [1]}
    value["a"].append(value)

    with pytest.raises(Unrecordable, match="contains itself") as caught:
        encode(value)

    assert "['a'][1]" == caught.value.path


def test_nesting_has_a_limit():
    """The limit is recorded and read back; one more is refused."""
    value: object = 1
    for _ in range(NESTING_MAX):
        value = (value,)

    assert value == round_trip(value)
    with pytest.raises(Unrecordable, match="nested more than 100 deep"):
        encode([value])


def test_an_unset_field_is_named():
    """A slot that nothing was put in cannot be recorded."""
    with pytest.raises(Unrecordable, match="'name' was never set"):
        encode(Frozen.__new__(Frozen))


@pytest.mark.parametrize(
    "tree",
    [
        {"$": "unheard"},
        {"$": None},
        {"$": []},
        {"$": "tuple"},
        {"$": "tuple", "v": "ab"},
        {"$": "decimal", "v": "x"},
        {"$": "bytes", "v": "!"},
        {"$": "bytes"},
        {"$": "dict", "v": [1]},
        {"$": "date", "v": 3},
        {"$": "float", "v": "1", "more": 2},
        {"$": "set", "v": [[]]},
        {"$": "obj", "t": 1, "v": {}},
        {"$": "enum", "t": [], "v": "A"},
        {"$": "timedelta", "v": "soon"},
        {"$": "path", "v": {"x": 1}},
        {"$": "dict", "v": [[1]]},
    ],
    ids=json.dumps,
)
def test_a_tree_nobody_wrote_is_corrupt(tree):
    """Nothing is guessed: unknown kinds, entries and forms are errors of the store."""
    with pytest.raises(StoreCorrupt):
        decode(tree)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1,]", "[" * 100_000])
def test_text_that_is_no_json_is_corrupt(text):
    """A torn or foreign text is an error of the store."""
    with pytest.raises(StoreCorrupt):
        loads(text)


def test_unrecordable_values_are_no_usage_error():
    """A step's result fails the step, it does not end the run as a usage error does."""
    assert not issubclass(Unrecordable, UsageError)
