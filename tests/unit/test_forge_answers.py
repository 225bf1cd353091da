"""How a forge is asked, and what of it is an answer: by HTTP, and through the program gh."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import UsageError
from holdfast.integrations import forge as transport
from holdfast.integrations.forge import Answer, ForgeBusy
from holdfast.ops import pulls
from holdfast.ops.pulls import Pull, github

PULL = Pull(1, "", "new", "main", "a" * 40, "open", False)
NOW_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("after", "wanted_s"),
    [
        ("90", 90.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 1.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400.0),
        ("9" * 400, 86_400.0),
        ("soon", 0.0),
    ],
)
def test_patience_is_asked_for_in_seconds_or_until_a_date(after: str, wanted_s: float) -> None:
    """Of what would be more than a day, a day."""
    with pytest.raises(ForgeBusy, match="HTTP 429: it gave no reason") as caught:
        transport.checked(Answer(429, {}, {"retry-after": after}), "GET x", NOW_S)

    assert wanted_s == caught.value.retry_after_s


def test_a_gh_that_is_not_logged_in_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And asked no more; of another failure, its last words are told."""
    gh = tmp_path / "gh"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for code, kind, said in ((4, UsageError, "gh auth login"), (1, ForgeBusy, "no route")):
        gh.write_text(f"#!/bin/sh\necho no route >&2\nexit {code}\n")
        gh.chmod(stat.S_IRWXU)
        with pytest.raises(kind, match=said):
            pulls.checks(github("acme/config"), PULL)


def test_without_gh_and_token_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UsageError, match="give token=, or install the program gh"):
        pulls.checks(github("acme/config"), PULL)


def test_a_forge_that_is_not_there_is_busy() -> None:
    """It may be there later; nothing was done."""
    with pytest.raises(ForgeBusy, match="no answer"):
        transport.request("http://127.0.0.1:1/", "POST", {}, "t")


def test_what_the_extra_brings_is_imported_at_the_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without it the message says what to install; to import the steps costs nothing of it."""
    code = "import sys, holdfast.ops.pulls; sys.exit('urllib3' in sys.modules)"
    subprocess.run((sys.executable, "-c", code), check=True, timeout=30)
    monkeypatch.setitem(sys.modules, "urllib3", None)

    with pytest.raises(UsageError, match="install holdfast"):
        transport.request("http://127.0.0.1:1/", "GET", None, "t")
