"""Namespaces and disks of the tests' own: a container's pids, mounts that nobody else sees."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

CONTAINED = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
UNMOUNTED = ("unshare", "--pid", "--fork", "--kill-child")
MOUNTING = ("unshare", "--mount")


def _may(words: tuple[str, ...]) -> bool:
    try:
        return subprocess.run([*words, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


contains = pytest.mark.skipif(not _may(CONTAINED), reason="no right to make a pid namespace")
mounts = pytest.mark.skipif(not _may(MOUNTING), reason="no right to make a mount namespace")
"""Root has both rights, but not where its root is no mount, as in a chroot; so have some users."""


@contextmanager
def mounted(disk: Path, *options: str) -> Iterator[Path]:
    """Give a file system of its own, mounted while the block runs; skip the test where nobody may
    have one."""
    disk.mkdir()
    if subprocess.run(["mount", *options, str(disk)], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def small_disk(disk: Path, size: str) -> AbstractContextManager[Path]:
    """Give a file system of its own with little room, mounted while the block runs."""
    return mounted(disk, "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs")
