"""The steps of `holdfast.ops.git`, with the real git over bare repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runs import Runs

from holdfast import do, workflow
from holdfast.app.planning import plan
from holdfast.ops import git
from holdfast.ops.git import Repository
from holdfast.testing.clock import JumpClock

AT: dict[str, Repository] = {}
IDENTITY = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "Ana"), ("EMAIL", "ana@example.com"))
}


class Clone:
    """A clone of a bare repository with one commit, its working directory changed."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.path = folder / "config.git", folder / "config"
        self._run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        self._run("git", "clone", "--quiet", str(self.bare), str(self.path))
        (self.path / "values.yaml").write_text("version: 3.11\n")
        self("add", "values.yaml")
        self("commit", "--quiet", "-m", "Begin")
        self("push", "--quiet", "origin", "HEAD:main")
        (self.path / "values.yaml").write_text("version: 4.1\n")
        (self.path / "notes.txt").write_text("not to be committed\n")

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            words, env={**os.environ, **IDENTITY}, check=True, capture_output=True, text=True,
            timeout=30,
        )  # fmt: skip
        return done.stdout.strip()

    def __call__(self, *words: str, at: Path | None = None) -> str:
        return self._run("git", "-C", str(at or self.path), *words)

    def commits(self, branch: str, at: Path | None = None) -> list[str]:
        return self("log", "--format=%s", branch, "--", at=at).splitlines()

    def branches(self, at: Path) -> list[str]:
        return self("for-each-ref", "--format=%(refname:short)", "refs/heads", at=at).splitlines()

    def advance(self, branch: str) -> str:
        """Put one more commit on a branch, which is not checked out, and return it."""
        made = self("commit-tree", f"{branch}^{{tree}}", "-p", branch, "-m", "More")
        self("update-ref", f"refs/heads/{branch}", made)
        return made

    @property
    def untouched(self) -> tuple[str, str]:
        """What a step must not change: the branch that is checked out, and the state of files."""
        return self("symbolic-ref", "HEAD"), self("status", "--porcelain")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clone]:
    for name, value in {**IDENTITY, "GIT_CONFIG_GLOBAL": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    made = Clone(tmp_path)
    AT["repo"] = git.repository(made.path)
    yield made
    AT.clear()


def _deliver() -> tuple[str, git.Pushed]:
    git.branch(AT["repo"], "new")
    made = git.commit(AT["repo"], "new", "Set it to 4.1", ("values.yaml",))
    return made, git.push(AT["repo"], "new")


@workflow
def delivers() -> Any:
    return _deliver()


@workflow
def delivers_in_vain() -> None:
    _deliver()
    do("fail", boom)


def boom() -> None:
    raise OSError("boom")


def test_a_change_is_branched_committed_and_pushed(runs: Runs, clone: Clone) -> None:
    """Only the files that are named; what is checked out and staged stays as it was."""
    before = clone.untouched
    outcome = runs.start(delivers)
    made, pushed = outcome.result

    assert made == pushed.commit == clone("rev-parse", "new", at=clone.bare)
    assert ["Set it to 4.1", "Begin"] == clone.commits("new", at=clone.bare)
    assert "version: 4.1" == clone("show", "new:values.yaml")
    assert ["values.yaml"] == clone("ls-tree", "--name-only", "new").splitlines()
    assert before == clone.untouched
    assert not list((clone.path / ".git").glob("holdfast*"))


@pytest.mark.parametrize("at", range(1, 22, 2))
def test_killed_beside_any_effect_there_is_one_commit(runs: Runs, clone: Clone, at: int) -> None:
    """A later life finds it by its step's token."""
    runs.is_crashed(delivers, at, "before")
    runs.is_crashed(delivers, at, "after")
    outcome = runs.start(delivers)

    assert "succeeded" == outcome.status
    assert ["Set it to 4.1", "Begin"] == clone.commits("new", at=clone.bare)


def test_a_rollback_leaves_nothing_here_and_there(runs: Runs, clone: Clone) -> None:
    """The remote's branch is deleted, the commit taken off, the branch deleted."""
    before = clone.untouched
    runs.start(delivers_in_vain)
    outcome = runs.rollback(delivers_in_vain)

    assert "rolled_back" == outcome.status
    assert [["main"], ["main"]] == [clone.branches(at) for at in (clone.path, clone.bare)]
    assert before == clone.untouched


def test_a_rollback_puts_a_branch_back_that_was_there(runs: Runs, clone: Clone) -> None:
    """On the remote, and here."""
    clone("branch", "new")
    clone("push", "--quiet", "origin", "new")
    runs.start(delivers_in_vain)
    outcome = runs.rollback(delivers_in_vain)

    assert "rolled_back" == outcome.status
    assert [["Begin"], ["Begin"]] == [clone.commits("new", at) for at in (clone.path, clone.bare)]


def test_what_somebody_pushed_since_is_not_taken_back(runs: Runs, clone: Clone) -> None:
    """The undo says so, and nothing is lost."""
    runs.start(delivers_in_vain)
    clone("commit", "--quiet", "--allow-empty", "-m", "Theirs")
    theirs = clone("commit-tree", "new^{tree}", "-p", "new", "-m", "Theirs")
    clone("push", "--quiet", "origin", f"{theirs}:new")
    outcome = runs.rollback(delivers_in_vain)

    assert "rolled_back" != outcome.status
    assert "somebody pushed since" in repr(runs.facts())
    assert ["Theirs", "Set it to 4.1", "Begin"] == clone.commits("new", at=clone.bare)


def test_a_remote_that_went_on_refuses_the_push(runs: Runs, clone: Clone) -> None:
    """Nothing is forced."""
    theirs = clone("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Theirs")
    clone("push", "--quiet", "origin", f"{theirs}:refs/heads/new")
    outcome = runs.start(delivers)

    assert "failed" == outcome.status
    assert ["Theirs", "Begin"] == clone.commits("new", at=clone.bare)


def test_a_branch_that_is_checked_out_has_its_files_staged(runs: Runs, clone: Clone) -> None:
    """Else the next commit there would take the change back."""
    clone("switch", "--quiet", "--create", "new")
    runs.start(delivers)

    assert ("refs/heads/new", "?? notes.txt") == clone.untouched


@workflow
def commits_nothing() -> None:
    git.branch(AT["repo"], "new")
    git.commit(AT["repo"], "new", "Nothing", ("gone/..",))


def test_nothing_to_commit_is_a_failure(runs: Runs, clone: Clone) -> None:
    """And leaves no lock behind."""
    (clone.path / "values.yaml").write_text("version: 3.11\n")
    (clone.path / "notes.txt").unlink()
    (clone.path / "gone").mkdir()
    outcome = runs.start(commits_nothing)

    assert "failed" == outcome.status
    assert "there is nothing to commit" in str(runs.step("commit to new: Nothing").error)
    assert not list((clone.path / ".git").glob("holdfast*"))


@workflow
def branches(name: str = "new", start: str = "HEAD") -> str:
    return git.branch(AT["repo"], name, start)


@pytest.mark.parametrize(
    ("params", "says"),
    [({"name": "a..b"}, "is no name of a branch"), ({"start": "v9"}, "has no commit 'v9'")],
)
def test_what_cannot_be_a_branch_is_said(
    runs: Runs, clone: Clone, params: dict[str, str], says: str
) -> None:
    """Before anything is done."""
    outcome = runs.start(branches, params)

    assert "failed" == outcome.status
    assert says in repr(runs.facts())
    assert ["main"] == clone.branches(clone.path)


def test_a_branch_with_more_on_it_is_not_deleted(runs: Runs, clone: Clone) -> None:
    """Somebody's commits would be lost."""

    @workflow
    def flow() -> None:
        git.branch(AT["repo"], "new")
        do("fail", boom)

    runs.start(flow)
    theirs = clone("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Theirs")
    clone("update-ref", "refs/heads/new", theirs)
    outcome = runs.rollback(flow)

    assert "rolled_back" != outcome.status
    assert "it has what this run did not make" in repr(runs.facts())
    assert ["Theirs", "Begin"] == clone.commits("new")


# --- what must not be taken for something else ---------------------------------------------------


@workflow
def commits(paths: Any, message: str = "Set it") -> None:
    git.branch(AT["repo"], "new")
    git.commit(AT["repo"], "new", message, paths)


@pytest.mark.parametrize(
    ("paths", "message", "says"),
    [
        ((), "Set it", "name the files to commit"),
        ("values.yaml", "Set it", "name the files to commit"),
        (("values.yaml",), " ", "a commit needs a message"),
    ],
)
def test_a_commit_of_nothing_in_particular_is_refused(
    runs: Runs, clone: Clone, paths: Any, message: str, says: str
) -> None:
    """git would take no path for all of them, also for what nobody wants to publish."""
    outcome = runs.start(commits, {"paths": paths, "message": message})

    assert "failed" == outcome.status
    assert says in repr(runs.facts())
    assert ["Begin"] == clone.commits("new")


@workflow
def pushes(remote: str) -> None:
    git.branch(AT["repo"], "new")
    git.push(AT["repo"], "new", remote)


@pytest.mark.parametrize(
    ("remote", "says"),
    [
        ("--upload-pack=touch pwned", "is no name of a remote"),
        ("", "is no name of a remote"),
        ("https://ana:secret@127.0.0.1:1/x.git", "must not hold a password"),
    ],
)
def test_a_remote_that_would_be_an_option_or_shows_a_password_is_refused(
    runs: Runs, clone: Clone, remote: str, says: str
) -> None:
    """Nothing is run and nobody is asked."""
    outcome = runs.start(pushes, {"remote": remote})

    assert "failed" == outcome.status
    assert says in repr(runs.facts())
    assert not list(clone.path.glob("pwned*"))


def test_a_hook_of_another_repository_may_run_it(
    runs: Runs, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What git tells its hooks about their own repository does not go before the one that is
    named."""
    clone("init", "--quiet", "--initial-branch=other", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    outcome = runs.start(delivers)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")

    assert "succeeded" == outcome.status
    assert ["Set it to 4.1", "Begin"] == clone.commits("new", at=clone.bare)


def test_a_branch_that_is_checked_out_is_not_deleted_under_it(runs: Runs, clone: Clone) -> None:
    """In any worktree: it would stand on a branch without a commit. Once another is checked out,
    the rollback ends."""

    @workflow
    def flow() -> None:
        git.branch(AT["repo"], "new")
        do("fail", boom)

    runs.start(flow)
    clone("worktree", "add", "--quiet", "../beside", "new")
    stopped = runs.rollback(flow)
    beside = clone.path.parent / "beside"
    where = clone("symbolic-ref", "HEAD", at=beside), clone("rev-parse", "HEAD", at=beside)
    clone("switch", "--quiet", "--detach", at=beside)
    done = runs.resume(flow)

    assert "rolled_back" != stopped.status
    assert f"branch new is checked out in {beside}" in repr(runs.facts())
    assert ("refs/heads/new", clone("rev-parse", "main")) == where
    assert "rolled_back" == done.status
    assert ["main"] == clone.branches(clone.path)


def test_what_was_there_first_is_put_back_after_two_attempts(runs: Runs, clone: Clone) -> None:
    """The first one has pushed and was killed; then there was more to push."""
    clone("branch", "new")
    clone("push", "--quiet", "origin", "new")
    first = clone.advance("new")

    @workflow
    def flow() -> None:
        git.push(AT["repo"], "new")
        do("fail", boom)

    for at in range(1, 40):
        runs.is_crashed(flow, at, "before")
        if first == clone("rev-parse", "new", at=clone.bare):
            break
    cut_short = runs.step("push new to origin").status
    more = clone.advance("new")
    runs.start(flow)
    pushed = clone("rev-parse", "new", at=clone.bare)
    outcome = runs.rollback(flow)

    assert ("running", more) == (cut_short, pushed)
    assert "rolled_back" == outcome.status
    assert ["Begin"] == clone.commits("new", at=clone.bare)


@pytest.mark.parametrize(
    ("where", "says"),
    [("nowhere", "cannot change to"), ("bare", "not a git repository"), ("theirs", "dubious")],
)
def test_what_is_no_repository_is_said_in_the_words_of_git(
    runs: Runs, clone: Clone, monkeypatch: pytest.MonkeyPatch, where: str, says: str
) -> None:
    """And not as a name, or a commit, that is none."""
    place = clone.path.parent / where
    if where != "nowhere":
        place.mkdir()
    if where == "theirs":
        clone("init", "--quiet", str(place))
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    AT["repo"] = git.repository(place)
    outcome = runs.start(branches)

    assert "failed" == outcome.status
    assert says in repr(runs.facts())
    assert "is no name of a branch" not in repr(runs.facts())


def test_a_plan_does_not_take_a_branch_for_pushed(runs: Runs, clone: Clone) -> None:
    """The remote has all of it today, and not what the commit before the push will add."""
    clone("branch", "new")
    clone("push", "--quiet", "origin", "new")
    found = plan(delivers, {}, JumpClock())

    assert ["already so", "run", "run"] == [each.will for each in found.steps]
