"""What the ready-made steps ask of a program that does not answer is given up in time."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from holdfast.errors import CommandFailed
from holdfast.integrations.forge import ForgeBusy
from holdfast.ops import forges, git, nodetool, pulls

LIMIT_S = 0.2
PULL = pulls.Pull(1, "", "new", "main", "a" * 40, "open", False)
GIVEN_UP = r"had not ended after 0\.2 s, and was ended"
SILENT = "exec sleep 60"


def test_a_remote_that_does_not_answer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is asked for a branch, and when it is pushed to."""
    monkeypatch.setattr(git, "ASK_S", LIMIT_S)
    monkeypatch.setattr(git, "PUSH_S", LIMIT_S)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"sh -c '{SILENT}'")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    place, remote = git.repository(tmp_path), "ssh://127.0.0.1/config"

    with pytest.raises(CommandFailed, match=GIVEN_UP):
        git.remote_commit(place, "main", remote)
    with pytest.raises(CommandFailed, match=GIVEN_UP):
        git._push(place, "--", remote, ":refs/heads/main")


def test_a_node_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is asked how it is, as by a gate; what it does may take as long as it takes."""
    monkeypatch.setattr(nodetool, "READ_S", LIMIT_S)

    with pytest.raises(CommandFailed, match=GIVEN_UP):
        nodetool.mode(nodetool.node("n", "sh", "-c", SILENT))


def test_a_gh_that_does_not_answer_is_a_forge_that_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may answer later, as one that is not reached."""
    monkeypatch.setattr(forges, "GH_S", LIMIT_S)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    gh = tmp_path / "gh"
    gh.write_text(f"#!/bin/sh\n{SILENT}\n")
    gh.chmod(stat.S_IRWXU)

    with pytest.raises(ForgeBusy, match=GIVEN_UP):
        pulls.checks(pulls.github("acme/config"), PULL)
