"""Which units are done together, and which may begin now: pure, so that every order is tested."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any, Final, Literal, TypeAlias

from holdfast.errors import UsageError
from holdfast.model.making import dataclass, field
from holdfast.model.rollout_facts import RolloutPlanned

REST: Final = "rest"
UNITS_MAX: Final = 10_000
Share: TypeAlias = int | str | Sequence[str]
"""A wave as people write it: a count, "25%" of all units, "rest", or the units by name."""

UnitStatus: TypeAlias = Literal["done", "failed", "in flight", "waiting", "not reached"]


def waves_of(units: Sequence[str], shares: Sequence[Share] | None) -> tuple[tuple[str, ...], ...]:
    """Return the units in waves, each unit once; a wave without any is left out.

    Counts and percents, which are of all units and rounded up, take the first that are left.
    Raises UsageError when a unit is named twice or not there, and when some would be left over.
    """
    left = dict.fromkeys(units)
    if len(left) < len(units):
        twice = next(unit for unit in left if list(units).count(unit) > 1)
        raise UsageError(f"unit {twice!r} is given twice; give each unit a name of its own")
    named = {unit for share in shares or () if not isinstance(share, int | str) for unit in share}
    found = []
    for share in (REST,) if shares is None else shares:
        chosen = _chosen(share, left, len(units), named)
        for unit in chosen:
            del left[unit]
        if chosen:
            found.append(chosen)
    if left:
        names = ", ".join(list(left)[:3])
        raise UsageError(
            f"waves={list(shares or ())!r} leave out {len(left)} of {len(units)} units "
            f"({names}…): end them with {REST!r}"
        )
    return tuple(found)


def _chosen(
    share: Share, left: Mapping[str, None], total: int, named: Collection[str]
) -> tuple[str, ...]:
    if not isinstance(share, int | str):
        for unit in share:
            if unit not in left:
                raise UsageError(f"wave {list(share)!r}: {unit!r} is no unit, or in a wave before")
        return tuple(dict.fromkeys(share))
    free = [unit for unit in left if unit not in named]
    if share == REST:
        return tuple(free)
    return tuple(free[: _count(share, total)])


def _count(share: int | str, total: int) -> int:
    text = str(share)
    digits = text.removesuffix("%")
    is_number = digits.replace(".", "", 1).isdecimal()
    if isinstance(share, bool) or not is_number or (text == digits and not digits.isdecimal()):
        raise UsageError(f'wave {share!r}: give a count, "25%", "{REST}", or a list of units')
    number = float(digits)
    if number <= 0 or (text != digits and number > 100):
        raise UsageError(f"wave {share!r}: from 1 unit, or 1%, up to all of them")
    return int(number) if text == digits else ceil(total * number / 100)


def may_begin(
    waiting: Iterable[str],
    running: Collection[str],
    at_once: int,
    groups: Mapping[str, Hashable],
    aside: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the units that may begin beside those that run: at most so many at once, and never
    two of one group; one that has to wait is overtaken by those behind it. What is set `aside`
    is at work no more, and its group is not free all the same."""
    busy = {groups[unit] for unit in (*running, *aside) if unit in groups}
    chosen: list[str] = []
    for unit in waiting:
        if len(running) + len(chosen) >= at_once:
            break
        if unit in groups and groups[unit] in busy:
            continue
        chosen.append(unit)
        if unit in groups:
            busy.add(groups[unit])
    return tuple(chosen)


@dataclass(frozen=True, slots=True)
class Results:
    """What became of the units: what each returned that is `done`, and why each `failed`."""

    done: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, unit: str) -> Any:
        return self.done[unit]

    def __len__(self) -> int:
        return len(self.done)


@dataclass(slots=True)
class RolloutState:
    """Where a rollout stands: as it is planned, which of its units failed and why, and those that
    a person granted."""

    planned: RolloutPlanned
    failed: dict[str, str] = field(default_factory=dict)
    granted: set[str] = field(default_factory=set)

    @property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        """The keys of its units, by wave."""
        found, at = [], 0
        for size in self.planned.sizes:
            found.append(self.planned.units[at : at + size])
            at += size
        return tuple(found)

    def spent(self, failed: Collection[str]) -> int:
        """Return how much of the budget these failed units use up."""
        return sum(unit not in self.granted for unit in failed)
