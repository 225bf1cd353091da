"""The services of the saga example as real HTTP servers, which can stop at a moment of a call."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEADLINE_S = 30.0
FILE = Path(__file__).parent.parent.parent / "examples" / "services" / "bookings.py"


def _bookings() -> Any:
    spec = importlib.util.spec_from_file_location("bookings", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BOOKINGS = _bookings()


class Service(BOOKINGS.Bookings):  # type: ignore[misc]
    """The example's service. `stop_at` is a moment such as `PUT before` or `DELETE after`: the
    first call to come there waits until it is let go on, while the caller waits for its answer."""

    def __init__(self, *, is_full: bool = False, stop_at: str = "") -> None:
        super().__init__(is_full=is_full)
        self.RequestHandlerClass = _Desk
        self._stop_at, self._stops = stop_at, threading.Lock()
        self._reached, self._released = threading.Event(), threading.Event()

    def comes_to(self, moment: str) -> None:
        if moment == self._stop_at and self._stops.acquire(blocking=False):
            self._reached.set()
            assert self._released.wait(DEADLINE_S)

    def wait_until_reached(self) -> None:
        assert self._reached.wait(DEADLINE_S), f"no call came to {self._stop_at!r}"

    def let_go(self) -> None:
        self._released.set()


class _Desk(BOOKINGS.Desk):  # type: ignore[misc]
    def do_PUT(self) -> None:
        self.server.comes_to("PUT before")
        super().do_PUT()

    def do_DELETE(self) -> None:
        self.server.comes_to("DELETE before")
        super().do_DELETE()

    def answer(self, status: int) -> None:
        self.server.comes_to(f"{self.command} after")
        try:
            super().answer(status)
        except ConnectionError:  # whoever called is dead
            self.close_connection = True

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*, is_full: bool = False, stop_at: str = "") -> Iterator[Service]:
    """Give a service on a port of its own; it is gone when the block is left."""
    with Service(is_full=is_full, stop_at=stop_at) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            service.let_go()
            service.shutdown()
            thread.join()
