"""A rollout whose budget is used up, in words: which units failed, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdfast.app.next_ways import Next, about
from holdfast.app.rollout_views import failed_steps
from holdfast.app.wording import Field
from holdfast.model.facts import HoldOpened
from holdfast.model.json import Json, list_in, objects_in
from holdfast.model.keys import label_of

FAILED_SHOWN_MAX: Final = 10
RETRIES_SHOWN_MAX: Final = 3
NAMES_SHOWN_MAX: Final = 10


def rollout_fields(seen: dict[str, Json]) -> Iterator[Field]:
    """Yield which units failed and why, and which were not reached."""
    units, left = seen.get("units"), list_in(seen.get("not_reached"))
    failed = objects_in(seen.get("failed"))
    if isinstance(units, dict):
        yield "units", " · ".join(f"{count} {status}" for status, count in units.items())
    yield "budget", f"{seen.get('budget')} may fail"
    for part in failed[:FAILED_SHOWN_MAX]:
        yield "failed", f"{label_of(str(part['unit']))}: {part['why']}"
    if len(failed) > FAILED_SHOWN_MAX:
        yield "failed", f"and {len(failed) - FAILED_SHOWN_MAX} more"
    if left:
        names = ", ".join(label_of(str(unit)) for unit in left[:NAMES_SHOWN_MAX])
        more = f" and {len(left) - NAMES_SHOWN_MAX} more" if len(left) > NAMES_SHOWN_MAX else ""
        yield "not begun", names + more


def rollout_ways(run: str, opened: HoldOpened, which: tuple[str, ...]) -> Iterator[Next]:
    """Yield the commands that go on past a budget that is used up."""
    failed = failed_steps(opened)
    if len(failed) > 1:
        yield Next(
            ("retry", run), f"run all {len(failed)} that failed again, and go on with the rest"
        )
    for key in failed[:RETRIES_SHOWN_MAX]:
        again = "run it again, and go on with the others when it is well"
        yield about(again, "retry", run, key)
    yield Next(("approve", run, *which), "go on without the units that failed; then resume")
    yield Next(("reject", run, *which, "-m", "REASON"), "say no: the run has failed")
