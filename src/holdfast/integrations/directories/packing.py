"""A directory as a tar archive, which any tar can read: POSIX format, names as bytes.

What tar has no place for travels in extended headers: nanoseconds, extended attributes (as
GNU tar and star write them), and that a file had holes.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import IO, Any, BinaryIO, cast

from holdfast.integrations.directories.building import Builder
from holdfast.integrations.directories.tree import (
    ROOT,
    DirectoryChanged,
    DirectoryFailed,
    Entry,
    attributes_of,
    entry_of,
    path_in,
    shown,
)

ATTRIBUTE = "SCHILY.xattr."
HOLES = "HOLDFAST.holes"
BILLION = 1_000_000_000
CHUNK = 1 << 20
PAGE = 4096
KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}
MODES = {kind: mode for mode, kind in KINDS.items()}


def pack(
    root: bytes, entries: Sequence[Entry], stream: BinaryIO, progress: Callable[[int], object]
) -> None:
    """Write the entries to `stream`, with contents as they are in `root` now. `progress` is told
    how many bytes of each file were read. Raises DirectoryChanged for one that is not as its
    entry says."""
    first = dict[tuple[int, int], bytes]()
    with _tar(stream, "w|") as tar:
        for entry in entries:
            path = path_in(root, entry.name)
            info = _info(entry, path)
            known = first.setdefault(entry.identity, entry.name)
            if known != entry.name and entry.links > 1:
                info.type, info.size, info.linkname = tarfile.LNKTYPE, 0, _text(known)
                tar.addfile(info)
            elif entry.is_file:
                with read(path, entry) as content:
                    _add(tar, info, content, path)
                progress(entry.size)
            else:
                tar.addfile(info)
            cast(Any, tar).members.clear()  # Kept by tarfile, for nobody.


def _tar(stream: BinaryIO, mode: str) -> tarfile.TarFile:
    return cast(
        tarfile.TarFile,
        tarfile.open(  # type: ignore[call-overload]
            fileobj=stream, mode=mode, format=tarfile.PAX_FORMAT, bufsize=CHUNK,
            encoding="utf-8", errors="surrogateescape",
        ),
    )  # fmt: skip


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _info(entry: Entry, path: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(_text(entry.name))
    info.type = KINDS[stat.S_IFMT(entry.mode)]
    info.mode, info.uid, info.gid = stat.S_IMODE(entry.mode), entry.uid, entry.gid
    info.size = entry.size if entry.is_file else 0
    info.linkname = _text(entry.target)
    seconds, rest = divmod(entry.mtime_ns, BILLION)
    info.mtime = max(seconds, 0)
    info.pax_headers = {"mtime": _decimal(seconds, rest)}
    if entry.is_sparse:
        info.pax_headers[HOLES] = "1"
    if not entry.is_link:
        for name, value in attributes_of(path).items():
            key = name.replace("%", "%25").replace("=", "%3D")
            info.pax_headers[ATTRIBUTE + key] = _text(value)
    return info


def _decimal(seconds: int, rest: int) -> str:
    """Return a time as a decimal; before 1970 the fraction counts towards zero."""
    if seconds < 0 and rest:
        seconds, rest = seconds + 1, BILLION - rest
        return f"-{-seconds}.{rest:09}"
    return f"{seconds}.{rest:09}"


def _nanoseconds(text: str) -> int:
    whole, _, fraction = text.lstrip("-").partition(".")
    size = int(whole) * BILLION + int(fraction.ljust(9, "0"))
    return -size if text.startswith("-") else size


def read(path: bytes, entry: Entry) -> _Content:
    """Return a file's content, to be used as a context: it is the file of `entry`, unchanged."""
    return _Content(path, entry)


class _Content:
    """A file that must be as its entry says, when it is opened and when it was read."""

    def __init__(self, path: bytes, entry: Entry) -> None:
        self._path, self._entry = path, entry

    def __enter__(self) -> IO[bytes]:
        try:
            # Not to wait for a writer, should it be a pipe by now.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            self._file: IO[bytes] = open(os.open(self._path, flags), "rb", buffering=0)
        except FileNotFoundError:
            raise DirectoryChanged(f"{shown(self._path)} went away") from None
        self._compare()
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self._compare()
        finally:
            self._file.close()

    def _compare(self) -> None:
        if entry_of(self._entry.name, os.fstat(self._file.fileno())) != self._entry:
            self._file.close()
            raise DirectoryChanged(f"{shown(self._path)} was changed")


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, content: IO[bytes], path: bytes) -> None:
    try:
        tar.addfile(info, content)
    except OSError as error:
        if error.errno is None:  # How tarfile says that the file ended early.
            raise DirectoryChanged(f"{shown(path)} became shorter") from error
        raise


def unpack(stream: BinaryIO, root: bytes) -> None:
    """Make the directory `root` as the archive says. Nothing outside of it can be reached."""
    builder = Builder(root)
    try:
        with _tar(stream, "r|") as tar:
            for info in tar:
                if info.type == tarfile.LNKTYPE:
                    builder.link(_bytes(info.name), _bytes(info.linkname))
                else:
                    entry = _entry_in(info)
                    content = tar.extractfile(info) if entry.is_file else None
                    builder.make(entry, partial(_fill, content, entry.is_sparse))
                cast(Any, tar).members.clear()
    except tarfile.TarError as error:
        raise DirectoryFailed(f"the archive is no tar archive: {error}") from error
    while stream.read(CHUNK):
        pass  # What compressed it closes its stream after the end of the tar archive.
    builder.finish()


def _entry_in(info: tarfile.TarInfo) -> Entry:
    headers = info.pax_headers
    if info.type not in MODES or "mtime" not in headers:
        raise DirectoryFailed(f"the archive holds {info.name!r}, which no snapshot has put there")
    entry = Entry(
        ROOT if info.name in (".", "./") else _bytes(info.name),
        MODES[info.type] | info.mode,
        info.uid,
        info.gid,
        info.size,
        _nanoseconds(headers["mtime"]),
        _bytes(info.linkname),
        HOLES in headers,
    )
    found = {
        key.removeprefix(ATTRIBUTE).replace("%3D", "=").replace("%25", "%"): _bytes(value)
        for key, value in headers.items()
        if key.startswith(ATTRIBUTE)
    }
    return replace(entry, attributes=found)


def _fill(content: IO[bytes] | None, has_holes: bool, file: int) -> None:
    """Write a content into a new file; where it had holes, pages of zeros become holes again."""
    assert content is not None
    with open(file, "wb", closefd=False) as target:
        while part := content.read(CHUNK):
            if has_holes:
                _write_pages(target, part)
            else:
                target.write(part)
        target.truncate()


def _write_pages(target: BinaryIO, part: bytes) -> None:
    for start in range(0, len(part), PAGE):
        page = part[start : start + PAGE]
        if page.count(0) == len(page):
            target.seek(len(page), os.SEEK_CUR)
        else:
            target.write(page)
