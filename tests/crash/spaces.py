"""Namespaces of the tests' own: a container's pids, and mounts that nobody else sees."""

from __future__ import annotations

import subprocess

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
