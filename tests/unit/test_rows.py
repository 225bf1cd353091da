"""Facts become rows and come back the same, and nothing unknown is ever guessed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as some

from holdfast.errors import StoreCorrupt
from holdfast.model.facts import (
    KINDS,
    AttemptFailed,
    LifeStarted,
    RunFailed,
    Spilled,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.json import Json
from holdfast.stores import rows
from holdfast.stores.row_tables import dump_time
from holdfast.testing.samples import AT, LOOKALIKES, OWNER, WHO, every_fact, life_started

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text()
    | some.floats(allow_nan=False, allow_infinity=False),
    lambda inner: some.lists(inner) | some.dictionaries(
        some.sampled_from(["$", "$spilled", "$plain", "size"]) | some.text(), inner
    ),
    max_leaves=12,
)  # fmt: skip


def test_every_kind_round_trips():
    """With every field set and with the required ones alone."""
    facts = list(every_fact())

    assert set(KINDS) == {type(fact).__name__ for fact in facts}
    assert facts == [rows.load(*rows.dump(fact)) for fact in facts]


@given(JSON)
def test_any_value_round_trips(value: Json):
    """Also one that looks like the reference to a spilled value, at any depth."""
    fact = StepSucceeded(AT, "k", value)
    kind, body = rows.dump(fact)

    assert fact == rows.load(kind, body)
    body.encode()


@pytest.mark.parametrize("value", LOOKALIKES)
def test_a_lookalike_is_no_reference(value: dict[str, Json]):
    """Only the store itself writes a reference."""
    loaded = rows.load(*rows.dump(StepSucceeded(AT, "k", value)))

    assert value == loaded.result


def test_a_body_is_short_and_readable():
    """Fields at their defaults are left out; times are UTC; owners are objects; tuples, lists."""
    bodies = [
        rows.dump(StepStarted(AT, "k", 1))[1],
        rows.dump(StepSucceeded(AT, "k", Spilled("ab", 9)))[1],
        rows.dump(RunFailed(AT, "E", "é", failures=("a", "b")))[1],
        rows.dump(life_started(3))[1],
    ]

    at = '{"at":"2026-11-21T04:05:06.789000Z"'
    assert bodies[0] == at + ',"key":"k","attempt":1}'
    assert bodies[1] == at + ',"key":"k","result":{"$spilled":"ab","size":9}}'
    assert bodies[2] == at + ',"type":"E","message":"é","failures":["a","b"]}'
    assert bodies[3].startswith(at + ',"epoch":3,"owner":{"host":"host","pid":4242,')
    assert all(json.loads(body) for body in bodies)


def test_times_are_written_in_utc():
    """A time elsewhere is converted; one without a zone is refused."""
    paris = AT.astimezone(timezone(timedelta(hours=1)))

    assert rows.dump(StepSucceeded(AT, "k")) == rows.dump(StepSucceeded(paris, "k"))
    loaded = rows.load(*rows.dump(StepSucceeded(paris, "k")))
    assert loaded.at.tzinfo is UTC
    with pytest.raises(ValueError, match="no time zone"):
        rows.dump(StepSucceeded(datetime(2026, 1, 1), "k"))


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("StepExploded", "{}", "unknown kind 'StepExploded'; was it written by a newer holdfast"),
        ("StepSucceeded", '{"at":"2026-01-01T00:00:00Z","key":"k","hue":1}', "field 'hue'; was it"),
        ("StepSucceeded", '{"at":"2026-01-01T00:00:00Z"}', "lacks its field 'key'"),
        ("StepSucceeded", '{"at":"2026-01-01T00:00:00Z","key":1}', "'key' of a StepSucceeded"),
        ("StepSucceeded", '{"at":"2026-01-01T00:00:00","key":"k"}', "not a time in UTC"),
        ("StepSucceeded", '{"at":"yesterday","key":"k"}', "'at' of a StepSucceeded"),
        ("StepSucceeded", '{"at":"2026-01-01T00:00:00Z","key":"k","result":{"$spilled":1}}',
         "malformed"),
        ("StepSucceeded", '{"at":', "is not JSON"),
        ("StepSucceeded", "{} {}", "is not JSON"),
        ("StepSucceeded", "[]", "is not a JSON object"),
        ("RunStopped", '{"at":"2026-01-01T00:00:00Z","kind":"whim","reason":"","exit_code":1}',
         "'whim' is not one of"),
        ("RunFailed", '{"at":"2026-01-01T00:00:00Z","type":"","message":"","failures":"ab"}',
         "expected a list"),
        ("StopRequested", '{"at":"2026-01-01T00:00:00Z","by":{"user":"u"}}', "'host'"),
        ("StopRequested", '{"at":"2026-01-01T00:00:00Z","by":"me"}', "expected an object"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(kind: str, body: str, why: str):
    """Unknown kinds and fields, missing ones and wrong shapes raise StoreCorrupt."""
    with pytest.raises(StoreCorrupt) as raised:
        rows.load(kind, body)
    fine = rows.dump(StepSucceeded(AT, "k", 1))
    kinds, bodies = zip(fine, fine, (kind, body), fine, strict=True)
    with pytest.raises(StoreCorrupt) as among_others:
        rows.load_from("r", 7, kinds, bodies)

    assert why in str(raised.value)
    assert f"fact 9 of run r: {raised.value}" == str(among_others.value)


def test_many_facts_are_read_as_each_is():
    """Of every kind, in one text or one by one."""
    kinds, bodies = zip(*map(rows.dump, every_fact()), strict=True)

    assert list(map(rows.load, kinds, bodies)) == rows.load_from("r", 1, kinds, bodies)


@pytest.mark.parametrize(
    "bodies",
    [
        ('{"at":"2026-01-01T00:00:00Z"', '"key":"k"}'),
        ("[1", "2]"),
        ('{"at":"2026-01-01T00:00:00Z","key":"k"},{"at":"2026-01-01T00:00:00Z","key":"l"}', ""),
        ("", ""),
    ],
)
def test_bodies_that_are_json_only_together_are_refused(bodies: tuple[str, ...]):
    """They are read as one text, but each has to be one."""
    with pytest.raises(StoreCorrupt, match="fact 1 of run r: the body of a StepSucceeded is not"):
        rows.load_from("r", 1, ["StepSucceeded"] * len(bodies), bodies)


def test_large_values_go_through_the_spill():
    """The limit is 64 KiB of JSON; what was spilled before is told of and written again."""
    kept: list[str | Spilled] = []

    def spill(value: str | Spilled) -> Spilled:
        kept.append(value)
        return value if isinstance(value, Spilled) else Spilled("d", len(value))

    fits, exceeds = "x" * (rows.INLINE_BYTES_MAX - 2), "é" * (rows.INLINE_BYTES_MAX // 2)
    for value in (fits, exceeds, Spilled("e", 1)):
        rows.dump(StepSucceeded(AT, "k", value), spill)

    assert [json.dumps(exceeds, ensure_ascii=False), Spilled("e", 1)] == kept


def test_the_chain_covers_kind_body_and_past():
    """Any difference gives another link of 16 bytes; runs begin differently."""
    links = {
        rows.chain(rows.first_link("r"), "A", "{}"),
        rows.chain(rows.first_link("s"), "A", "{}"),
        rows.chain(rows.first_link("r"), "B", "{}"),
        rows.chain(rows.first_link("r"), "A", "{} "),
    }

    assert (4, {16}) == (len(links), {len(link) for link in links})


def test_a_row_changes_where_a_fact_says_so():
    """Most facts change nothing; a new life clears the end of the last one."""
    assert {} == rows.row_changes(AttemptFailed(AT, "k", 1, "E", "m"))
    living = rows.row_changes(LifeStarted(AT, 2, OWNER, WHO, "1", file="moved.py"))
    assert {"status": "running", "ended_at": None, "due_at": None, "file": "moved.py"} == living
    assert {"status": "failed", "ended_at": AT} == rows.row_changes(RunFailed(AT, "E", "m"))


@given(some.lists(some.datetimes(timezones=some.just(UTC)), min_size=1), some.timedeltas(
    min_value=timedelta(0), max_value=timedelta(seconds=2)
))  # fmt: skip
def test_a_time_is_written_as_the_library_writes_it(times: list[datetime], later: timedelta):
    """Whichever second was written before it, and with or without a fraction."""
    for at in times:
        for moment in (at, at.replace(microsecond=0), min(at, LAST - later) + later):
            assert f"{moment.isoformat()[:-6]}Z" == dump_time(moment)


LAST = datetime.max.replace(tzinfo=UTC)
