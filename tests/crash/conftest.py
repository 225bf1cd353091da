"""Fixtures of the tests that kill."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.crash.lives import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Where lives of a script are begun, with a gate that those wait at which are to be met."""
    site = Site(tmp_path)
    site.env["GATE"] = str(tmp_path / "gate")
    os.mkfifo(tmp_path / "gate")
    return site
