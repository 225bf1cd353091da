"""The page of the inventory says what the checks do, and the example is one."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

from holdfast.app.inventory_file import load_inventory
from holdfast.model.inventory_keys import TABLES

ROOT = Path(__file__).parent.parent.parent
ON_HOLD = 3


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path, "")
    example = tmp_path / "holdfast.toml"
    example.write_bytes((ROOT / "examples/holdfast.toml").read_bytes())
    example.chmod(0o600)
    return made


def test_every_key_is_documented_as_it_is_checked() -> None:
    """Each table of the file has its keys on the page, with what they take and their defaults."""
    page = (ROOT / "docs/reference/inventory.md").read_text("utf-8")
    headings = {"": "At the top", "policy": "[[policy]]"}
    sections = dict(re.findall(r"(?ms)^## (.+?)\n(.*?)(?=^## |\Z)", page))

    wanted = {
        name: [f"| `{key}` | {what.takes} | {what.default} |" for key, what in keys.items()]
        for name, keys in TABLES.items()
    }
    written = {
        name: [
            line
            for line in sections[headings.get(name, f"[{name}]")].splitlines()
            if line.startswith("| `")
        ]
        for name in TABLES
    }
    assert wanted == written


@pytest.mark.parametrize("page", ["targets-and-modes.md", "secrets.md"])
def test_inventories_in_pages_are_sound(page: str, tmp_path: Path) -> None:
    """What a page shows can be put into a file as it stands."""
    text = (ROOT / "docs/how-to" / page).read_text("utf-8")
    for block in re.findall(r"(?ms)^```toml\n(.*?)^```$", text):
        path = tmp_path / "holdfast.toml"
        path.write_text(block, "utf-8")
        path.chmod(0o600)

        assert set(tomllib.loads(block)["targets"]) == set(load_inventory(str(path)).targets)


def test_the_example_says_on_what_terms(shell: Shell) -> None:
    """`holdfast targets` shows both of its targets, one that asks and one that does not."""
    shown = json.loads(shell("targets", "--json").out)["targets"]

    assert {
        "fleet/lab": "auto: policy tier=lab",
        "fleet/prod": "confirm: policy tier=prod",
    } == {target["name"]: target["rule"] for target in shown}


def test_the_example_is_run_by(shell: Shell) -> None:
    """An upgrade of the lab goes through with the target's parameters, one of production holds."""
    script = str(ROOT / "examples/upgrade.py")
    prod = shell("run", script, "--target", "fleet/prod", "--mode", "auto", "--no-input")
    lab = shell("run", script, "--target", "fleet/lab", "--no-input")

    assert (0, {"upgraded": 1}) == (lab.code, json.loads(lab.out))
    assert ON_HOLD == prod.code
    assert "--mode auto does not loosen it" in prod.err
