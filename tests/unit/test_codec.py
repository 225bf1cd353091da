"""Values as tagged JSON, and exactly back."""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.coded import Frozen, round_trip

from holdfast.model.codec import (
    decode,
    dumps,
    encode,
)


class Color(Enum):
    RED = "r"
    GREEN = "g"
    CRIMSON = "r"


class Level(IntEnum):
    LOW = 1


class Mode(StrEnum):
    AUTO = "auto"


class Rights(Flag):
    READ = auto()
    WRITE = auto()
    ALL = READ | WRITE


class Bits(IntFlag):
    ONE = 1
    TWO = 2


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Plain:
    inner: Frozen
    items: list[object] = field(default_factory=list)
    computed: int = field(init=False, default=0)
    label: str = field(kw_only=True, default="")

    def __post_init__(self):
        self.computed += 1
        self.cache = {}


@dataclass
class WithInitVar:
    total: int
    start: InitVar[int]

    def __post_init__(self, start):
        self.total += start


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str = pydantic.Field(alias="theName")
    when: datetime
    inner: Frozen | None = None
    _seen: int = pydantic.PrivateAttr(default=1)


@pydantic.dataclasses.dataclass(frozen=True)
class Checked:
    count: int


@attrs.frozen(cache_hash=True)
class Attr:
    _hidden: int = attrs.field(converter=lambda v: v * 2)
    path: Path = Path("a")


@attrs.define
class AttrPost:
    count: int

    def __attrs_post_init__(self):
        self.count += 1


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    tags: tuple[str, ...] = ()


def model():
    made = Model(theName="n", when=datetime(2026, 1, 2), more={"a": (1,)})
    made._seen = 7
    return made


def same(one, other):
    """Return whether two values are equal with equal types, all the way down; nan is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float | Decimal):
        return repr(one) == repr(other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, datetime | time):
        return repr(one) == repr(other)
    return one == other


ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-3), "X"), ZoneInfo("UTC")])
HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters())
    | st.binary()
    | st.floats()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.datetimes(timezones=ZONES)
    | st.uuids()
    | st.sampled_from([*Color, *Level, *Rights]),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.dictionaries(st.text(max_size=2), inner, max_size=4)
        | st.sets(HASHABLE, max_size=3)
        | st.builds(Point, inner, st.integers())
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_recorded_comes_back(value):
    """Any nesting of values is the same after its JSON text, in value and in type."""
    assert same(value, round_trip(value))


@given(VALUES)
def test_recording_again_gives_the_same_text(value):
    """A decoded value is recorded as the first was, so digests compare."""
    tree = encode(value)

    assert dumps(tree) == dumps(encode(decode(tree)))


@pytest.mark.parametrize(
    "value",
    [
        2**5000,
        -(2**64),
        math.inf,
        -math.inf,
        -0.0,
        "\ud83d\ude00 lone \\ud800 \udc80",
        "ß",
        b"text \xc3\xa9\n",
        b"\xff\0",
        {"$": 1},
        {1: 2, "1": 3, None: 4, (1, 2): 5},
        {"\udc80": 1},
        Decimal("1E+5"),
        Decimal("-0.00"),
        UUID(int=7),
        timedelta(microseconds=-1),
        timedelta.max,
        Path("/a/b"),
        Path("\udc80"),
        PurePosixPath("x"),
        PureWindowsPath("c:/x"),
        date.min,
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        time(1, 2, 3, 4, tzinfo=UTC, fold=1),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=3), "odd")),
        Color.RED,
        Color.CRIMSON,
        Level.LOW,
        Mode.AUTO,
        Rights.ALL,
        Rights(0),
        Bits.ONE | Bits.TWO,
        Bits(9),
        Point(1),
        Frozen("a", ("b",)),
        Plain(Frozen("x"), [1], label="l"),
        WithInitVar(1, 2),
        model(),
        Checked(3),
        Attr(4),
        AttrPost(1),
        Struct(name="s"),
        [Struct(name="s", tags=("a",)), {Attr(1)}, {Frozen("k"): [Color.GREEN]}],
    ],
    ids=lambda value: type(value).__name__,
)
def test_odd_values_come_back(value):
    """Values at the edges are the same after their JSON text, in value and in type."""
    again = round_trip(value)

    assert same(value, again)
    assert getattr(value, "fold", 0) == getattr(again, "fold", 0)


@pytest.mark.parametrize("text", ["nan", "NaN", "sNaN", "-sNaN12"])
def test_quiet_and_signalling_nan_come_back(text):
    """Decimals that no comparison takes are the same by their text."""
    assert repr(Decimal(text)) == repr(round_trip(Decimal(text)))


def test_a_record_is_put_together_whole():
    """Attributes that `__post_init__` sets are there; fields are as recorded, not done twice."""
    again = round_trip(Plain(Frozen("x")))

    assert (1, {}) == (again.computed, again.cache)


def test_a_model_keeps_what_was_not_set():
    """pydantic's `exclude_unset`, private attributes and extras work after reading back."""
    again = round_trip(model())

    assert {"name", "when", "more"} == again.model_fields_set
    assert (7, {"a": (1,)}) == (again._seen, again.more)


def test_what_json_can_say_is_plain():
    """A person sees no tag unless there is need for one."""
    value = {"a": [1, 2.5, None, True, "x"], "b": {"c": {}}}

    assert value == encode(value)


def test_tags_are_readable():
    """Records, members and times can be read without a manual."""
    tree = encode([Frozen("n", ("t",)), Color.RED, timedelta(days=1, seconds=2), b"ok"])
    name, here = Frozen.__module__, Color.__module__

    assert [
        {"$": "obj", "t": f"{name}:Frozen", "v": {"name": "n", "tags": {"$": "tuple", "v": ["t"]}}},
        {"$": "enum", "t": f"{here}:Color", "v": "RED"},
        {"$": "timedelta", "v": "1 day, 0:00:02"},
        {"$": "bytes", "text": "ok"},
    ] == tree


def test_nothing_mutable_is_shared():
    """Changing the value changes neither its tree nor what is read from it."""
    value = {"a": [1], "b": Plain(Frozen("x"), [[2]])}
    tree = encode(value)
    one, other = decode(tree), decode(tree)

    value["a"].append(3)
    one["b"].items[0].append(4)

    assert {"a": [1], "b": Plain(Frozen("x"), [[2]])} == other
