"""A tail is a file like any other: cut short, damaged, replaced, or on a disk that is full."""

from __future__ import annotations

import os
import resource
import shutil
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from holdfast.errors import ConfigError, StoreCorrupt, StoreError
from holdfast.model.tail import DoneRecord, done_record, key_record, records
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.tails import HEADER_BYTES, header
from holdfast.testing.store_opening import owned


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def torn(path: Path, content: bytes) -> list[int]:
    """Return the items that a successor reads from a tail with this content."""
    path.write_bytes(content)
    with closing(SqliteStore(path.parent.parent.parent / "s.db")) as store:
        lives = store.batches.left("r", "k", 9)
    read = [record for life in lives for record in records(life.tail)]
    return [record.ordinal for record in read if isinstance(record, DoneRecord)]


def test_a_torn_tail_loses_at_most_its_last_record(tmp_path: Path) -> None:
    """Cut at every byte: what was whole is read, and nothing else."""
    ends = [HEADER_BYTES]
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        tail = store.batches.tail("r", "k", 1, slots=1)
        for n in range(4):
            record = key_record(n, bytes(16), bytes(8)) + done_record(n)
            tail.write(record)
            ends.append(ends[-1] + len(record))
    (path,) = tmp_path.glob("s.db.batches/*/tail-1")
    whole = path.read_bytes()
    assert ends[-1] == len(whole)
    for size in range(len(whole) + 1):
        expected = [n for n in range(4) if ends[n + 1] <= size]

        assert expected == torn(path, whole[:size]), size


def test_a_tail_without_a_whole_header_says_nothing(tmp_path: Path) -> None:
    """Any flipped bit of it, or the zeros that a power cut leaves; of a newer version it stops."""
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        store.batches.tail("r", "k", 1, slots=1).write(done_record(5))
    (path,) = tmp_path.glob("s.db.batches/*/tail-1")
    whole = path.read_bytes()
    assert [5] == torn(path, whole)
    for at in range(HEADER_BYTES):
        flipped = bytes((whole[at] ^ 1 << at % 8,))

        assert [] == torn(path, whole[:at] + flipped + whole[at + 1 :]), at
    assert [] == torn(path, bytes(len(whole)))
    newer = header("boot").replace(b"hftail\x01", b"hftail\x02")[:-4]
    with pytest.raises(StoreCorrupt, match="version 2; was it written by a newer holdfast"):
        torn(path, newer + zlib.crc32(newer).to_bytes(4, "little"))


def test_a_tail_tells_the_boot_it_was_written_under(tmp_path: Path) -> None:
    """So that after another one nobody relies on it."""
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        store.batches.tail("r", "k", 1, slots=1).write(done_record(5))
        (path,) = tmp_path.glob("s.db.batches/*/tail-1")
        path.write_bytes(header("another") + path.read_bytes()[HEADER_BYTES:])

        assert ["another"] == [life.boot for life in store.batches.left("r", "k", 9)]


def test_a_tail_is_not_followed_elsewhere(tmp_path: Path) -> None:
    """A link in the place of a tail, or of its folder, is refused and left alone."""
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "file"
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        store.batches.tail("r", "k", 1, slots=1).write(done_record(5))
        (path,) = tmp_path.glob("s.db.batches/*/tail-1")
        path.unlink()
        path.symlink_to(target)
        for call in (lambda: store.batches.tail("r", "k", 1, slots=1),
                     lambda: store.batches.left("r", "k", 9)):  # fmt: skip
            with pytest.raises(ConfigError, match="symbolic link"):
                call()
        shutil.rmtree(path.parent)
        path.parent.symlink_to(tmp_path / "elsewhere")
        for call in (lambda: store.batches.tail("r", "k", 1, slots=1),
                     lambda: store.batches.left("r", "k", 9)):  # fmt: skip
            with pytest.raises(ConfigError):
                call()

    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_reading_only_opens_no_tail(tmp_path: Path) -> None:
    """It may look at what is left, and no more."""
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        store.batches.tail("r", "k", 1, slots=1).write(b"one")
    with closing(SqliteStore(tmp_path / "s.db", read_only=True)) as reader:
        assert [b"one"] == [life.tail for life in reader.batches.left("r", "k", 9)]
        for call in (lambda: reader.batches.tail("r", "k", 1, slots=1),
                     lambda: reader.batches.forget_left("r", "k", 1)):  # fmt: skip
            with pytest.raises(StoreError, match="reading only"):
                call()


def test_a_write_that_failed_is_not_half_there(tmp_path: Path) -> None:
    """The next records follow those before, whatever the failed ones left."""
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        tail = store.batches.tail("r", "k", 1, slots=1)
        tail.write(done_record(1))
        with limited_files(HEADER_BYTES + 60), pytest.raises(StoreError, match="nothing that was"):
            tail.write(b"".join(done_record(n) for n in range(100, 110)))
        tail.write(done_record(2))
        (life,) = store.batches.left("r", "k", 9)

        assert [1, 2] == [record.ordinal for record in records(life.tail)]
        tail.close()
        with pytest.raises(StoreError, match="nothing that was finished"):
            tail.write(done_record(3))


def test_a_forked_child_leaves_its_parents_tail_alone(tmp_path: Path) -> None:
    """It may close its copy; the parent goes on, and what it says is read."""
    with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
        tail = store.batches.tail("r", "k", 1, slots=1)
        child = os.fork()
        if child == 0:
            tail.close()
            os._exit(0)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        tail.write(done_record(5))

        assert [done_record(5)] == [life.tail for life in store.batches.left("r", "k", 9)]
        tail.close()


def test_a_tail_is_private_and_goes_with_its_life(tmp_path: Path) -> None:
    """Its folders are 0700 and its files 0600, whatever the umask; an orderly end leaves none."""
    before = os.umask(0)
    try:
        with closing(owned(SqliteStore(tmp_path / "s.db"))) as store:
            root = tmp_path / "s.db.batches"
            tail = store.batches.tail("r", "k", 1, slots=1)
            modes = {(p.is_dir(), p.stat().st_mode & 0o777) for p in [root, *root.rglob("*")]}
            tail.close()
    finally:
        os.umask(before)

    assert {(True, 0o700), (False, 0o600)} == modes
    assert [] == list(root.iterdir())
