"""Which file system a store lies on: SQLite's log needs shared memory and honest locks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

from holdfast.errors import ConfigError

REFUSED: Final = frozenset({"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs"})
"""Many machines may mount these, and WAL between machines loses commits."""

WARNED: Final = frozenset({
    "9p", "afs", "beegfs", "ceph", "coda", "davfs", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "virtiofs",
})  # fmt: skip
"""Network or shared file systems that may or may not lock between machines."""


class Mount(NamedTuple):
    """Where a file system begins, and its type; both are empty where the system does not tell."""

    point: str
    kind: str


def mount_of(place: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> Mount:
    """Return the mount that holds `place`, which need not exist yet."""
    try:
        lines = mountinfo.read_text(errors="replace").splitlines()
    except OSError:
        return Mount("", "")
    real = os.path.realpath(place)
    best, found = -1, Mount("", "")
    for line in lines:
        before, _, after = line.partition(" - ")
        words, rest = before.split(), after.split()
        if len(words) < 5 or not rest:
            continue
        mount = _unescaped(words[4])
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        # The last of equals counts: a later mount covers an earlier one.
        if inside and len(mount) >= best:
            best, found = len(mount), Mount(mount, rest[0])
    return found


def is_network(kind: str) -> bool:
    """Return whether several machines may share a file system of this type."""
    return kind in REFUSED or kind in WARNED


def judge(place: Path, mount: Mount) -> str | None:
    """Return a warning about keeping a store on this mount, or None.

    Raises ConfigError where a store would lose data.
    """
    kind = mount.kind
    if mount.point == os.path.realpath(place):
        raise ConfigError(
            f"{place} is mounted by itself: its log and its lock would lie beside it here, and "
            "who uses it under another name has others. Mount its folder instead"
        )
    if kind in REFUSED:
        raise ConfigError(
            f"{place} is on a network file system ({kind}), where SQLite can lose commits; "
            "put the store on a local disk with --store"
        )
    if kind in WARNED:
        return (
            f"the store {place} is on a shared file system ({kind}); use it from one machine "
            "only, or put it on a local disk with --store"
        )
    return None


def _unescaped(mount: str) -> str:
    """Undo mountinfo's octal escapes."""
    for code, text in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        mount = mount.replace(code, text)
    return mount
