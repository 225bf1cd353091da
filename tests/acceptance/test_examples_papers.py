"""The papers example against a real server: 2,000 records, many kills, and the day after."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.acceptance.papers import (
    SERVICE,
    calls_in_windows,
    dois,
    fetch_all,
    resumed_after,
    rows,
    serving,
)
from tests.crash.lives import Site
from tests.crash.soaking import blows

KILLS = blows(6, 10)
LAYOUTS = {"threads": ((), 8), "processes": (("-p", "processes=4"), 4)}


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_paper_is_fetched_once_whatever_happens(tmp_path: Path, layout: str):
    """The driver is killed again and again, and a record kills its parser: no paper is missing or
    twice, only what was in flight is asked for again, and the killer is put aside with its signal.
    The day after, exactly what is new, has changed or was put aside is asked for."""
    more, at_once = LAYOUTS[layout]
    site, out, seed = Site(tmp_path / "site"), tmp_path / "site" / "out.jsonl", time.time_ns()
    print(f"seed {seed}")
    with serving() as api:
        poison = SERVICE.doi(api.poison)
        night = fetch_all(site, api, "monday", *more, kills=KILLS, seed=seed)
        print(night.tally(api, out))

        assert 0 == night.lives[-1].code, night.text[-2000:]
        assert KILLS == night.deaths()
        assert (2 if layout == "threads" else 0) >= night.deaths(signal.SIGSEGV)
        assert sorted(set(api.versions) - {poison}) == sorted(dois(out))
        # In all: an answer that the server logs after its driver's death counts for the next life.
        # A worker that the record kills takes its pool's items with it; the last is alone then.
        killers = sum(name == poison for _, name, _ in api.calls)
        pools = 0 if layout == "threads" else killers - 1
        assert at_once * (len(night.lives) - 1 + pools) >= sum(night.repeated(api))
        (row,) = rows(site, "monday")
        assert (poison, "quarantined") == (row.key, row.status)
        assert "SIGSEGV" in row.error
        assert "parsing" in row.output
        assert 0 == calls_in_windows(api, night)[1]
        assert [] == site.wrong()

        asked, before = len(api.calls), dict(api.versions)
        api.a_day_passes()
        day = fetch_all(site, api, "tuesday", *more)

    called = Counter(name for _, name, _ in api.calls[asked:])
    refused = Counter(name for _, name, outcome in api.calls[asked:] if outcome != "ok")
    different = {name for name in api.versions if api.versions[name] != before.get(name)}
    assert 0 == day.lives[-1].code, day.text[-2000:]
    assert 140 == len(different)
    assert {name: 1 for name in different | {poison}} == dict(called - refused)
    assert len(before) + len(different) == len(dois(out))


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rate_limit_is_kept_by_all_workers_to_the_second(tmp_path: Path, layout: str):
    """While the API wants to be left alone nobody calls but who had begun, and within a second of
    its end the calls go on."""
    more, at_once = LAYOUTS[layout]
    site = Site(tmp_path / "site")
    with serving(count=240, limit_every=60, poison=-1) as api:
        night = fetch_all(site, api, "r", *more)

    assert 0 == night.lives[-1].code, night.text[-2000:]
    early, late = calls_in_windows(api, night)
    assert 4 <= len(api.windows)
    assert 0 == late
    assert (at_once - 1) * len(api.windows) >= early
    assert 1.0 > max(resumed_after(api))
    assert sorted(api.versions) == sorted(dois(tmp_path / "site" / "out.jsonl"))
