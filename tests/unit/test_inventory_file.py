"""The file `holdfast.toml`: which one is read, whose it must be, and what is said of mistakes."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.app.inventory_file import PROBLEMS_SHOWN_MAX, load_inventory
from holdfast.errors import ConfigError
from holdfast.model.inventory import NO_INVENTORY, Earned, Inventory, Policy, Target, resolve
from holdfast.model.inventory_checks import check
from holdfast.model.inventory_keys import TABLES
from holdfast.model.notice import Notify

WHOLE = """
store = "sqlite:state/holdfast.db"
lease = "45s"
identity = "claimed"
[targets."etcd/prod-a"]
risk = "high"
mode = "confirm"
ask = "unit"
labels = { tier = "prod" }
params = { endpoints = ["http://127.0.0.1:2379"], key = "@file:keys/a" }
env = { KUBECONFIG = "prod-a.yaml", PGPASSWORD = "@env:PROD_PGPASSWORD" }
approvers = ["@db-oncall", "cy"]
quorum = 2
separate = true
[targets.staging]
[[policy]]
labels = { tier = "prod" }
mode = "confirm"
[groups]
db-oncall = ["ana", "ben"]
[earned]
successes = { low = 1, critical = "never" }
within = "30d"
[notify]
urls = ["json://127.0.0.1:9000/hook", "@env:HOOK"]
command = ["notify-send", "holdfast"]
on = ["hold", "failed"]
stalled_after = "10m"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work below a folder for an inventory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "holdfast.toml"
    path.write_text(dedent(text), "utf-8")
    path.chmod(0o600)
    return path


def said_of(folder: Path, text: str) -> list[str]:
    """Return what is said of a file, each line without the file's path."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as refused:
        load_inventory()
    return [line.removeprefix(f"{path}:") for line in str(refused.value).splitlines()]


# --- which file -------------------------------------------------------------------------------


def test_without_a_file_there_is_no_inventory() -> None:
    """Nothing upward of the working directory: the empty inventory."""
    assert NO_INVENTORY is load_inventory()


def test_the_nearest_file_is_read(folder: Path) -> None:
    """A file in the working directory comes before one above it."""
    write(folder, "[targets.far]")
    far = load_inventory()
    write(folder / "work", "[targets.near]")

    assert (["far"], ["near"]) == ([*far.targets], [*load_inventory().targets])


def test_a_given_file_is_read_instead(folder: Path) -> None:
    """`--config` names any file, relative to the working directory."""
    write(folder, "[targets.far]")
    (folder / "work" / "other.toml").write_text("[targets.other]")

    assert ["other"] == [*load_inventory("other.toml").targets]


def test_a_given_file_has_to_be_there(folder: Path) -> None:
    """A `--config` that is not there is an error, not the empty inventory."""
    with pytest.raises(ConfigError, match=r"other.toml: cannot be read: No such file"):
        load_inventory("other.toml")


# --- whose file -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_refused(folder: Path, mode: int) -> None:
    """The refusal has the command that closes the file."""
    path = write(folder, "")
    path.chmod(mode)

    with pytest.raises(ConfigError, match=f"type: chmod go-w {path}$") as refused:
        load_inventory()

    assert 78 == refused.value.exit_code


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_file_of_another_user_is_refused(folder: Path, through_a_link: bool) -> None:
    """Neither the file nor a link to it may be somebody else's."""
    path = write(folder, "")
    if through_a_link:
        path.rename(folder / "real.toml")
        path.symlink_to("real.toml")
    os.chown(path, 12345, -1, follow_symlinks=False)

    with pytest.raises(ConfigError, match=r"belongs to 12345.*type: sudo chown -h"):
        load_inventory()


def test_what_is_no_file_is_refused_at_once(folder: Path) -> None:
    """A pipe of that name is not waited for."""
    os.mkfifo(folder / "holdfast.toml", 0o600)

    with pytest.raises(ConfigError, match="is no regular file"):
        load_inventory()


# --- what it says -----------------------------------------------------------------------------


def test_everything_is_read(folder: Path) -> None:
    """Each key of the file becomes a value; references to files begin at the file's folder."""
    path = write(folder, WHOLE)
    key = f"@file:{folder}/keys/a"

    expected = Inventory(
        file=str(path),
        store="sqlite:state/holdfast.db",
        lease_s=45.0,
        identity="claimed",
        targets={
            "etcd/prod-a": Target(
                "etcd/prod-a", "high", "confirm", "unit", {"tier": "prod"},
                {"endpoints": ["http://127.0.0.1:2379"], "key": key},
                {"KUBECONFIG": "prod-a.yaml", "PGPASSWORD": "@env:PROD_PGPASSWORD"},
                ("@db-oncall", "cy"), 2, True,
            ),
            "staging": Target("staging"),
        },
        policies=(Policy({"tier": "prod"}, "confirm"),),
        groups={"db-oncall": ("ana", "ben")},
        earned=Earned(by_risk={"low": 1, "critical": None}, within_s=30 * 86_400.0),
        notify=Notify(
            ("json://127.0.0.1:9000/hook", "@env:HOOK"), ("notify-send", "holdfast"),
            ("hold", "failed"), 600.0,
        ),
    )  # fmt: skip
    assert expected == load_inventory()


def test_a_person_is_the_systems_user_by_default(folder: Path) -> None:
    """A file that does not speak of identity takes nobody's word for who he is."""
    write(folder, "")

    assert "os" == load_inventory().identity


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    """Each has its line, its key, what is allowed and what was probably meant."""
    said = said_of(
        folder,
        """\
        lease = "1s"
        colour = 1
        [targets.a]
        risk = "hihg"
        mode = 3
        approvers = ["@db", ""]
        [targets.b]
        approvers = ["@db-oncall"]
        quorum = 3
        [[policy]]
        labels = {}
        [groups]
        db-oncall = ["ana", "ben"]
        """,
    )

    assert [
        '1: lease: takes a duration such as "90s", "5m", "1h30m" or "2d", at least 3s; '
        "given '1s'",
        "2: colour: there is no such key; the keys are store, lease, identity, targets, policy, "
        "groups, earned, notify",
        "4: targets.a.risk: takes one of low, medium, high, critical; given 'hihg'; "
        "did you mean 'high'?",
        "5: targets.a.mode: takes one of auto, confirm, earned; given 3",
        "6: targets.a.approvers #1: there is no group 'db'; the groups are db-oncall",
        "6: targets.a.approvers #2: the name is empty; give it one character at least",
        "9: targets.b.quorum: is 3, but there are 2 approvers: ana, ben; nobody could ever approve",
        "10: policy #1: needs the key mode too",
        "11: policy #1.labels: is empty; name one label at least",
    ] == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("store = 1", "1: store: takes text; given a number"),
        ('store = ""', "1: store: is empty or has control characters"),
        ('lease = "soon"', "1: lease: takes a duration"),
        ('lease = "2d"', "1: lease: takes a duration such as"),
        ('identity = "oss"', "1: identity: takes one of os, claimed; given 'oss'"),
        ("targets = 1", "1: targets: takes a table; given a number"),
        ("[targets]\na = 1", "2: targets.a: takes a table; given a number"),
        ('[targets.""]', '1: targets."": the name is empty'),
        ('[targets." a"]', "1: targets.\" a\": the name ' a' has blanks around it"),
        ('[targets."a\\u001b"]', "1: targets.\"a\\u001b\": the name 'a\\x1b' has blanks"),
        (f"[targets.{'a' * 201}]", f"1: targets.{'a' * 201}: the name 'aaaa"),
        ('[targets.a]\nask = "all"', "2: targets.a.ask: takes one of step, unit, stage"),
        ("[targets.a]\nlabels = 1", "2: targets.a.labels: takes a table of texts; given a number"),
        ("[targets.a.labels]\ntier = 1", "2: targets.a.labels.tier: takes text; given a number"),
        ('[targets.a.labels]\n"a,b" = "c"', "2: targets.a.labels.\"a,b\": the label 'a,b' has"),
        ("[targets.a.params]\ndry-run = 1", "2: targets.a.params.dry-run: 'dry-run' cannot be"),
        ('[targets.a.env]\n"a b" = "c"', "2: targets.a.env.\"a b\": 'a b' is no name of a"),
        ("[targets.a.env]\nA = 1", "2: targets.a.env.A: takes text; given a number: put it in"),
        ('[targets.a.env]\nA = "\\u0000"', "2: targets.a.env.A: has a NUL in it"),
        ('[targets.a.env]\nA = "@env:1"', "2: targets.a.env.A: a reference is written @env:NAME"),
        ("[targets.a]\napprovers = []", "2: targets.a.approvers: takes a list of names; given an"),
        ('[targets.a]\napprovers = "b"', "2: targets.a.approvers: takes a list of names; given t"),
        ("[targets.a]\nquorum = 2", "2: targets.a.quorum: needs approvers"),
        (
            f"[targets.a]\nquorum = 0x{'f' * 9999}",
            "2: targets.a.quorum: takes a whole number from 1",
        ),
        (f"lease = 0x{'f' * 9999}", "1: lease: takes a duration"),
        ("[targets.a]\nquorum = true", "2: targets.a.quorum: takes a whole number from 1"),
        ("[targets.a]\nseparate = true", "2: targets.a.separate: needs approvers"),
        ("[targets.a]\nseparate = 1", "2: targets.a.separate: takes true or false; given 1"),
        ('[targets.a]\napprovers = ["b"]\nquorum = 2', "3: targets.a.quorum: is 2, but there is 1"),
        ('[policy]\nmode = "auto"', "1: policy: takes tables [[policy]]"),
        ('[groups]\na = "b"', "2: groups.a: takes a list of names; given text"),
        ('[groups]\na = ["@a"]', "2: groups.a: contains itself"),
        ('[groups]\na = ["@b"]\nb = ["@a", "x"]', "2: groups.a: contains itself"),
        ('[groups]\n"@a" = ["b"]', '2: groups."@a": is named without the @ here'),
        (
            "[earned]\nsuccesses = 0",
            "2: earned.successes: takes a whole number from 1 to 100, or",
        ),
        ("[earned]\nsuccesses = { hi = 1 }", "2: earned.successes.hi: takes one of low, medium"),
        ("[earned]\nsuccesses = { low = 0 }", "2: earned.successes.low: takes a whole number from"),
        ('[earned]\nwithin = "0s"', "2: earned.within: takes a duration such as"),
        ('[notify]\non = ["holds"]', "2: notify.on #1: takes one of hold, failed, succeeded"),
        ("[notify]\ncommand = [1]", "2: notify.command #1: takes text; given a number"),
        ("a = ", "1: is no TOML: Invalid value"),
        ("\n\na = 1\na = 2", "4: is no TOML: Cannot overwrite a value"),
        (f"a = {'[' * 5000}", " is nested too deeply"),
        (f"a = {'9' * 5000}", "1: is no TOML: "),
    ],
)
def test_a_mistake_has_its_line_and_what_is_allowed(folder: Path, text: str, said: str) -> None:
    """No mistake is passed over, and each is named with its line."""
    first = said_of(folder, text)[0]

    assert said == first[: len(said)]


def test_what_is_no_text_has_its_line(folder: Path) -> None:
    """Bytes that are not UTF-8 are named by line."""
    write(folder, "").write_bytes(b"# a\n# \xff\n")

    with pytest.raises(ConfigError, match=r"holdfast.toml:2: is no UTF-8 text"):
        load_inventory()


def test_very_many_mistakes_are_counted(folder: Path) -> None:
    """Beyond a screenful only their number is told."""
    said = said_of(folder, "\n".join(f"key{n} = 1" for n in range(PROBLEMS_SHOWN_MAX + 7)))

    assert (PROBLEMS_SHOWN_MAX + 1, " and 7 more") == (len(said), said[-1])


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'password = "hunter2"',
        'store = "postgresql://app:hunter2@db/holdfast"',
        '[targets.a.env]\nPGPASSWORD = "hunter2"',
        '[targets.a.params]\napi_key = "hunter2"',
        "[targets.a.params]\npasscode = 4711",
        '[targets.a.params.auth.token]\nvalue = ["hunter2"]',
        '[targets.a.params]\ndsn = "mysql://app:hunter2@db/x"',
        '[targets.a]\nrisk = "AKIAIOSFODNN7EXAMPLE"',
        '[targets.a.labels]\nnote = "-----BEGIN RSA PRIVATE KEY-----"',
        '[notify]\nurls = ["mailto://ana:hunter2@example.org"]',
        '[notify]\nurls = ["json://127.0.0.1/hook?token=hunter2"]',
        '[notify]\ncommand = ["curl", "https://127.0.0.1/?api_key=hunter2"]',
    ],
)
def test_secrets_are_refused_and_not_shown(folder: Path, text: str) -> None:
    """A file that is shown and copied holds no secret; the message does not repeat it."""
    (said,) = said_of(folder, text)

    assert "secrets never stand here" in said
    assert not {"hunter2", "4711", "AKIAIOSFODNN7EXAMPLE"} & set(said.replace("'", " ").split())


def test_what_tells_where_a_secret_is_may_stand_there(folder: Path) -> None:
    """References, paths, switches and numbers of tokens are no secrets."""
    write(
        folder,
        """
        [targets.token-service]
        env = { PGPASSWORD = "@env:PG", VAULT_TOKEN = "@file:t", TOKEN_FILE = "t" }
        params = { max_tokens = 100, use_token = true, credentials = "/etc/creds.json", token = "" }
        approvers = ["@secret-keepers"]
        [groups]
        secret-keepers = ["ana"]
        """,
    )

    assert ["token-service"] == [*load_inventory().targets]


# --- whatever it says -------------------------------------------------------------------------

KEYS = sorted({key for keys in TABLES.values() for key in keys} | {"a", "@a", "", "token", "low"})
SCALARS = (
    "", "a", "@a", "@env:A", "@file:", "high", "confirm", "never", "os", "\x00", "x://a:b@c",
    0, 1, 2, True, 1.5, float("nan"), float("inf"), date(2026, 1, 1), time(1), 2**63,
)  # fmt: skip
anything = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(KEYS), anything, max_size=6))
def test_whatever_a_file_says_is_judged(document: dict[str, Any]) -> None:
    """Any document is either an inventory, on whose targets runs have terms, or has problems."""
    inventory, problems = check(document, "holdfast.toml")

    assert all(problem.text for problem in problems)
    if not problems:
        assert all(resolve(inventory, name, "", "", None, None) for name in inventory.targets)


@given(st.binary(max_size=60) | st.text(st.sampled_from("a=[]{}\"'.\n#\\,1 "), max_size=30))
def test_whatever_a_file_is_nobody_sees_a_traceback(content: bytes | str) -> None:
    """Any bytes are an inventory, or a ConfigError."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "holdfast.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
        with suppress(ConfigError):
            load_inventory(str(path))
