"""How a run stands after one life of it."""

from __future__ import annotations

from typing import Any

from holdfast.model.making import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run stands after a life of it: its status, and its result when it succeeded."""

    status: str
    result: Any
    run_id: str
    exit_code: int = 0
    reason: str = ""
