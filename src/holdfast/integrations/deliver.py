"""The deliverer: a program of its own, which hands waiting notices to their receivers.

It is told where to on the first line of stdin; each byte after that means that another notice
waits. It ends by itself: when its driver is gone, or has had nothing for it for a while, and
everything taken is delivered or given up, which never takes longer than `Limits.total_s`.

*No notice falls between two deliverers.* The driver writes the notice, then wakes the reader of
the socket. A deliverer closes the socket, then looks once more. So a wake that was sent is
followed by a look; one that could not be sent makes the driver start another deliverer.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from holdfast.integrations.channels import Channel, Undeliverable, channels_of
from holdfast.integrations.errand import ERRAND_BYTES_MAX, Errand, Limits, load_errand
from holdfast.integrations.spool import Entry, Spool
from holdfast.locks import Lock

STALE_S_MAX: Final = 86_400.0
"""What a killed deliverer left is of no use to anybody after a day."""
JOBS_MAX: Final = 256
"""Deliveries under way; most of them wait for their next attempt."""
NICE: Final = 10
_STDIN: Final = 0


def main() -> None:
    """Deliver what waits, until there is nothing more to do."""
    _stand_alone()
    line = b""
    while not line.endswith(b"\n"):
        # By the byte: what follows the line are wakes, and they are counted later.
        byte = os.read(_STDIN, 1)
        if not byte or len(line) > ERRAND_BYTES_MAX:
            sys.exit("no errand")
        line += byte
    deliver(load_errand(line), _STDIN)


def _stand_alone() -> None:
    """Depend on nothing of the driver, and take nothing from its run but spare time."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")
    os.nice(NICE)


def deliver(errand: Errand, wakes: int) -> None:
    """Deliver what waits and what comes, until `wakes` ends or is quiet; closes it."""
    work = Round(errand)
    with ThreadPoolExecutor(JOBS_MAX) as pool:
        while True:
            work.begin(pool)
            woken = _next_wake(wakes, errand.limits.idle_s)
            if woken == b"" or (woken is None and not work.is_busy):
                break
        os.close(wakes)
        work.begin(pool)


def _next_wake(wakes: int, idle_s: float) -> bytes | None:
    """Return what was sent; nothing at its end, None when it was quiet."""
    if not select.select([wakes], [], [], idle_s)[0]:
        return None
    try:
        return os.read(wakes, 4_096)
    except ConnectionError:
        return b""


@dataclass(slots=True)
class Delivery:
    """A notice on its way to every channel; the last one that is over removes it."""

    entry: Entry
    deadline: float
    left: int
    lock: Lock = field(default_factory=Lock)

    def over(self) -> None:
        """One channel has it, or gave it up."""
        with self.lock:
            self.left -= 1
            if self.left == 0:
                self.entry.remove()


class Round:
    """Takes notices and delivers each to every channel, a few programs at a time for each: one
    that hangs keeps no other waiting."""

    def __init__(self, errand: Errand) -> None:
        self._limits = errand.limits
        self._spool = Spool(errand.folder, errand.address)
        self._spool.tidy()
        self._channels = channels_of(errand)
        self._running = {
            channel.name: threading.BoundedSemaphore(errand.limits.at_once)
            for channel in self._channels
        }
        self._jobs: set[Future[None]] = set()

    @property
    def is_busy(self) -> bool:
        self._jobs = {job for job in self._jobs if not job.done()}
        return bool(self._jobs)

    def begin(self, pool: ThreadPoolExecutor) -> None:
        """Begin to deliver whatever waits and nobody works on."""
        for entry in self._spool.take():
            if entry.age_s > STALE_S_MAX:
                self._spool.note_failed(entry.text, "anybody", 0, "it is over a day old")
                entry.remove()
                continue
            deadline = time.monotonic() + self._limits.total_s
            delivery = Delivery(entry, deadline, len(self._channels))
            for channel in self._channels:
                self._jobs.add(pool.submit(self._deliver, delivery, channel))

    def _deliver(self, delivery: Delivery, channel: Channel) -> None:
        try:
            self._try(delivery, channel)
        except Exception as error:
            # A file that a power loss tore, or a bug: either is one line, and ends here.
            why = f"{type(error).__name__}: {error}"
            self._spool.note_failed(delivery.entry.text, channel.name, 0, why)
        finally:
            delivery.over()

    def _try(self, delivery: Delivery, channel: Channel) -> None:
        attempts, why = 0, "there was no time for an attempt"
        for pause_s in (0.0, *self._limits.pauses_s):
            time.sleep(max(0.0, min(pause_s, delivery.deadline - time.monotonic())))
            with self._running[channel.name]:
                limit_s = _limit(self._limits, delivery.deadline)
                if limit_s <= 0:
                    break
                attempts += 1
                try:
                    channel.send(delivery.entry.text, limit_s)
                    return
                except Undeliverable as problem:
                    why = str(problem)
                    if not problem.hope:
                        break
        self._spool.note_failed(delivery.entry.text, channel.name, attempts, why)


def _limit(limits: Limits, deadline: float) -> float:
    return min(limits.attempt_s, deadline - time.monotonic())
