"""One workflow on many targets: a run that starts a run of its own for each of them, in waves.

Each target's run is an ordinary one, with its own journal, lock and mode; this one only says who
is next. A target's run that failed, or that a gate stopped, uses up the budget. One that waits for
a person is nobody's failure: the fleet waits for it, and goes on when it is run again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final

from holdfast.app.reasons import why
from holdfast.app.views import status_of
from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import here, save, sh
from holdfast.flow.rollouts import rolled
from holdfast.flow.workflows import workflow
from holdfast.model.inventory import RISK_OF_THE_UNRATED, Inventory
from holdfast.model.keys import check_run_id
from holdfast.model.rollout import Results
from holdfast.model.terms import RISKS
from holdfast.runtime.context import in_step

STOP_AFTER: Final[ContextVar[int | None]] = ContextVar("holdfast_stop_after", default=None)
"""How many targets this life of a fleet may begin: said for a command, and not recorded."""
NEEDS_A_PERSON: Final = frozenset({"on_hold", "paused", "stopped"})
EVERY: Final = "all"


class TargetFailed(HoldfastError):
    """The run of one target did not succeed; its own journal says why."""


def child_id(fleet: str, target: str) -> str:
    """Return the id of the run of one target. Raises UsageError when that would be none."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "-" for c in target)
    return check_run_id(f"{fleet}.{safe}")


@step("run {target}")
def run_target(target: str, run: str, file: str, words: list[str]) -> str:
    """Start the run of one target, or go on with it, and return its id once it has succeeded."""
    command = (sys.executable, "-m", "holdfast", *words[: words.index("--")])
    more = words[words.index("--") + 1 :]
    begun = sh(
        *command, "run", file, "--id", run, "--target", target, "--no-input", "--plain", *more,
        check=False,
    )  # fmt: skip
    status, text = _standing(run)
    if status == "succeeded":
        return run
    if status in NEEDS_A_PERSON and begun.code == 3:
        _wait_for_a_person(target, run, text)
    raise TargetFailed(f"run {run} {status or 'did not begin'} (exit {begun.code}): {text}")


def _standing(run: str) -> tuple[str, str]:
    """Return the status of a target's run, and why it stands so."""
    life, _ = in_step("run_target")
    row = life.store.row(run)
    if row is None:
        return "", "see what it wrote: holdfast log"
    return status_of(row), why(life.store, run).summary


def _wait_for_a_person(target: str, run: str, text: str) -> None:
    """Leave the fleet as it is: the target is begun, and has not failed. Raises Leaving."""
    life, _ = in_step("run_target")
    life.leave(f"{target} waits for a person: {text}; see: holdfast why {run}", 3, "park")
    save(run)


@workflow(name="fleet")
def fleet(
    file: str,
    targets: list[str],
    waves: list[str],
    budget: int = 0,
    at_once: int = 1,
    soak: str = "",
    words: list[str] = [],  # noqa: B006  (a parameter's default is only read)
) -> Results:
    """Run the workflow in `file` on every target, in waves."""
    fleet_id = here().run_id

    def one(target: str) -> str:
        return run_target(target, child_id(fleet_id, target), file, words)

    return rolled(
        targets, one, waves=list(waves) or None, at_once=at_once, apart=None, budget=budget,
        soak=soak or None, gates=(), between=None, window=None, stop_after=STOP_AFTER.get(),
    )  # fmt: skip


# --- which targets ----------------------------------------------------------------------------


def chosen_targets(inventory: Inventory, wanted: Sequence[str]) -> list[str]:
    """Return the targets that any of these texts means, least risky first, then by name.

    A text is a name, `all`, or labels that a target must have, all of them: `tier=prod,zone=a`.
    Raises UsageError when one means nothing.
    """
    found: dict[str, None] = {}
    for text in wanted:
        names = [name for name in inventory.targets if _is_meant(inventory, name, text)]
        if not names:
            known = ", ".join(list(inventory.targets)[:5]) or "none"
            where = inventory.file or "there is no inventory"
            raise UsageError(f"--targets {text!r} means no target; there are: {known} ({where})")
        found.update(dict.fromkeys(names))
    return sorted(found, key=lambda name: (_risk(inventory, name), name))


def _is_meant(inventory: Inventory, name: str, text: str) -> bool:
    if text in (EVERY, name):
        return True
    pairs = [part.partition("=") for part in text.split(",")]
    labels: Any = inventory.targets[name].labels
    return all(sign and labels.get(key.strip()) == value.strip() for key, sign, value in pairs)


def _risk(inventory: Inventory, name: str) -> int:
    return RISKS.index(inventory.targets[name].risk or RISK_OF_THE_UNRATED)
