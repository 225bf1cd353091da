"""On which line a key of a TOML file stands, however it is written."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdfast.app.toml_lines import lines_of, nearest

TEXT = '''\
# first "line"
store = "a # no comment" # a comment [x]
'quoted key' = 'x'
dotted."with a.dot".inner = 1
[targets."etcd/prod-a"]
risk = "high"
params = { a = 1, b = { "c.d" = [1,
  2, # a ] in a comment
  """text with ] and \\""" and }"""] } }
text = """
[not.a.header]
ends in quotes"""""
literal = \'\'\'
key = 'no' \'\'\'
[[policy]]
labels = { tier = "prod" }

[[policy]] # the second
  [policy.labels]
  tier = "\\u0041"
[ groups . all ]
at = 1979-05-27T07:32:00Z
'''


def places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the place of each table, key and element of a parsed document."""
    if place:
        yield place
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    for at, part in parts:
        yield from places(part, (*place, at))


def test_every_place_has_its_line() -> None:
    """Headers, quoted and dotted keys, inline tables, arrays and texts of many lines are told
    apart."""
    lines = lines_of(TEXT)
    found = {place: lines[place] for place in places(tomllib.loads(TEXT))}

    assert set(found) == set(lines)
    assert {
        ("store",): 2,
        ("quoted key",): 3,
        ("dotted", "with a.dot", "inner"): 4,
        ("targets", "etcd/prod-a"): 5,
        ("targets", "etcd/prod-a", "risk"): 6,
        ("targets", "etcd/prod-a", "params", "b", "c.d", 0): 7,
        ("targets", "etcd/prod-a", "params", "b", "c.d", 1): 8,
        ("targets", "etcd/prod-a", "params", "b", "c.d", 2): 9,
        ("targets", "etcd/prod-a", "text"): 10,
        ("targets", "etcd/prod-a", "literal"): 13,
        ("policy",): 15,
        ("policy", 0): 15,
        ("policy", 0, "labels", "tier"): 16,
        ("policy", 1): 18,
        ("policy", 1, "labels"): 19,
        ("policy", 1, "labels", "tier"): 20,
        ("groups", "all"): 21,
        ("groups", "all", "at"): 22,
    }.items() <= found.items()


def test_line_ends_of_other_systems_count_once() -> None:
    """A file with CRLF has the lines that an editor shows."""
    assert lines_of(TEXT) == lines_of(TEXT.replace("\n", "\r\n"))


def test_what_is_not_written_has_the_line_around_it() -> None:
    """A key that is missing is said where its table begins, and of an empty file on line 1."""
    assert 18 == nearest(lines_of(TEXT), ("policy", 1, "mode"))
    assert 1 == nearest(lines_of(""), ("targets", "t"))


# JSON's texts are TOML's, but for what they escape; the alphabet leaves little unquoted.
words = st.text(st.sampled_from("ab.-_ #[]{}=,'\"\\/é"), max_size=6)
scalars = st.one_of(words, st.integers(-99, 99), st.booleans())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
)
tables = st.dictionaries(words, values, max_size=4)


def written(value: Any) -> str:
    """Return a value as TOML; arrays over several lines."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(at, ensure_ascii=False)} = {written(v)}" for at, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{written(part)}, # ]\n" for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)


@given(st.dictionaries(words, tables, max_size=3), st.lists(tables, max_size=3))
def test_whatever_the_parser_takes_is_found(named: dict[str, Any], listed: list[Any]) -> None:
    """Each place of a document that Python's parser reads has a line, and no other place has."""
    lines = []
    for at, table in named.items():
        lines.append(f"[t.{json.dumps(at, ensure_ascii=False)}]")
        lines += [f"{json.dumps(k, ensure_ascii=False)}={written(v)}" for k, v in table.items()]
    for table in listed:
        lines.append("[[list]]")
        lines += [f"{json.dumps(k, ensure_ascii=False)}={written(v)}" for k, v in table.items()]
    text = "\n".join(lines)

    assert set(places(tomllib.loads(text))) == set(lines_of(text))
