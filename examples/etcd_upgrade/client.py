"""A client that writes all the time, through every member, and counts what failed.

It does what a real client does: when a member does not answer it goes to the next. A write counts
as failed only when none of them took it within its deadline. At the end every acknowledged write
is read back.

python client.py TALLY.json WRITES_PER_S ENDPOINT…   # until SIGTERM
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WRITERS = 3
ATTEMPT_S_MAX = 1.0
WRITE_S_MAX = 5.0
"""A write that nobody took by then has failed."""
SHUNNED_S = 1.0
"""How long the client goes round a member that did not answer."""
ROUND_S = 0.02
READ_S_MAX = 30.0
PAGE = 2_000
LATENCIES_MAX = 1_000_000
TOLD_EVERY_S = 0.5
REASONS_MAX = 20


class NotTaken(Exception):
    """A member did not take a request."""


class Link:
    """One connection to one member, opened when it is needed."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, body: dict[str, Any], seconds: float) -> Any:
        """Return what the member answers. Raises NotTaken."""
        if self._connection is None:
            place = urlsplit(self.endpoint).netloc
            self._connection = http.client.HTTPConnection(place, timeout=seconds)
        try:
            self._connection.request("POST", path, json.dumps(body))
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = None
            raise NotTaken(f"{self.endpoint}: {type(error).__name__}: {error}") from None
        if answer.status != 200:
            raise NotTaken(f"{self.endpoint}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text)


class Writer:
    """Writes one key after another, and remembers which were acknowledged."""

    def __init__(self, number: int, endpoints: Sequence[str]) -> None:
        self.number = number
        self.written = 0
        self.unacknowledged: set[int] = set()
        self.fail_overs = 0
        self.latencies: list[float] = []
        self.reasons: list[str] = []
        self._links = [Link(endpoint) for endpoint in endpoints]
        self._shunned_until = [0.0] * len(endpoints)

    def write_until(self, is_over: threading.Event, pause_s: float) -> None:
        """Write at a steady pace, each time through the next member."""
        due = time.monotonic()
        while not is_over.wait(max(0.0, due - time.monotonic())):
            due = max(due + pause_s, time.monotonic())
            self._write(self.written + 1)

    def _write(self, number: int) -> None:
        begun = time.monotonic()
        put = {"key": _b64(self.key(number)), "value": _b64(self.value(number))}
        for turn in self._turns(number):
            left = begun + WRITE_S_MAX - time.monotonic()
            if left <= 0:
                self.unacknowledged.add(number)
                break
            try:
                self._links[turn].ask("/v3/kv/put", put, min(left, ATTEMPT_S_MAX))
                break
            except NotTaken as error:
                self.fail_overs += 1
                self._shunned_until[turn] = time.monotonic() + SHUNNED_S
                self.reasons = [*self.reasons, f"{time.time():.3f} {error}"][-REASONS_MAX:]
        self.written = number
        if len(self.latencies) < LATENCIES_MAX:
            self.latencies.append(time.monotonic() - begun)

    def _turns(self, number: int) -> Iterator[int]:
        """Give members in turn, at first those that took what they were given last; after a whole
        round without luck wait a little."""
        count = len(self._links)
        turns = [(self.number + number + turn) % count for turn in range(count)]
        yield from (t for t in turns if self._shunned_until[t] <= time.monotonic())
        while True:
            yield from turns
            time.sleep(ROUND_S)

    def lost(self) -> int:
        """Return how many acknowledged writes cannot be read back. Raises NotTaken."""
        found = {key: value for page in self._pages() for key, value in page}
        return sum(
            found.get(self.key(number)) != self.value(number)
            for number in range(1, self.written + 1)
            if number not in self.unacknowledged
        )

    def _pages(self) -> Iterator[list[tuple[str, str]]]:
        first, end = self.key(0), _b64(f"w{self.number}0")  # "0" comes after "/"
        while True:
            wanted = {"key": _b64(first), "range_end": end, "limit": PAGE}
            found = self._read(wanted).get("kvs", [])
            page = [(_text(each["key"]), _text(each["value"])) for each in found]
            yield page
            if len(page) < PAGE:
                return
            first = page[-1][0] + "\0"

    def _read(self, wanted: dict[str, Any]) -> Any:
        last = NotTaken("there are no members")
        for link in self._links:
            try:
                return link.ask("/v3/kv/range", wanted, READ_S_MAX)
            except NotTaken as error:
                last = error
        raise last

    def key(self, number: int) -> str:
        return f"w{self.number}/{number:09d}"

    def value(self, number: int) -> str:
        return f"{number} by {self.number}"


def tally(writers: Sequence[Writer], lost: int | None) -> dict[str, Any]:
    """Return what happened so far; `lost` is None until everything was read back."""
    times = sorted(second for writer in writers for second in list(writer.latencies))
    return {
        "writes": sum(writer.written for writer in writers),
        "fail_overs": sum(writer.fail_overs for writer in writers),
        "failed": sum(len(writer.unacknowledged) for writer in writers),
        "lost": lost,
        "worst_s": round(times[-1], 4) if times else None,
        "p99_s": round(times[int(0.99 * (len(times) - 1))], 4) if times else None,
        "reasons": [reason for writer in writers for reason in writer.reasons],
    }


def shown(told: dict[str, Any]) -> str:
    """Return a tally as one line."""
    if not told["writes"]:
        return "0 writes"
    lost = "not read back yet" if told["lost"] is None else f"{told['lost']} lost"
    return (
        f"{told['writes']} writes, {told['failed']} failed, {lost}, {told['fail_overs']} "
        f"fail-overs, p99 {told['p99_s'] * 1000:.1f} ms, worst {told['worst_s'] * 1000:.0f} ms"
    )


def save(file: Path, told: dict[str, Any]) -> None:
    """Replace the tally in one go: whoever reads it sees a whole one."""
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(told, indent=1))
    os.replace(beside, file)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def main(file: Path, writes_per_s: float, endpoints: Sequence[str]) -> int:
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    writers = [Writer(number, endpoints) for number in range(WRITERS)]
    terms = (is_over, WRITERS / writes_per_s)
    threads = [threading.Thread(target=writer.write_until, args=terms) for writer in writers]
    for thread in threads:
        thread.start()
    while not is_over.wait(TOLD_EVERY_S):
        save(file, tally(writers, None))
    for thread in threads:
        thread.join()
    told = tally(writers, sum(writer.lost() for writer in writers))
    save(file, told)
    print(shown(told), flush=True)
    return 1 if told["failed"] or told["lost"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
