"""Snapshots in real processes: SIGKILL at every write, at random moments, and full disks.

Whatever was killed, the directory is one of two at each moment: as it was kept, or as it was
made since. After a snapshot there is one whole archive; after a rollback nothing is left of it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from tests.crash.lives import Life, Site, script
from tests.crash.soaking import dice_for
from tests.crash.spaces import mounted, small_disk
from tests.crash.tracing import needs_strace

FILES, SIZE = 12, 3_000
RUN = ("run", script("snapshots:change"), "--id", "r", "--plain")
BACK = ("rollback", "r", "--plain")
RESUME = ("resume", "r", "--plain")
FOLDER = ".holdfast-snapshots"
WAYS = ["exchange", "two renames"]
N_MAX = 400
STRIDES = {"write": 7, "utimensat": 5, "mkdir,mkdirat": 3, "unlink,unlinkat": 3}
"""Of calls that are made often, and whose neighbours leave the same behind, some are left out."""

METHODS = ["gzip", *(["zstd"] if shutil.which("zstd") else [])]


class World:
    """A directory, and a site whose workflow keeps it, spoils it and fails."""

    def __init__(self, folder: Path, method: str = "gzip", disk: Path | None = None) -> None:
        self.site, self.parent = Site(folder), (disk or folder) / "world"
        self.place = self.parent / "d"
        (self.place / "sub").mkdir(parents=True)
        for number in range(FILES):
            content = random.Random(number).randbytes(SIZE)
            (self.place / ("sub" if number % 2 else "") / f"file-{number}").write_bytes(content)
        (self.place / "file-1").symlink_to("sub/file-1")
        self.site.env["PLACE"] = str(self.place)
        self.kept = self.seen()
        if method == "gzip":
            hidden = folder / "bin"
            hidden.mkdir()
            for program in ("strace", "sh"):
                if found := shutil.which(program):
                    (hidden / program).symlink_to(found)
            self.site.env["PATH"] = str(hidden)

    def seen(self) -> dict[str, object]:
        """Return the directory as it is now."""
        return {
            str(path.relative_to(self.place)): (
                os.lstat(path).st_mode,
                os.lstat(path).st_mtime_ns,
                path.read_bytes() if path.is_file() else None,
            )
            for path in sorted(self.place.rglob("*"))
        }

    def archives(self) -> list[str]:
        folder = self.parent / FOLDER
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def take(self) -> None:
        """Go on until the run has failed behind its snapshot."""
        code, text = self.site.holdfast(*RUN)
        assert code == 1 and "boom" in text, text
        (archive,) = self.archives()
        assert archive.endswith((".tar.gz", ".tar.zst", ".tree")), archive
        assert self.kept != self.seen()

    def put_back(self, words: tuple[str, ...]) -> None:
        """Go on until the run is rolled back."""
        state = self.site.state()
        if state.status != "rolled_back":
            code, text = self.site.holdfast(*(RESUME if state.ledger.rolling else words))
            assert (0, "rolled_back") == (code, self.site.state().status), text
        self.check_end()

    def check_end(self) -> None:
        assert self.kept == self.seen()
        assert ([], {"d", FOLDER}) == (self.archives(), {*os.listdir(self.parent)})
        assert [] == self.site.wrong()


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize(
    ("call", "method"),
    [
        *product(["fsync", "rename", "write"], METHODS),
        *product(["mkdir,mkdirat", "unlink,unlinkat"], ["gzip"]),
    ],
)
def test_a_kill_at_any_call_while_it_is_taken(tmp_path: Path, call: str, method: str) -> None:
    """The directory is untouched, and the next attempt has one whole archive, and no part."""
    n, stride = 1, STRIDES.get(call, 1)
    while n < N_MAX:
        world = World(tmp_path / str(n), method)
        life = traced_at(world.site, call, n, RUN)
        if not world.archives() or world.archives()[0].endswith(".part"):
            assert world.kept == world.seen(), n
        world.take()
        world.put_back(BACK)
        shutil.rmtree(tmp_path / str(n))
        if life.process.returncode == 1:
            break
        n += stride
    assert 1 <= n < N_MAX


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize(
    ("call", "way"),
    [
        *product(["fsync,syncfs", "rename,renameat2", "unlink,unlinkat", "rmdir"], WAYS),
        *product(["write", "mkdir,mkdirat", "utimensat"], WAYS[:1]),
    ],
)
def test_a_kill_at_any_call_while_it_is_put_back(tmp_path: Path, call: str, way: str) -> None:
    """At each moment the directory is whole: as it was kept, or as it was before the rollback;
    only without an exchange it may be missing, and is there again after the next attempt."""
    kills, n, stride, missing = 0, 1, STRIDES.get(call, 1), 0
    while n < N_MAX:
        world = World(tmp_path / str(n))
        world.take()
        spoiled = world.seen()
        faults = ["-e", "inject=renameat2:error=EINVAL"] if way == "two renames" else []
        life = traced_at(world.site, call, n, BACK, faults)
        found = world.seen()
        assert found in (world.kept, spoiled) or (way == "two renames" and not found), n
        if life.process.returncode == 0:
            world.check_end()
            break
        kills, missing = kills + 1, missing + (not found)
        with_faults(world, faults)
        shutil.rmtree(tmp_path / str(n))
        n += stride
    assert 1 <= kills < N_MAX
    assert (way == "two renames" and call.startswith("rename,")) == bool(missing)


def with_faults(world: World, faults: list[str]) -> None:
    """End the rollback; with faults, on a system that still has them."""
    words = RESUME if world.site.state().ledger.rolling else BACK
    if faults and world.site.state().status != "rolled_back":
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", *faults]
        with world.site.process(*command, sys.executable, "-m", "holdfast", *words) as life:
            assert 0 == life.end(), life.text
        world.check_end()
    else:
        world.put_back(words)


def traced_at(
    site: Site, call: str, n: int, words: tuple[str, ...], faults: list[str] | None = None
) -> Life:
    """Run `holdfast WORDS`, killed at the n-th call of these names."""
    more = [name for name in ("renameat2",) if faults and name not in call.split(",")]
    if faults and not more:  # strace has one fault for a call: a failing one cannot kill.
        call = ",".join(name for name in call.split(",") if name != "renameat2")
        more = ["renameat2"]
    inject = f"inject={call}:signal=SIGKILL:when={n}"
    names = ",".join([call, *more])
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={names}", "-e", inject]
    command = [*strace, *(faults or []), sys.executable, "-m", "holdfast", *words]
    with site.process(*command) as life:
        life.end()
        return life


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kills_at_random_moments(tmp_path: Path, seed: int) -> None:
    """Of lives that take it, and of lives that put it back."""
    dice, world, kills = dice_for(seed), World(tmp_path), 0
    for words in (RUN, BACK):
        for number in range(8):
            rolling = world.site.state().ledger.rolling
            with world.site.life(*(RESUME if rolling else words)) as life:
                # The first one dies before anything can have ended, however fast the machine is.
                life.lasts(dice.uniform(0.05, 0.4) if number else 0.01)
                kills += life.kill() == -signal.SIGKILL
            if words == RUN and world.site.state().failed:
                break
            if world.site.state().status == "rolled_back":
                break
        if words == RUN:
            world.take()
    world.put_back(BACK)
    assert kills


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("method", METHODS)
def test_a_full_disk_leaves_the_directory_as_it_is(tmp_path: Path, method: str) -> None:
    """While it is taken, and while it is put back: a clear message, no left-over; with room it
    goes on."""
    with small_disk(tmp_path / "disk", "256k") as disk:
        world = World(tmp_path / "site", method, disk)
        (disk / "filler").write_bytes(b"x" * (free(disk) - 20_000))
        code, text = world.site.holdfast(*RUN)

        assert 1 == code and "Traceback" not in text
        assert "No space left" in text and "untouched" in text, text
        assert (world.kept, []) == (world.seen(), world.archives())
        (disk / "filler").unlink()
        world.take()

        spoiled = world.seen()
        (disk / "filler").write_bytes(b"x" * (free(disk) - 20_000))
        code, text = world.site.holdfast(*BACK)
        assert 1 == code and "Traceback" not in text
        assert "the disk is full" in text and "is as it was" in text, text
        assert spoiled == world.seen()
        assert {"d", FOLDER} == {*os.listdir(world.parent)}
        (disk / "filler").unlink()
        world.put_back(BACK)


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_bsize


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.skipif(shutil.which("mkfs.btrfs") is None, reason="mkfs.btrfs is not here")
def test_where_contents_can_be_shared_they_are(tmp_path: Path) -> None:
    """On btrfs: a tree instead of an archive, which takes no room; killed and put back alike."""
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 120 << 20)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True, capture_output=True)
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        for n, call in enumerate(["ioctl", "mkdir", "rename", "utimensat", "syncfs"], 1):
            world = World(tmp_path / f"site{n}", "zstd", disk / str(n))
            traced_at(world.site, call, n * n, RUN)
            world.take()
            assert world.archives()[0].endswith(".tree")
            traced_at(world.site, call, n, BACK)
            world.put_back(BACK)
