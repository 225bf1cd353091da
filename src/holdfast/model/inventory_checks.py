"""What makes a parsed `holdfast.toml` an inventory, and everything that is wrong with it.

Nothing stops at the first mistake: a person who edits the file sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.model.guessing import guess
from holdfast.model.inventory import Earned, Inventory, Policy, Target, expanded
from holdfast.model.inventory_keys import (
    EARNED,
    NOTIFY,
    POLICY,
    TARGET,
    TOP,
    Key,
    Read,
    Refused,
    array,
    kind_of,
    name,
)
from holdfast.model.inventory_secrets import Place, secrets_in
from holdfast.model.making import dataclass
from holdfast.model.notice import Notify


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, in words that follow the name of the key at `place`."""

    place: Place
    text: str


def check(document: Mapping[str, Any], file: str) -> tuple[Inventory, list[Problem]]:
    """Return the inventory that a parsed file means, and every problem that there is.

    With problems the inventory has what was right, and must not be acted upon.
    """
    checks = _Checks()
    top = checks.table(document, TOP, ())
    groups = checks.groups(top.pop("groups", {}))
    targets = checks.targets(top.pop("targets", {}))
    policies = checks.policies(top.pop("policy", []))
    earned = checks.table(top.pop("earned", {}), EARNED, ("earned",))
    notify = checks.table(top.pop("notify", {}), NOTIFY, ("notify",))
    checks.quorums(targets, groups)
    inventory = Inventory(
        file=file,
        store=top.get("store", ""),
        lease_s=top.get("lease"),
        identity=top.get("identity", "os"),
        targets=targets,
        policies=policies,
        groups=groups,
        earned=_earned(earned),
        notify=_notify(notify),
    )
    return inventory, _with_secrets(checks.problems, document)


def _earned(table: Mapping[str, Any]) -> Earned:
    defaults = Earned()
    successes = table.get("successes", defaults.successes)
    within_s = table.get("within", defaults.within_s)
    if isinstance(successes, Mapping):
        return Earned(by_risk=successes, within_s=within_s)
    return Earned(successes, within_s=within_s)


def _notify(table: Mapping[str, Any]) -> Notify:
    named = {("stalled_after_s" if at == "stalled_after" else at): v for at, v in table.items()}
    return Notify(**named)


class _Checks:
    """Reads the tables and keeps what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._group_names: tuple[str, ...] = ()

    def note(self, place: Place, text: str) -> None:
        self.problems.append(Problem(place, text))

    def keep(self, found: dict[str, Any], read: Read, value: object, place: Place) -> None:
        """Put the value into `found`, as it is meant, or note what is wrong with it."""
        try:
            found[str(place[-1])] = read(value)
        except Refused as refused:
            for inside, text in refused.wrongs:
                self.note((*place, *inside), text)

    def table(self, value: object, keys: Mapping[str, Key], place: Place) -> dict[str, Any]:
        """Return what is right of a table of ours."""
        found: dict[str, Any] = {}
        for at, part in self._entries(value, place):
            key = keys.get(at)
            if key is None:
                known = f"the keys are {', '.join(keys)}{guess(at, keys)}"
                self.note((*place, at), f"there is no such key; {known}")
                continue
            self.keep(found, key.read, part, (*place, at))
        return found

    def _entries(self, value: object, place: Place) -> Iterator[tuple[str, object]]:
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            self.note(place, f"takes a table; given {kind_of(value)}")

    # --- each table ---

    def targets(self, value: object) -> dict[str, Target]:
        found = {}
        for at, part in self._entries(value, ("targets",)):
            place = ("targets", at)
            self.keep({}, name, at, place)
            table = self.table(part, TARGET, place)
            found[at] = Target(at, **table)
            if isinstance(part, Mapping):
                self._approval(place, part, table)
        return found

    def _approval(
        self, place: Place, part: Mapping[str, object], table: Mapping[str, object]
    ) -> None:
        self._references((*place, "approvers"), part.get("approvers"))
        for key in ("quorum", "separate"):
            if table.get(key) and "approvers" not in part:
                self.note((*place, key), "needs approvers; name them, or leave it out")

    def policies(self, value: object) -> tuple[Policy, ...]:
        if not isinstance(value, list):
            self.note(("policy",), "takes tables [[policy]]; write two brackets on each side")
            return ()
        found = []
        for at, part in enumerate(value):
            table = self.table(part, POLICY, ("policy", at))
            for key in POLICY:
                if isinstance(part, Mapping) and key not in part:
                    self.note(("policy", at), f"needs the key {key} too")
            if "labels" in table and not table["labels"]:
                self.note(("policy", at, "labels"), "is empty; name one label at least")
            if len(table) == len(POLICY):
                found.append(Policy(table["labels"], table["mode"]))
        return tuple(found)

    def groups(self, value: object) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        members = array("a list of names", name)
        self._group_names = tuple(value) if isinstance(value, Mapping) else ()
        for at, part in self._entries(value, ("groups",)):
            if at.startswith("@"):
                self.note(("groups", at), "is named without the @ here; only where it is used")
            self.keep({}, name, at, ("groups", at))
            self._references(("groups", at), part)
            self.keep(found, members, part, ("groups", at))
        for at in found:
            if _is_in_itself(at, found):
                self.note(("groups", at), "contains itself; take one of the references out")
        return found

    def quorums(self, targets: Mapping[str, Target], groups: dict[str, tuple[str, ...]]) -> None:
        for at, target in targets.items():
            place = ("targets", at)
            try:
                people = expanded(groups, target.approvers)
            except KeyError:
                continue  # That was said.
            if people and target.quorum > len(people):
                there = "is 1 approver" if len(people) == 1 else f"are {len(people)} approvers"
                text = f"is {target.quorum}, but there {there}: {', '.join(people)}"
                self.note((*place, "quorum"), f"{text}; nobody could ever approve")

    def _references(self, place: Place, names: object) -> None:
        """Note each reference to a group that is not there, also beside names that are none."""
        known = self._group_names
        for at, each in enumerate(names if isinstance(names, list) else ()):
            if isinstance(each, str) and each.startswith("@") and each[1:] not in known:
                groups = f"the groups are {', '.join(known)}" if known else "there are none"
                why = f"there is no group {each[1:]!r}; {groups}{guess(each[1:], known)}"
                self.note((*place, at), why)


def _is_in_itself(name: str, groups: Mapping[str, tuple[str, ...]]) -> bool:
    seen: set[str] = set()
    pending = [name]
    while pending:
        for inner in groups.get(pending.pop(), ()):
            if inner == f"@{name}":
                return True
            if inner.startswith("@") and inner not in seen:
                seen.add(inner)
                pending.append(inner[1:])
    return False


# --- secrets ----------------------------------------------------------------------------------


def _with_secrets(problems: list[Problem], document: Mapping[str, Any]) -> list[Problem]:
    """Return the problems, with those of secrets in the place of others that might show them."""
    secrets = {
        place: Problem(place, f"seems to be {look}; secrets never stand here: {_advice(place)}")
        for place, look in _secrets(document)
    }
    return [problem for problem in problems if problem.place not in secrets] + [*secrets.values()]


def _secrets(document: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for at, value in document.items():
        if at in ("targets", "groups") and isinstance(value, Mapping):
            # What the user named so himself tells nothing of a secret: @token-keepers.
            for inner, part in value.items():
                yield from secrets_in((at, inner), part)
        else:
            yield from secrets_in((), {at: value})


def _advice(place: Place) -> str:
    if place[0] == "store":
        return "set HOLDFAST_STORE, or leave the password to the database's own files"
    if place[0] == "notify":
        return 'give the whole of it by reference, as "@env:NAME" or "@file:PATH"'
    if place[0] == "targets" and len(place) > 3 and place[2] in ("params", "env"):
        how = "" if place[2] == "env" else ", for a parameter annotated Secret"
        return f'give it by reference, {place[3]} = "@env:NAME" or "@file:PATH"{how}'
    return "take it out"
