"""Notices that were taken over and not delivered yet: a folder beside the store, a file each.

A file appears whole (written aside, renamed) and goes away when its notice is delivered or given
up. Whoever works on one holds a lock on it, which the system releases when that process dies; so
what a killed deliverer leaves is found by the next one. Nothing is synced: a notice survives the
death of every process, and not a power loss.

What was given up stays as one line in `failed.ndjson`, which begins anew when it is full.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

NOTICE_BYTES_MAX: Final = 1024 * 1024
WAITING_MAX: Final = 1_000
"""Files in the folder; beyond that a notice is refused."""
FAILED_BYTES_MAX: Final = 64 * 1024
FAILED: Final = "failed.ndjson"
FAILED_BEFORE: Final = "failed.1.ndjson"
WHY_CHARS_MAX: Final = 500
PART_S_MAX: Final = 3_600.0
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_NUMBERS: Final = count(1)


class SpoolFull(OSError):
    """So many notices wait already that no more are taken over."""


@dataclass(slots=True)
class Entry:
    """A waiting notice that this process works on; nobody else does."""

    path: Path
    fd: int
    text: bytes
    age_s: float

    def remove(self) -> None:
        """It is delivered, or given up."""
        self.path.unlink(missing_ok=True)
        os.close(self.fd)


class Spool:
    """The notices of one folder that go to one address."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self._address = folder, address

    def put(self, text: str) -> None:
        """Keep a notice. Raises OSError, keeping nothing."""
        try:
            waiting = len(os.listdir(self.folder))
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            waiting = 0
        if waiting >= WAITING_MAX:
            raise SpoolFull(f"{waiting} notices wait in {self.folder} already")
        name = f"{self._address}.{time.time_ns()}-{os.getpid()}-{next(_NUMBERS)}"
        aside = self._checked() / f"{name}.part"
        try:
            with os.fdopen(os.open(aside, _NEW, 0o600), "wb") as file:
                file.write(text.encode("ascii"))
            aside.rename(self.folder / f"{name}.json")
        except OSError:
            aside.unlink(missing_ok=True)
            raise

    def is_empty(self) -> bool:
        """Return whether nothing waits here for this address, as far as can be seen."""
        return not self._names()

    def take(self) -> Iterator[Entry]:
        """Yield what waits and nobody works on, the oldest first."""
        for name in self._names():
            entry = _taken(self.folder / name)
            if entry is not None:
                yield entry

    def tidy(self) -> None:
        """Remove what a process left that was killed while it wrote."""
        try:
            for path in self.folder.glob(f"{self._address}.*.part"):
                if time.time() - path.stat().st_mtime > PART_S_MAX:
                    path.unlink(missing_ok=True)
        except OSError:
            pass

    def note_failed(self, text: bytes, to: str, attempts: int, why: str) -> None:
        """Keep one line about a notice that is given up. Never raises: it is a help to people."""
        line = json.dumps({**_named(text), "to": to, "attempts": attempts, "why": _short(why)})
        path = self.folder / FAILED
        try:
            if path.exists() and path.stat().st_size >= FAILED_BYTES_MAX:
                path.replace(self.folder / FAILED_BEFORE)
            how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(path, how, 0o600), "wb", 0) as file:
                file.write(line.encode() + b"\n")
        except OSError:
            pass

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        start = f"{self._address}."
        return sorted(n for n in names if n.startswith(start) and n.endswith(".json"))

    def _checked(self) -> Path:
        if not stat.S_ISDIR(self.folder.lstat().st_mode):
            raise NotADirectoryError(f"{self.folder} is not a folder")
        return self.folder


def _taken(path: Path) -> Entry | None:
    """Return the notice at `path` as ours, or None: somebody has it, or it is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(fd)
        if status.st_nlink:
            return Entry(path, fd, os.pread(fd, NOTICE_BYTES_MAX, 0), time.time() - status.st_mtime)
    except OSError:
        pass
    os.close(fd)
    return None


def _named(text: bytes) -> dict[str, str]:
    """Return what names a notice in a line about it."""
    try:
        notice = json.loads(text)
        names = {name: str(notice[name]) for name in ("id", "event", "run")}
    except (ValueError, TypeError, KeyError):
        names = {"id": "", "event": "", "run": ""}
    return {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", **names}


def _short(why: str) -> str:
    return why if len(why) <= WHY_CHARS_MAX else why[: WHY_CHARS_MAX - 1] + "…"


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What lies in a folder: notices given up, the last of them, and those nobody works on."""

    folder: Path
    failed: int
    last: str
    waiting: int


def undelivered(folder: Path, working_s: float) -> Undelivered:
    """Return what lies in `folder`; what is younger than `working_s` is being worked on."""
    lines: list[bytes] = []
    for name in (FAILED_BEFORE, FAILED):
        try:
            with open(folder / name, "rb") as file:
                lines += file.read(2 * FAILED_BYTES_MAX).splitlines()
        except OSError:
            continue
    return Undelivered(
        folder, len(lines), _said(lines[-1]) if lines else "", _old(folder, working_s)
    )


def _said(line: bytes) -> str:
    try:
        seen = json.loads(line)
        return (
            f"{seen['at'][:19]}Z, {seen['event']} of {seen['run']} to {seen['to']}: {seen['why']}"
        )
    except (ValueError, TypeError, KeyError):
        return ""


def _old(folder: Path, working_s: float) -> int:
    old, now = 0, time.time()
    try:
        for entry in os.scandir(folder):
            if entry.name.endswith(".json"):
                old += now - entry.stat().st_mtime > working_s
    except OSError:
        pass
    return old
