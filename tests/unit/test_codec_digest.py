"""What of a value is compared, and how a call's arguments are shown."""

from __future__ import annotations

from datetime import date
from enum import Enum
from pathlib import Path

from tests.unit.coded import Frozen

from holdfast.model.codec import digest, encode, fingerprint


class Color(Enum):
    RED = "r"


def test_digests_ignore_the_order_of_keys():
    """Equal dicts and sets have equal digests, whatever their keys are."""
    one = encode({"a": 1, "b": {(1,): 2, (3,): 4}, "c": {"x", "y"}})
    other = encode({"c": {"y", "x"}, "b": {(3,): 4, (1,): 2}, "a": 1})

    assert digest(one) == digest(other)
    assert digest(one) != digest(encode({"a": 1}))
    assert 32 == len(digest(None))


def test_a_fingerprint_is_readable():
    """The arguments are shown about as they were written."""
    values = {
        "node": "node-7",
        "n": 3,
        "many": list(range(9)),
        "p": Path("/a"),
        "c": Color.RED,
        "f": Frozen("x"),
        "day": date(2026, 1, 2),
        "at": (1,),
        "s": {2},
    }

    _, shown = fingerprint(values)

    assert (
        "node='node-7', n=3, many=[0, 1, 2, 3, 4, …], p='/a', c=Color.RED, "
        "f=Frozen(name='x', tags=()), day=2026-01-02, at=(1,), s=set(2)"
    ) == shown


def test_a_fingerprint_leaves_out_what_cannot_be_recorded():
    """A connection among the arguments is shown by its type and never compared."""
    one = fingerprint({"a": 1, "conn": object()})
    other = fingerprint({"a": 1, "conn": len})

    assert one[0] == other[0]
    assert "a=1, conn=<object>" == one[1]


def test_a_fingerprint_shows_no_secret():
    """A password is compared, and not shown, however deep it is."""
    one = fingerprint({"password": "x", "config": {"api_key": "q"}})
    other = fingerprint({"password": "y", "config": {"api_key": "q"}})

    assert one[0] != other[0]
    assert "password=***, config={'api_key': ***}" == one[1] == other[1]


def test_a_fingerprint_is_short():
    """However long the arguments, the text has its limit."""
    assert 200 == len(fingerprint({f"a{n}": "x" * 10_000 for n in range(50)})[1])
