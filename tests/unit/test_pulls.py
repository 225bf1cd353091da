"""Pull requests on a small GitHub and a small Gitea: each is opened, checked and merged once."""

from __future__ import annotations

import json
import stat
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit import forges
from tests.unit.forges import NAME, TOKEN, serving
from tests.unit.runs import Runs

from holdfast import UsageError, do, workflow
from holdfast.integrations.forge import ForgeRefused
from holdfast.ops import pulls
from holdfast.ops.forges import answer_of
from holdfast.ops.pulls import Forge, Pull, gitea, github

SECRET = "FORGE_TOKEN"
AT: dict[str, Forge] = {}


@pytest.fixture(params=["github", "gitea"])
def forge(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[forges.Forge]:
    """A forge, whose token is in the environment."""
    monkeypatch.setenv(SECRET, TOKEN)
    with serving(request.param) as served:
        AT["forge"] = (
            github(NAME, token=SECRET, url=served.url)
            if request.param == "github"
            else gitea(NAME, served.url, token=SECRET)
        )
        yield served
    AT.clear()


@workflow
def proposes() -> Pull:
    return pulls.open_pull(AT["forge"], "new", "main", "Set it", "As it should be.")


@workflow
def proposes_in_vain() -> None:
    pulls.open_pull(AT["forge"], "new", "main", "Set it", "As it should be.")
    do("fail", boom)


def boom() -> None:
    raise OSError("boom")


@workflow
def delivers() -> Any:
    pull = pulls.open_pull(AT["forge"], "new", "main", "Set it")
    seen = pulls.wait_for_checks(AT["forge"], pull, every="10s", timeout="10m")
    return [pulls.merge_pull(AT["forge"], pull).merged, seen]


def test_a_change_is_opened_checked_and_merged(runs: Runs, forge: forges.Forge) -> None:
    """Checks that nobody began are no success; merged is the commit that was looked at."""
    forge.checks = deque([{}, {"ci": "pending"}, {"ci": "success", "lint": "success"}])
    outcome = runs.start(delivers)

    assert "succeeded" == outcome.status
    assert [True, {"ci": "success", "lint": "success"}] == outcome.result
    assert 1 == forge.count("POST", "/pulls") - forge.count("POST", "/merge")
    assert forge.pulls[0]["merged"]


def test_a_check_that_failed_merges_nothing(runs: Runs, forge: forges.Forge) -> None:
    """It is named, with where to look."""
    forge.checks = deque([{"ci": "pending"}, {"ci": "failure", "lint": "success"}])
    outcome = runs.start(delivers)

    assert "failed" == outcome.status
    assert "ci failed; see http" in str(runs.step("checks of pull request 1").error)
    assert not forge.pulls[0]["merged"]


@pytest.mark.parametrize("at", range(1, 11))
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_beside_any_effect_there_is_one_pull_request(
    runs: Runs, forge: forges.Forge, at: int, when: str
) -> None:
    """Also when it was opened and the process died before it knew."""
    runs.is_crashed(proposes, at, when)
    outcome = runs.start(proposes)

    assert "succeeded" == outcome.status
    assert 1 == len(forge.pulls) == forge.count("POST", "/pulls")


def test_one_that_was_opened_and_closed_meanwhile_is_not_opened_again(
    runs: Runs, forge: forges.Forge
) -> None:
    """It carries the step's token."""
    at = 1
    while not forge.pulls:
        at += 1
        runs.is_crashed(proposes, at, "before")
    forge.pulls[0]["state"] = "closed"
    outcome = runs.start(proposes)

    assert 1 == outcome.result.number == len(forge.pulls)


def test_an_open_one_of_the_same_branches_is_taken_as_it_is(
    runs: Runs, forge: forges.Forge
) -> None:
    """Wherever in the pages it is; a rollback leaves it open."""
    forge.add("new")
    forge.add("new", base="next", state="closed")
    for n in range(5):
        forge.add(f"other-{n}")
    runs.start(proposes_in_vain)
    outcome = runs.rollback(proposes_in_vain)

    assert "rolled_back" == outcome.status and 7 == len(forge.pulls)
    assert 0 == forge.count("POST", "/pulls")
    assert "open" == forge.pulls[0]["state"]


def test_one_that_appears_meanwhile_is_found_by_the_refusal(
    runs: Runs, forge: forges.Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """422 of GitHub, 409 of Gitea: already exists."""
    real, looked = forge.answer, []

    def late(method: str, path: str, query: Any, body: Any) -> Any:
        if method == "GET" and len(looked) < 2:
            looked.append(path)
            return 200, []
        return real(method, path, query, body)

    monkeypatch.setattr(forge, "answer", late)
    forge.add("new")
    outcome = runs.start(proposes)

    assert 1 == outcome.result.number == len(forge.pulls) == forge.count("POST", "/pulls")


def test_outside_any_run_they_are_functions(forge: forges.Forge) -> None:
    """As those who test their own scripts call them."""
    pull = pulls.open_pull(AT["forge"], "new", "main", "Set it")

    assert pulls.merge_pull(AT["forge"], pull).merged
    assert 1 == len(forge.pulls)


def test_what_somebody_else_opened_is_not_closed(runs: Runs, forge: forges.Forge) -> None:
    """In the moment between looking and opening, or after this step was killed."""
    forge.forced = [("POST", "/pulls", CONFLICT[forge.kind], {}), ("GET", "/pulls", 200, {}, [])]
    forge.forced.append(("GET", "/pulls", 200, {}, []))
    forge.add("new")
    runs.start(proposes_in_vain)
    outcome = runs.rollback(proposes_in_vain)

    assert "rolled_back" != outcome.status
    assert "does not carry the mark of this step" in repr(runs.facts())
    assert ["open"] == [pull["state"] for pull in forge.pulls]


CONFLICT = {"github": 422, "gitea": 409}


@pytest.mark.parametrize("at", range(1, 12))
def test_a_rollback_of_what_was_cut_short_closes_its_own(
    runs: Runs, forge: forges.Forge, at: int
) -> None:
    """And not the one that somebody opens then, where there is none."""
    runs.is_crashed(proposes_in_vain, at, "before")
    ours = len(forge.pulls)
    if not ours:
        forge.add("new")
    runs.rollback(proposes_in_vain)

    assert ["closed" if ours else "open"] == [pull["state"] for pull in forge.pulls]


def test_a_rollback_closes_what_was_opened(runs: Runs, forge: forges.Forge) -> None:
    """And nothing else."""
    forge.add("other")
    runs.start(proposes_in_vain)
    outcome = runs.rollback(proposes_in_vain)

    assert "rolled_back" == outcome.status
    assert ["open", "closed"] == [pull["state"] for pull in forge.pulls]


def test_a_wrong_token_is_said_and_never_shown(
    runs: Runs, forge: forges.Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401: what to do stands in the message, the token nowhere."""
    monkeypatch.setenv(SECRET, "wrong-secret-text")
    outcome = runs.start(proposes)
    error = str(runs.step("open a pull request of new").error)

    assert "failed" == outcome.status
    assert "HTTP 401: Bad credentials; the token is wrong" in error
    assert "wrong-secret-text" not in repr(runs.facts()) + repr(runs.output())


def test_the_patience_that_is_asked_for_is_kept(runs: Runs, forge: forges.Forge) -> None:
    """403 with Retry-After: not asked again before, however soon the next attempt comes."""
    forge.forced = [("POST", "/pulls", 403, {"Retry-After": "100"})]
    outcome = runs.start(proposes)
    # The clock of the runs jumps; that of the forge's patience is real.

    assert "failed" == outcome.status
    assert 1 == forge.count("POST", "/pulls")
    assert "it asks for" in str(runs.step("open a pull request of new").error)


def test_patience_is_kept_while_checks_are_waited_for(runs: Runs, forge: forges.Forge) -> None:
    """However often the wait looks."""
    forge.forced = [("GET", "/status", 429, {"Retry-After": "100"})]
    outcome = runs.start(delivers)

    assert "on_hold" == outcome.status
    assert 1 == forge.count("GET", "/status")


@pytest.mark.parametrize(("method", "part"), [("GET", "/pulls"), ("POST", "/pulls")])
@pytest.mark.parametrize("body", [b"<html>log in</html>", b"", b"[1", {}, None], ids=repr)
def test_what_is_no_answer_of_a_forge_is_asked_again(
    runs: Runs, forge: forges.Forge, method: str, part: str, body: object
) -> None:
    """The page of a proxy that says 200, or half of an answer: one pull request in the end."""
    forge.forced = [(method, part, 200, {}, body)]
    outcome = runs.start(proposes)

    assert "succeeded" == outcome.status, runs.facts()
    assert 1 == len(forge.pulls)


def test_checks_of_one_name_are_as_the_worst_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workflows may have a job of that name; nothing is merged while one has failed."""
    monkeypatch.setenv(SECRET, TOKEN)
    with serving("github") as served:
        AT["forge"] = github(NAME, token=SECRET, url=served.url)
        runs_of = {"failure success": "failure", "success pending failure": "failure",
                   "success pending": "pending", "success success": "success"}  # fmt: skip
        for states, wanted in runs_of.items():
            served.checks = deque([{"build": states}])
            pull = Pull(1, "", "new", "main", "a" * 40, "open", False)

            assert {"build": wanted} == pulls.checks(AT["forge"], pull)


def test_a_forge_behind_a_proxy_is_asked_through_it(
    runs: Runs, forge: forges.Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that the environment names, unless it says that the host needs none."""
    monkeypatch.setenv("http_proxy", forge.url)
    api = "" if forge.kind == "github" else "/api/v1"
    AT["forge"] = Forge(forge.kind, NAME, f"http://forge.invalid{api}", SECRET)
    far = runs.start(proposes)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    AT["forge"] = Forge(forge.kind, NAME, forge.api, SECRET)
    near = pulls.pull_now(AT["forge"], far.result)

    assert far.result == near
    assert any("http://forge.invalid/" in line for line in forge.asked)


def test_a_merge_that_the_forge_puts_off_is_asked_for_again(
    runs: Runs, forge: forges.Forge
) -> None:
    """While it still looks for conflicts, or the base moved in that moment."""
    said = {"message": "Please try again later"}
    forge.forced = [("PUT", "/merge", 405, {}, said), ("POST", "/merge", 405, {}, said)]
    outcome = runs.start(merges)

    assert "succeeded" == outcome.status, runs.facts()
    assert 2 == forge.count("PUT", "/merge") + forge.count("POST", "/merge")


@pytest.mark.parametrize(("status", "headers"), [(502, {}), (429, {}), (403, {"Retry-After": "0"})])
def test_a_forge_in_trouble_is_asked_again(
    runs: Runs, forge: forges.Forge, status: int, headers: dict[str, str]
) -> None:
    """The step's own retry; one pull request in the end."""
    forge.forced = [("POST", "/pulls", status, headers)]
    outcome = runs.start(proposes)

    assert "succeeded" == outcome.status
    assert 1 == len(forge.pulls)


@workflow
def merges() -> Pull:
    return pulls.merge_pull(AT["forge"], pulls.open_pull(AT["forge"], "new", "main", "Set it"))


def test_a_conflict_merges_nothing(runs: Runs, forge: forges.Forge) -> None:
    """And a head that moved since it was looked at."""
    forge.mergeable = False
    outcome = runs.start(merges)
    forge.mergeable = True
    forge.pulls[0]["head"]["sha"] = "c" * 40
    again = runs.resume(merges)

    assert ["failed", "failed"] == [outcome.status, again.status]
    assert "its head moved to cccccccccccc" in str(runs.step("merge pull request 1").error)
    assert not forge.pulls[0]["merged"]


@pytest.mark.parametrize("at", range(8, 18))
def test_killed_beside_any_effect_it_is_merged_once(
    runs: Runs, forge: forges.Forge, at: int
) -> None:
    """The forge is asked first whether it is merged."""
    runs.is_crashed(merges, at, "before")
    outcome = runs.start(merges)

    assert outcome.result.merged
    assert 1 == forge.count("PUT", "/merge") + forge.count("POST", "/merge")


def test_gh_speaks_where_no_token_is_given(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through `gh api`, which has credentials of its own."""
    with serving("github") as served:
        gh = tmp_path / "gh"
        gh.write_text(f"#!{sys.executable}\n{GH}")
        gh.chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("FAKE_FORGE", served.url)
        monkeypatch.setenv("FAKE_TOKEN", TOKEN)
        AT["forge"] = github(NAME, url=served.url)
        served.checks = deque([{"ci": "success"}])
        outcome = runs.start(delivers)

        assert "succeeded" == outcome.status, runs.facts()
        assert served.pulls[0]["merged"]
        assert "" == "".join(each.text for each in runs.output())


GH = """
import json, os, sys, urllib.error, urllib.request
words = sys.argv[1:]
assert words[:3] == ["api", "--include", "--method"], words
method, path = words[3:5]
assert words[words.index("--hostname") + 1] == os.environ["FAKE_FORGE"].partition("//")[2], words
body = sys.stdin.buffer.read() if "--input" in words else None
asked = urllib.request.Request(os.environ["FAKE_FORGE"] + "/" + path, body, method=method,
    headers={"Authorization": "token " + os.environ["FAKE_TOKEN"]})
try:
    answer = urllib.request.urlopen(asked)
except urllib.error.HTTPError as error:
    answer = error
print(f"HTTP/2.0 {answer.status} {answer.reason}")
print(*(f"{n}: {v}" for n, v in answer.headers.items()), "", sep="\\n")
sys.stdout.write(answer.read().decode())
sys.exit(0 if answer.status < 300 else 1)
"""


def test_a_next_page_on_another_host_is_not_asked_for(forge: forges.Forge) -> None:
    """The token would go there."""
    with pytest.raises(ForgeRefused, match="another host"):
        answer_of(AT["forge"], "GET", "http://127.0.0.1:1/repos/acme/config/pulls")
    assert [] == forge.asked


@pytest.mark.parametrize("name", ["acme", "acme/", "/config", "a/b/c"])
def test_a_repository_has_an_owner(name: str) -> None:
    """And one name."""
    with pytest.raises(UsageError, match="OWNER/NAME"):
        github(name)


def test_nothing_that_was_sent_is_the_token(runs: Runs, forge: forges.Forge) -> None:
    """Facts and output of a whole delivery, looked through."""
    forge.checks = deque([{"ci": "success"}])
    runs.start(delivers)
    text = json.dumps([repr(fact) for fact in runs.facts()]) + repr(runs.output())

    assert forge.pulls[0]["merged"] and TOKEN not in text
