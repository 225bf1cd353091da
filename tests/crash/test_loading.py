"""What a worker's process must load before it can begin: the script, and the items."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.crash.lives import SCRIPTS, Site


def test_a_script_that_nobody_can_import_is_loaded_by_its_file(tmp_path: Path):
    """Its function, partly applied, and the class of its items are known in spawned workers: all
    items are done by those, none is taken for one that killed its process."""
    shutil.copy(SCRIPTS / "loaded.py", tmp_path / "night")
    site = Site(tmp_path / "site")
    code, text = site.holdfast("run", f"{tmp_path / 'night'}:things", "--id", "r", "--plain")

    assert 0 == code, text
    assert 20 == sum(site.counted().values())
    assert 2 >= len(site.counted())


def test_an_item_that_cannot_be_loaded_there_ends_the_batch(tmp_path: Path):
    """The failure says so; no item is begun, nor taken for one that killed its process."""
    site = Site(tmp_path)
    file = f"{SCRIPTS / 'loaded.py'}:stubborn"
    code, text = site.holdfast("run", file, "--id", "r", "--plain")

    assert 2 == code
    assert "cannot be loaded in another process: OSError: not here" in text
    assert {} == dict(site.counted())
