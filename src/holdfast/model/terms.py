"""On what terms a run acts on its target: whether steps ask, how much a yes covers, whose counts.

The terms are resolved at the start of each life, from the command line, the inventory and the
workflow, and recorded in its first fact: every process that folds the journal judges by the same.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from holdfast.model.making import dataclass

Mode: TypeAlias = Literal["auto", "confirm", "earned"]
Ask: TypeAlias = Literal["step", "unit", "stage"]
Risk: TypeAlias = Literal["low", "medium", "high", "critical"]
Identity: TypeAlias = Literal["os", "claimed"]

MODES: Final[tuple[str, ...]] = get_args(Mode)
ASKS: Final[tuple[str, ...]] = get_args(Ask)
RISKS: Final[tuple[str, ...]] = get_args(Risk)
IDENTITIES: Final[tuple[str, ...]] = get_args(Identity)

SUCCESSES: Final = 3
"""Clean outcomes in a row that earn a step its way, unless the inventory says otherwise."""
WITHIN_S: Final = 90 * 86_400.0
"""How old the latest of them may be."""


@dataclass(frozen=True, slots=True)
class Electorate:
    """Whose answer counts, and how many must agree.

    `approvers` are names, groups resolved; none means anybody. `separate` bars whoever started
    or resumed the run. By `identity` a person is the operating system's user or a claimed name.
    """

    approvers: tuple[str, ...] = ()
    quorum: int = 1
    separate: bool = False
    identity: Identity = "claimed"


ANYBODY: Final = Electorate()


@dataclass(frozen=True, slots=True)
class Terms:
    """How the steps of one life proceed, with the rule that decided `mode` to show beside it.

    `is_guarded` says that the target names approvers: nothing loosens its mode. `successes` is
    what `earned` asks for, None for never.
    """

    mode: Mode = "auto"
    rule: str = "auto"
    ask: Ask = "step"
    electorate: Electorate = ANYBODY
    is_guarded: bool = False
    risk: str = ""
    successes: int | None = SUCCESSES
    within_s: float = WITHIN_S


AUTO: Final = Terms()
