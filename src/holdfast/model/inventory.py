"""The inventory: what runs act on, and on what terms; what one `holdfast.toml` says.

The values are checked when they are read (`inventory_checks`). `resolve` makes of them, of the
command line and of the workflow the terms of one life.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from holdfast.model.making import dataclass, field
from holdfast.model.notice import Notify
from holdfast.model.terms import SUCCESSES, WITHIN_S, Ask, Electorate, Identity, Mode, Terms

STRICTNESS: Final = {"auto": 0, "earned": 1, "confirm": 2}
CAUTIOUS_RISKS: Final = frozenset(("high", "critical"))
"""Targets of these risks ask, unless somebody says otherwise."""

RISK_OF_THE_UNRATED: Final = "medium"
"""Whose entry in a table by risk holds where no risk is given."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a run acts on. Empty texts are what the file does not say.

    `approvers` are as written, groups as `@name`. `env` values are literal, or references
    (`@env:NAME`, `@file:PATH`) to a secret.
    """

    name: str
    risk: str = ""
    mode: str = ""
    ask: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    # Any: what TOML can hold; the workflow's annotations type it.
    params: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    separate: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The mode of every target that has all of these labels."""

    labels: Mapping[str, str]
    mode: str

    def covers(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.labels.items())


@dataclass(frozen=True, slots=True)
class Earned:
    """What earns a step its way: so many clean outcomes in a row, the latest not older.

    `by_risk` has the number for a risk, None for never, and comes before `successes`.
    """

    successes: int = SUCCESSES
    by_risk: Mapping[str, int | None] = field(default_factory=dict)
    within_s: float = WITHIN_S

    def successes_at(self, risk: str) -> int | None:
        return self.by_risk.get(risk or RISK_OF_THE_UNRATED, self.successes)


@dataclass(frozen=True, slots=True)
class Inventory:
    """One `holdfast.toml`; the empty one, without a `file`, stands for none."""

    file: str = ""
    store: str = ""
    lease_s: float | None = None
    identity: Identity = "claimed"
    targets: Mapping[str, Target] = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    earned: Earned = field(default_factory=Earned)
    notify: Notify = field(default_factory=Notify)

    def target(self, name: str | None) -> Target:
        """Return the target; an unknown one, and none, have no terms of their own."""
        return self.targets.get(name or "", Target(name or ""))


NO_INVENTORY: Final = Inventory()


def resolve(
    inventory: Inventory,
    target: str | None,
    given_mode: str,
    given_ask: str,
    workflow_mode: str | None,
    workflow_ask: str | None,
) -> Terms:
    """Return the terms of a life: the flag, the target, the policies, the workflow, the risk.

    The first that says a mode decides, and `rule` names it. On a target that names approvers
    a flag cannot loosen what the others say, and nothing is earned.
    """
    about = inventory.target(target)
    mode, rule = _mode(inventory, about, given_mode, workflow_mode)
    return Terms(
        mode=cast(Mode, mode),
        rule=rule,
        ask=cast(Ask, given_ask or about.ask or workflow_ask or "step"),
        electorate=electorate(inventory, about),
        is_guarded=bool(about.approvers),
        risk=about.risk,
        successes=inventory.earned.successes_at(about.risk),
        within_s=inventory.earned.within_s,
    )


def electorate(inventory: Inventory, target: Target) -> Electorate:
    """Return whose answers count on the target, its groups resolved to names."""
    names = expanded(inventory.groups, target.approvers)
    return Electorate(names, target.quorum, target.separate, inventory.identity)


def expanded(groups: Mapping[str, tuple[str, ...]], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the people among `names` and in the groups that they name, each once, in order.

    Raises KeyError for a group that is not there. One that contains itself adds nothing twice.
    """
    people: dict[str, None] = {}
    opened: set[str] = set()
    pending = list(reversed(names))
    while pending:
        name = pending.pop()
        if not name.startswith("@"):
            people[name] = None
        elif name not in opened:
            opened.add(name)
            pending.extend(reversed(groups[name[1:]]))
    return tuple(people)


# --- the mode and its rule --------------------------------------------------------------------


def _mode(
    inventory: Inventory, target: Target, given: str, workflow: str | None
) -> tuple[str, str]:
    mode, why = _said(inventory, target, workflow)
    loosens = ""
    if given and target.approvers and STRICTNESS[given] < STRICTNESS[mode]:
        loosens = f"--mode {given} does not loosen it"
    elif given:
        mode, why = given, "--mode"
    guarded = f"target {target.name} names approvers"
    if mode == "earned" and target.approvers:
        return "confirm", f"confirm: {guarded}; {loosens or 'earned does not loosen it'}"
    if loosens:
        return mode, f"{mode}: {guarded}; {loosens}"
    return mode, f"{mode}: {why}"


def _said(inventory: Inventory, target: Target, workflow: str | None) -> tuple[str, str]:
    """Return the mode that holds without a flag, and who says it."""
    if target.mode:
        return target.mode, f"target {target.name}"
    for policy in inventory.policies:
        if policy.covers(target.labels):
            labels = ", ".join(f"{name}={value}" for name, value in policy.labels.items())
            return policy.mode, f"policy {labels}"
    if workflow:
        return workflow, "the workflow"
    if target.risk in CAUTIOUS_RISKS:
        return "confirm", f"risk {target.risk}"
    return "auto", "the default"
