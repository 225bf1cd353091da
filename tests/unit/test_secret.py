"""Secrets are recorded, compared and shown by reference alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from holdfast.errors import UsageError
from holdfast.flow.parameters import Parameters
from holdfast.flow.secret import SECRET_BYTES_MAX, Secret, find_secret
from holdfast.model.codec import decode, dumps, encode, loads
from holdfast.runtime.context import FRAME


@dataclass(frozen=True)
class Login:
    user: str
    password: Secret


def one(hint):
    """Return the parameters of a function that takes one `it`."""

    def work(it):
        pass

    work.__annotations__ = {"it": hint}
    return Parameters.of(work)


def checked(hint, value):
    return one(hint).check({"it": value})["it"]


def parsed(hint, text):
    return one(hint).parse([f"it={text}"])["it"]


@pytest.fixture
def passwords(tmp_path, monkeypatch):
    monkeypatch.setenv("PW", "hunter2")
    monkeypatch.delenv("NO_PW", raising=False)
    (tmp_path / "pw").write_text("from a file\n")
    return tmp_path


def test_a_secret_comes_by_reference(passwords):
    """`@env:NAME` and `@file:PATH` are looked up when they are revealed, and not before."""
    assert "hunter2" == parsed(Secret, "@env:PW").reveal()
    assert "from a file" == parsed(Secret, f"@file:{passwords}/pw").reveal()
    assert "hunter2" == parsed(Secret | None, "@env:PW").reveal()
    assert ["hunter2"] == [each.reveal() for each in parsed(list[Secret], '["@env:PW"]')]


def test_a_secret_is_recorded_by_its_reference_alone(passwords):
    """Neither the journal nor any text of a Secret has more than the reference."""
    secret = parsed(Secret, "@env:PW")
    recorded = dumps(encode(secret))

    assert secret == decode(loads(recorded))
    assert "Secret(reference='env:PW')" == str(secret) == f"{secret}" == repr(secret)
    assert "hunter2" not in recorded


def test_a_secret_s_path_survives_a_change_of_directory(passwords, monkeypatch):
    """A relative path and `~` are made absolute when they are typed."""
    monkeypatch.chdir(passwords)
    monkeypatch.setenv("HOME", str(passwords))
    typed = [parsed(Secret, "@file:pw"), parsed(Secret, "@file:~/pw")]
    monkeypatch.chdir("/")

    assert ["from a file"] * 2 == [secret.reveal() for secret in typed]


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Secret, "hunter2"),
        (Secret, '"hunter2"'),
        (Secret, "@hunter2"),
        (Secret | None, "hunter2"),
        (list[Secret], "hunter2"),
        (list[Secret], '["hunter2"]'),
        (Login, "hunter2"),
        (Login, '{"user": "u", "password": "hunter2"}'),
        (Login, '{"user": "u", "pass": "hunter2"}'),
        (dict[str, Login], '{"a": {"user": "u", "password": "hunter2"}}'),
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(hint, text):
    """A secret's text in a command line, a file or Python is an error that does not show it."""
    with pytest.raises(UsageError, match=r"parameter it.* is not shown") as typed:
        parsed(hint, text)
    with pytest.raises(UsageError) as direct:
        checked(hint, text)

    assert "hunter2" not in f"{typed.value}{direct.value}"


def test_a_name_that_speaks_of_a_secret_keeps_its_value_out_of_errors():
    """Of a parameter named like a secret no message shows the value."""

    def work(api_token: int, login: dict[str, int]):
        pass

    with pytest.raises(UsageError, match="api_token takes int; what was given is not") as error:
        Parameters.of(work).parse(["api_token=hunter2"])
    with pytest.raises(UsageError, match="not shown") as inside:
        Parameters.of(work).check({"api_token": 1, "login": {"password": "hunter2"}})

    assert "hunter2" not in f"{error.value}{inside.value}"


def test_a_revealed_secret_is_redacted(passwords):
    """Inside a run, what is revealed is announced to the log under its reference, first."""
    announced = []
    life = SimpleNamespace(redact=lambda *words: announced.append(words))
    mark = FRAME.set(SimpleNamespace(life=life))
    try:
        Secret("env:PW").reveal()
    finally:
        FRAME.reset(mark)

    assert [("env:PW", "hunter2")] == announced


@pytest.mark.parametrize(
    "reference", ["", "hunter2", "env:", "env:a b", "file:", "vault:a", "@env:A"]
)
def test_a_secret_needs_a_reference(reference):
    """A Secret made of anything else is refused without showing what that was."""
    with pytest.raises(UsageError, match=r"env:NAME or file:PATH$"):
        Secret(reference)


def test_a_secret_that_is_not_there_is_named(passwords, monkeypatch):
    """Nothing, an empty text, a pipe, too much and no text are each an error with the reference."""
    monkeypatch.setenv("EMPTY", "")
    (passwords / "empty").write_text("\n")
    (passwords / "large").write_bytes(b"x" * (SECRET_BYTES_MAX + 1))
    (passwords / "binary").write_bytes(b"\xff")
    os.mkfifo(passwords / "pipe")
    expected = {
        "env:NO_PW": "NO_PW is not set",
        "env:EMPTY": "EMPTY is empty",
        f"file:{passwords}/none": "No such file",
        f"file:{passwords}/empty": "it is empty",
        f"file:{passwords}/large": "larger than",
        f"file:{passwords}/binary": "no UTF-8",
        f"file:{passwords}/pipe": "no regular file",
        f"file:{passwords}": "no regular file",
    }

    for reference, why in expected.items():
        with pytest.raises(UsageError, match=f"the secret {reference} .*{why}"):
            Secret(reference).reveal()


def test_the_environment_comes_before_the_files(passwords, monkeypatch):
    """A named secret is the variable, or else the file in the first directory that has it."""
    monkeypatch.delenv("pw", raising=False)
    (passwords / "PW").write_text("unused")

    assert "hunter2" == find_secret("PW", [passwords])
    assert "from a file" == find_secret("pw", [passwords / "none", passwords])


def test_a_secret_nobody_has_says_where_it_was_looked_for(passwords):
    """The error names the variable and each file."""
    with pytest.raises(UsageError) as error:
        find_secret("NO_PW", [passwords])

    assert (
        f"no secret 'NO_PW': the environment variable NO_PW is not set; there is no "
        f"{passwords}/NO_PW" == str(error.value)
    )


@pytest.mark.parametrize("name", ["", "..", "../pw", "/etc/passwd", "a b", "a\0"])
def test_a_secret_s_name_is_no_path(name, passwords):
    """A name cannot leave the directories of secrets."""
    with pytest.raises(UsageError, match="names no secret"):
        find_secret(name, [passwords])
