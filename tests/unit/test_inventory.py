"""The terms that inventory, flag and workflow make: who decides, and what nothing loosens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.inventory import (
    NO_INVENTORY,
    STRICTNESS,
    Earned,
    Inventory,
    Policy,
    Target,
    expanded,
    resolve,
)
from holdfast.model.terms import ASKS, MODES, RISKS, SUCCESSES, Electorate, Terms

PROD = {"tier": "prod"}

modes = st.sampled_from(("", *MODES))
targets = st.builds(
    Target,
    name=st.just("t"),
    risk=st.sampled_from(("", *RISKS)),
    mode=modes,
    ask=st.sampled_from(("", *ASKS)),
    labels=st.dictionaries(st.sampled_from(["tier", "zone"]), st.sampled_from(["a", "b"])),
    approvers=st.sampled_from([(), ("ana",), ("@team",)]),
)
policies = st.builds(
    Policy,
    st.dictionaries(
        st.sampled_from(["tier", "zone"]), st.sampled_from(["a", "b"]), min_size=1, max_size=2
    ),
    st.sampled_from(MODES),
)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    return Inventory(
        file="holdfast.toml",
        targets={"t": draw(targets)},
        policies=tuple(draw(st.lists(policies, max_size=3))),
        groups={"team": ("ana", "ben")},
    )


def of(target: Target, flag: str = "", workflow: str | None = None, **more: object) -> Terms:
    """Resolve for a target of an inventory that has it alone."""
    inventory = replace(NO_INVENTORY, targets={target.name: target}, **more)
    return resolve(inventory, target.name, flag, "", workflow, None)


@given(inventories(), modes, modes)
def test_nothing_loosens_a_guarded_target(inventory: Inventory, flag: str, workflow: str) -> None:
    """Where approvers are named no flag makes the mode looser than without it, nothing is earned,
    and the flag that was ignored is named."""
    quiet = resolve(inventory, "t", "", "", workflow, None)
    terms = resolve(inventory, "t", flag, "", workflow, None)

    assert bool(inventory.targets["t"].approvers) == terms.is_guarded
    if terms.is_guarded:
        assert STRICTNESS[terms.mode] >= STRICTNESS[quiet.mode]
        assert "earned" != terms.mode
        assert flag == "" or terms.mode == flag or "does not loosen it" in terms.rule


@given(inventories(), modes, modes)
def test_a_flag_comes_first_elsewhere(inventory: Inventory, flag: str, workflow: str) -> None:
    """Without approvers the mode is what the flag says, and the rule says that it was the flag."""
    terms = resolve(inventory, "t", flag, "", workflow, None)

    if flag and not terms.is_guarded:
        assert (flag, f"{flag}: --mode") == (terms.mode, terms.rule)


@given(inventories(), modes, modes)
def test_the_rule_begins_with_the_mode(inventory: Inventory, flag: str, workflow: str) -> None:
    """Whoever reads a rule reads the mode first."""
    terms = resolve(inventory, "t", flag, "", workflow, None)

    assert terms.rule.startswith(f"{terms.mode}: ")


@given(inventories(), st.sampled_from(("", *ASKS)), st.sampled_from((None, *ASKS)))
def test_how_much_a_yes_covers(inventory: Inventory, flag: str, workflow: str | None) -> None:
    """The flag decides, then the target, then the workflow; else it is one step."""
    said = (flag, inventory.targets["t"].ask, workflow, "step")

    assert next(filter(None, said)) == resolve(inventory, "t", "", flag, None, workflow).ask


@given(
    st.lists(st.sampled_from(["target", "policy", "workflow", "risk"]), unique=True),
    st.permutations(MODES),
)
def test_the_first_that_says_a_mode_decides(speakers: list[str], said: list[str]) -> None:
    """Target, policy, workflow and risk decide in this order, whichever of them speak."""
    mode = dict(zip(("target", "policy", "workflow"), said, strict=True))
    inventory = Inventory(
        targets={
            "t": Target(
                "t",
                risk="high" if "risk" in speakers else "medium",
                mode=mode["target"] if "target" in speakers else "",
                labels=PROD,
            )
        },
        policies=(Policy(PROD, mode["policy"]),) if "policy" in speakers else (),
    )
    rules = {
        "target": f"{mode['target']}: target t",
        "policy": f"{mode['policy']}: policy tier=prod",
        "workflow": f"{mode['workflow']}: the workflow",
        "risk": "confirm: risk high",
    }
    workflow = mode["workflow"] if "workflow" in speakers else None
    first = next((rule for name, rule in rules.items() if name in speakers), "auto: the default")

    assert first == resolve(inventory, "t", "", "", workflow, None).rule


@pytest.mark.parametrize(
    ("risk", "rule"),
    [
        ("", "auto: the default"),
        ("low", "auto: the default"),
        ("medium", "auto: the default"),
        ("high", "confirm: risk high"),
        ("critical", "confirm: risk critical"),
    ],
)
def test_risky_targets_ask(risk: str, rule: str) -> None:
    """A target of risk high or critical asks although nobody said a mode."""
    assert rule == of(Target("t", risk=risk)).rule


def test_without_an_inventory_the_defaults_hold() -> None:
    """No file, no flag: steps run, anybody may answer, one yes is for one step."""
    assert Terms(rule="auto: the default") == resolve(NO_INVENTORY, None, "", "", None, None)


def test_a_policy_needs_all_of_its_labels() -> None:
    """A target that lacks one of them is not meant; the first that fits decides."""
    both, tier = Policy({**PROD, "zone": "a"}, "confirm"), Policy(PROD, "earned")

    assert "earned: policy tier=prod" == of(Target("t", labels=PROD), policies=(both, tier)).rule


def test_an_ignored_flag_is_named() -> None:
    """The rule says that the target names approvers, and which flag did not count."""
    target = Target("etcd/prod-a", mode="confirm", approvers=("ana",))
    names = "confirm: target etcd/prod-a names approvers"

    assert f"{names}; --mode auto does not loosen it" == of(target, "auto").rule
    assert f"{names}; --mode earned does not loosen it" == of(target, "earned").rule
    assert "confirm: --mode" == of(target, "confirm").rule
    assert f"{names}; earned does not loosen it" == of(replace(target, mode="earned")).rule


def test_groups_become_names() -> None:
    """A group stands for its people, groups in groups too; each counts once, in order."""
    groups = {"all": ("@db", "cy"), "db": ("ana", "ben")}
    target = Target("t", approvers=("ben", "@all"), quorum=2, separate=True)

    terms = of(target, groups=groups, identity="os")

    assert Electorate(("ben", "ana", "cy"), 2, True, "os") == terms.electorate


def test_a_group_that_is_not_there_is_not_passed_over() -> None:
    """An approver who cannot be found is an error, never one fewer."""
    with pytest.raises(KeyError):
        expanded({}, ("@nobody",))


def test_what_earns_depends_on_the_risk() -> None:
    """A table has a number for each risk; what it leaves out takes the default."""
    earned = Earned(by_risk={"low": 1, "medium": 5, "critical": None})
    risks = ("low", "medium", "high", "critical", "")

    asked = [of(Target("t", risk=risk), earned=earned).successes for risk in risks]

    assert [1, 5, SUCCESSES, None, 5] == asked
