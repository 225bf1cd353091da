"""Addresses by key, in memory and beyond."""

from __future__ import annotations

import random

import pytest
from tests.unit.batching import item, over
from tests.unit.runs import CALLS, Runs

from holdfast.runtime.batches import index as indices
from holdfast.runtime.batches.index import FEW_MAX, Index


@pytest.mark.parametrize("few_max", [0, 7, 40, 1_000])
def test_few_and_many_are_told_alike(few_max: int) -> None:
    """Wherever it goes over to a file, also in the middle: each key has its address, is met once,
    and what the manifest has of a former reading is met from the beginning."""
    dice = random.Random(few_max)
    keys = [dice.randbytes(16) for _ in range(120)]
    index = Index([(key, n) for n, key in enumerate(keys[:40])], 10, few_max=few_max)
    met = set(keys[:10])
    addresses = {key: n for n, key in enumerate(keys[:40])}
    for _ in range(2_000):
        key = dice.choice(keys)
        expected = (addresses[key], key in met) if key in addresses else (None, False)
        assert expected == index.find(key)
        if key not in addresses:
            addresses[key] = len(addresses)
            index.add(key, addresses[key])
        met.add(key)
    index.close()
    assert len(met) == len(addresses) == len(keys)


def test_no_room_for_keys_ends_the_life_and_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full folder for temporary files is no failure of the batch: its life ends with 74, and the
    next one goes on with the items that are not done."""
    runs, total = Runs(), FEW_MAX + 100

    class Full(indices._Many):
        def __init__(self) -> None:
            super().__init__()
            self._connection.execute("PRAGMA max_page_count=1")

    CALLS.clear()
    with monkeypatch.context() as full:
        full.setattr(indices, "_Many", Full)
        left = runs.start(over(range(total), item, chunk=1_000))
    ended = runs.resume(over(range(total), item, chunk=1_000))

    assert (74, "succeeded") == (left.exit_code, ended.status)
    assert "SQLITE_TMPDIR" in left.reason
    assert total == len(CALLS) == sum(CALLS.values())
