"""Fixtures of the tests of behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.cordons import CORDONED
from tests.unit.makings import MADE
from tests.unit.runs import CALLS, Runs, Script


@pytest.fixture
def runs() -> Runs:
    for kept in (CALLS, CORDONED, MADE):
        kept.clear()
    return Runs()


@pytest.fixture
def script(runs: Runs, tmp_path: Path) -> Iterator[Script]:
    made = Script(runs, tmp_path)
    yield made
    made.forget()
