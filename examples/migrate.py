"""Migrate a database with numbered scripts: back it up, apply each script once, validate.

touch app.db  # an empty SQLite database; or -p url=postgresql://USER@HOST/NAME, no password in it
holdfast run examples/migrate.py --id m1 -p url=sqlite:///app.db
holdfast resume m1    # after a kill -9 anywhere, or when a script that failed was mended
holdfast rollback m1  # when it cannot be mended: the down.sql of each script, the last one first
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from holdfast import Retry, flight, here, preflight, require, sh, step, workflow

HISTORY = "schema_history (seq INTEGER PRIMARY KEY, script INTEGER NOT NULL, way TEXT NOT NULL)"
AGAIN = Retry(3, first="0.2s")


def connect(url):
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///")).absolute()
        return sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None)
    import psycopg  # needed for PostgreSQL only

    return psycopg.connect(url, autocommit=True)


def read(url, sql):
    with closing(connect(url)) as db:
        return db.execute(sql).fetchall()


def perform(url, sql):
    """Run several statements as one transaction."""
    with closing(connect(url)) as db:
        getattr(db, "executescript", db.execute)(f"BEGIN;\n{sql}\n;COMMIT;")


def is_applied(url, script):
    ways = read(url, f"SELECT way FROM schema_history WHERE script = {number(script)} ORDER BY seq")
    return ways[-1:] == [("up",)]


def number(script):
    return int(script.name.partition("_")[0])


def go(url, script, way):
    """Run a script and note it, both or neither. A killed process may have left its transaction
    at work in the server: that one has the same `seq`, so only one of the two can commit."""
    seq = 1 + len(read(url, "SELECT seq FROM schema_history"))
    if is_applied(url, script) != (way == "up"):
        note = f"INSERT INTO schema_history VALUES ({seq}, {number(script)}, '{way}');\n"
        perform(url, note + script.with_suffix(f".{way}.sql").read_text())


@step("keep a history", retry=AGAIN)
def keep_history(url):
    perform(url, f"CREATE TABLE IF NOT EXISTS {HISTORY}")


@step(
    "apply {script.name}",
    check=is_applied,
    undo=lambda url, script: go(url, script, "down"),
    retry=AGAIN,
)
def apply(url, script):
    go(url, script, "up")


@step("back up to {file}")
def back_up(url, file):
    """Write a backup; `file` is there when it is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    if url.startswith("sqlite:///"):
        with closing(connect(url)) as db, closing(sqlite3.connect(part)) as copy:
            db.backup(copy)
    else:
        sh("pg_dump", "--format=custom", "--file", part, url)
    part.replace(file)


@step("validate")
def validate(url, script):
    """Raise when the script, a question for what is wrong, has an answer."""
    if wrong := read(url, script.read_text()):
        raise ValueError(f"{len(wrong)} rows are wrong, such as {wrong[0]}")


@workflow
def migrate(url: str = "sqlite:///app.db", folder: Path = Path(__file__).parent / "migrations"):
    """Bring a database to its last version."""
    scripts = [up.with_suffix("").with_suffix("") for up in sorted(folder.glob("*.up.sql"))]
    backup = Path("backups") / f"{here().run_id}.backup"
    with preflight():
        downs = [script.with_suffix(".down.sql") for script in scripts]
        require("each script has a way back", lambda: all(down.exists() for down in downs))
        back_up(url, backup)
    with flight():
        keep_history(url)
        for script in scripts:
            apply(url, script)
        validate(url, folder / "validate.sql")
    return {"version": number(scripts[-1]), "backup": str(backup)}
