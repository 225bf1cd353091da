"""What runs, scopes and steps are called."""

from __future__ import annotations

from datetime import date
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.model import keys

ANY_TEXT = st.text(st.characters())
KEYS = [
    "pre-flight/backup is fresh",
    "flight/node-7/drain node-7",
    "flight/node-7/drain node-7#2",
    "flight/node-8/drain node-8",
    "flight/node-8/copy a%2Fb",
    "notify",
]


class Tier(Enum):
    PROD = "p"


@given(ANY_TEXT)
def test_an_escaped_label_comes_back(label):
    """Whatever a label holds, unescaping its part of the key gives it back."""
    assert label == keys.unescape(keys.escape(label))


@given(ANY_TEXT)
def test_an_escaped_label_is_one_part(label):
    """No label adds a scope or an occurrence, and each can be stored as UTF-8."""
    part = keys.escape(label)

    assert not set("/#\n\0") & set(part)
    part.encode()


@given(ANY_TEXT.filter(bool), ANY_TEXT.filter(bool), st.integers(1, 9))
def test_a_key_comes_apart(scope, label, occurrence):
    """A key's scope and label are those it was joined from."""
    key = keys.join(keys.join("", scope), label, occurrence)

    assert keys.escape(scope) == keys.scope_of(key)
    assert label == keys.label_of(key)


def test_only_repeats_are_numbered():
    """The first use of a label has no suffix, the second says so."""
    assert "flight/node-7/drain node-7" == keys.join("flight/node-7", "drain node-7")
    assert "drain#2" == keys.last(keys.join("flight", "drain", 2))


def test_readable_characters_stay():
    """Blanks, dots and letters of any language are not escaped."""
    assert "größe 3.5 → ok: 100%25" == keys.escape("größe 3.5 → ok: 100%")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("flight/node-7/drain node-7", KEYS[1:2]),
        ("flight", KEYS[1:5]),
        ("flight/", KEYS[1:5]),
        ("node-8", KEYS[3:5]),
        ("drain node-7", KEYS[1:2]),
        ("drain node-7#2", KEYS[2:3]),
        ("copy a/b", KEYS[4:5]),
        ("copy a%2Fb", KEYS[4:5]),
        ("flight/node-8/copy a/b", KEYS[4:5]),
        ("node-8/copy a/b", KEYS[4:5]),
        ("node-7/drain node-7", KEYS[1:2]),
        ("b", []),
        ("nothing", []),
        ("", []),
        ("/", []),
    ],
)
def test_a_person_names_a_step_briefly(wanted, found):
    """A key, a scope, or unique last parts of one are enough, as a key has them or as shown."""
    assert found == keys.find(KEYS, wanted)


def test_an_ambiguous_name_is_refused():
    """A last part that fits twice names the candidates."""
    with pytest.raises(UsageError, match=r"'a/x', 'b/x'; give the whole key"):
        keys.find(["a/x", "b/x"], "x")


def test_a_default_label_tells_calls_apart():
    """It has the short scalar arguments that are not their defaults, in order."""
    arguments = {
        "node": "node-7",
        "count": 3,
        "rate": 0.5,
        "force": True,
        "tier": Tier.PROD,
        "day": date(2026, 1, 2),
        "wait": 5,
        "nodes": ["a"],
        "none": None,
    }

    label = keys.default_label("drain", arguments, {"wait": 5, "count": 3.0})

    assert "drain node-7 3 0.5 force=True PROD 2026-01-02" == label


def test_a_default_label_shows_no_secret():
    """Arguments whose names speak of secrets are left out."""
    arguments = {"user": "ann", "db_password": "x", "api_key": "y", "TOKEN": "z"}

    assert "login ann" == keys.default_label("login", arguments, {})


def test_a_default_label_stays_short():
    """Long, empty and unprintable arguments are left out, and so is what no longer fits."""
    arguments = {"a": "x" * 41, "b": "two\nlines", "c": "", "d": 10**5000}
    many = {f"p{n}": "y" * 40 for n in range(9)}

    assert "go" == keys.default_label("go", arguments, {})
    assert len(keys.default_label("go", many, {})) <= keys.LABEL_CHARS_MAX


def test_a_label_is_formatted_with_the_call():
    """A template has the semantics of `str.format`."""
    assert "copy a to 007" == keys.format_label("copy {a} to {n:03d}", {"a": "a", "n": 7})


@pytest.mark.parametrize("template", ["drain {nod}", "drain {0}", "drain {", "{node.x.y}"])
def test_a_label_that_cannot_be_formatted_lists_the_names(template):
    """The error names the arguments that there are."""
    with pytest.raises(UsageError, match="the arguments are: node, image"):
        keys.format_label(template, {"node": "n", "image": "i"})


@pytest.mark.parametrize("label", ["", "  ", "{empty}", "x" * 201])
def test_a_label_must_be_usable(label):
    """Empty labels and those over the limit are refused."""
    with pytest.raises(UsageError):
        keys.format_label(label, {"empty": ""})


@pytest.mark.parametrize("good", ["a", "2026-01-02T03:04.5_x", "x" * 64])
def test_a_run_id_is_plain(good):
    """Letters, digits and `._:-` make a run id."""
    assert good == keys.check_run_id(good)


@pytest.mark.parametrize("bad", ["", "a b", "ü", "a/b", "x" * 65, "a\n"])
def test_another_run_id_is_refused(bad):
    """Everything else is refused before anything is recorded."""
    with pytest.raises(UsageError, match="run id"):
        keys.check_run_id(bad)
