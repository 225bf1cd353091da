"""Addresses by key, in memory and beyond."""

from __future__ import annotations

import random

import pytest

from holdfast.runtime.batches.index import Index


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
