"""Every exception holdfast raises on purpose.

HoldfastError
├── UsageError              the script or the command is wrong; fix it            exit 2
│   └── DuplicateLabel      one label names two branches of one scope
├── StepFailed              a step gave up; the workflow's code may catch it      exit 1
├── Rejected                a person said no                                      exit 1
├── PastNoReturn            no rollback: a point of no return was passed         exit 1
├── ParallelFailed          branches of a `parallel` failed                       exit 1
├── InDoubt                 a step must be decided first: did it take effect?     exit 6
├── NotDone                 raised by a step's body: it had no effect             exit 1
├── CommandFailed           a program run by `sh` ended with a failure            exit 1
├── RateLimited             raised by an item's function: too fast, try later     exit 1
├── RunLocked               another process or run holds what this one needs      exit 5
│   ├── LostOwnership       another process took this run over                    exit 5
│   └── TargetLocked        another run holds the target                          exit 5
├── StoreError              the journal cannot be read or written                 exit 74
│   └── StoreCorrupt        what is stored does not decode; nothing is guessed    exit 74
└── ConfigError             a store or configuration we must not touch            exit 78
Leaving (BaseException)     the run leaves this process; never caught by `except Exception`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

IN_A_GROUP_SHOWN_MAX = 5


class HoldfastError(Exception):
    """Base of every error a caller may want to catch."""

    exit_code = 1


class UsageError(HoldfastError):
    """The script or the command asked for something that cannot work."""

    exit_code = 2


class DuplicateLabel(UsageError):
    """One label names two branches of one scope."""

    def __init__(self, label: str, scope: str) -> None:
        where = f"in scope {scope!r}" if scope else "at the top of the workflow"
        super().__init__(f"label {label!r} is used twice {where}; give each branch its own label")
        self.label, self.scope = label, scope


def error_text(type: str, message: str) -> str:
    """Return what a recorded error is, as a line names it."""
    return f"{type}: {message}" if message and type else type or message


def message_of(error: BaseException) -> str:
    """Return what an error says of itself; a group says what is in it, the first of it at least."""
    if isinstance(error, BaseExceptionGroup):
        inside = list(_leaves(error))
        more = len(inside) - IN_A_GROUP_SHOWN_MAX
        named = [named_error(each) for each in inside[:IN_A_GROUP_SHOWN_MAX]]
        return f"{error.message}: {'; '.join(named)}" + (f"; and {more} more" if more > 0 else "")
    try:
        return str(error)
    except Exception:  # An exception of the user's may fail to describe itself.
        return "(its message cannot be told)"


def named_error(error: BaseException) -> str:
    """Return what an error is and says; ours say what they are."""
    if isinstance(error, HoldfastError):
        return message_of(error)
    return error_text(type(error).__name__, message_of(error))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


class StepFailed(HoldfastError):
    """A step gave up after its attempts; first time and on every replay the same."""

    def __init__(self, key: str, type: str, message: str, attempts: int) -> None:
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(f"step {key!r} failed after {times}: {error_text(type, message)}")
        self.key, self.type, self.message, self.attempts = key, type, message, attempts


class ParallelFailed(HoldfastError):
    """Branches of a `parallel` failed; the others finished and are recorded."""

    def __init__(self, failures: Sequence[tuple[str, Exception]]) -> None:
        names = ", ".join(repr(label) for label, _ in failures)
        super().__init__(
            f"{len(failures)} of the parallel branches failed: {names}; "
            f"first: {named_error(failures[0][1])}"
        )
        self.failures = tuple(failures)


class Rejected(HoldfastError):
    """A person answered no; `resume` asks again."""

    def __init__(self, key: str, by: str, comment: str) -> None:
        super().__init__(f"{key!r} was rejected by {by}" + (f": {comment}" if comment else ""))
        self.key, self.by, self.comment = key, by, comment


class PastNoReturn(HoldfastError):
    """The run has passed a point of no return: there is no way back, as `lost` says."""

    def __init__(
        self,
        key: str,
        reason: str,
        run: str = "",
        *,
        lost: str = "nothing was undone: no rollback is possible",
    ) -> None:
        ways = f"; go on with `holdfast resume {run}`, or see `holdfast why {run}`" if run else ""
        super().__init__(f"{lost} since {key!r}: {reason}{ways}")
        self.key, self.reason = key, reason


class InDoubt(HoldfastError):
    """A step began and nobody knows how it ended; that is to be said before anything else."""

    exit_code = 6


class NotDone(HoldfastError):
    """Raise this in a `once=True` step's body to say that it had no effect."""


class CommandFailed(HoldfastError):
    """A program run by `sh` ended with a failure; the last lines say why."""

    def __init__(self, argv: Sequence[str], code: int, tail: str) -> None:
        end = f"signal {-code}" if code < 0 else f"exit {code}"
        super().__init__(f"{' '.join(argv)}: {end}" + (f"\n{tail}" if tail else ""))
        self.argv, self.code, self.tail = tuple(argv), code, tail


class RateLimited(HoldfastError):
    """Raise this in an item's function when the other side says: too fast.

    The item is tried again and no attempt is counted; no worker of the batch begins an item before
    `retry_after` has passed: a duration, a moment with its time zone, or the text of the header
    Retry-After as it came. None leaves the wait to the batch.
    """

    def __init__(self, retry_after: str | int | float | timedelta | datetime | None = None) -> None:
        when = "" if retry_after is None else f"; retry after {retry_after}"
        super().__init__(f"rate limited{when}")
        self.retry_after = retry_after


class RunLocked(HoldfastError):
    """Another process or another run holds what this one needs; nothing was changed."""

    exit_code = 5


class LostOwnership(RunLocked):
    """Another process took this run over; what we were about to write was refused."""


class TargetLocked(RunLocked):
    """Another unfinished run, `run`, holds the target; nothing was changed."""

    def __init__(self, target: str, run: str, more: str = "") -> None:
        super().__init__(f"target {target} is held by run {run}{more}")
        self.target, self.run = target, run


UNTIL_READ = "until the store is reopened and read"
"""In the text of an error whose outcome is unknown; how to go on follows it."""


class StoreError(HoldfastError):
    """The journal could not be read or written; the outcome of the last write is unknown."""

    exit_code = 74


class StoreCorrupt(StoreError):
    """What is stored does not decode or does not match its digest."""


class ConfigError(HoldfastError):
    """A newer schema, a file that is not ours, a bad inventory: holdfast must not touch it."""

    exit_code = 78


class Leaving(BaseException):
    """The run leaves this process in order: a park, a stop, a signal, lost ownership.

    Not an `Exception`, so that a script's `except Exception` does not swallow it. Once it is
    raised, every recorded call raises it again: nothing more is started in this life.
    """

    def __init__(self, reason: str, exit_code: int, kind: str) -> None:
        super().__init__(reason)
        self.reason, self.exit_code, self.kind = reason, exit_code, kind
