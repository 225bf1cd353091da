"""Which directories are kept and replaced, and what becomes of left-overs of earlier attempts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.unit.portraits import NOTHING_READ, fill, kept, names, portrait, spoil

from holdfast.errors import UsageError
from holdfast.integrations.directories import guard, keeping
from holdfast.integrations.directories.keeping import Kept, keep
from holdfast.integrations.directories.restoring import Attempt, put_back, take_away
from holdfast.integrations.directories.tree import DirectoryFailed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    fill(tmp_path / "world" / "d")
    return tmp_path / "world" / "d"


# --- which directories ---


def test_precious_directories_are_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root, homes and what holds them, mounts, and where this process is at work."""
    monkeypatch.chdir("/")
    guard.refuse_precious(os.fsencode(place))
    with pytest.raises(UsageError, match="root of the file system"):
        guard.refuse_precious(b"/")
    with pytest.raises(UsageError, match="a file system is mounted on /proc"):
        guard.refuse_precious(b"/proc")
    monkeypatch.chdir(place / "sub")
    with pytest.raises(UsageError, match="run it from another directory"):
        guard.refuse_precious(os.fsencode(place))
    monkeypatch.chdir("/")
    with open(place / "a"), pytest.raises(UsageError, match=r"this process has .*/a open"):
        guard.refuse_precious(os.fsencode(place))
    monkeypatch.setenv("HOME", str(place / "sub"))
    for home in (place / "sub", place, tmp_path):
        with pytest.raises(UsageError, match="is a home directory"):
            guard.refuse_precious(os.fsencode(home))


def test_the_place_is_absolute_and_no_link(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links above it are followed, itself it must be no link, no file, and have a parent."""
    (tmp_path / "link").symlink_to(place.parent)
    (tmp_path / "current").symlink_to(place)
    monkeypatch.chdir(tmp_path)

    for given_as in ("link/d", "link/d/", "world/d/sub/..", str(place)):
        assert os.fsencode(place) == guard.place_of(given_as)
    with pytest.raises(UsageError, match=f"is a symbolic link; .* of {place} instead"):
        guard.place_of("current")
    with pytest.raises(UsageError, match="is no directory"):
        guard.place_of(place / "a")
    with pytest.raises(UsageError, match="is no directory, so"):
        guard.place_of(tmp_path / "none" / "d")


def test_an_archive_inside_of_itself_is_refused(place: Path) -> None:
    """By whatever name its folder is given."""
    (place.parent / "link").symlink_to(place / "sub")

    for folder in (place, place / "sub" / "new", place.parent / "link"):
        with pytest.raises(UsageError, match="inside of what it holds"):
            keep(os.fsencode(place), os.fsencode(folder / "x"), NOTHING_READ)


@pytest.mark.parametrize("other", ["file", "link", "broken link"])
def test_only_a_directory_is_replaced(place: Path, tmp_path: Path, other: str) -> None:
    """Something else in its place is not ours to remove."""
    archive = kept(place)
    os.rename(place, tmp_path / "moved")
    if other == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "moved" if other == "link" else "nowhere")

    for way in (lambda: put_back(archive, os.fsencode(place)), lambda: take_away(*absent(place))):
        with pytest.raises(UsageError, match="is no directory; nothing was changed"):
            way()
    assert {"archives", "d"} == names(place.parent)


def absent(place: Path) -> tuple[bytes, bytes]:
    return os.fsencode(place), b"absent"


def test_what_was_not_there_is_taken_away(place: Path) -> None:
    """Also the second time; what is beside it stays."""
    (place.parent / ".holdfast-other").mkdir()
    for _ in range(2):
        take_away(*absent(place))

        assert {".holdfast-other"} == names(place.parent)


def test_a_missing_directory_is_put_back(place: Path) -> None:
    """Somebody removed it altogether."""
    before, archive = portrait(place), kept(place)
    shutil.rmtree(place)

    put_back(archive, os.fsencode(place))

    assert before == portrait(place)


# --- left-overs ---


def test_what_died_between_two_renames_is_ended_first(place: Path) -> None:
    """Where the system cannot exchange: the old one is aside, and the new one is whole."""
    before, archive = portrait(place), kept(place)
    spoil(place)
    put_back(archive, os.fsencode(place))
    mine = left_over_name(archive, place)
    os.rename(place, place.parent / f"{mine}.new")
    place.mkdir()
    os.rename(place, place.parent / f"{mine}.old")
    os.unlink(archive.archive)

    with pytest.raises(DirectoryFailed, match="is gone"):
        put_back(archive, os.fsencode(place))
    assert before == portrait(place)
    assert {"archives", "d"} == names(place.parent)


def left_over_name(archive: Kept, place: Path) -> str:
    return os.fsdecode(Attempt(os.fsencode(place), archive.archive).new).removesuffix(".new")


def test_the_old_one_is_kept_while_there_is_no_new_one(place: Path) -> None:
    """When the new one is gone, and there is no room for another, nothing more is lost."""
    archive = kept(place)
    mine = left_over_name(archive, place)
    os.rename(place, place.parent / f"{mine}.old")
    os.rename(archive.archive, archive.archive + b".elsewhere")

    with pytest.raises(DirectoryFailed, match="is gone"):
        put_back(archive, os.fsencode(place))
    assert {"archives", Path(mine).name + ".old"} == names(place.parent)
    os.rename(archive.archive + b".elsewhere", archive.archive)
    put_back(archive, os.fsencode(place))
    assert {"archives", "d"} == names(place.parent)


def test_left_overs_of_an_attempt_are_forgotten(place: Path) -> None:
    """Whole or in part, a file or a tree; others' archives stay."""
    archive = kept(place)
    (place.parent / "archives" / "x.tree.part").mkdir()
    (place.parent / "archives" / "x.tar.gz.part").touch()
    (place.parent / "archives" / "xy.tar.gz").touch()

    keeping.forget(os.path.join(os.path.dirname(archive.archive), b"x"))

    assert {"xy.tar.gz"} == names(place.parent / "archives")
