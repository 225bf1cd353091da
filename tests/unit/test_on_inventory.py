"""Runs on the targets of an inventory: their terms, parameters, variables and labels."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runs import Runs, touch

import holdfast
from holdfast import Secret, UsageError, confirm, do, here, sh, workflow
from holdfast.aio import do as do_async
from holdfast.aio import workflow as async_workflow
from holdfast.app.inventory_file import load_inventory
from holdfast.app.planning import plan
from holdfast.app.terms import terms_for
from holdfast.model.facts import LifeStarted, RunCreated
from holdfast.model.inventory import NO_INVENTORY, Inventory, Target
from holdfast.testing.clock import JumpClock

INVENTORY = """\
[targets.prod]
risk = "high"
labels = { tier = "prod" }
params = { size = 3, endpoints = ["a", "b"], elsewhere = true }
env = { COLOUR = "red", BOTH = "target" }
approvers = ["ana", "ben"]
[targets.lab]
risk = "low"
params = { size = "three" }
env = { PASSWORD = "@env:LAB_PASSWORD" }
"""


@workflow
def sized(size: int = 1, endpoints: tuple[str, ...] = ()) -> list[Any]:
    return [size, list(endpoints)]


@workflow
def stepping() -> str:
    return str(do("act", touch, "act"))


@workflow(mode="confirm", ask="stage")
def asking() -> None:
    do("act", touch, "act")


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    path = tmp_path / "holdfast.toml"
    path.write_text(INVENTORY)
    return load_inventory(str(path))


@pytest.fixture
def at(runs: Runs, inventory: Inventory) -> Runs:
    """Runs that know the inventory."""
    runs.setting = replace(runs.setting, inventory=inventory)
    return runs


# --- targets ----------------------------------------------------------------------------------


def test_an_unknown_target_is_refused(at: Runs, inventory: Inventory) -> None:
    """Nothing is recorded; the refusal has what is near and what there is."""
    with pytest.raises(UsageError) as refused:
        at.start(stepping, target="prd")

    assert str(refused.value) == (
        f"{inventory.file} has no target 'prd'; did you mean 'prod'? it has prod, lab; "
        "`holdfast targets` shows them"
    )
    assert at.store.row("r") is None


def test_without_targets_any_will_do(runs: Runs) -> None:
    """An inventory that names no targets, or none at all, refuses none."""
    assert "succeeded" == runs.start(stepping, target="anything").status


def test_a_target_that_is_needed_is_asked_for(at: Runs, inventory: Inventory) -> None:
    """A workflow that requires a target says which there are."""
    needing = workflow(target="required")(lambda: None)

    with pytest.raises(UsageError, match=r"add --target NAME; .*toml has prod, lab$"):
        at.start(needing)


# --- terms ------------------------------------------------------------------------------------


def test_the_terms_are_recorded_at_each_life(at: Runs, inventory: Inventory) -> None:
    """A changed inventory takes effect at the next life; the flag of `run` goes on to hold."""
    at.start(stepping, target="prod", mode="auto")
    lab = replace(inventory.targets["lab"], name="prod", mode="auto")
    at.setting = replace(at.setting, inventory=Inventory(targets={"prod": lab}))
    at.resume(stepping)

    assert ["auto"] == [fact.given_mode for fact in at.facts(RunCreated)]
    assert [
        "confirm: target prod names approvers; --mode auto does not loosen it",
        "auto: --mode",
    ] == [life.terms.rule for life in at.facts(LifeStarted)]


def test_a_risky_target_holds(at: Runs) -> None:
    """Risk high asks, and the hold says why."""
    outcome = at.start(stepping, target="prod")

    assert ("on_hold", "confirm: risk high") == (
        outcome.status,
        at.hold().opened.evidence["why"],
    )


def test_a_workflow_says_its_mode_and_what_a_yes_covers(inventory: Inventory) -> None:
    """`mode=` and `ask=` hold where neither the command nor the target says anything."""
    quiet = terms_for(inventory, asking, "lab")
    said = terms_for(inventory, asking, "lab", "auto", "unit")

    assert ("confirm: the workflow", "stage") == (quiet.rule, quiet.ask)
    assert ("auto: --mode", "unit") == (said.rule, said.ask)


@pytest.mark.parametrize("decorator", [workflow, async_workflow])
@pytest.mark.parametrize("option", [{"mode": "always"}, {"ask": "all"}])
def test_a_workflows_words_are_checked(decorator: Any, option: dict[str, str]) -> None:
    """A mode or a reach that is none is refused where it is written."""

    async def awaited() -> None:
        return None

    function = stepping.function if decorator is workflow else awaited
    with pytest.raises(UsageError, match="choose one of"):
        decorator(**option)(function)


def test_another_folder_loosens_nothing(at: Runs) -> None:
    """A run whose target names approvers is not gone on with where no inventory knows that."""
    at.start(stepping, target="prod")
    at.setting = replace(at.setting, inventory=NO_INVENTORY)

    with pytest.raises(UsageError, match=r"prod, which names approvers, .* or give --config PATH"):
        at.resume(stepping, mode="auto")

    assert "on_hold" == at.row.status


def test_a_guarded_target_that_was_renamed_is_told_as_that(at: Runs) -> None:
    """The inventory is there, and has targets: only not this one, which is not let go."""
    at.start(stepping, target="prod")
    named = Inventory(targets={"prod2": Target("prod2")}, file="holdfast.toml")
    at.setting = replace(at.setting, inventory=named)

    with pytest.raises(UsageError, match=r"has no target 'prod'; did you mean 'prod2'.*Name it so"):
        at.resume(stepping)

    assert "on_hold" == at.row.status


def test_a_plan_names_the_rule(inventory: Inventory) -> None:
    """What would ask says by which rule."""
    terms = terms_for(inventory, stepping, "prod")

    found = plan(stepping, {}, JumpClock(), target="prod", terms=terms, inventory=inventory)

    assert [("ask and run", "confirm: risk high")] == [(s.will, s.rule) for s in found.steps]


def test_a_plan_answers_for_everybody(inventory: Inventory) -> None:
    """It goes on behind a question that two approvers have to answer, of whom none is here."""

    @workflow
    def signed() -> None:
        confirm("sure?", approvers=["ana", "ben"], quorum=2)
        do("act", touch, "act")

    quiet = replace(inventory, groups={"all": ("ana", "ben")})
    found = plan(signed, {}, JumpClock(), terms=terms_for(quiet, signed, None), inventory=quiet)

    assert ["hold", "run"] == [step.will for step in found.steps]


def test_groups_of_the_inventory_approve(runs: Runs) -> None:
    """`confirm(approvers=)` may name a group; one that is not there is a mistake of the script."""

    @workflow
    def signed(group: str) -> None:
        confirm("sure?", approvers=[group])

    inventory = Inventory("holdfast.toml", groups={"db": ("ana", "ben")})
    runs.setting = replace(runs.setting, inventory=inventory)
    outcome = runs.start(signed, {"group": "@dba"}, id="s")
    runs.start(signed, {"group": "@db"})

    assert ("ana", "ben") == runs.hold().opened.electorate.approvers
    assert "approvers: there is no group '@dba': the inventory has db" == outcome.reason


# --- parameters -------------------------------------------------------------------------------


def test_a_target_gives_parameters(at: Runs) -> None:
    """What is given comes first, then the target's, then the default; others are left out."""
    assert [3, ["a", "b"]] == at.start(sized, target="prod").result
    assert [7, ["a", "b"]] == at.start(sized, {"size": 7}, id="s", target="prod").result


def test_a_targets_parameter_is_typed_by_the_workflow(at: Runs, inventory: Inventory) -> None:
    """A value that is none of the annotation is refused with the inventory's line, unless another
    is given."""
    with pytest.raises(UsageError) as refused:
        at.start(sized, target="lab")

    assert str(refused.value).startswith(
        f"{inventory.file}:9: parameter size takes int; given 'three'"
    )
    assert at.store.row("r") is None
    assert [7, []] == at.start(sized, {"size": 7}, target="lab").result


def test_a_secret_is_given_by_reference(runs: Runs, tmp_path: Path) -> None:
    """A reference gives a parameter annotated Secret; a file begins at the inventory's folder."""

    @workflow
    def secretive(key: Secret) -> str:
        return key.reference

    path = tmp_path / "holdfast.toml"
    path.write_text('[targets.t]\nparams = { key = "@file:key" }')
    runs.setting = replace(runs.setting, inventory=load_inventory(str(path)))

    assert f"file:{tmp_path}/key" == runs.start(secretive, target="t").result


# --- variables and labels ---------------------------------------------------------------------


@workflow
def printing() -> list[str]:
    line = 'echo "$COLOUR $BOTH"'
    outside = sh("sh", "-c", line).out
    inside = do("inside", lambda: sh("sh", "-c", line).out)
    own = do("own", lambda: sh("sh", "-c", line, env={"BOTH": "call"}).out)
    return [outside, inside, own]


def test_the_targets_variables_reach_every_program(at: Runs) -> None:
    """In a step and between steps; what the call says itself comes first."""
    quiet = replace(at.setting.inventory.targets["prod"], mode="auto")
    at.setting = replace(at.setting, inventory=Inventory(targets={"prod": quiet}))

    assert ["red target", "red target", "red call"] == at.start(printing, target="prod").result
    assert "COLOUR" not in os.environ


def test_a_secret_variable_is_revealed_and_not_shown(
    at: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference reaches programs as the secret itself, and its text is kept out of the log."""

    @workflow
    def telling() -> int:
        return len(do("tell", lambda: sh("printenv", "PASSWORD").out and "x"))

    monkeypatch.setenv("LAB_PASSWORD", "hunter2!")
    at.start(telling, target="lab")

    assert ["[secret env:LAB_PASSWORD]"] == [output.text for output in at.output()]


def test_a_secret_variable_that_is_missing_fails_the_step(
    at: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure names the reference, and no program is started with half of its variables."""
    monkeypatch.delenv("LAB_PASSWORD", raising=False)

    outcome = at.start(printing, target="lab")

    assert "failed" == outcome.status
    assert "the secret env:LAB_PASSWORD is missing" in outcome.reason


def test_here_knows_the_labels(at: Runs) -> None:
    """`here()` has what the inventory says of the target, in a plain and in an awaited workflow."""

    @workflow
    def placed() -> dict[str, str]:
        return dict(here().labels)

    @async_workflow
    async def awaited() -> dict[str, str]:
        await asyncio.sleep(0)
        return dict(await do_async("labels", lambda: dict(here().labels)))

    quiet = replace(at.setting.inventory.targets["prod"], mode="auto")
    at.setting = replace(at.setting, inventory=Inventory(targets={"prod": quiet}))

    assert {"tier": "prod"} == at.start(placed, target="prod").result
    assert {"tier": "prod"} == at.start(awaited, id="s", target="prod").result


# --- `holdfast.run` ---------------------------------------------------------------------------


def test_run_uses_the_nearest_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its terms, and its store, whose relative path begins at the file's folder."""
    (tmp_path / "holdfast.toml").write_text('store = "sqlite:state/runs.db"\n' + INVENTORY)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)

    outcome = holdfast.run(stepping, target="prod")

    assert "on_hold" == outcome.status
    assert (tmp_path / "state" / "runs.db").exists()
