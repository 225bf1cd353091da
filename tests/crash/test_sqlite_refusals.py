"""What the SQLite store does not touch, and what becomes of processes that share it badly."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.databases import made
from tests.crash.spaces import MOUNTING, mounts

from holdfast.errors import ConfigError, StoreCorrupt, StoreError
from holdfast.model.facts import RunFailed, StepSucceeded
from holdfast.ports.store import Output, StoreAbsent
from holdfast.stores import filesystems, sqlite_health
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_schema import VERSION
from holdfast.testing.samples import AT, life_started, run_created


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_what_is_made_is_private(tmp_path: Path) -> None:
    """The directory is 0700 and every file 0600, whatever the umask."""
    before = os.umask(0)
    try:
        with closing(SqliteStore(tmp_path / "new" / "s.db")) as store:
            store.create("r", run_created())
            store.claim("r", life_started(1), after=1, expected_epoch=0)
            store.append("r", [StepSucceeded(AT, "k", "x" * 100_000)], after=2, epoch=1)
            store.write_output("r", [Output(AT, "k", 1, "out", "text")])
            modes = {
                path.is_dir(): path.stat().st_mode & 0o777
                for path in sorted((tmp_path / "new").rglob("*"))
            }
            folder = (tmp_path / "new").stat().st_mode & 0o777
    finally:
        os.umask(before)

    assert (0o700, {True: 0o700, False: 0o600}) == (folder, modes)


def test_an_absent_store_stays_absent(tmp_path: Path) -> None:
    """Reading commands make nothing."""
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(StoreAbsent, match="there is no store at"):
            SqliteStore(tmp_path / "no" / "s.db", **options)

    assert [] == list(tmp_path.iterdir())


def test_reading_only_writes_nothing(tmp_path: Path) -> None:
    """The database and its log are the same bytes afterwards; writing raises."""
    path = made(tmp_path / "s.db")
    before = path.read_bytes()
    with closing(SqliteStore(path, read_only=True)) as store:
        assert 2 == len(list(store.read("r")))
        assert ["r"] == [row.id for row in store.rows()]
        with pytest.raises(StoreError, match="reading only"):
            store.append("r", [], after=2, epoch=1)

    assert before == path.read_bytes()


def test_reading_only_beside_a_writer_sees_and_leaves_its_log(tmp_path: Path) -> None:
    """What is only in the log is read, and the log is not moved into the database."""
    path = made(tmp_path / "s.db")
    with closing(SqliteStore(path)) as writer:
        writer.append("r", [StepSucceeded(AT, "k", 1)], after=2, epoch=1)
        before = contents(tmp_path)
        with closing(SqliteStore(path, read_only=True)) as reader:
            assert 3 == len(list(reader.read("r")))
        after = contents(tmp_path)

        assert {n: before[n] for n in ("s.db", "s.db-wal")} == {
            n: after[n] for n in ("s.db", "s.db-wal")
        }


def test_a_newer_schema_is_not_touched(tmp_path: Path) -> None:
    """It is a configuration error that names both versions; not a byte is written."""
    path = made(tmp_path / "s.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    for read_only in (True, False):
        both = rf"newer holdfast \(schema 99, this one knows {VERSION}\)"
        with pytest.raises(ConfigError, match=both):
            SqliteStore(path, read_only=read_only)
    with pytest.raises(ConfigError, match=both):
        SqliteStore.inspect(path)

    assert before == path.read_bytes()


def test_a_database_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    """An SQLite file without our mark is refused, whatever is in it."""
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    for look in (SqliteStore, SqliteStore.inspect):
        with pytest.raises(ConfigError, match="not one of holdfast's"):
            look(path)

    assert before == path.read_bytes()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    """Text, or a truncated database, is named as what it is, left alone, and closed again."""
    path = tmp_path / "s.db"
    path.write_bytes(b"these are notes, not a database\n" * 100)
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreCorrupt, match="is not a database"):
            SqliteStore(path, read_only=read_only)
        # The error, with what it was raised from and their frames, is still there.
        assert not any(str(path) == str(file.readlink()) for file in open_files())

    assert before == path.read_bytes()


def open_files() -> list[Path]:
    """Return the links of this process's open files."""
    return [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]


@pytest.mark.parametrize("end", ["", ".lock", ".spill", ".output", ".batches", "-wal"])
def test_links_are_not_followed(tmp_path: Path, end: str) -> None:
    """Whoever can put a link beside the store does not choose where it writes."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"s.db{end}").symlink_to(tmp_path / "elsewhere" / "target")
    with pytest.raises(ConfigError, match="symbolic link"):
        SqliteStore(tmp_path / "s.db")

    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_what_is_no_file_is_no_store_that_is_yet_to_be_made(tmp_path: Path) -> None:
    """A directory, a pipe, a link: refused by all that opens a store, and by who inspects it."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(made(tmp_path / "s.db"))
    for name in ("directory", "pipe", "link"):
        for look in (SqliteStore, SqliteStore.inspect):
            with pytest.raises(ConfigError, match=f"{name} is (not a regular|a symbolic)"):
                look(tmp_path / name)


def test_a_fact_changed_behind_our_back_is_found(tmp_path: Path) -> None:
    """Its chain does not follow: reading raises, and the health report names run and fact."""
    path = made(tmp_path / "s.db")
    with closing(SqliteStore(path)) as store:
        store.append("r", [StepSucceeded(AT, "k", 1)], after=2, epoch=1)
        store.append("r", [StepSucceeded(AT, "l", 2)], after=3, epoch=1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE fact SET body = replace(body, '1}', '3}') WHERE body LIKE '%1}'")
    with closing(SqliteStore(path)) as store, pytest.raises(StoreCorrupt, match="fact 3 of run r"):
        list(store.read("r"))

    assert [("r", True)] == [
        (run, "fact 3" in why) for run, why in SqliteStore.inspect(path).broken_chains
    ]
    with pytest.raises(StoreError, match="is damaged"):
        SqliteStore.clear_suspect(path)


@pytest.mark.parametrize("content", [None, b"", b'"other"'])
def test_a_large_value_that_is_not_there_is_found(tmp_path: Path, content: bytes | None) -> None:
    """As in a copy of the database alone: its run could not go on, and is named."""
    path = made(tmp_path / "s.db")
    with closing(SqliteStore(path)) as store:
        store.append("r", [StepSucceeded(AT, "k", "x" * 100_000)], after=2, epoch=1)
    sound = SqliteStore.inspect(path)
    (file,) = (found for found in (tmp_path / "s.db.spill").rglob("*") if found.is_file())
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    ((run, why),) = SqliteStore.inspect(path).broken_values

    assert ((), 1) == (sound.broken_values, sound.values)
    assert "r" == run and file.name in why
    with pytest.raises(StoreError, match="is damaged"):
        SqliteStore.clear_suspect(path)


def test_a_fact_taken_out_behind_our_back_is_found(tmp_path: Path) -> None:
    """A gap in the numbers is corruption."""
    path = made(tmp_path / "s.db")
    with closing(SqliteStore(path)) as store:
        store.append("r", [StepSucceeded(AT, "k", n) for n in range(3)], after=2, epoch=1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM fact WHERE id & 255 = 4")
    with closing(SqliteStore(path)) as store, pytest.raises(StoreCorrupt, match="fact 4"):
        list(store.read("r"))


def test_the_suspect_marker_refuses_the_store(tmp_path: Path) -> None:
    """For reading and writing alike, until somebody looked."""
    path = made(tmp_path / "s.db")
    (tmp_path / "s.db.suspect").write_text("it failed\n")
    for read_only in (True, False):
        with pytest.raises(StoreError, match="holdfast doctor"):
            SqliteStore(path, read_only=read_only)
    assert "it failed" == SqliteStore.inspect(path).suspect
    SqliteStore.clear_suspect(path)

    SqliteStore(path).close()


READ_ONLY = """
import os, sys
from holdfast.errors import HoldfastError
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_schema import VERSION
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    SqliteStore(sys.argv[1])
except HoldfastError as problem:
    print(problem.exit_code)
store = SqliteStore(sys.argv[2], read_only=True)
print(len(list(store.read("r"))))
"""


def test_a_read_only_directory_can_be_read(tmp_path: Path) -> None:
    """Making a store in it ends with 74; a store that is there can be read."""
    ours = [folder for folder in tmp_path.parents if "pytest-" in str(folder)]
    for folder in [*ours, tmp_path]:
        folder.chmod(folder.stat().st_mode | 0o055)
    path = made(tmp_path / "s.db")
    path.chmod(0o644)
    (tmp_path / "s.db.lock").chmod(0o644)
    tmp_path.chmod(0o555)
    command = [sys.executable, "-c", READ_ONLY, str(tmp_path / "new.db"), str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    tmp_path.chmod(0o755)

    assert ("74\n2\n", "") == (result.stdout, result.stderr)


def test_output_never_fails_a_run(tmp_path: Path) -> None:
    """What a full disk does not take is dropped and counted; the rest goes on a new line."""
    with closing(SqliteStore(made(tmp_path / "s.db"))) as store:
        output = Output(AT, "k", 1, "out", "text")
        store.write_output("r", [output])
        (file,) = (tmp_path / "s.db.output").iterdir()
        with file.open("ab") as torn:
            torn.write(b'["2026-11-21T04')
        assert [output] == [read for _, read in store.read_output("r")]
        store._outputs.close()
        store.write_output("r", [output])
        file.unlink()
        file.symlink_to("/dev/full")
        store._outputs.close()
        store.write_output("r", [output, output])
        file.unlink()

        assert 2 == store.dropped


def test_a_torn_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    """A process killed inside a line leaves it behind; the next one's output is whole."""
    with closing(SqliteStore(made(tmp_path / "s.db"))) as store:
        output = Output(AT, "k", 1, "out", "text")
        store.write_output("r", [output])
        (file,) = (tmp_path / "s.db.output").iterdir()
        with file.open("ab") as torn:
            torn.write(b'["2026-11-21T04')
        store._outputs.close()
        store.write_output("r", [output])

        assert [output, output] == [read for _, read in store.read_output("r")]


MOUNTS = """\
22 1 0:21 / / rw - ext4 /dev/sda rw
23 22 0:22 / /mnt/shared\\040files rw - nfs4 server:/x rw
24 22 0:23 / /mnt/ssh rw - fuse.sshfs host: rw
25 22 0:24 / /mnt/ssh/local rw shared:1 - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/mnt/shared files/s.db", "nfs4"),
        ("/mnt/ssh/a/s.db", "fuse.sshfs"),
        ("/mnt/ssh/local/s.db", "tmpfs"),
        ("/mnt/sshx/s.db", "ext4"),
    ],
)
def test_the_file_system_is_the_innermost_mount(tmp_path: Path, place: str, kind: str) -> None:
    """Names with spaces, mounts in mounts, and names that only begin alike."""
    (tmp_path / "mountinfo").write_text(MOUNTS)

    assert kind == filesystems.mount_of(Path(place), tmp_path / "mountinfo").kind


def test_network_file_systems_are_refused_or_warned_about() -> None:
    """NFS and SMB lose commits; others are told of; local ones pass."""
    with pytest.raises(ConfigError, match="--store"):
        filesystems.judge(Path("s.db"), filesystems.Mount("/", "nfs4"))

    warning = filesystems.judge(Path("s.db"), filesystems.Mount("/", "fuse.sshfs"))
    assert warning is not None and "one machine only" in warning
    assert filesystems.judge(Path("s.db"), filesystems.Mount("/", "ext4")) is None


@mounts
def test_a_database_that_is_mounted_by_itself_is_refused(tmp_path: Path) -> None:
    """Its log would lie in another folder than that of who uses the file itself."""
    for name in ("real", "mounted"):
        (tmp_path / name).mkdir()
    SqliteStore(tmp_path / "real" / "s.db").close()
    (tmp_path / "mounted" / "s.db").touch()
    code = (
        f"mount --bind real/s.db mounted/s.db || exit 99; "
        f"{sys.executable} -m holdfast list --store mounted/s.db"
    )
    done = subprocess.run(
        [*MOUNTING, "sh", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert 78 == done.returncode, done
    assert "is mounted by itself" in done.stderr and "Mount its folder instead" in done.stderr


def test_a_second_name_of_a_database_is_minded(tmp_path: Path) -> None:
    """A backup by hard links makes one; whoever opens it finds another log, or none."""
    SqliteStore(tmp_path / "s.db").close()
    assert 1 == sqlite_health.inspect(tmp_path / "s.db").names
    (tmp_path / "copy.db").hardlink_to(tmp_path / "s.db")
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "doctor", "--store", tmp_path / "s.db"],
        capture_output=True, text=True,
    )  # fmt: skip

    assert 0 == done.returncode and "it has 2 names (hard links)" in done.stdout


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ((3, 6, 23), False),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug(version: tuple[int, ...], has_it: bool) -> None:
    """Fixed in 3.51.3, and in 3.50.7 and 3.44.6."""
    assert has_it == sqlite_health.has_wal_reset_bug(version)


def test_a_value_no_journal_can_hold_breaks_nothing(tmp_path: Path) -> None:
    """NaN outside the codec's form is refused before anything is written; the next append works."""
    with closing(SqliteStore(made(tmp_path / "s.db"))) as store:
        bad = [StepSucceeded(AT, "k", 1), StepSucceeded(AT, "l", float("nan"))]
        with pytest.raises(ValueError):
            store.append("r", bad, after=2, epoch=1)

        assert 2 == len(list(store.read("r")))
        done = store.append("r", [RunFailed(AT, "E", "m")], after=2, epoch=1)
        assert (True, 3) == (done.written, done.seq)
