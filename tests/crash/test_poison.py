"""One killer among 200 items: it is named and put aside, and the others do not pay for it."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest
from tests.acceptance.papers import rows
from tests.crash.lives import Site, script
from tests.crash.scripts.poison import WORDS

COUNT, KILLER = 200, 77
LAYOUTS = {"threads": 8, "2": 2, "4": 4, "chunks": 2 * 4, "spawned": 2, "dask": 2 * 4}
"""How many items are in hand at once, by layout."""
DEATHS_OF_THREADS = 2


def skip_without(package: str) -> None:
    """Skip where an optional package is missing; CI must have it."""
    if importlib.util.find_spec(package) is None:
        assert os.environ.get("CI") != "true", f"CI must have {package}"
        pytest.skip(f"{package} is not installed")


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_killer_is_put_aside_and_199_are_done(tmp_path: Path, layout: str):
    """Whoever does the items: exactly the killer is quarantined, with its signal and last words;
    nothing is left in the rows of innocents, and only those that died beside it ran again."""
    if layout == "dask":
        skip_without("distributed")
    site, at_once = Site(tmp_path), LAYOUTS[layout]
    words = ("run", script("poison:things"), "--id", "r", "--plain", "-p", f"layout={layout}")
    codes = []
    while not codes or (codes[-1] == -signal.SIGSEGV and len(codes) <= DEATHS_OF_THREADS):
        code, text = site.holdfast(*words)
        codes.append(code)

    deaths = [-signal.SIGSEGV] * (DEATHS_OF_THREADS if layout == "threads" else 0)
    assert [*deaths, 0] == codes, text
    assert {"done": 199, "failed": 0, "quarantined": 1} == site.state().result
    (row,) = rows(site, "r", "b")
    assert (str(KILLER), "quarantined") == (row.key, row.status)
    assert "SIGSEGV" in row.error
    assert WORDS in row.output
    counted = site.counted()
    assert {str(number) for number in range(COUNT)} == set(counted)
    again = sum(counted.values()) - counted[str(KILLER)] - (COUNT - 1)
    print(f"{layout}: the killer ran {counted[str(KILLER)]} times, {again} innocents again")
    assert again <= (at_once - 1) * max(1, len(deaths))
    assert counted[str(KILLER)] == len(deaths) + 1 if deaths else counted[str(KILLER)] == 2
