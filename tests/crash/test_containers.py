"""Owners in another container: they share our host's name, its boot and the store, not its pids.

A pid namespace of its own, with its own /proc, is what a container with `--network host`, and every
container of one pod, has of that: a pid that counts there names another process here, or none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.shells import DEADLINE_S, Script
from tests.crash.lives import Site, script
from tests.crash.spaces import CONTAINED, UNMOUNTED, contains

from holdfast.model.facts import Owner
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import liveness, pid_namespace, this_person, this_process
from holdfast.runtime.takeover import Claim, take
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import life_started, run_created

RUNNING_THERE = re.compile(
    r"step gated is running in pid 1 on \S+, in another container, last heard of at [\d:]+ UTC "
    r"\(once it is silent for 30 s it counts as gone\); stop it first: holdfast stop r"
)
LEASED = str(Path(__file__).with_name("leased.py"))
WATCHED_S, SHORT_S = "6", "0.5"
"""A lease in which an owner is sure to beat on a busy machine, and one that is soon over."""


pytestmark = contains


def leased(lease_s: str) -> tuple[str, ...]:
    return sys.executable, LEASED, lease_s, script("waits:gate"), "r"


@pytest.mark.slow
@pytest.mark.parametrize("inside", ["owner", "heir", "both"])
def test_a_living_owner_in_another_container_keeps_its_run(site: Site, inside: str) -> None:
    """Whichever of them is in a container: its pid says nothing here, its heartbeat does. Once
    that stands still for a lease the run is taken over, and no finished step runs again."""
    owned_in = CONTAINED if inside in ("owner", "both") else ()
    taken_in = CONTAINED if inside in ("heir", "both") else ()
    with site.process(*owned_in, *leased(WATCHED_S)) as owner:
        owner.wait_for("at the gate")
        with site.process(*taken_in, *leased(WATCHED_S)) as heir:
            assert 5 == heir.end(), heir.text
        assert "in another container, judged by its heartbeat" in heir.text
        assert "nothing was changed" in heir.text

        owner.kill()
    site.env["GATE"] = os.devnull
    with site.process(*taken_in, *leased(SHORT_S)) as heir:
        assert 0 == heir.end(), heir.text
    assert "was silent for" in heir.text
    assert {"plain 0": 1, "gated": 2, "plain 1": 1} == site.counted()
    assert [] == site.wrong()


@pytest.mark.slow
def test_it_is_shown_where_the_owner_is(site: Site) -> None:
    """An owner that cannot be seen is neither called dead nor signalled; nobody decides about the
    step that it has in hand, and it is told to stop."""
    with site.process(*CONTAINED, *leased(WATCHED_S)) as owner:
        owner.wait_for("at the gate")

        assert "pid 1 on" in (shown := said(site, "show", "r")) and "in another container" in shown
        assert "running" in said(site, "list")
        for verb in (("done", "r", "gated", "--output", '"open"'), ("skip", "r", "gated")):
            code, text = site.holdfast(*verb, "-m", "why not")
            assert 5 == code and RUNNING_THERE.search(text), text
        assert "is in another container: it stops at its next boundary" in said(
            site, "stop", "r", "--now"
        )
        assert owner.lasts(0)
        Path(site.env["GATE"]).write_text("open")
        assert 3 == owner.end(), owner.text
    assert {"plain 0": 1, "gated": 1} == site.counted()


def said(site: Site, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *words], env=site.env, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=DEADLINE_S, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_a_pid_of_another_container_is_nobodys_here(tmp_path: Path) -> None:
    """Not even where host, boot, pid and start time are those of a process that we see. Where the
    namespace is not known, as in journals of old, the rest must do."""
    me = this_process()
    there = Owner(me.host, me.pid, me.started, me.boot, me.user, f"1{me.namespace}")
    gone = Owner(me.host, 2**22 + 1, "1", me.boot, me.user, f"1{me.namespace}")
    assert ["elsewhere", "elsewhere"] == [liveness(there), liveness(gone)]
    assert "alive" == liveness(Owner(me.host, me.pid, me.started, me.boot, me.user))
    assert pid_namespace().isdecimal() and me.namespace == pid_namespace()

    with closing(SqliteStore(tmp_path / "s.db")) as store:
        store.create("r", run_created())
        store.claim("r", life_started(1, owner=gone), after=1, expected_epoch=0)
        told: list[str] = []
        claim = Claim(this_person(), "0", lease_s=float(SHORT_S))
        take(Journal(store, "r"), claim, SystemClock(), told.append)
    assert "watching whether it still lives" in told[0] and "was silent for" in told[1]


def test_the_hosts_proc_is_not_asked_about_our_pids() -> None:
    """A sandbox with pids of its own and the /proc of its host: process 1 there is another one."""
    looks = (
        "from holdfast.runtime.ownership import liveness, this_process\n"
        "from dataclasses import replace\n"
        "me = this_process()\n"
        "print(me.pid, me.started, liveness(me), liveness(replace(me, pid=2)))\n"
    )
    done = subprocess.run(
        [*UNMOUNTED, sys.executable, "-c", looks], capture_output=True, text=True, check=True
    )
    assert "1  alive dead" == done.stdout.strip()


SCRIPT = """
set -e
eval "$(holdfast begin work --id r)"
holdfast step first -- true
holdfast step long -- sh -c 'echo "begun $$" >&2; cat "$GATE"'
holdfast step last -- true
"""


@pytest.mark.slow
def test_a_shell_in_another_container_is_beaten_for(tmp_path: Path) -> None:
    """As long as a command of its runs somebody says that it lives, so that nobody runs it a
    second time; and when the run was taken over nevertheless, that command is ended."""
    work = Script(tmp_path, SCRIPT)
    (gate := tmp_path / "gate").touch()
    os.mkfifo(blocked := tmp_path / "blocked")
    with subprocess.Popen(
        [*CONTAINED, "bash", "-c", f"exec bash {work.name}"],
        cwd=tmp_path, env=work.env(GATE=str(blocked)), stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            while "begun" not in process.stderr.readline():
                assert process.poll() is None
            second = work.run("bash", GATE=str(gate))
            assert 5 == second.code, second.err
            assert "in another container, judged by its heartbeat" in second.err

            with closing(SqliteStore(work.store)) as store:
                row = store.row("r")
                assert row is not None and row.beat_at is not None and row.beat_monotonic is None
                store.claim("r", life_started(2), after=work.state().seq, expected_epoch=1)
            err = process.stderr.read()
            assert 5 == process.wait(DEADLINE_S), err
            assert "another process took run r over; this one ends" in err
        finally:
            process.kill()
