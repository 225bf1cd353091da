"""Reading a store that holds many runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from figure import Row, folder

from holdfast.app.views import list_runs, show_run
from holdfast.model.facts import RunCreated, Who
from holdfast.stores.sqlite import SqliteStore

RUNS = 100_000
BAR_MS = 200.0
ROUNDS = 5


def many_runs() -> Iterator[Row]:
    """`list` and `show` among 100,000 runs, in the process."""
    with folder("/dev/shm") as place:
        store = SqliteStore(place / "a.db")
        first = datetime(2026, 1, 1, tzinfo=UTC)
        for number in range(RUNS):
            created = RunCreated(
                first + timedelta(seconds=number), "upgrade", "upgrade.py", {}, "", Who("ana", "h")
            )
            store.create(f"run-{number}", created)
        for name, call in (
            ("list", lambda: list_runs(store)),
            ("show", lambda: show_run(store, f"run-{RUNS // 2}")),
        ):
            taken = _median_ms(call)
            yield Row(
                f"{name} among {RUNS:,} runs",
                f"< {BAR_MS:.0f} ms",
                f"{taken:.1f} ms",
                "in the process",
                taken < BAR_MS,
            )
        store.close()


def _median_ms(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e3
