"""The inventory as a user sees it: `holdfast targets`, `--config`, and runs that go by it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.shell import Said, Shell

SCRIPT = """
from holdfast import do, here, sh, workflow
import holdfast

@workflow
def act(size: int = 1):
    colour = do("colour", lambda: sh("printenv", "COLOUR", check=False).out)
    return [size, colour, dict(here().labels)]

if __name__ == "__main__":
    holdfast.main(act)
"""
INVENTORY = """\
store = "sqlite:mine/runs.db"
lease = "20s"
[targets."etcd/prod-a"]
risk = "high"
ask = "unit"
labels = { tier = "prod", zone = "a" }
approvers = ["@db-oncall"]
quorum = 2
separate = true
[targets.lab]
risk = "low"
params = { size = 3 }
env = { COLOUR = "red" }
labels = { tier = "lab" }
[targets.staging]
[[policy]]
labels = { tier = "lab" }
mode = "auto"
[groups]
db-oncall = ["ana", "ben", "cy"]
"""


class Place(Shell):
    """A folder with a script and an inventory, whose store nothing else names."""

    def env(self, **more: str) -> dict[str, str]:
        env = super().env(**more)
        if "HOLDFAST_STORE" not in more:
            del env["HOLDFAST_STORE"]
        return env


@pytest.fixture
def shell(tmp_path: Path) -> Place:
    (tmp_path / "work").mkdir()
    made = Place(tmp_path / "work", SCRIPT)
    made.store = tmp_path / "mine" / "runs.db"
    (tmp_path / "holdfast.toml").write_text(INVENTORY)
    return made


def said_by(said: Said) -> list[str]:
    return said.err.splitlines()


# --- which store, which file ------------------------------------------------------------------


def test_the_files_store_is_used(shell: Place) -> None:
    """A relative path begins at the file's folder, not at the working directory."""
    done = shell("run", "script.py", "--target", "lab")

    assert (0, [3, "red", {"tier": "lab"}]) == (done.code, json.loads(done.out))
    assert shell.store.exists()
    assert "act-" in shell("list").out


def test_what_is_nearer_comes_before_the_files_store(shell: Place, tmp_path: Path) -> None:
    """`--store` comes first, then HOLDFAST_STORE."""
    option, variable = tmp_path / "option.db", tmp_path / "variable.db"
    run = ("run", "script.py", "--target", "lab")
    shell(*run, HOLDFAST_STORE=str(variable))
    assert (True, False) == (variable.exists(), shell.store.exists())

    variable.unlink()
    shell(*run, "--store", str(option), HOLDFAST_STORE=str(variable))

    assert (True, False) == (option.exists(), variable.exists())


@pytest.mark.parametrize("before", [True, False])
def test_another_file_may_be_given(shell: Place, tmp_path: Path, before: bool) -> None:
    """`--config` stands before the command or after it, and in what is to be typed next."""
    (tmp_path / "other.toml").write_text('[targets.other]\nmode = "confirm"')
    option = ("--config", "../other.toml")
    run = ("run", "script.py", "--target", "other", "--no-input", "--store", "s.db", "--id", "r")

    parked = shell(*option, *run) if before else shell(*run, *option)

    assert 3 == parked.code, parked.err
    assert "confirm: target other" in parked.err
    assert "holdfast --store s.db --config ../other.toml approve r" in parked.err


def test_a_script_of_its_own_goes_by_the_inventory(shell: Place) -> None:
    """`holdfast.main` has the same options and finds the same file."""
    done = subprocess.run(
        [sys.executable, "script.py", "--target", "lab", "--ask", "step", "-p", "size=5"],
        cwd=shell.folder, env=shell.env(), capture_output=True, text=True,
    )  # fmt: skip

    assert [5, "red", {"tier": "lab"}] == json.loads(done.stdout)


# --- what is wrong ----------------------------------------------------------------------------


def test_every_mistake_has_a_line_of_its_own(shell: Place, tmp_path: Path) -> None:
    """Exit 78, before the script is even read."""
    path = tmp_path / "holdfast.toml"
    path.write_text('colour = "red"\n[targets.a]\nrisk = "hihg"\n')

    refused = shell("run", "no-such-file.py", "--target", "a")

    assert 78 == refused.code
    assert [f"holdfast: {path}:1: colour: ", f"holdfast: {path}:3: targets.a.risk: "] == [
        line[: line.index(": ", len(f"holdfast: {path}:1: ")) + 2] for line in said_by(refused)
    ]


def test_an_unknown_target_is_refused(shell: Place) -> None:
    """Exit 2, with the targets that there are."""
    refused = shell("run", "script.py", "--target", "labs")

    assert 2 == refused.code
    assert "did you mean 'lab'?" in refused.err
    assert {"version": 1, "runs": []} == json.loads(shell("list", "--json").out)


def test_reading_needs_no_sound_inventory_where_the_store_is_given(
    shell: Place, tmp_path: Path
) -> None:
    """A mistake in the file does not keep anybody from looking at a run."""
    shell("run", "script.py", "--target", "lab", "--id", "r")
    (tmp_path / "holdfast.toml").write_text("oops")

    assert 0 == shell("show", "r", "--store", str(shell.store)).code
    assert 78 == shell("show", "r").code


# --- terms ------------------------------------------------------------------------------------


def test_no_flag_loosens_a_guarded_target(shell: Place) -> None:
    """The run holds all the same, and says which flag was ignored, and why."""
    parked = shell(
        "run", "script.py", "--target", "etcd/prod-a", "--mode", "auto", "--no-input", "--id", "r"
    )

    rule = "confirm: target etcd/prod-a names approvers; --mode auto does not loosen it"
    assert 3 == parked.code
    assert rule in " ".join(parked.err.split())


def test_a_plan_names_the_rule(shell: Place) -> None:
    """What asks, and by which rule; the target's parameters are in."""
    shown = json.loads(shell("plan", "script.py", "--target", "lab", "--json").out)

    assert {"size": 3} == shown["params"]
    assert ["auto: policy tier=lab"] == [step["rule"] for step in shown["steps"]]


# --- `holdfast targets` -----------------------------------------------------------------------


def test_targets_are_listed(shell: Place) -> None:
    """With their terms, and the unfinished run that has one."""
    shell("run", "script.py", "--target", "etcd/prod-a", "--no-input", "--id", "upgrade-7")

    shown = json.loads(shell("targets", "--json").out)

    assert (1, ["etcd/prod-a", "lab", "staging"]) == (
        shown["version"],
        [target["name"] for target in shown["targets"]],
    )
    assert {
        "name": "etcd/prod-a",
        "risk": "high",
        "mode": "confirm",
        "rule": "confirm: risk high",
        "ask": "unit",
        "labels": {"tier": "prod", "zone": "a"},
        "params": {},
        "env": [],
        "approvers": ["ana", "ben", "cy"],
        "quorum": 2,
        "separate": True,
        "run": "upgrade-7",
    } == shown["targets"][0]
    assert (["COLOUR"], {"size": 3}, None) == tuple(
        shown["targets"][1][name] for name in ("env", "params", "run")
    )


@pytest.mark.parametrize("columns", [60, 120])
def test_the_table_fits(shell: Place, columns: int) -> None:
    """At 60 columns the terms are still there, at 120 everything; names are never cut."""
    shell("run", "script.py", "--target", "etcd/prod-a", "--no-input", "--id", "upgrade-7")
    lines = shell("targets", COLUMNS=str(columns)).out.splitlines()

    assert all(len(line) <= columns for line in lines)
    assert ["TARGET", "etcd/prod-a", "lab", "staging"] == [line.split()[0] for line in lines]
    assert re.search(r"confirm: risk high", lines[1])
    if columns == 120:
        assert "2 of ana, ben, cy, not who started it" in lines[1]
        assert "upgrade-7 (on hold)" in lines[1]


def test_without_an_inventory_there_are_none(shell: Place, tmp_path: Path) -> None:
    """An empty list, exit 0, and a sentence that says why; no store is made."""
    (tmp_path / "holdfast.toml").unlink()

    shown = shell("targets", "--json")

    assert (0, {"version": 1, "targets": []}) == (shown.code, json.loads(shown.out))
    assert "there is no inventory here" in shown.err


def test_looking_makes_no_store(shell: Place) -> None:
    """`targets` reads, and nothing else."""
    assert 0 == shell("targets").code
    assert not shell.store.parent.exists()
