"""Where one step and one scope of a run stand: what `RunState` is made of."""

from __future__ import annotations

from datetime import datetime

from holdfast.model import facts as f
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field
from holdfast.model.sampling import GateState
from holdfast.model.status import RECORDED, StepStatus


@dataclass(slots=True)
class StepState:
    """Where one step stands. `forgiven` attempts were granted anew and no longer count. `name` is
    empty where its outcome does not count for trust, and only what `earns` counts when clean.
    `reached_seq` is the number of the first fact about it, however often it ran since. `world` is
    what its check said last, when that was not that it is so. `gate` are the samples of a gate.

    First come the fields that a start tells, in the order in which `stepping` gives them.
    """

    key: str
    label: str = ""
    status: StepStatus = "running"
    attempts: int = 0
    epoch: int = 0
    started_seq: int = 0
    started_at: datetime | None = None
    inputs: str = ""
    shown: str = ""
    code: str = ""
    version: str = ""
    once: bool = False
    reads: bool = False
    decided_by: str = ""
    location: str = ""
    name: str = ""
    earns: bool = False
    undoes: bool = False
    settles: tuple[str, ...] = ()
    asks_when_interrupted: bool = False
    is_batch: bool = False
    commands: f.Commands | None = None
    ended_seq: int = 0
    ended_at: datetime | None = None
    next_at: datetime | None = None
    reached_seq: int = 0
    forgiven: int = 0
    error_type: str = ""
    error: str = ""
    result: Json | f.Spilled = None
    saved: Json | f.Spilled = None
    has_saved: bool = False
    accepted_inputs: tuple[str, ...] = ()
    world: str = ""
    gate: GateState | None = None

    @property
    def leaves_doubt(self) -> bool:
        """Whether, without a known end, it is in doubt, and does not simply run again."""
        return self.once or self.asks_when_interrupted

    @property
    def is_by_hand(self) -> bool:
        """Whether a person said that it took effect, and what it returned (`done`)."""
        return self.status == "already_done" and self.decided_by.startswith("done by ")

    @property
    def is_finished(self) -> bool:
        """Whether a result is recorded that every later life gets."""
        return self.status in RECORDED


@dataclass(slots=True)
class ScopeState:
    """A stage, branch, unit or nested workflow. `members` are finished steps and scopes in it;
    `passed` are those that a person let a new step come before. It `undoes` itself when it fails.

    `overlapped` tells that steps directly in it ran at the same time, so that their order in
    the journal says nothing about their order in the script. `entered_seq` is the number of the
    fact with which it began, 0 when that is not known.
    """

    key: str
    kind: str = ""
    entered_seq: int = 0
    closed: bool = False
    result: Json | f.Spilled = None
    members: dict[str, None] = field(default_factory=dict)
    passed: dict[str, f.Who] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    overlapped: bool = False
    undoes: bool = False
