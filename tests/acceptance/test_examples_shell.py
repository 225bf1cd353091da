"""The examples of shell scripts, on real files, killed at random until they are done."""

from __future__ import annotations

import gzip
import os
import select
import shutil
import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.acceptance.shells import DEADLINE_S, Ran, Script, descendants, kill
from tests.crash.soaking import dice_for

FOLDER = Path(__file__).parent.parent.parent / "examples" / "shell"
EXAMPLES = sorted(FOLDER.glob("*.sh"))
LINES_MAX = 40
KILLS = 4
LIVES_MAX = 60
PIECE_BYTES = 64 * 1024


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{missing} is not installed")


def example(folder: Path, name: str) -> Script:
    return Script(folder, (FOLDER / name).read_text(), name)


IN_DOUBT, OVER_BUDGET = 6, 4


def until_done(script: Script, *words: str, seed: str, kills: int = KILLS) -> Ran:
    """Run the example, killing its shell or one of its processes, until it ends by itself. A
    person who is asked whether a killed undo took effect lets it run again: these may. Asked about
    a budget of failures, to which killed items are charged, they have those tried again."""
    dice = dice_for(seed)
    for life in range(LIVES_MAX):
        process = script.start(dice.choice(["bash", "dash"]), *words)
        if life < kills:
            select.select([], [], [], dice.uniform(0.2, 2.5))
            kill(dice.choice([process.pid, *descendants(process.pid)]))
        out, err = process.communicate(timeout=DEADLINE_S)
        ran = Ran(process.returncode, out, err.decode(errors="replace"))
        if ran.code == IN_DOUBT:
            run, state = script.runs[0], script.state()
            for step in state.in_doubt():
                if step.leaves_doubt:
                    script.type("retry", run, step.key)
        elif ran.code == OVER_BUDGET:
            assert "SIGKILL" in script.type("failures", script.runs[0]).text, ran
            script.type("retry", script.runs[0], "--failed")
        elif life >= kills:
            return ran
    raise AssertionError("it does not end")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_clean(path: Path) -> None:
    """It fits on a screen, and ShellCheck has no warning."""
    assert len(path.read_text().splitlines()) < LINES_MAX
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    checked = subprocess.run(["shellcheck", "-S", "warning", path], capture_output=True, text=True)

    assert "" == checked.stdout


# --- a state machine --------------------------------------------------------------------------


class Slow(BaseHTTPRequestHandler):
    """Gives a file from where it is asked for, and hangs up in the middle the first times."""

    data = b""
    asked: list[int]
    cuts = 0

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        self.asked.append(start)
        total = len(self.data)
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(total - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        end = start + PIECE_BYTES if type(self).cuts > 0 else total
        type(self).cuts -= 1
        self.wfile.write(self.data[start:end])

    def log_message(self, *args: object) -> None:
        return None


@contextmanager
def serving(data: bytes) -> Iterator[tuple[str, list[int]]]:
    """Serve the bytes, and give the URL and the places that were asked for."""
    handler = type("Handler", (Slow,), {"data": data, "asked": [], "cuts": 2})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/data.tar", handler.asked  # type: ignore[attr-defined]
        finally:
            server.shutdown()


@pytest.mark.slow
@pytest.mark.kills
@needs("wget", "tar")
@pytest.mark.parametrize("seed", ["one", "two"])
def test_the_state_machine(seed: str, tmp_path: Path) -> None:
    """It ends in the last state with the right files; the download went on where it was cut."""
    source = tmp_path / "source" / "data"
    source.mkdir(parents=True)
    dice = dice_for(seed)
    for name in ("a", "b"):
        lines = [f"{dice.random()}\n" for _ in range(5_000)]
        (source / f"{name}.txt").write_text("".join(lines))
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        tar.add(source, "data")
    script = example(tmp_path, "state_machine.sh")
    with serving((tmp_path / "data.tar").read_bytes()) as (url, asked):
        ran = until_done(script, url, str(tmp_path / "work"), seed=seed)

    assert 0 == ran.code, ran
    assert "10000 lines\n" == (tmp_path / "work/out/done").read_text()
    for name in ("a", "b"):
        wanted = sorted((source / f"{name}.txt").read_text().splitlines())
        assert wanted == (tmp_path / f"work/out/{name}.txt").read_text().splitlines()
    assert any(asked), "no download went on where it was"


# --- a deployment that goes back --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("is_good", [True, False])
def test_the_deployment(is_good: bool, tmp_path: Path) -> None:
    """A good version is installed; a bad one is taken back, to the last byte, however often it
    is killed on the way there and back."""
    site = tmp_path / "site"
    for folder, text, check in (("app", "old", 0), ("new-2", "new", 0 if is_good else 1)):
        (site / folder).mkdir(parents=True)
        (site / folder / "version").write_text(text)
        (site / folder / "check.sh").write_text(f"exit {check}\n")
    (site / "running").touch()
    script = example(tmp_path, "rollback.sh")
    ran = until_done(script, str(site), "2", seed=f"deploy {is_good}")

    assert (0 if is_good else 1) == ran.code, ran
    assert ("new" if is_good else "old") == (site / "app" / "version").read_text()
    assert is_good or "what its stage did is undone" in ran.err, ran
    assert (site / "running").exists() and not (site / "before").exists()


# --- phases side by side ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.kills
def test_the_phases(tmp_path: Path) -> None:
    """The second phase begins when all of the first is done; the sums are right."""
    site = tmp_path / "site"
    site.mkdir()
    for count, region in enumerate(("north", "south", "west"), 1):
        (site / f"{region}.txt").write_text("word " * count)
    script = example(tmp_path, "parallel.sh")
    ran = until_done(script, str(site), seed="phases")

    assert 0 == ran.code, ran
    assert "6\n" == (site / "total").read_text()
    assert "north.count\nsouth.count\nwest.count\n" == (site / "index").read_text()


# --- a migration ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.kills
@needs("sqlite3")
def test_the_migration(tmp_path: Path) -> None:
    """Each script is applied once; it asks before it ends, and goes back to the backup."""
    folder, database = tmp_path / "sql", tmp_path / "app.db"
    shutil.copytree(FOLDER / "migrations", folder)
    with closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE kept (id)")
        made.commit()
    script = example(tmp_path, "migrate.sh")
    ran = until_done(script, str(database), str(folder), seed="migration")
    tables = _tables(database)
    rolled = script.type("rollback", script.runs[0])

    assert 3 == ran.code and "keep the migrated database?" in ran.err, ran
    assert ["customers", "kept", "orders"] == tables
    assert 0 == rolled.code and ["kept"] == _tables(database), rolled


def _tables(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as opened:
        rows = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in rows]


# --- a batch in pieces of time ----------------------------------------------------------------


@pytest.mark.slow
@needs("gzip")
def test_the_batch(tmp_path: Path) -> None:
    """It stops when its time is spent, with 75, and the same command goes on until all is done;
    names with spaces and newlines are names."""
    (tmp_path / "work" / "in").mkdir(parents=True)
    names = [f"file {n}" for n in range(11)] + ["new\nline"]
    for name in names:
        (tmp_path / "work" / "in" / name).write_text(name)
    script = example(tmp_path, "batch.sh")
    codes = {until_done(script, str(tmp_path / "work"), "1ms", seed="batch", kills=3).code}
    for _ in names:
        if codes >= {0}:
            break
        codes.add(script.run("dash", str(tmp_path / "work"), "1ms").code)
    found = {
        path.stem: gzip.decompress(path.read_bytes())
        for path in (tmp_path / "work/out").glob("*.gz")
    }

    assert {75, 0} == codes
    assert {name: name.encode() for name in names} == found
    assert "12" == (tmp_path / "work" / "count").read_text().strip()


# --- extract, transform, load -----------------------------------------------------------------


@pytest.mark.slow
@needs("sqlite3", "awk")
def test_the_pipeline(tmp_path: Path) -> None:
    """Every record of every file of every source is loaded once; a bad one is a dead letter."""
    for source in ("east", "west"):
        (tmp_path / "sources" / source).mkdir(parents=True)
        for file in ("a", "b"):
            rows = [f"{file}{n},{n}.25" for n in range(6)]
            text = "\n".join(["id,amount", *rows, ""]).replace("b5,", "it's,")
            (tmp_path / "sources" / source / f"{file}.csv").write_text(text)
    database = tmp_path / "sales.db"
    script = example(tmp_path, "etl.sh")
    words = (str(tmp_path / "sources"), str(database), str(tmp_path / "work"))
    ran = until_done(script, *words, seed="etl")
    with closing(sqlite3.connect(database)) as opened:
        found = opened.execute(
            "SELECT count(*), count(DISTINCT id), sum(cents) FROM sale"
        ).fetchone()

    failures = script.type("failures", script.runs[0])
    total = 2 * sum(n * 100 + 25 for n in (*range(6), *range(5)))

    assert 0 == ran.code, ran
    assert (22, 11, total) == found
    assert f"{total}\n" == (tmp_path / "work" / "total").read_text()
    assert "2 items failed" in failures.text and "it's" in failures.text


def test_run_and_plan_of_a_script(tmp_path: Path) -> None:
    """`run` begins the run around a script, in the shell of its first line, with its arguments;
    `plan` says what is known, and what cannot be."""
    text = '#!/usr/bin/env bash\nset -e\n[[ $# = 2 ]]\nholdfast step a -- echo "$1" "$2"\n' \
           "holdfast step b -- test -e ok\n"  # fmt: skip
    script = Script(tmp_path, text, "nightly.sh")
    first = script.type("run", "nightly.sh", "-p", "k=v", "x", "--", "-y z")
    plan = script.type("plan", "nightly.sh")
    (tmp_path / "ok").touch()
    second = script.type("run", "nightly.sh", "-p", "k=v", "x", "--", "-y z")

    assert 1 == first.code and b"x -y z\n" == first.out, first
    assert "holdfast run" in first.err and "-y z" in first.err
    assert "does not tell ahead" in plan.text and "1 recorded already" in plan.text, plan
    assert 0 == second.code and b"x -y z\n" == second.out, second
    assert 1 == len(script.runs) and os.path.isfile(script.state().lives[0].file)
