"""Retry: how often a step is tried, and how long to wait in between."""

from __future__ import annotations

from math import exp, isfinite, log
from typing import Final

from holdfast.errors import UsageError
from holdfast.model.durations import Duration, seconds, show
from holdfast.model.making import dataclass

ATTEMPTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failing step is tried again: `attempts` in all, the waits growing by `factor`.

    The first wait is `first`, none is longer than `most`, and each is shortened by a random
    share of at most `jitter`, so that many runs do not come back at the same moment. Errors
    that are none of `on` end the step at once, and so does a UsageError: it stays wrong.
    """

    attempts: int = 3
    first: Duration = "1s"
    factor: float = 2
    most: Duration = "1m"
    jitter: float = 0.1
    on: type[Exception] | tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        """Refuse what cannot work, while the script is loaded and nothing has run."""
        _check_attempts(self.attempts)
        first_s, most_s = seconds(self.first), seconds(self.most)
        if first_s > most_s:
            raise UsageError(
                f"Retry: first={show(first_s)} is longer than most={show(most_s)}; raise most"
            )
        if not _is_number(self.factor) or not 1 <= self.factor or not isfinite(self.factor):
            raise UsageError(f"Retry: factor is {self.factor!r}; give a number of at least 1")
        if not _is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise UsageError(f"Retry: jitter is {self.jitter!r}; give a number from 0 to 1")
        kinds = self.on if isinstance(self.on, tuple) else (self.on,)
        if not kinds or not all(isinstance(k, type) and issubclass(k, Exception) for k in kinds):
            raise UsageError(f"Retry: on is {self.on!r}; give exception classes, (TimeoutError,)")

    @classmethod
    def of(cls, given: int | Retry | None) -> Retry:
        """Return what `retry=` means: None is one attempt, a number that many in all."""
        if isinstance(given, Retry):
            return given
        if given is not None and (isinstance(given, bool) or not isinstance(given, int)):
            raise UsageError(f"retry is {given!r}; give a number of attempts or a Retry")
        return cls(attempts=1 if given is None else given)

    def wait_before(self, attempt: int, fraction: float) -> float | None:
        """Return the seconds to wait before attempt 2, 3…, or None when there is none.

        `fraction`, in [0, 1), is the caller's random number.
        """
        assert 0 <= fraction < 1
        if attempt > self.attempts:
            return None
        if attempt <= 1:
            return 0.0
        return self._full_wait(attempt - 2) * (1 - self.jitter * fraction)

    def _full_wait(self, times_grown: int) -> float:
        first_s, most_s = seconds(self.first), seconds(self.most)
        if first_s == 0 or self.factor == 1:
            return first_s
        # By logarithm, because the power of a late attempt overflows.
        grown = log(first_s) + times_grown * log(self.factor)
        if grown >= log(most_s):
            return most_s
        try:
            return min(most_s, first_s * float(self.factor) ** times_grown)
        except OverflowError:
            return min(most_s, exp(grown))

    def retries(self, error: BaseException) -> bool:
        """Return whether this error may be followed by another attempt."""
        return isinstance(error, self.on) and not isinstance(error, UsageError)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_attempts(attempts: object) -> None:
    if isinstance(attempts, bool) or not isinstance(attempts, int):
        raise UsageError(f"Retry: attempts is {attempts!r}; give a whole number")
    if not 1 <= attempts <= ATTEMPTS_MAX:
        raise UsageError(f"Retry: attempts is {attempts}; give 1 to {ATTEMPTS_MAX:,}")
