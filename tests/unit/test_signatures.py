"""Signatures of errors, and forecasts: pure functions of what is stored."""

from __future__ import annotations

import pytest

from holdfast.model.batches import BatchRow
from holdfast.model.forecast import left_of, lives_left, pace_text, per_second, rate_text
from holdfast.model.signature import CHARS_MAX, matches, signature


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("id 17 is bad", "id 18 is bad"),
        ("after 0.25s", "after 12.5s"),
        ("object at 0x7f3a", "object at 0xdeadbeef"),
        ("key 9f86d081884c7d65 is gone", "key 60303ae22b998861 is gone"),
        (
            "no 123e4567-e89b-12d3-a456-426614174000",
            "no 00000000-e89b-12d3-a456-426614174fff",
        ),
        ("10.0.0.1:9042 refused", "10.0.0.27:9042 refused"),
        ("line 1\nbecause of 17", "line 2\nfor another reason"),
    ],
)
def test_errors_that_differ_in_a_case_are_of_one_kind(one: str, other: str):
    """Numbers, ids and addresses name one case; what follows the first line is its detail."""
    assert signature("E", one) == signature("E", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("read timed out", "connect timed out"), ("no 'name'", "no 'title'"), ("feedface", "defaced")],
)
def test_words_make_another_kind(one: str, other: str):
    """Also in quotes, and also those that could be hexadecimal: they say what is wrong."""
    assert signature("E", one) != signature("E", other)


def test_the_type_makes_another_kind():
    """Two classes of errors are two kinds, whatever they say."""
    assert signature("A", "x") != signature("B", "x")
    assert "A" == signature("A", "")


def test_a_signature_has_a_bound():
    """A message of a megabyte is one line on a screen."""
    assert CHARS_MAX >= len(signature("E", "word " * 200_000))


def test_a_person_means_an_error_by_its_text_or_its_signature():
    """What `failures` prints can be given back as it is."""
    assert matches("id 17", "E", "id 17 is bad")
    assert matches("E: id # is bad", "E", "id 17 is bad")
    assert not matches("id 18", "E", "id 17 is bad")


def test_what_is_left_counts_nobodys_work_twice():
    """Whatever is settled is not left, however it was settled."""
    row = BatchRow("b", total=100, done=50, already=40, failed=5, quarantined=1, skipped=2)

    assert 42 == left_of(row)
    assert 142 == left_of(row, 200)
    assert left_of(BatchRow("b", done=3)) is None


def test_a_rate_has_the_unit_in_which_it_is_a_number():
    """Slow batches are told by the minute or the hour."""
    assert ["42/s", "3.5/s", "30/min", "2/h", ""] == [
        rate_text(rate) for rate in (42.0, 3.5, 0.5, 2 / 3600, 0.0)
    ]
    assert "10/s, 1m left" == pace_text(10.0, 600)
    assert 0.0 == per_second(0, 5.0) == per_second(5, 0.0)


def test_the_rest_takes_so_many_lives_more():
    """A part of a life is a life; where nothing was done nothing can be said."""
    assert 3 == lives_left(21, 10)
    assert lives_left(21, 0) is None
