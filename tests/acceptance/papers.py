"""The API of the papers example as a real HTTP server, and nights of fetching from it.

The nights are killed at random moments; what each cost is read from the calls that the server had.
"""

from __future__ import annotations

import importlib.util
import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.lives import Site
from tests.crash.soaking import dice_for

from holdfast.model.batches import ItemRow
from holdfast.stores.sqlite import SqliteStore

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
LIVES_MAX = 40
POLL_S = 0.002
JITTER_S = 0.03


def _module() -> Any:
    file = EXAMPLES / "services" / "papers.py"
    spec = importlib.util.spec_from_file_location("papers_service", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SERVICE = _module()
KNOWN_S = SERVICE.WAIT_S / 2
"""So long after a window opened a call may still come that had begun, however busy the machine; so
long before and after a process died the word of a 429 may be lost with it, as a call of a dead
process may open a window too. Who does not know of a window, or does not keep it, calls in its
second half as well."""


@contextmanager
def serving(**options: Any) -> Iterator[Any]:
    """Give the API on a port of its own; it is gone when the block is left."""
    with SERVICE.Papers(**options) as api:
        thread = threading.Thread(target=api.serve_forever)
        thread.start()
        try:
            yield api
        finally:
            api.closing.set()
            api.shutdown()
            thread.join()


@dataclass(slots=True)
class Lived:
    """One life: which calls it made, by their places, and how it ended."""

    first: int
    until: int
    code: int
    ended_at: float


@dataclass(slots=True)
class Night:
    """What happened until the run was done, however often it was killed."""

    seed: object
    kills: int = 0
    lives: list[Lived] = field(default_factory=list)
    text: str = ""

    def deaths(self, number: int = signal.SIGKILL) -> int:
        return sum(life.code == -number for life in self.lives)

    def repeated(self, api: Any) -> list[int]:
        """Return, for each life, how many records were delivered to it and asked for again."""
        found = []
        for life in self.lives:
            mine = api.calls[life.first : life.until]
            ok = Counter(name for _, name, outcome in mine if outcome == "ok")
            later = {name for _, name, _ in api.calls[life.until :]}
            found.append(len(ok.keys() & later) + ok.total() - len(ok))
        return found

    def tally(self, api: Any, out: Path) -> str:
        lines = Counter(dois(out))
        early, late = calls_in_windows(api, self)
        return (
            f"seed {self.seed}: {len(self.lives)} lives, {self.deaths()} kills, "
            f"{self.deaths(signal.SIGSEGV)} deaths by the record, {len(api.calls)} calls, "
            f"{sum(self.repeated(api))} records asked for again, at most {max(self.repeated(api))} "
            f"for one death; {len(lines)} lines, {sum(lines.values()) - len(lines)} duplicates; "
            f"{len(api.windows)} windows, {early} calls in flight, {late} in them"
        )


def fetch_all(
    site: Site, api: Any, run: str, *more: str, kills: int = 0, seed: object = 0
) -> Night:
    """Run the example to its end, killing its driver `kills` times at random moments; what the
    poison kills is begun anew too."""
    night, dice = Night(seed), dice_for(seed)
    words = ("run", str(EXAMPLES / "papers.py"), "--id", run, "--plain", "-p", f"api={api.url}")
    share = max(2, len(api.versions) // (kills + 2))
    while len(night.lives) < LIVES_MAX:
        first = len(api.calls)
        with site.life(*words, "-p", f"out={site.store.parent / 'out.jsonl'}", *more) as life:
            if night.kills < kills and _outlived(life, api, first + dice.randrange(share), dice):
                night.kills += 1
                life.signal(signal.SIGKILL)
            code = life.end()
            night.text += life.text
        night.lives.append(Lived(first, len(api.calls), code, time.time()))
        if code not in (-signal.SIGKILL, -signal.SIGSEGV):
            return night
    raise AssertionError(f"not done after {LIVES_MAX} lives:\n{night.text[-2000:]}")


def _outlived(life: Any, api: Any, calls: int, dice: random.Random) -> bool:
    """Wait for a number of calls, and a moment more; False when the life ended before."""
    while len(api.calls) < calls:
        if not life.lasts(POLL_S):
            return False
    return bool(life.lasts(dice.random() * JITTER_S))


def calls_in_windows(api: Any, night: Night) -> tuple[int, int]:
    """Return how many calls came in windows in which none was to come: those that were in flight
    when the window opened, and those that began later. A window whose 429 may have been under way
    to a process that died just then does not count."""
    early = late = 0
    for opened, wait_s in api.windows:
        if any(abs(opened - life.ended_at) <= KNOWN_S for life in night.lives if life.code):
            continue
        after = [at - opened for at, _, _ in api.calls if opened < at < opened + wait_s]
        early += sum(late_s <= KNOWN_S for late_s in after)
        late += sum(late_s > KNOWN_S for late_s in after)
    return early, late


def resumed_after(api: Any) -> list[float]:
    """Return how long after the end of each window the next call came."""
    found = []
    for opened, wait_s in api.windows:
        following = [at - opened - wait_s for at, _, _ in api.calls if at >= opened + wait_s]
        found += following[:1]
    return found


def dois(out: Path) -> list[str]:
    """Return the DOI of each line. Raises ValueError for a line that is torn."""
    return [json.loads(line)["doi"] for line in out.read_text().splitlines()]


def rows(site: Site, run: str, batch: str = "fetch") -> tuple[ItemRow, ...]:
    """Return the items of which the store has more to say than that they are done."""
    with closing(SqliteStore(site.store, read_only=True)) as store:
        return tuple(store.batches.items(run, batch, statuses=(), after=-1, limit=1_000))
