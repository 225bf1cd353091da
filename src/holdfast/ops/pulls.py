"""Pull requests on GitHub and Gitea as steps: open, wait for checks, merge, each once.

    forge = github("acme/config", token="GITHUB_TOKEN")              a secret's name
    forge = github("acme/config")                                    through the program gh
    forge = gitea("acme/config", "https://git.acme.example", token="GITEA_TOKEN")

    pull = open_pull(forge, "cassandra-4.1", "main", "Set Cassandra to 4.1")
    wait_for_checks(forge, pull)
    merge_pull(forge, pull)

The token is looked up at each request and never recorded. A forge that is busy, or asks for
patience, is asked again: that is the steps' own `retry`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from holdfast.engine.spec import Check
from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import saved, token
from holdfast.flow.steps import Duration
from holdfast.flow.verbs import wait_for
from holdfast.integrations.forge import ForgeBusy, ForgeRefused
from holdfast.model.retry import Retry
from holdfast.model.types import register
from holdfast.ops.forges import GITHUB, note, pages, patiently, well
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.context import is_in_step

__all__ = [
    "ChecksFailed", "Forge", "ForgeBusy", "ForgeRefused", "NotMergeable", "Pull", "checks",
    "close_pull", "gitea", "github", "merge_pull", "open_pull", "pull_now", "wait_for_checks",
]  # fmt: skip

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""
PAGE: Final = 50
CLOSED_PAGES_MAX: Final = 2
"""How far back a pull request is looked for that this step opened and somebody closed since."""
NOT_ALLOWED, CONFLICT, INVALID = 405, 409, 422
PATIENCE: Final = Retry(attempts=12, first="15s", factor=2, most="10m", on=(ForgeBusy,))
"""For a forge that is busy: more than an hour in all, for that is how long GitHub may ask for."""
State = Literal["pending", "success", "failure"]


class NotMergeable(HoldfastError):
    """A pull request cannot be merged as it is: a conflict, a rule, or a head that moved."""


class PullMerged(HoldfastError):
    """A pull request is merged, and cannot be closed."""


class PullNotOurs(HoldfastError):
    """A pull request may be somebody else's, and is not closed."""


class ChecksFailed(HoldfastError):
    """A check of a pull request failed: it will not be merged."""


@dataclass(frozen=True, slots=True)
class Forge:
    """A repository on GitHub or Gitea. `token` is the name of a secret; without one `gh` speaks."""

    kind: Literal["github", "gitea"]
    name: str
    url: str
    token: str | None

    def __str__(self) -> str:
        return self.name


@register
@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request as it was when it was looked at."""

    number: int
    url: str
    head: str
    base: str
    commit: str
    state: str
    merged: bool

    def __str__(self) -> str:
        return f"pull request {self.number}"


def github(name: str, *, token: str | None = None, url: str = GITHUB) -> Forge:
    """Return a repository, `owner/name`, on GitHub; `url` is for GitHub Enterprise."""
    return Forge("github", _owned(name), url.rstrip("/"), token)


def gitea(name: str, url: str, *, token: str) -> Forge:
    """Return a repository, `owner/name`, on a Gitea or Forgejo at `url`."""
    return Forge("gitea", _owned(name), f"{url.rstrip('/')}/api/v1", token)


def _owned(name: str) -> str:
    owner, slash, rest = name.partition("/")
    if not (owner and slash and rest) or "/" in rest:
        raise UsageError(f"pulls: {name!r}: a repository is OWNER/NAME")
    return name


# --- seeing -------------------------------------------------------------------------------------


def _pull(found: Any) -> Pull:
    if not isinstance(found, dict) or "number" not in found:
        raise ForgeBusy("a pull request", "what answered is no forge: it gave no pull request")
    merged = bool(found.get("merged") or found.get("merged_at"))
    return Pull(
        found["number"], found["html_url"], found["head"]["ref"], found["base"]["ref"],
        found["head"]["sha"], found["state"], merged,
    )  # fmt: skip


def pull_now(forge: Forge, pull: Pull) -> Pull:
    """Return the pull request as it is now."""
    return _pull(well(forge, "GET", f"/pulls/{pull.number}").body)


def _listed(forge: Forge, head: str) -> Iterator[Any]:
    """Yield the pull requests that may be of a head: all that are open, and the newest that are
    not. GitHub gives those of the head only."""
    asked = {"state": "open", "per_page": PAGE, "limit": PAGE}
    if forge.kind == "github":
        asked["head"] = f"{forge.name.partition('/')[0]}:{head}"
    for body in pages(forge, f"/pulls?{urlencode(asked)}", list):
        yield from body
    asked |= {"state": "closed", "sort": "created" if forge.kind == "github" else "recentupdate"}
    for body in islice(pages(forge, f"/pulls?{urlencode(asked)}", list), CLOSED_PAGES_MAX):
        yield from body


# --- opening and closing ------------------------------------------------------------------------


def _sign() -> str:
    """Return what is written into a pull request so that its step finds it again."""
    return f"<!-- holdfast {token()} -->" if is_in_step() else ""


def _found(forge: Forge, head: str, base: str, sign: str) -> Pull | None:
    """Return the pull request that this step opened, or else an open one of the same branches."""
    other: Pull | None = None
    for found in _listed(forge, head):
        pull = _pull(found)
        origin = (found["head"].get("repo") or {}).get("full_name", forge.name)
        if (pull.head, pull.base, origin) != (head, base, forge.name):
            continue
        if sign and sign in (found.get("body") or ""):
            return pull
        if pull.state == "open" and other is None:
            other = pull
    return other


def _is_open(forge: Forge, head: str, base: str) -> object:
    found = _found(forge, head, base, _sign())
    return Check.ABSENT if found is None else Check.done(found)


def _close(forge: Forge, opened: Pull) -> None:
    now = pull_now(forge, opened)
    if now.merged:
        raise PullMerged(f"{forge} {now} is merged: it cannot be closed; revert it with another")
    if now.state == "open":
        well(forge, "PATCH", f"/pulls/{now.number}", {"state": "closed"})


def _text(forge: Forge, pull: Pull) -> str:
    found = well(forge, "GET", f"/pulls/{pull.number}").body
    _pull(found)  # Raises ForgeBusy for what is none.
    return str(found["body"])


@step("close the pull request of {head}", retry=PATIENCE)
def _undo_open(forge: Forge, head: str, base: str, result: Pull | None) -> None:
    kept = saved()
    sign = kept.get("sign") if isinstance(kept, dict) else None
    opened = result if isinstance(result, Pull) else _found(forge, head, base, sign or "")
    if sign is None or opened is None:
        return  # It was cut short before it had asked for one.
    if sign in _text(forge, opened):
        _close(forge, opened)
    elif isinstance(result, Pull):
        raise PullNotOurs(
            f"{forge} {opened} does not carry the mark of this step: somebody else has opened it, "
            f"or has taken that out of its text; look at {opened.url}, close it yourself if it is "
            "of this run, and mark this as done"
        )


@step("open a pull request of {head}", check=_is_open, undo=_undo_open, retry=PATIENCE)
def open_pull(forge: Forge, head: str, base: str, title: str, body: str = "") -> Pull:
    """Open a pull request and return it; one of the same branches that is open is taken as it is.

    It carries the step's token, by which a later life finds it, closed or merged: there is never
    a second one. The undo closes the one that this step opened. Raises StepFailed.
    """
    sign = _sign()
    asked = {"head": head, "base": base, "title": title, "body": f"{body}\n\n{sign}".strip()}
    if sign:
        note("sign", sign)
    try:
        return _pull(patiently(forge, "POST", "/pulls", asked).body)
    except ForgeRefused as refused:
        # GitHub says 422 and Gitea 409 when there is one; both also say it of other things.
        found = None
        if refused.status in (CONFLICT, INVALID):
            found = _found(forge, head, base, sign)
        if found is None:
            raise
        return found


@step("close {pull}", retry=PATIENCE)
def close_pull(forge: Forge, pull: Pull) -> None:
    """Close a pull request without merging it. Harmless when it is closed. Raises StepFailed when
    it is merged."""
    _close(forge, pull)


# --- checks -------------------------------------------------------------------------------------

_BAD: Final = frozenset({"failure", "error", "cancelled", "timed_out", "action_required", "stale",
                         "startup_failure"})  # fmt: skip
_GOOD: Final = frozenset({"success", "neutral", "skipped", "warning"})
_WORSE: Final[tuple[State, ...]] = ("success", "pending", "failure")


def checks(forge: Forge, pull: Pull) -> dict[str, State]:
    """Return how each check of the pull request's commit stands, by its name; of several with one
    name, as jobs of two workflows may have, the one that stands worst."""
    found: dict[str, State] = {}
    for name, state in _states(forge, quote(pull.commit)):
        found[name] = max(found.get(name, state), state, key=_WORSE.index)
    return found


def _states(forge: Forge, ref: str) -> Iterator[tuple[str, State]]:
    """Yield the name and state of all that checks a commit."""
    for body in pages(forge, f"/commits/{ref}/status?per_page={PAGE}&limit={PAGE}", dict):
        for status in body["statuses"] or ():
            yield status["context"], _state(status.get("state") or status.get("status"))
    if forge.kind == "github":
        for body in pages(forge, f"/commits/{ref}/check-runs?per_page={PAGE}", dict):
            for run in body["check_runs"]:
                is_over = run["status"] == "completed"
                yield run["name"], _state(run["conclusion"]) if is_over else "pending"


def _state(word: str | None) -> State:
    """Return what a forge's word means; one that nobody knows is no success."""
    if word in _BAD:
        return "failure"
    return "success" if word in _GOOD else "pending"


def wait_for_checks(
    forge: Forge,
    pull: Pull,
    *,
    at_least: int = 1,
    every: Duration = "30s",
    timeout: Duration | None = "2h",
) -> dict[str, State]:
    """Wait until all checks of the pull request have succeeded, `at_least` so many; return them.

    Durable, as `wait_for` is: the process may exit meanwhile, and a timeout holds. With none at
    all, `at_least=0` goes on at once. Raises StepFailed when one has failed.
    """

    not_before_s = 0.0

    def all_well() -> dict[str, State] | bool:
        nonlocal not_before_s
        now_s = SystemClock().now().timestamp()
        if now_s < not_before_s:
            return False
        try:
            found = checks(forge, pull)
        except ForgeBusy as busy:
            not_before_s = now_s + busy.retry_after_s
            return False
        failed = [name for name, state in found.items() if state == "failure"]
        if failed:
            raise ChecksFailed(f"{forge} {pull}: {', '.join(failed)} failed; see {pull.url}")
        is_well = len(found) >= at_least and "pending" not in found.values()
        return (found or True) if is_well else False

    seen = wait_for(f"checks of {pull}", all_well, every=every, timeout=timeout)
    return seen if isinstance(seen, dict) else {}


# --- merging ------------------------------------------------------------------------------------


_LATER: Final = re.compile(r"try again later|Review and try the merge again")
"""What Gitea says while it still looks for conflicts, and GitHub when the base moves just then."""


def _is_merged(forge: Forge, pull: Pull) -> object:
    now = pull_now(forge, pull)
    return Check.done(now) if now.merged else Check.ABSENT


@step("merge {pull}", check=_is_merged, retry=PATIENCE)
def merge_pull(
    forge: Forge, pull: Pull, method: Literal["merge", "squash", "rebase"] = "merge"
) -> Pull:
    """Merge a pull request at the commit that was looked at, and return it; it is merged once.

    There is no undo: put `no_return(…)` before it. Raises StepFailed when its head moved since,
    it conflicts, or a rule forbids it: then nothing was merged.
    """
    if forge.kind == "github":
        words = ("PUT", {"sha": pull.commit, "merge_method": method})
    else:
        words = ("POST", {"Do": method, "head_commit_id": pull.commit})
    try:
        patiently(forge, words[0], f"/pulls/{pull.number}/merge", words[1])
    except ForgeRefused as refused:
        now = pull_now(forge, pull)
        if now.merged:
            return now
        if refused.status == NOT_ALLOWED and _LATER.search(str(refused)):
            raise ForgeBusy(f"merge {forge} {pull}", str(refused)) from refused
        if refused.status not in (NOT_ALLOWED, CONFLICT, INVALID):
            raise
        moved = f"; its head moved to {now.commit[:12]}" if now.commit != pull.commit else ""
        raise NotMergeable(f"{forge} {pull}: {refused}{moved}; see {pull.url}") from refused
    return pull_now(forge, pull)
