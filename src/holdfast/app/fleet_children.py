"""The runs of a fleet's targets: their ids, and which fleet a run belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from holdfast.errors import UsageError
from holdfast.model.hashing import blake2b
from holdfast.model.keys import RUN_ID_CHARS_MAX, as_id, check_run_id
from holdfast.model.status import FINISHED
from holdfast.ports.store import RunRow

FLEET: Final = "fleet"
"""The workflow of every fleet; a script may have one that is called so, too."""
FLEET_ID_CHARS_MAX: Final = 40
"""What is left behind it names a target."""
DIGEST_BYTES: Final = 4
_FILE: Final = ("holdfast", "app", "fleet.py")


def is_fleet(row: RunRow) -> bool:
    """Whether a run is a fleet, wherever holdfast was installed when it began."""
    return row.workflow == FLEET and Path(row.file).parts[-3:] == _FILE


def check_fleet_id(fleet: str) -> str:
    """Return `fleet` when it may be a fleet's id, else raise UsageError."""
    check_run_id(fleet)
    if len(fleet) > FLEET_ID_CHARS_MAX:
        raise UsageError(
            f"--id {fleet} has {len(fleet)} characters; the run of each target is named after it: "
            f"give at most {FLEET_ID_CHARS_MAX}"
        )
    return fleet


def child_id(fleet: str, target: str) -> str:
    """Return the id of the run of one target, another for each.

    A name that may not stand in an id, or is too long for one, is told apart by its digest.
    """
    room = RUN_ID_CHARS_MAX - len(fleet) - 1
    safe = as_id(target)
    if safe != target or len(safe) > room:
        digest = blake2b(target.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES)
        safe = f"{safe[: room - 2 * DIGEST_BYTES - 1]}-{digest.hexdigest()}"
    return f"{fleet}.{safe}"


def check_targets(fleet: str, targets: Iterable[str]) -> None:
    """Raise UsageError when two targets would share a run."""
    named: dict[str, str] = {}
    for target in targets:
        other = named.setdefault(child_id(fleet, target), target)
        if other != target:
            raise UsageError(
                f"the targets {other!r} and {target!r} would share the run "
                f"{child_id(fleet, target)}; give the fleet another --id"
            )


def unfinished_fleets(rows: Iterable[RunRow]) -> list[str]:
    """Return the ids of the fleets that may still ask how a target's run ended."""
    return [row.id for row in rows if is_fleet(row) and row.status not in FINISHED]


def is_of(fleets: Iterable[str], run: str) -> bool:
    """Whether a run is named as one of these fleets' targets' runs are."""
    return any(run.startswith(f"{fleet}.") for fleet in fleets)
