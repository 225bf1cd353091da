"""A directory is kept whole and put back exactly, and nothing outside of it is reached."""

from __future__ import annotations

import io
import os
import shutil
import socket
import struct
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.portraits import as_nobody, fill, kept, names, portrait, spoil

from holdfast.integrations.directories import system
from holdfast.integrations.directories.cloning import CannotClone, clone_tree
from holdfast.integrations.directories.packing import pack, unpack
from holdfast.integrations.directories.restoring import put_back
from holdfast.integrations.directories.tree import (
    DirectoryChanged,
    DirectoryFailed,
    digest_of,
    scan,
)

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    fill(tmp_path / "world" / "d")
    return tmp_path / "world" / "d"


def without_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if neither the system had it nor this Python, which may since 3.14."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "compression.zstd", None)


# --- there and back ---


@pytest.mark.parametrize("programs", ["zstd", "none"])
def test_a_directory_comes_back_exactly(
    place: Path, programs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links, holes, modes, owners, times, odd names and all, whatever was done to it; twice."""
    if programs == "none":
        without_zstd(monkeypatch)
    elif shutil.which("zstd") is None:
        pytest.skip("zstd is not here")
    if IS_ROOT:
        os.chown(place / "a", 1234, 4321)
    before = portrait(place)
    archive = kept(place)
    spoil(place)

    put_back(archive, os.fsencode(place))
    assert before == portrait(place)
    put_back(archive, os.fsencode(place))
    assert before == portrait(place)

    assert {"zstd": "zstd", "none": "gzip"}[programs] == archive.method
    assert os.stat(place / "holes").st_blocks * 512 < 100_000
    assert {"archives", "d"} == names(place.parent)
    assert 1 == len(names(place.parent / "archives"))


def test_extended_attributes_come_back(place: Path) -> None:
    """Those of files and of directories, with values that are no text."""
    values = {"user.bytes": b"\0\xff\n", "user.100%=x": b"="}
    try:
        for name, value in values.items():
            os.setxattr(place / "a", name, value)
            os.setxattr(place, name, value)
    except OSError:
        pytest.skip("this file system has no extended attributes")
    archive = kept(place)
    os.removexattr(place, "user.bytes")
    os.setxattr(place / "a", "user.new", b"")

    put_back(archive, os.fsencode(place))

    for path in (place, place / "a"):
        assert values == {n: os.getxattr(path, n) for n in os.listxattr(path)}


def test_nobody_is_let_in_by_the_directory_above(place: Path) -> None:
    """Its default access list goes to whatever is made in it; what is put back has its own, and
    what is in a directory with one has none that it did not have."""
    default = "system.posix_acl_default"
    try:
        os.setxattr(place / "sub", default, access_list(5))
        os.setxattr(place.parent, default, access_list(7))
    except OSError:
        pytest.skip("this file system has no access lists")
    before = portrait(place)
    put_back(kept(place), os.fsencode(place))

    assert access_list(5) == os.getxattr(place / "sub", default)
    assert before == portrait(place)


def access_list(bits: int) -> bytes:
    """Return an access list as the system has it, which lets the user 1 do so much."""
    entries = [(0x01, 7, -1), (0x02, bits, 1), (0x04, 5, -1), (0x10, bits, -1), (0x20, 5, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: not {0, ord("/")} & {*name} and name not in (b".", b"..")
)
MODES, TIMES = st.integers(0, 0o777), st.integers(-(10**18), 4 * 10**18)
LEAVES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=300), MODES, TIMES),
    st.tuples(st.just("link"), NAMES, MODES, TIMES),
    st.tuples(st.just("pipe"), st.just(b""), MODES, TIMES),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.just("directory"), st.dictionaries(NAMES, inner, max_size=5), MODES, TIMES
    ),
    max_leaves=15,
)
ROOTS = st.dictionaries(NAMES, TREES, max_size=6)


def grow(path: bytes, inside: dict[bytes, Any]) -> None:
    os.mkdir(path)
    for name, (kind, what, mode, time) in inside.items():
        child = os.path.join(path, name)
        if kind == "directory":
            grow(child, what)
        elif kind == "link":
            os.symlink(what, child)
        elif kind == "pipe":
            os.mkfifo(child)
        else:
            with open(child, "wb") as file:
                file.write(what)
        if kind != "link":
            os.chmod(child, mode if IS_ROOT else mode | 0o700)
        os.utime(child, ns=(time, time), follow_symlinks=False)


@given(ROOTS, st.sampled_from(["gzip", "zstd"]))
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_tree_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[bytes, Any], method: str
) -> None:
    """Whatever names, kinds, modes and times there are; the digest says the same."""
    place = tmp_path_factory.mktemp("any") / "d"
    grow(os.fsencode(place), tree)
    before, digest = portrait(place), digest_of(scan(os.fsencode(place)))
    stream = io.BytesIO()

    pack(os.fsencode(place), list(scan(os.fsencode(place))), stream, lambda size: None)
    stream.seek(0)
    unpack(stream, os.fsencode(place.parent / "again"))

    assert before == portrait(place.parent / "again")
    assert digest == digest_of(scan(os.fsencode(place.parent / "again")))
    system.remove(os.fsencode(place.parent))


def test_equal_directories_make_equal_archives(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With gzip nothing of the moment gets in."""
    without_zstd(monkeypatch)
    first = kept(place)
    os.rename(first.archive, first.archive + b".first")

    assert first.digest == kept(place).digest


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not here")
def test_any_tar_reads_the_archive(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without holdfast, `tar -xpf` makes the directory again."""
    without_zstd(monkeypatch)
    archive = kept(place)
    monkeypatch.undo()
    again = place.parent / "again"
    again.mkdir()

    assert 0 == os.system(f"tar -C {again} -xpzf {os.fsdecode(archive.archive)} 2>/dev/null")
    assert portrait(place) == portrait(again)


# --- a directory that does not stand still ---


def test_a_change_while_reading_is_read_again(place: Path) -> None:
    """What was written into a file that was already read is in the archive."""
    ends = list[int]()

    def write_once(done: int, total: int) -> None:
        if done == total:
            ends.append(done)
            if len(ends) == 1:
                (place / "a").write_text("meanwhile")

    archive = kept(place, write_once)
    (place / "a").write_text("later")
    put_back(archive, os.fsencode(place))

    assert "meanwhile" == (place / "a").read_text()
    assert 1 == len(names(place.parent / "archives"))


@pytest.mark.parametrize("way", ["grow", "vanish", "shrink", "appear"])
def test_what_never_stands_still_is_refused(place: Path, way: str) -> None:
    """The message names what changed, and nothing is left behind."""
    big = place / "z"
    big.write_bytes(b"z" * 1000)
    moment = iter(range(1000))

    def disturb(done: int, total: int) -> None:
        if way == "vanish":
            (place / f"z{next(moment)}").touch()
            for path in sorted(place.glob("z*"))[:1]:
                path.unlink()
        elif way == "appear":
            (place / f"new{next(moment)}").touch()
        else:
            big.write_bytes(b"z" * (1001 + next(moment) if way == "grow" else 0))

    with pytest.raises(DirectoryChanged, match=r"z|new") as refused:
        kept(place, disturb)

    assert "in each of 3 readings" in str(refused.value) and "untouched" in str(refused.value)
    assert set() == names(place.parent / "archives")


def test_a_socket_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No archive can hold it, and leaving it out would not be exact."""
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(place)
        listener.bind("s.sock")  # Its name may not be long.
        monkeypatch.undo()
        with pytest.raises(DirectoryFailed, match=r"s\.sock is a socket.*stop the program"):
            kept(place)


@pytest.mark.skipif(not IS_ROOT, reason="only root makes devices")
def test_a_device_is_refused(place: Path) -> None:
    """It is named, with what it is."""
    try:
        os.mknod(place / "null", 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this machine lets nobody make a device")

    with pytest.raises(DirectoryFailed, match="null is a character device"):
        kept(place)


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
def test_what_only_root_could_give_back_is_refused(tmp_path: Path) -> None:
    """Somebody who is not root learns it before, not when it is to be put back."""
    place = tmp_path / "d"
    place.mkdir()
    (place / "roots").touch()
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(tmp_path.parent.parent.parent) and path != Path("/tmp"):
            path.chmod(0o777)

    said = as_nobody(lambda: kept(place))
    assert "belongs to user 0" in said and "run as root" in said
    tmp_path.chmod(0o755)
    assert "may not be written" in as_nobody(lambda: kept(place))


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
def test_its_owner_needs_no_root(tmp_path: Path) -> None:
    """Directories that nobody may write, not even their owner, are put back and taken away."""
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(tmp_path.parent.parent.parent) and path != Path("/tmp"):
            path.chmod(0o777)

    def there_and_back() -> bool:
        place = tmp_path / "d"
        fill(place)
        (place / "locked").mkdir()
        (place / "locked" / "file").touch()
        (place / "locked").chmod(0o500)
        before = portrait(place)
        archive = kept(place)
        spoil(place)
        for _ in range(2):
            put_back(archive, os.fsencode(place))
        return before == portrait(place) and names(tmp_path) == {"archives", "d"}

    assert "True" == as_nobody(there_and_back)


# --- what an archive may do ---


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", **more: Any) -> Any:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.pax_headers = kind, link, more.pop("headers", {"mtime": "0.0"})
    return info


ROOT = member(".", tarfile.DIRTYPE)


@pytest.mark.parametrize(
    "members",
    [
        [ROOT, member("../out")],
        [ROOT, member("a/../../out")],
        [ROOT, member("/tmp/out")],
        [ROOT, member("l", tarfile.SYMTYPE, ".."), member("l/out")],
        [ROOT, member("no/directory")],
        [ROOT, member("twice"), member("twice")],
        [ROOT, member("h", tarfile.LNKTYPE, "../secret")],
        [ROOT, member("d", tarfile.CHRTYPE)],
        [ROOT, member("foreign", headers={})],
        [ROOT, ROOT],
        [member("first")],
    ],
    ids=lambda members: members[-1].name,
)
def test_no_archive_reaches_out(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    """Names that lead elsewhere, through links too, are refused before anything is made."""
    (tmp_path / "secret").touch()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info in members:
            tar.addfile(info)
    stream.seek(0)

    with pytest.raises(DirectoryFailed):
        unpack(stream, os.fsencode(tmp_path / "new"))
    assert names(tmp_path) <= {"secret", "new"} and not Path("/tmp/out").exists()


@pytest.mark.parametrize("way", ["changed", "cut", "gone"])
def test_an_archive_that_is_another_is_not_put_back(place: Path, way: str) -> None:
    """The directory stays as it is, and nothing is left beside it."""
    archive = kept(place)
    spoil(place)
    before = portrait(place)
    path = Path(os.fsdecode(archive.archive))
    content = path.read_bytes()
    path.write_bytes(content[:-1] if way == "cut" else content[:100] + b"?" + content[101:])
    if way == "gone":
        path.unlink()

    with pytest.raises(DirectoryFailed, match="is as it was: its archive"):
        put_back(archive, os.fsencode(place))
    assert (before, {"archives", "d"}) == (portrait(place), names(place.parent))


def test_a_copy_that_cannot_share_is_no_copy(place: Path, tmp_path: Path) -> None:
    """On a file system without it, the tree is given up for an archive."""
    if system_clones(tmp_path):
        pytest.skip("this file system can")

    assert kept(place).method in ("zstd", "gzip")
    with pytest.raises(CannotClone):
        clone_tree(
            os.fsencode(place),
            list(scan(os.fsencode(place))),
            os.fsencode(tmp_path / "copy"),
            lambda size: None,
        )


def system_clones(folder: Path) -> bool:
    (folder / "one").write_bytes(b"1")
    with open(folder / "one", "rb") as one, open(folder / "two", "wb") as two:
        return system.clone(one.fileno(), two.fileno())
