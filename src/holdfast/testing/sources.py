"""The contract of a source, as tests: every promise of `holdfast.ports.sources`.

    class TestMine(SourceSuite):
        def open(self, place):
            (place / "items").write_text(...)
            return MySource(place / "items")

`place` is a `pathlib.Path` of an empty directory, given by pytest.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from pathlib import Path
from typing import Any, Final

from holdfast.errors import UsageError
from holdfast.model.codec import encode
from holdfast.model.json import Json
from holdfast.model.jsontext import canonical
from holdfast.ports.sources import Resumable

ITEMS_MIN: Final = 4
STRANGE: Final[tuple[Json, ...]] = ({"no": "cursor"}, [[], []], -1.5, True)


class SourceSuite(ABC):
    """Every promise of `ports.sources`; subclass it, say how to `open`, run it with pytest."""

    @abstractmethod
    def open(self, place: Path) -> Iterable[Any]:
        """Return a source of at least four items, of which no two are equal."""

    def test_a_second_reading_is_the_same(self, tmp_path: Path) -> None:
        """Every reading gives the same items in the same order, and none twice."""
        source = self.open(tmp_path)
        first, second = list(source), list(source)

        assert len(first) >= ITEMS_MIN
        assert first == second
        assert len(first) == len({canonical(encode(item)) for item in first})

    def test_readings_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        """One that is given up, and two at once, change nothing for another."""
        source = self.open(tmp_path)
        expected = list(source)
        given_up = iter(source)
        next(given_up)
        turns = list(zip(source, source, strict=True))

        assert [(item, item) for item in expected] == turns
        assert expected[1:] == list(given_up)

    def test_a_length_is_the_number_of_items(self, tmp_path: Path) -> None:
        """A source that says how long it is says the truth."""
        source = self.open(tmp_path)

        if isinstance(source, Sized):
            assert len(source) == len(list(source))

    def test_resuming_at_nothing_is_the_whole(self, tmp_path: Path) -> None:
        """With no cursor a reading begins at the beginning; every cursor is plain JSON."""
        source = self.open(tmp_path)
        pairs = list(_resumed(source, None))

        assert list(source) == [item for _, item in pairs]
        for cursor, _ in pairs:
            assert cursor is not None and cursor == json.loads(json.dumps(cursor))

    def test_resuming_at_each_item_gives_the_rest(self, tmp_path: Path) -> None:
        """From the first item with that cursor on, each with the cursor it had before."""
        source = self.open(tmp_path)
        pairs = list(_resumed(source, None))
        cursors = [cursor for cursor, _ in pairs]

        for cursor in cursors:
            assert pairs[cursors.index(cursor) :] == list(_resumed(source, cursor))

    def test_resuming_works_in_another_process(self, tmp_path: Path) -> None:
        """A cursor goes through JSON, and a source that was made anew knows it."""
        cursor, item = next(islice(_resumed(self.open(tmp_path), None), ITEMS_MIN - 1, None))
        again = list(_resumed(self.open(tmp_path), json.loads(json.dumps(cursor))))

        # Not by the cursor it had before: that may tell in which state the place was.
        assert item in [found for c, found in again if c == again[0][0]]

    def test_a_cursor_of_nobody_is_refused(self, tmp_path: Path) -> None:
        """What this source never gave is an error, not a place."""
        source = self.open(tmp_path)
        if not isinstance(source, Resumable):
            return
        for strange in STRANGE:
            try:
                next(iter(source.resume(strange)), None)
            except UsageError:
                continue
            raise AssertionError(f"the cursor {strange!r} was accepted")


def _resumed(source: Iterable[Any], cursor: Json) -> Iterator[tuple[Json, Any]]:
    """Resume a source; one that cannot is read whole, each item with a cursor of its own."""
    if isinstance(source, Resumable):
        return iter(source.resume(cursor))
    first = 0 if cursor is None else cursor
    assert isinstance(first, int)
    return islice(enumerate(source), first, None)
