"""A file of results that somebody else has written to as well, between two lives of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.batching import over
from tests.unit.runs import Runs

from holdfast import Csv, JsonLines
from holdfast.errors import StoreError

KINDS = [Csv, JsonLines]


def row(value: int) -> dict[str, object]:
    """What an item returns."""
    return {"n": value, "text": f"<{value}>\n"}


def count(path: Path) -> dict[int, int]:
    """Return how often each of ten items is in a file."""
    text = path.read_text()
    return {value: text.count(f"<{value}>") for value in range(10)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_other_runs_append_stays(runs: Runs, tmp_path: Path, kind: Any) -> None:
    """A run that was left half-way goes on after what a later one has written, and after what a
    third one wrote while it waited for its budget."""
    path, broken = tmp_path / "out", {4}

    def some(value: int) -> dict[str, object]:
        if value in broken:
            raise ValueError("broken")
        return row(value)

    def appended(*items: int, **options: Any) -> Any:
        return over(items, some, name="item", out=kind(path, append=True), **options)

    left = runs.start(appended(0, 1, 2, 3, 4, 5, stop_after=3))
    runs.start(appended(6, 7), id="later")
    failed = runs.resume(appended(0, 1, 2, 3, 4, 5))
    runs.start(appended(8, 9), id="third")
    broken.clear()
    ended = runs.resume(appended(0, 1, 2, 3, 4, 5))

    assert (75, 1, 0) == (left.exit_code, failed.exit_code, ended.exit_code)
    assert dict.fromkeys(range(10), 1) == count(path)
    assert ["out"] == [found.name for found in tmp_path.iterdir()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_added_to_a_batchs_own_file_is_not_cut_off(
    runs: Runs, tmp_path: Path, kind: Any
) -> None:
    """The batch does not go on, and says how long the file should be, until it is."""
    path = tmp_path / "out"

    def own(**options: Any) -> Any:
        return over(range(4), row, name="item", out=kind(path), **options)

    runs.start(own(stop_after=2))
    length = path.stat().st_size
    with path.open("a") as file:
        file.write("9,mine\n")
    refused, added = runs.resume(own()), path.read_text()
    with path.open("r+") as file:
        file.truncate(length)
    ended = runs.resume(own())

    assert (74, 0) == (refused.exit_code, ended.exit_code)
    assert added.endswith("9,mine\n") and f"`truncate -s {length} {path}`" in refused.reason
    assert {0: 1, 1: 1, 2: 1, 3: 1} == {n: found for n, found in count(path).items() if found}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kill_left_is_kept_where_others_write(tmp_path: Path, kind: Any) -> None:
    """What is not recorded goes, but into a file beside: nobody knows whose it is."""
    path = tmp_path / "out"
    first = kind(path, append=True)
    first.open(None)
    length = first.write(row(1))
    first.write(row(2))
    first.close()
    again = kind(path, append=True)
    again.open(length)
    cut = again.cut_bytes
    again.close()

    assert {1: 1} == {n: found for n, found in count(path).items() if found}
    assert "<2>" in (tmp_path / "out.cut").read_text() and cut > 0


class Full:
    """A store whose disk has no room for a batch's first checkpoint."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def batches(self) -> Any:
        return self

    def batch(self, run: str, key: str) -> None:
        return None

    def checkpoint(self, *given: Any, **more: Any) -> None:
        raise StoreError("the disk is full")


def test_a_batch_that_could_not_begin_keeps_no_file(runs: Runs, tmp_path: Path) -> None:
    """The next life, in this process too, is not kept out by the lock of the one before."""
    out = JsonLines(tmp_path / "out")
    main = over(["a", "b"], name="item", out=out)
    full = runs.start(main, store=Full(runs.store))
    outcome = runs.resume(main)

    assert 74 == full.exit_code and "the disk is full" in full.reason
    assert {"total": 2, "done": 2, "failed": 0} == outcome.result, outcome.reason
    assert '"a"\n"b"\n' == (tmp_path / "out").read_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_is_gone_while_it_is_written_ends_the_batch(
    runs: Runs, tmp_path: Path, kind: Any, is_replaced: bool
) -> None:
    """No batch says that it succeeded whose results are in no file of that name: it ends with 74,
    and goes on, with each item written once, when the file is put back."""
    path, aside = tmp_path / "out", tmp_path / "aside"

    def meddling(value: int) -> dict[str, object]:
        if value == 4:
            path.rename(aside)
            if is_replaced:
                path.write_bytes(b"")
        return row(value)

    left = runs.start(over(range(10), meddling, name="item", out=kind(path), sync="item"))
    missing = runs.resume(over(range(10), row, name="item", out=kind(path)))
    aside.replace(path)
    ended = runs.resume(over(range(10), row, name="item", out=kind(path)))

    assert (74, 74, 0) == (left.exit_code, missing.exit_code, ended.exit_code)
    assert "removed, moved or replaced" in left.reason
    assert dict.fromkeys(range(10), 1) == count(path)
