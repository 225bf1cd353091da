"""What the codec refuses, and how it says so."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.unit.coded import Frozen, round_trip
from tests.unit.runs import Runs

from holdfast import do, parallel, sh, workflow
from holdfast.errors import StoreCorrupt, UsageError
from holdfast.model.codec import (
    NESTING_MAX,
    Unrecordable,
    decode,
    encode,
    loads,
)
from holdfast.model.facts import StepSucceeded


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


# --- what no later life could read ---


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with a record in it, which the script does not import at its top."""
    (tmp_path / "lost_models.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Lost:\n    value: int\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "lost_models"
    sys.modules.pop("lost_models", None)


def test_a_class_that_no_later_life_finds_fails_its_step(runs: Runs, module: str) -> None:
    """When it is recorded, at any depth, and not at the resume; a step that says it may."""

    def lost() -> object:
        return {"found": [import_module(module).Lost(1)]}

    @workflow
    def flow() -> None:
        do("lost", lost)

    @workflow
    def parted() -> None:
        parallel(("branch", lost))

    outcome, other = runs.start(flow), Runs().start(parted)

    assert ("failed", []) == (outcome.status, runs.facts(StepSucceeded))
    assert "cannot record ['found'][0]: no later life could read a lost_models:Lost" in (
        outcome.reason
    )
    assert "import that at the top of the workflow's file" in outcome.reason
    assert "annotate the parameter or the step's return type with Lost" in other.reason


def test_a_class_that_the_step_names_is_recorded(runs: Runs, module: str) -> None:
    """By its annotation, which every life has."""
    cls = import_module(module).Lost

    def found() -> object:
        return cls(1)

    found.__annotations__["return"] = cls

    @workflow
    def flow() -> int:
        return int(do("found", found).value)

    assert (1, 1) == (runs.start(flow).result, runs.start(flow).result)


def test_a_class_of_a_function_is_refused_with_where_to_define_it(runs: Runs) -> None:
    """Each call of the function makes another class of that name."""

    def local() -> object:
        @dataclass
        class Local:
            value: int

        return Local(1)

    @workflow
    def flow() -> None:
        do("local", local)

    assert "define it at the top of a module" in runs.start(flow).reason


def test_what_sh_returns_is_read_back_without_an_annotation(runs: Runs) -> None:
    """The classes of holdfast itself are there in every life."""

    @workflow
    def flow() -> int:
        return int(do("true", lambda: sh("true")).code)

    runs.start(flow)

    assert [0] == [decode(f.result).code for f in runs.facts(StepSucceeded)]  # type: ignore[attr-defined]


@dataclass
class Converting:
    """Converts a field in place, and cannot do it a second time."""

    at: Any

    def __post_init__(self) -> None:
        self.at = date.fromisoformat(self.at)


@dataclass
class Demanding:
    """Nothing is made of it without an argument."""

    size: int

    def __new__(cls, size: int) -> Demanding:
        return super().__new__(cls)


@pytest.mark.parametrize(
    ("value", "where", "why"),
    [
        (Converting("2026-01-01"), "the value", "Converting back: it raised TypeError"),
        ({"made": [Demanding(3)]}, "['made'][0]", "Demanding back: it raised TypeError"),
    ],
)
def test_what_cannot_be_put_together_again_fails_its_step(
    runs: Runs, value: object, where: str, why: str
) -> None:
    """When it is recorded: it was done and counted, and no life could ever read it."""

    @workflow
    def flow() -> None:
        do("made", lambda: value)

    outcome = runs.start(flow)

    assert ("failed", []) == (outcome.status, runs.facts(StepSucceeded))
    assert f"cannot record {where}: no later life could read a" in outcome.reason
    assert why in outcome.reason
