"""Fixtures of the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.shells import Script


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """An empty script, for commands that are typed alone."""
    return Script(tmp_path, "")
