"""Whether a step has earned to go on by itself: a pure function of its trials.

What was clean counts from the newest trial backwards, over all targets, as long as it was the
very code that is about to run; the first trial that was not ends the count. So a step whose last
trial was bad, on whatever target, has earned nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from holdfast.model.durations import show
from holdfast.model.making import dataclass, replace
from holdfast.model.mode import Ruling
from holdfast.model.terms import Terms
from holdfast.model.trials import Trial

SHOWN_MAX: Final = 5
"""Trials named in a prompt."""


@dataclass(frozen=True, slots=True)
class Streak:
    """Clean trials of one code, newest first, and the trial before them that ends the count."""

    clean: tuple[Trial, ...] = ()
    ended_by: Trial | None = None

    @property
    def successes(self) -> int:
        return len(self.clean)

    @property
    def latest_at(self) -> datetime | None:
        return self.clean[0].at if self.clean else None


def settled(trials: Iterable[Trial], is_going_on: Callable[[str], bool]) -> tuple[Trial, ...]:
    """Return trials, those that began judged by whether their run is still going on.

    One that runs now says nothing yet. One whose process is gone was interrupted, and whatever
    ended since says nothing about it: it stands first until somebody goes on with that run, or
    cancels it.
    """
    cut_off, ended = [], []
    for trial in trials:
        if trial.outcome != "began":
            ended.append(trial)
        elif not is_going_on(trial.run):
            cut_off.append(replace(trial, outcome="interrupted"))
    return (*cut_off, *ended)


def streak(trials: Sequence[Trial], code: str) -> Streak:
    """Return how often `code` was clean in a row, up to the newest of `trials` (newest first)."""
    clean: list[Trial] = []
    for trial in trials:
        if trial.outcome != "clean" or trial.code != code or not code:
            return Streak(tuple(clean), trial)
        clean.append(trial)
    return Streak(tuple(clean))


def trials_needed(terms: Terms) -> int:
    """Return how many of the newest trials tell whether a step has earned its way, and let a
    person see what was before."""
    return max(terms.successes or 1, SHOWN_MAX) + 1


def earned(streak: Streak, terms: Terms, now: datetime) -> Ruling:
    """Return whether a step with this streak asks on these terms, and the rule to show."""
    if terms.is_guarded:
        return _asks("never on a target that names its approvers")
    if terms.successes is None:
        return _asks(f"never on a {terms.risk} target" if terms.risk else "never")
    needed = max(1, terms.successes)
    if not streak.clean and streak.ended_by is not None:
        return _asks(f"started over, {_how_it_ended(streak.ended_by, now)}")
    if streak.successes < needed:
        return _asks(f"{streak.successes} of {needed} clean in a row")
    latest = streak.clean[0].at
    # A clock that jumped may have dated it into the future: then nobody knows how old it is.
    if abs((now - latest).total_seconds()) > terms.within_s:
        return _asks(f"the last clean one is not within {show(terms.within_s)}")
    return Ruling(
        False, f"earned: {needed} of {needed} clean in a row, the last {_ago(latest, now)}"
    )


def history(streak: Streak) -> str:
    """Return what a person who is asked should know of the trials, newest first."""
    parts = [_shown(trial) for trial in streak.clean[:SHOWN_MAX]]
    if streak.successes > SHOWN_MAX:
        parts.append("and more clean ones")
    if (end := streak.ended_by) is not None:
        other = " with other code" if end.outcome == "clean" else ""
        parts.append(f"before that {_shown(end)}{other}" if parts else f"{_shown(end)}{other}")
    return "; ".join(parts)


def _shown(trial: Trial) -> str:
    return f"{trial.told} {trial.at:%Y-%m-%d %H:%M}"


def _asks(rule: str) -> Ruling:
    return Ruling(True, f"earned: {rule}")


def _how_it_ended(trial: Trial, now: datetime) -> str:
    if trial.outcome == "clean":
        return "its code is not what ran before"
    return f"{trial.told} {_ago(trial.at, now)}"


def _ago(at: datetime, now: datetime) -> str:
    return f"{show(max(0, round((now - at).total_seconds())))} ago"
