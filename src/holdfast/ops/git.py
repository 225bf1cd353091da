"""A change in a git repository as steps: branch, commit, push, each undone when that is harmless.

Nothing is checked out, and the user's index is not used: a commit is made of files beside it and
put onto its branch in one moment. So a kill leaves a branch that has the commit, or one that has
not; and what git leaves locked when it dies is our own.

    place = repository("/srv/config")
    branch(place, "cassandra-4.1")
    commit(place, "cassandra-4.1", "Set Cassandra to 4.1", ("values.yaml",))
    push(place, "cassandra-4.1")

Pull requests are in `holdfast.ops.pulls`. Git's own credentials are used; it never prompts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast.engine.spec import Check
from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import run_logged, save, saved, token
from holdfast.model.types import register
from holdfast.ops.foreseeing import is_foreseen
from holdfast.runtime.context import is_in_step
from holdfast.runtime.processes import Done

__all__ = [
    "GitFailed", "Pushed", "Repository", "branch", "commit", "commit_of", "push", "remote_commit",
    "repository",
]  # fmt: skip

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""
TRAILER: Final = "Holdfast-Step"
"""Of a commit: the token of the step that made it, so that it is found again."""
ASK_S: Final = 120.0
"""How long a remote may take to say where a branch is: one that does not answer holds up no step
for ever."""
PUSH_S: Final = 1800.0
"""How long a push may take."""
COMMITS_MAX: Final = 1_000
"""How far back a commit is looked for."""
NONE: Final = "0" * 40
_NO_SUCH: Final = 1
"""How `rev-parse --verify` ends for a name that is none."""
ELSEWHERE: Final = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_QUARANTINE_PATH",
)  # fmt: skip
"""What a git that runs us, for a hook, says of its own repository: it goes before `-C`."""
SURROUNDINGS: Final = {
    **dict.fromkeys(ELSEWHERE), "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C",
}  # fmt: skip


class GitFailed(HoldfastError):
    """A repository is not as a step needs it; nothing of it was changed."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone: its directory."""

    path: str

    def __str__(self) -> str:
        return Path(self.path).name


@register
@dataclass(frozen=True, slots=True)
class Pushed:
    """A branch of a remote: what it is at now, and what it was at before, if it was there."""

    remote: str
    branch: str
    commit: str
    before: str | None


def repository(path: str | os.PathLike[str]) -> Repository:
    """Return the clone in a directory."""
    return Repository(os.path.abspath(path))


def _git(
    place: Repository,
    *words: str,
    check: bool = True,
    index: Path | None = None,
    text: str = "",
    limit_s: float | None = None,
) -> Done:
    own = {} if index is None else {"GIT_INDEX_FILE": str(index)}
    env = {**SURROUNDINGS, **own}
    command = ["git", "-C", place.path, *words]
    return run_logged(command, env=env, check=check, input=text, limit_s=limit_s)


def commit_of(place: Repository, name: str) -> str | None:
    """Return the commit that a branch, a tag or another name means; None when it means none.
    Raises CommandFailed where there is no repository, or none that git would touch."""
    found = _git(place, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False)
    if found.code not in (0, _NO_SUCH):
        _git(place, "rev-parse", "--git-dir")
    return found.out.strip() if found.code == 0 else None


def _tip(place: Repository, branch: str) -> str | None:
    return commit_of(place, f"refs/heads/{branch}")


def _put(place: Repository, branch: str, new: str, old: str) -> None:
    """Move a branch from one commit to another, in one moment; it must still be at the old one."""
    ref = f"refs/heads/{branch}"
    if new == NONE:
        _git(place, "update-ref", "-d", ref, old)
    else:
        _git(place, "update-ref", "-m", "holdfast", ref, new, old)


# --- branch -------------------------------------------------------------------------------------


def _has_branch(place: Repository, name: str) -> object:
    found = _tip(place, name)
    return Check.ABSENT if found is None else Check.done(found)


@step("delete branch {name}")
def _drop_branch(place: Repository, name: str, start: str) -> None:
    tip, origin = _tip(place, name), saved()
    if tip is None or not isinstance(origin, str):
        return
    if tip != origin:
        raise GitFailed(
            f"branch {name} of {place} is at {tip[:12]} and began at {origin[:12]}: it has what "
            "this run did not make; look at it, delete it yourself, and mark this as done"
        )
    if (where := _checked_out(place, name)) is not None:
        raise GitFailed(f"branch {name} is checked out in {where}: switch to another, and resume")
    _put(place, name, NONE, tip)


def _checked_out(place: Repository, branch: str) -> str | None:
    """Return the directory in which a branch is checked out; None when it is in none."""
    where = ""
    for line in _git(place, "worktree", "list", "--porcelain").lines:
        word, _, rest = line.partition(" ")
        if word == "worktree":
            where = rest
        elif (word, rest) == ("branch", f"refs/heads/{branch}"):
            return where
    return None


@step("branch {name}", check=_has_branch, undo=_drop_branch)
def branch(place: Repository, name: str, start: str = "HEAD") -> str:
    """Make a branch and return the commit it begins at; nothing is checked out.

    One that is there already is left as it is, and not deleted by the undo. The undo deletes it
    when nothing is on it but what it began with. Raises StepFailed when `start` is no commit.
    """
    origin = commit_of(place, start)
    if _git(place, "check-ref-format", "--branch", name, check=False).code:
        raise UsageError(f"git: {name!r} is no name of a branch")
    if origin is None:
        raise GitFailed(f"{place} has no commit {start!r}; fetch it first")
    _keep(origin)
    if _tip(place, name) != origin:
        _put(place, name, origin, NONE)
    return origin


def _keep(value: object) -> None:
    if is_in_step():
        save(value)


# --- commit -------------------------------------------------------------------------------------


def _own_commit(place: Repository, branch: str) -> str | None:
    """Return the commit on a branch that carries this step's token."""
    own = token()
    listed = _git(
        place, "log", f"--max-count={COMMITS_MAX}", f"--format=%H %(trailers:key={TRAILER},"
        "valueonly,separator=%x20)", f"refs/heads/{branch}", "--", check=False,
    )  # fmt: skip
    for line in listed.out.splitlines():
        sha, _, tokens = line.partition(" ")
        if own in tokens.split():
            return sha
    return None


def _is_committed(place: Repository, branch: str) -> object:
    found = _own_commit(place, branch)
    return Check.ABSENT if found is None else Check.done(found)


@step("take the commit off {branch}")
def _take_off(place: Repository, branch: str, result: str | None) -> None:
    made = result if result is not None else saved()
    tip = _tip(place, branch)
    if not isinstance(made, str) or tip is None:
        return
    if tip != made:
        if _git(place, "merge-base", "--is-ancestor", made, tip, check=False).code:
            return  # It is not on the branch, or was taken off already.
        raise GitFailed(
            f"branch {branch} of {place} has commits after {made[:12]}, which would be lost; "
            "revert it yourself, and mark this as done"
        )
    _put(place, branch, _git(place, "rev-parse", f"{made}^").out.strip(), made)


@step("commit to {branch}: {message}", check=_is_committed, undo=_take_off)
def commit(place: Repository, branch: str, message: str, paths: tuple[str, ...]) -> str:
    """Commit files of the working directory, as they are there, onto a branch; return the commit.

    The branch need not be checked out, and the index is left alone; of a branch that is, the files
    are staged first, or the next commit there would take them back. The commit carries the step's
    token, by which a later life finds it: it is made once. The undo takes it off while it is the
    last. Raises StepFailed when the files are on the branch like that already.
    """
    _refuse_vague(message, paths)
    old = _tip(place, branch)
    if old is None:
        raise GitFailed(f"{place} has no branch {branch}")
    sign = _token_or_none()
    index = Path(_git(place, "rev-parse", "--absolute-git-dir").out.strip(), f"holdfast-{sign}")
    for leftover in (index, index.with_name(f"{index.name}.lock")):
        leftover.unlink(missing_ok=True)
    try:
        _git(place, "read-tree", old, index=index)
        _git(place, "add", "--all", "--", *paths, index=index)
        tree = _git(place, "write-tree", index=index).out.strip()
    finally:
        index.unlink(missing_ok=True)
    if tree == _git(place, "rev-parse", f"{old}^{{tree}}").out.strip():
        raise GitFailed(f"there is nothing to commit: {branch} has {', '.join(paths)} like that")
    text = f"{message.rstrip()}\n\n{TRAILER}: {sign}\n"
    made = _git(place, "commit-tree", tree, "-p", old, text=text).out.strip()
    _keep(made)
    if _git(place, "symbolic-ref", "--quiet", "HEAD", check=False).out.strip() == (
        f"refs/heads/{branch}"
    ):
        _git(place, "add", "--all", "--", *paths)
    _put(place, branch, made, old)
    return made


def _refuse_vague(message: str, paths: Sequence[str]) -> None:
    """Raise UsageError where git would commit something else than was meant: no path is all."""
    if isinstance(paths, str) or not paths or "" in paths:
        raise UsageError(f'git: {paths!r}: name the files to commit, as in ("values.yaml",)')
    if not message.strip():
        raise UsageError("git: a commit needs a message")


def _token_or_none() -> str:
    return token() if is_in_step() else "none"


# --- push ---------------------------------------------------------------------------------------


def remote_commit(place: Repository, branch: str, remote: str = "origin") -> str | None:
    """Return the commit that a branch is at on the remote, asked now; None when it is not there."""
    ref = f"refs/heads/{branch}"
    listed = _git(place, "ls-remote", "--", _place_of(remote), ref, limit_s=ASK_S)
    for line in listed.lines:
        sha, _, name = line.partition("\t")
        if name == ref:
            return sha
    return None


def _push(place: Repository, *words: str) -> None:
    _git(place, "push", "--quiet", *words, limit_s=PUSH_S)


def _place_of(remote: str) -> str:
    """Return a remote as git takes it. Raises UsageError for one that would be an option, and for
    an address with a password, which would be recorded."""
    if not remote or remote.startswith("-"):
        raise UsageError(f"git: {remote!r} is no name of a remote")
    if "://" in remote and ":" in remote.partition("://")[2].partition("/")[0].rpartition("@")[0]:
        raise UsageError(
            "git: the address of a remote must not hold a password, which would be recorded: leave "
            "that to git's credential helper"
        )
    return remote


def _is_pushed(place: Repository, branch: str, remote: str) -> object:
    if is_foreseen():
        return Check.UNKNOWN  # There is more on it when the steps before have run.
    local, there = _tip(place, branch), remote_commit(place, branch, remote)
    if local is None or local != there:
        return Check.ABSENT
    return Check.done(Pushed(remote, branch, local, _before(there)))


def _before(there: str | None) -> str | None:
    """Return what the remote was at before this step, which is at `there` now: an earlier attempt
    may have pushed that."""
    kept = saved()
    return kept.before if isinstance(kept, Pushed) and kept.commit == there else there


@step("take back what was pushed to {remote} as {branch}")
def _take_back(place: Repository, branch: str, remote: str, result: Pushed | None) -> None:
    pushed = result if isinstance(result, Pushed) else saved()
    if not isinstance(pushed, Pushed) or pushed.before == pushed.commit:
        return
    there = remote_commit(place, branch, remote)
    if there in (None, pushed.before):
        return
    if there != pushed.commit:
        raise GitFailed(
            f"{remote}/{branch} is at {str(there)[:12]}, and was pushed at {pushed.commit[:12]}: "
            "somebody pushed since; look at it, and mark this as done"
        )
    ref = f"refs/heads/{branch}"
    lease = f"--force-with-lease={ref}:{pushed.commit}"
    _push(place, lease, "--", _place_of(remote), f"{pushed.before or ''}:{ref}")


@step("push {branch} to {remote}", check=_is_pushed, undo=_take_back)
def push(place: Repository, branch: str, remote: str = "origin") -> Pushed:
    """Push a branch, forward only, unless the remote has it already.

    The undo puts the remote's branch back to where it was, or deletes it, unless somebody pushed
    since. Raises StepFailed when the remote has commits that the branch has not.
    """
    local = _tip(place, branch)
    if local is None:
        raise GitFailed(f"{place} has no branch {branch}")
    there = remote_commit(place, branch, remote)
    pushed = Pushed(remote, branch, local, _before(there) if is_in_step() else there)
    _keep(pushed)
    _push(place, "--", _place_of(remote), f"{local}:refs/heads/{branch}")
    return pushed
