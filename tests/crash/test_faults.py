"""A disk that fails, fills up or forgets under a whole run: a clean stop, and all can go on.

strace makes system calls of `holdfast run` fail, or kills the process at exactly the n-th.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.shells import BEGIN, Script
from tests.crash import killing
from tests.crash.lives import Life, Site, script
from tests.crash.soaking import dice_for
from tests.crash.spaces import small_disk
from tests.crash.tracing import needs_strace

STEPS = 6
RUN = ("run", script("steps:sequence"), "--id", "r", "-p", f"steps={STEPS}", "--plain")
EFFECTS = {f"plain {number}" for number in range(STEPS)}
N_MAX = 200
IS_ROOT = os.geteuid() == 0


def traced(site: Site, inject: str) -> Life:
    """Run the workflow while strace tampers with a system call; return the life, ended."""
    return killing.traced(site, inject, RUN)


def finish(site: Site) -> None:
    """Go on until it is done: every effect took place, one at most was repeated."""
    code, text = site.holdfast(*RUN)

    assert (0, []) == (code, site.wrong()), text
    assert set(site.counted()) == EFFECTS
    assert sum(site.counted().values()) <= STEPS + 1
    assert STEPS == site.state().result


def is_clean_end(life: Life) -> bool:
    """Whether it ended with 74, and with words instead of a traceback."""
    return life.process.returncode == 74 and "Traceback" not in life.text


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 5, 9, 12])
def test_a_failed_sync_stops_the_run_until_the_doctor_looked(tmp_path: Path, n: int) -> None:
    """Exit 74 saying so; nothing goes on before `doctor`; then nothing is lost."""
    site = Site(tmp_path)
    life = traced(site, f"fdatasync:error=EIO:when={n}+")
    assert is_clean_end(life), (life.process.returncode, life.text)
    assert "run `holdfast doctor` first" in life.text
    code, text = site.holdfast(*RUN)
    assert 74 == code and "holdfast doctor" in text
    assert 0 == site.holdfast("doctor")[0]

    finish(site)


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 4, 12, 20, 25, 30])
def test_a_full_disk_stops_the_run_and_nothing_is_lost(tmp_path: Path, n: int) -> None:
    """Exit 74 saying that the disk is full; with room again, the same command goes on."""
    site = Site(tmp_path)
    life = traced(site, f"pwrite64:error=ENOSPC:when={n}+")
    assert is_clean_end(life), (life.process.returncode, life.text)
    assert re.search("disk is full|is the disk full", life.text)

    finish(site)


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize(("call", "stride"), [("pwrite64", 12), ("fdatasync", 4)])
def test_a_kill_at_any_write_repeats_at_most_the_step_in_hand(
    tmp_path: Path, call: str, stride: int
) -> None:
    """All along the run, also while its store is made; the soak begins elsewhere each time."""
    for n in range(dice_for(call).randrange(1, stride + 1), N_MAX, stride):
        site = Site(tmp_path / str(n))
        life = traced(site, f"{call}:signal=SIGKILL:when={n}")
        finish(site)
        if life.process.returncode == 0:
            break
    assert STEPS < n < N_MAX - stride


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [0, 8, 40, 80, 100])
def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path, kilobytes: int) -> None:
    """The store cannot grow beyond it: exit 74, and all goes on once it may."""
    site = Site(tmp_path)
    limit = kilobytes * 1024

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with site.life(*RUN, preexec_fn=limited) as life:
        life.end()
    assert is_clean_end(life), (life.process.returncode, life.text)

    finish(site)


@pytest.mark.slow
def test_a_full_file_system_stops_the_run(tmp_path: Path) -> None:
    """A small disk of its own that fills up: exit 74; with room again it goes on."""
    site, disk = Site(tmp_path), tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=0700", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        site.store = disk / "s.db"
        site.env["HOLDFAST_STORE"] = str(site.store)
        filler = disk / "filler"
        filler.write_bytes(b"x" * 220 * 1024)
        code, text = site.holdfast(*RUN)
        assert 74 == code and "disk is full" in text and "Traceback" not in text, text
        filler.unlink()

        finish(site)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(IS_ROOT and shutil.which("setpriv") is None, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A read-only directory: exit 74 naming it, before any step has run."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    site = Site(tmp_path)
    site.env["HOLDFAST_STORE"] = str(folder / "s.db")
    # Root without this capability is refused like everybody else.
    drop = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    command = [*(drop if IS_ROOT else []), sys.executable, "-m", "holdfast", *RUN]
    with site.process(*command) as life:
        life.end()

    assert is_clean_end(life), (life.process.returncode, life.text)
    assert str(folder / "s.db") in life.text
    assert {} == site.counted()


@pytest.mark.slow
def test_a_script_on_a_full_disk_is_told_once_how_to_go_on(tmp_path: Path) -> None:
    """It is run again, not resumed; with room on the disk that goes on."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        fill = f"dd if=/dev/zero of={disk}/filler bs=1k"
        script = Script(tmp_path, BEGIN + f"holdfast step fill -- {fill}\n")
        script.store = disk / "s.db"
        full = script.run("sh")
        (disk / "filler").unlink()
        script.edit(BEGIN + "holdfast step fill --accept-drift -- echo a\n")
        again = script.run("sh")
    _, *times = full.err.split("STORAGE ERROR")
    told = times[0]

    assert (74, 1) == (full.code, len(times)) and "the disk is full" in told
    assert re.search("next .*holdfast doctor  # .*\n +sh script.sh  # once it is well\n", told), (
        told
    )
    assert "resume" not in told
    assert (0, b"a\n") == (again.code, again.out), again
