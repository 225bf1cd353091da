"""A part of a store that most processes never use, and that none of them shall wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from holdfast.locks import Lock

T = TypeVar("T")


class Late(Generic[T]):
    """What is made when it is asked for, once, whatever the number of threads that ask."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = Lock()

    def __call__(self) -> T:
        """Return it. Raises what making it raises; then the next one to ask makes it."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made
