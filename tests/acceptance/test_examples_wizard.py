"""The wizard example: it can be left at each of its questions, and taken up days later."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

from holdfast.app import holds
from holdfast.app.loading import load_workflow
from holdfast.app.nobody import Nobody
from holdfast.app.starting import Setting, resume, start
from holdfast.flow.running import Outcome
from holdfast.model.facts import Who
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.clock import JumpClock

WIZARD = str(Path(__file__).parent.parent.parent / "examples" / "wizard.py")
ON_HOLD = 3
DAYS_S = 5 * 86_400.0
OPERATOR = Who("ana", "vm", "")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "")


def test_a_wizard_is_left_at_a_terminal_and_taken_up_elsewhere(shell: Shell):
    """Parked at the first question, killed at the second, answered from other shells: nothing is
    asked twice, and what was counted stays counted."""
    terminal = shell.at_terminal("run", WIZARD, "--id", "w")
    terminal.until("Which table")
    terminal.type("\x04")
    assert ON_HOLD == terminal.end()[0]
    refused = shell("answer", "w", "customers")
    assert (2, True) == (refused.code, "orders, sessions" in refused.err)
    assert 0 == shell("answer", "w", "orders").code
    waiting = shell.begin("resume", "w", "--wait")
    waiting.until("How many days")
    waiting.signal(signal.SIGKILL)
    assert -signal.SIGKILL == waiting.end().code
    assert 0 == shell("answer", "w", "7").code
    said = shell("resume", "w", "--no-input")
    assert (ON_HOLD, True) == (
        said.code,
        "Delete 1200 rows of orders before 2026-01-24?" in said.err,
    )
    assert 0 == shell("approve", "w").code
    said = shell("resume", "w")

    assert (0, 1200) == (said.code, json.loads(said.out)["deleted"])
    log = shell("log", "w").out
    assert [1, 3] == [log.count("count orders before 2026-01-24 succeeded"), log.count(" asks: ")]


def test_a_wizard_is_taken_up_days_later(tmp_path: Path):
    """Five days pass before each answer and after it: each life finds the answers before it, and
    the day it reckons with is the day on which the run began."""
    path, clock = tmp_path / "s.db", JumpClock()
    answers = ["sessions", 30, None]

    def life(first: bool = False) -> Outcome:
        store = SqliteStore(path)
        try:
            setting = Setting(store, clock, Nobody(), OPERATOR)
            return (
                start(setting, load_workflow(WIZARD), {}, id="w") if first else resume(setting, "w")
            )
        finally:
            store.close()

    outcome = life(first=True)
    for value in answers:
        assert ON_HOLD == outcome.exit_code
        clock.jump(DAYS_S)
        store = SqliteStore(path)
        given = "approve" if value is None else "value"
        holds.answer(store, "w", clock, OPERATOR, given, value=value)
        store.close()
        clock.jump(DAYS_S)
        outcome = life()

    assert ("succeeded", {"deleted": 98_000, "approved_by": "ana"}) == (
        outcome.status,
        outcome.result,
    )
