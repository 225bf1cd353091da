"""Processes that a run's code forks: they are no runs, and answer signals as such processes do."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.crash.lives import Site, script

POLL_S = 0.01


def test_a_forked_process_ends_at_sigterm(tmp_path: Path):
    """Whoever forks one in a step may end it: it says nothing, and the run is not told to leave."""
    site = Site(tmp_path)
    code, text = site.holdfast("run", script("forks:forked"), "--id", "r", "--plain")

    assert 0 == code, text
    assert -signal.SIGTERM == site.state().steps["fork"].result
    assert "SIGTERM" not in text


def test_a_forked_process_prints_whatever_another_thread_prints(tmp_path: Path):
    """That thread may hold any lock of the log at that moment, and there is none in the child to
    give it back."""
    site = Site(tmp_path)
    code, text = site.holdfast("run", script("forks:printing"), "--id", "r", "--plain")

    assert 0 == code, text
    assert [0] * 200 == site.state().result


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_a_worker_ends_at_sigterm_whatever_it_waits_for(start: str, tmp_path: Path):
    """Its pool, broken by the death of another, waits for that: with a handler in Python one of
    twenty pools waited for ever."""
    site = Site(tmp_path)
    words = ("run", script("forks:answering"), "--id", "r", "--plain", "-p", f"start={start}")
    code, text = site.holdfast(*words)

    assert 0 == code, text
    assert ["SIG_DFL SIG_IGN"] == site.state().result


def test_a_pool_of_a_batch_ends_with_it(tmp_path: Path):
    """One that is just closing while the interpreter ends makes that print a traceback."""
    site = Site(tmp_path)
    code, text = site.holdfast("run", script("forks:ended"), "--id", "r", "--plain")

    assert 0 == code, text
    assert [] == site.state().result


def test_what_else_a_fork_server_starts_ends_at_sigterm(tmp_path: Path):
    """Nothing is held back in it for good, for it starts also what is no worker of ours."""
    site = Site(tmp_path)
    code, text = site.holdfast("run", script("forks:served"), "--id", "r", "--plain")

    assert 0 == code, text
    assert -signal.SIGTERM == site.state().result


def test_a_forked_process_leaves_ctrl_c_to_its_run(tmp_path: Path):
    """Ctrl-C reaches every process of a terminal: what is in hand ends well, and then the run
    leaves; the next life goes on."""
    site = Site(tmp_path)
    with site.life("run", script("forks:pooled"), "--id", "r", start_new_session=True) as life:
        while len(list(tmp_path.glob("begun-*"))) < 2:
            assert life.lasts(POLL_S), life.text
        os.killpg(life.pid, signal.SIGINT)
        (tmp_path / "go").touch()
        code = life.end()
    assert 130 == code, life.text
    assert {"0", "1"} == set(site.counted())
    code, text = site.holdfast("run", script("forks:pooled"), "--id", "r")

    assert 0 == code, text
    assert {"0": 1, "1": 1, "2": 1, "3": 1} == dict(site.counted())
