"""What a text or a value becomes under its annotation, and what is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import (  # noqa: UP035
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Tuple,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.flow.parameters import Parameters
from holdfast.flow.secret import Secret

if TYPE_CHECKING:
    pass  # type: ignore[import-not-found]


T = TypeVar("T")


class Color(Enum):
    RED = "r"
    GREEN = "g"


@dataclass(frozen=True)
class Disk:
    size_gb: int
    path: Path = Path("data")


@dataclass
class Node:
    name: str
    disks: list[Disk] = field(default_factory=list)
    parent: Node | None = None


@dataclass(frozen=True)
class Even:
    number: int

    def __post_init__(self):
        if self.number % 2:
            raise ValueError("it is odd")


@dataclass(frozen=True)
class Login:
    user: str
    password: Secret


@dataclass
class Box(Generic[T]):
    item: T


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Options(TypedDict):
    image: str
    force: NotRequired[bool]


NodeName = NewType("NodeName", str)


def one(hint, *default):
    """Return the parameters of a function that takes one `it`."""

    def work(it=None):
        pass

    work.__annotations__ = {"it": hint}
    work.__defaults__ = default or None
    return Parameters.of(work)


def checked(hint, value):
    return one(hint).check({"it": value})["it"]


def parsed(hint, text):
    return one(hint).parse([f"it={text}"])["it"]


def same(left, right):
    return (type(left), left) == (type(right), right)


# --- the texts of -p --------------------------------------------------------------------------


@given(st.text())
def test_a_str_is_taken_verbatim(text):
    """A parameter annotated `str` is what stands behind the first `=`, to the letter."""
    for hint in (str, NodeName, Annotated[str, "a name"], "str"):
        assert text == parsed(hint, text)


TYPED = [
    (int, "5", 5),
    (float, "5", 5.0),
    (bool, "true", True),
    (bool, "False", False),
    (list[str], '["a"]', ["a"]),
    (list, "[1]", [1]),
    (dict[str, int], '{"a": 1}', {"a": 1}),
    (dict[int, str], '{"1": "a"}', {1: "a"}),
    (dict[Path, date], '{"a": "2026-01-31"}', {Path("a"): date(2026, 1, 31)}),
    (tuple[int, ...], "[1, 2]", (1, 2)),
    (tuple[str, int], '["a", 2]', ("a", 2)),
    (tuple[()], "[]", ()),
    (Tuple, "[1]", (1,)),  # noqa: UP006
    (Box[int], '{"item": "a"}', Box("a")),
    (set[str], '["a", "b"]', {"a", "b"}),
    (Sequence[int], "[1]", [1]),
    (Iterable[int], "[1]", [1]),
    (Mapping[str, float], '{"a": 1}', {"a": 1.0}),
    (AbstractSet[int], "[1]", frozenset({1})),
    (Color, "RED", Color.RED),
    (Color, '"RED"', Color.RED),
    (Path, "a/b", Path("a/b")),
    (Path, "5", Path("5")),
    (PurePosixPath, "a", PurePosixPath("a")),
    (date, "2026-01-31", date(2026, 1, 31)),
    (datetime, "2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
    (time, "09:30", time(9, 30)),
    (timedelta, "1h30m", timedelta(minutes=90)),
    (timedelta, "90", timedelta(seconds=90)),
    (UUID, str(UUID(int=7)), UUID(int=7)),
    (Decimal, "0.10", Decimal("0.10")),
    (Decimal, "7", Decimal(7)),
    (Literal["fast", "1", 1], "fast", "fast"),
    (Literal["1"], "1", "1"),
    (Literal[1, "1"], "1", 1),
    (int | None, "null", None),
    (str | None, "a", "a"),
    (str | None, "5", "5"),
    (int | str, "5", 5),
    (Optional[Color], "GREEN", Color.GREEN),  # noqa: UP045
    (Union[date, datetime], "2026-01-31T09:30", datetime(2026, 1, 31, 9, 30)),  # noqa: UP007
    (Disk, '{"size_gb": 5, "path": "x"}', Disk(5, Path("x"))),
    (Point, '{"x": 1, "y": 2}', Point(1, 2.0)),
    (Options, '{"image": "a"}', {"image": "a"}),
    (Any, "abc", "abc"),
    (Any, "[1]", [1]),
    ("Unseen", "abc", "abc"),
]


@pytest.mark.parametrize(("hint", "text", "value"), TYPED)
def test_a_text_becomes_what_is_annotated(hint, text, value):
    """Everything but a `str` is JSON, or else the type's own text."""
    assert same(value, parsed(hint, text))


MISTYPED = [
    (int, "five"),
    (int, "5.0"),
    (int, "007"),
    (int, "true"),
    (float, "NaN"),
    (float, "1e999"),
    (bool, "yes"),
    (bool, "1"),
    (list[str], "a"),
    (list[str], "a,b"),
    (list[str], "[a]"),
    (list[int], '["1"]'),
    (set[str], '"ab"'),
    (tuple[int, int], "[1]"),
    (Color, "red"),
    (Color, "r"),
    (Path, ""),
    (date, "31.1.2026"),
    (timedelta, "5 parsecs"),
    (timedelta, "-5"),
    (Decimal, "nan"),
    (Literal["a"], "b"),
    (int | None, ""),
    (dict[str, int], '{"a": 1, "a": 2}'),
    (Disk, "{}"),
    (Options, '{"image": "a", "forse": true}'),
]


@pytest.mark.parametrize(("hint", "text"), MISTYPED)
def test_a_text_of_another_type_is_refused_with_one_that_would_do(hint, text):
    """The error names the parameter and what it takes, and its example is accepted."""
    with pytest.raises(UsageError, match=r"parameter it\S* takes .*; for example -p") as error:
        parsed(hint, text)

    line = str(error.value).rpartition("for example -p ")[2]
    word = subprocess.run(["sh", "-c", f"printf %s {line}"], capture_output=True, check=True)
    one(hint).parse([word.stdout.decode()])


@pytest.mark.parametrize(
    ("hint", "text", "why"),
    [
        (Even, '{"number": 5}', "ValueError: it is odd"),
        (bytes, "a", "annotate it str, or give a Path to a file"),
    ],
)
def test_an_example_that_would_not_do_is_not_given(hint, text, why):
    """Where a class has checks of its own, the error ends with what they said."""
    with pytest.raises(UsageError) as error:
        parsed(hint, text)

    assert str(error.value).endswith(why)


@pytest.mark.parametrize("hint", [entry[0] for entry in TYPED])
def test_every_example_can_be_typed(hint):
    """What help shows as an example is accepted as it stands."""
    parsed(hint, one(hint).describe()[0].example)


def test_a_wrong_part_is_named():
    """The error says where inside the value the wrong part is."""
    with pytest.raises(
        UsageError, match=r"parameter it\[1\]\.disks\[0\]\.size_gb takes int; given"
    ):
        parsed(list[Node], '[{"name": "a"}, {"name": "b", "disks": [{"size_gb": "x"}]}]')


# --- values -----------------------------------------------------------------------------------


KEPT = [
    (int, 5), (float, 0.5), (str, "a"), (bool, False), (bytes, b"a"), (None, None),
    (Color, Color.RED), (list[int], [1]), (tuple[()], ()), (set[int], {1}),
    (frozenset[int], frozenset({1})),
    (Sequence[int], (1,)), (Disk, Disk(1)), (Point, Point(1)), (Path, Path("a")),
    (Options, {"image": "a", "force": True}), (int | float, 5), (float | int, 5), (Path | str, "a"),
    (list[float] | list[int], [5]), (Literal[Color.RED], Color.RED), (object, 5), (Any, ...),
    (type[int], int), (Secret, Secret("env:A")), (complex, 1j), (T, 5), (Node, Node("a")),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "value"), KEPT)
def test_a_value_of_the_right_type_is_kept(hint, value):
    """What already is what its annotation says comes back equal and of the same type."""
    assert same(value, checked(hint, value))


CONVERTED = [
    (float, 5, 5.0), (Path, "a", Path("a")), (Color, "RED", Color.RED), (list[int], (1,), [1]),
    (tuple[int, ...], [1], (1,)), (set[int], [1], {1}), (Decimal, 5, Decimal(5)),
    (timedelta, 1.5, timedelta(seconds=1.5)), (Disk, {"size_gb": 1}, Disk(1)),
    (Literal[Color.RED], "RED", Color.RED), (date | None, "2026-01-31", date(2026, 1, 31)),
    (Node, {"name": "a", "parent": {"name": "b"}}, Node("a", [], Node("b"))),
    (Login, {"user": "u", "password": "@env:PW"}, Login("u", Secret("env:PW"))),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "given", "value"), CONVERTED)
def test_a_value_is_converted_where_nothing_is_lost(hint, given, value):
    """JSON's lists, texts and objects become the richer types that are annotated."""
    assert same(value, checked(hint, given))


REFUSED = [
    (int, True), (float, True), (int, 5.0), (int, "5"), (bool, 1), (str, 5), (str, None),
    (float, 2**53 + 1), (float, 10**400), (list[str], "ab"), (list[int], {1}), (list[int], [True]),
    (tuple[int, int], [1]), (tuple[int, int], [1, "a"]), (set[Any], [[1]]), (dict[str, int], [1]),
    (dict[str, int], {1: 1}), (dict[int, int], {1: 1, "1": 2}), (date, datetime(2026, 1, 31)),
    (datetime, date(2026, 1, 31)), (Decimal, 0.1), (UUID, "7"), (Color, "r"), (Path, "a\0b"),
    (timedelta, True), (int | None, "a"), (Disk, {"size_gb": 1, "sise": 2}), (Disk, [1]),
    (Options, {}), (Options, {"image": 5}), (Literal[1], True), (NodeName, 5),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "value"), REFUSED)
def test_a_value_of_another_type_is_refused(hint, value):
    """What could be meant in two ways, or would lose something, is a usage error."""
    with pytest.raises(UsageError, match=r"parameter it\S* takes .*; given .*; for example \{"):
        checked(hint, value)


@pytest.mark.parametrize(("hint", "value"), [(entry[0], entry[-1]) for entry in CONVERTED + TYPED])
def test_checking_twice_changes_nothing(hint, value):
    """Values that a run recorded are accepted by its resume, unchanged."""
    assert same(value, checked(hint, checked(hint, value)))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
))  # fmt: skip
def test_any_takes_every_json_as_it_is(value):
    """Without an annotation, what JSON says is what the workflow gets."""
    text = json.dumps(value)
    assume("Infinity" not in text)

    assert same(value, parsed(Any, text))
    assert same(value, checked(Any, value))


def test_what_contains_itself_is_refused():
    """A value without an end is a usage error, not a crash."""
    loop: dict[str, object] = {"name": "a"}
    loop["parent"] = loop

    with pytest.raises(UsageError, match="nested too deeply"):
        checked(Node, loop)
