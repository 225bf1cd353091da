"""The tails of batches, as files: what costs a microsecond, and survives every process.

`<db>.batches/<run number>-<digest>/tail-<epoch>`, with the slots of the same life beside it. A
tail begins with the boot it was written under: nothing here is ever synced, so after a power cut
it says nothing reliable. Nothing is mapped into memory either: a file that somebody cuts short is
an error then, not a signal.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import weakref
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from holdfast.boot import boot_id
from holdfast.errors import ConfigError, StoreCorrupt, StoreError
from holdfast.locks import Lock
from holdfast.model.hashing import blake2b
from holdfast.ports.batches import Left, Slot
from holdfast.ports.slots import LAYOUT, VACANT, packed, unpacked
from holdfast.stores.lockfile import hand_over, hand_over_folder, open_regular, refuse_link
from holdfast.stores.row_tables import NEWER

_MAGIC: Final = b"hftail"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<6sH64s")
_CRC: Final = struct.Struct("<I")
HEADER_BYTES: Final = _HEADER.size + _CRC.size
OPENINGS_MAX: Final = 10
"""How often a folder is made again that the end of another life took away meanwhile."""


def header(boot: str) -> bytes:
    """Return what a tail begins with."""
    head = _HEADER.pack(_MAGIC, _VERSION, boot.encode())
    return head + _CRC.pack(zlib.crc32(head))


class FileTail:
    """A tail and its slots. Threads may share it; a forked child may only close its copy."""

    def __init__(self, place: Path, epoch: int, slots: int) -> None:
        """Open both, empty. Raises StoreError."""
        self.epoch = epoch
        self._path = place / f"tail-{epoch}"
        self._slots = place / f"slots-{epoch}"
        self.slots_path: str | None = str(self._slots)
        self._count = slots
        self._pid = os.getpid()
        self._mutex = Lock()
        flags = os.O_RDWR | os.O_CREAT
        with contextlib.ExitStack() as opened:
            self._slots_fd = open_regular(self._slots, flags)
            opened.callback(os.close, self._slots_fd)
            self._fd = open_regular(self._path, flags)
            opened.callback(os.close, self._fd)
            for fd in (self._slots_fd, self._fd):
                hand_over(fd, self._path.parent)
            with self._translated():
                os.ftruncate(self._slots_fd, 0)
                _write_at(self._slots_fd, VACANT * slots, 0)
                os.ftruncate(self._fd, 0)
                _write_at(self._fd, header(boot_id()), 0)
            self._end = HEADER_BYTES
            self._close_files: Callable[[], object] = opened.pop_all().close

    def write(self, records: bytes) -> None:
        with self._mutex:
            # Written out: this happens for every item, and a context manager costs as much again.
            try:
                done = os.pwrite(self._fd, records, self._end)
                if done < len(records):
                    _write_at(self._fd, records[done:], self._end + done)
            except OSError as problem:
                # What was written of them must not stand behind shorter ones.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._end)
                raise _refused(self._path, problem) from problem
            self._end += len(records)

    def empty(self) -> None:
        with self._mutex, self._translated():
            os.ftruncate(self._fd, HEADER_BYTES)
            self._end = HEADER_BYTES

    def occupy(self, slot: int, item: int, pid: int) -> None:
        self._set(slot, packed(item, pid))

    def noter(self, slot: int, pid: int) -> Callable[[int], object]:
        assert 0 <= slot < self._count, f"there are {self._count} slots, and none is {slot}"
        pack, pwrite, at = LAYOUT.pack, os.pwrite, slot * LAYOUT.size

        def note(item: int) -> None:
            try:
                # The number is looked up each time: once closed, it may be another file's.
                if pwrite(self._slots_fd, pack(item + 1, pid), at) != LAYOUT.size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as problem:
                raise _refused(self._slots, problem) from problem

        return note

    def vacate(self, slot: int) -> None:
        self._set(slot, VACANT)

    def slots(self) -> tuple[Slot | None, ...]:
        with self._translated():
            return unpacked(os.pread(self._slots_fd, self._count * LAYOUT.size, 0))

    @property
    def is_open(self) -> bool:
        """Whether it may be written to."""
        return self._fd >= 0

    def close(self) -> None:
        if not self.is_open:
            return
        try:
            is_ours = self._pid == os.getpid()
            if is_ours and self._end == HEADER_BYTES and not any(self.slots()):
                _remove(self._path, self._slots)
                with contextlib.suppress(OSError):
                    self._path.parent.rmdir()
        finally:
            # No number of a file that is another's by now.
            self._fd = self._slots_fd = -1
            self._close_files()

    def _set(self, slot: int, content: bytes) -> None:
        assert 0 <= slot < self._count, f"there are {self._count} slots, and none is {slot}"
        try:
            if os.pwrite(self._slots_fd, content, slot * LAYOUT.size) != LAYOUT.size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as problem:
            raise _refused(self._slots, problem) from problem

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise _refused(self._path, problem) from problem


class TailFiles:
    """The tails of one store, by run and batch."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open = weakref.WeakValueDictionary[Path, FileTail]()
        refuse_link(root)

    def open(self, number: int, run: str, key: str, epoch: int, slots: int) -> FileTail:
        """Open a tail, empty. Raises StoreError."""
        place = self._place(number, run, key)
        for again in range(OPENINGS_MAX, 0, -1):
            try:
                _make_folder(self.root)
                _make_folder(place)
                tail = FileTail(place, epoch, slots)
                break
            except StoreError as problem:
                is_gone = isinstance(problem.__cause__, FileNotFoundError)
                if not is_gone or again == 1:
                    raise
        self._open[place] = tail
        return tail

    def left(self, number: int, run: str, key: str, epoch: int) -> list[Left]:
        """Return what earlier lives left, the latest last. Raises StoreError; StoreCorrupt for a
        tail of a version that we do not know."""
        place = self._place(number, run, key)
        found = []
        for earlier in _epochs(place):
            if earlier >= epoch:
                continue
            path = place / f"tail-{earlier}"
            boot, records = _opened(path, _content(path))
            slots = _content(place / f"slots-{earlier}") if boot is not None else b""
            occupied = tuple(slot for slot in unpacked(slots) if slot is not None)
            if boot is not None and (records or occupied):
                found.append(Left(earlier, boot, records, occupied))
        return found

    def forget(self, number: int, run: str, key: str, epoch: int) -> None:
        """Remove the tails of lives before `epoch`. Raises StoreError."""
        place = self._place(number, run, key)
        for earlier in _epochs(place):
            if earlier < epoch:
                _remove(place / f"tail-{earlier}", place / f"slots-{earlier}")

    def begin_anew(self, number: int, run: str, key: str, epoch: int) -> None:
        """Forget what any tail of a batch says. Raises StoreError."""
        tail = self._open.get(self._place(number, run, key))
        is_open = tail is not None and tail.is_open and tail.epoch == epoch
        if tail is not None and is_open:
            tail.empty()
        self.forget(number, run, key, epoch if is_open else epoch + 1)

    def remove(self, number: int) -> None:
        """Remove the tails of a run. What cannot be removed speaks of no run any more."""
        for place in _entries(self.root):
            if place.name.startswith(f"{number}-"):
                with contextlib.suppress(OSError):
                    for path in place.iterdir():
                        path.unlink(missing_ok=True)
                    place.rmdir()

    def _place(self, number: int, run: str, key: str) -> Path:
        # With the run's id: in an older copy of the database its number may be another's.
        name = f"{run}\0{key}".encode(errors="surrogatepass")
        return self.root / f"{number}-{blake2b(name, digest_size=16).hexdigest()}"


def _write_at(fd: int, content: bytes, at: int) -> None:
    """Write all of it. Raises OSError."""
    done = os.pwrite(fd, content, at)
    while done < len(content):
        more = os.pwrite(fd, content[done:], at + done)
        if more == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done += more


def _opened(path: Path, content: bytes) -> tuple[str | None, bytes]:
    """Return a tail's boot and records; no boot when its header is not whole, so that nothing
    was written after it."""
    head, crc = content[: _HEADER.size], content[_HEADER.size : HEADER_BYTES]
    if len(crc) < _CRC.size or _CRC.unpack(crc)[0] != zlib.crc32(head):
        return None, b""
    magic, version, boot = _HEADER.unpack(head)
    if (magic, version) != (_MAGIC, _VERSION):
        raise StoreCorrupt(f"the tail {path} is of version {version}; {NEWER}")
    return boot.rstrip(b"\0").decode(errors="replace"), content[HEADER_BYTES:]


def _content(path: Path) -> bytes:
    """Return a file's content; empty when it is gone. Raises StoreError."""
    try:
        fd = open_regular(path, os.O_RDONLY)
    except StoreError as problem:
        if isinstance(problem.__cause__, FileNotFoundError):
            return b""
        raise
    try:
        with os.fdopen(fd, "rb") as file:
            return file.read()
    except OSError as problem:
        raise _refused(path, problem) from problem


def _epochs(place: Path) -> list[int]:
    """Return the lives that have a tail or slots here, in order."""
    names = [path.name.partition("-") for path in _entries(place)]
    found = {end for kind, _, end in names if kind in ("tail", "slots") and end.isdecimal()}
    return sorted(map(int, found))


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, which need not exist. Raises StoreError."""
    refuse_link(folder)
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise StoreError(f"{folder} cannot be read: {problem.strerror}") from problem


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
        hand_over_folder(folder)
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise ConfigError(f"{folder} is not a directory; holdfast needs it") from None
    except OSError as problem:
        raise _refused(folder, problem) from problem


def _remove(*paths: Path) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as problem:
            raise StoreError(f"{path} cannot be removed: {problem.strerror}") from problem


def _refused(path: Path, problem: OSError) -> StoreError:
    """Return our error for one of the system's; raise it `from` that one."""
    why = "the disk is full" if problem.errno == errno.ENOSPC else problem.strerror
    return StoreError(
        f"{path}: {why}; nothing that was finished before is lost, only items in flight are "
        "done again: run `holdfast resume` once the cause is gone"
    )
