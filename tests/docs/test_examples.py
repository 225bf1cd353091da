"""Every example runs, as its first lines say, where it finds what it acts on, without a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.acceptance import papers
from tests.acceptance.services import serving
from tests.acceptance.shell import Shell

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
EXAMPLE_LINES_MAX = 80
"""Lines with something on them."""
ON_HOLD = 3
LIVES_MAX = 10

ANSWERS = {
    "wizard.py": [("answer", "RUN", "sessions"), ("answer", "RUN", "30"), ("approve", "RUN")],
}
"""What a person says to the examples that ask."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "")


@pytest.fixture
def parameters(shell: Shell, example: Path) -> Iterator[list[str]]:
    """Give what the example acts on, and the parameters that say where it is."""
    with ExitStack() as open_:
        words: list[str] = []
        if example.name == "migrate.py":
            (shell.folder / "app.db").touch()
        if example.name == "saga.py":
            for name in ("flights", "hotels", "cars"):
                words += ["-p", f"{name}={open_.enter_context(serving()).url}"]
        if example.name == "papers.py":
            api = open_.enter_context(papers.serving(count=40, poison=-1))
            words += ["-p", f"api={api.url}"]
        yield words


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_succeeds(shell: Shell, example: Path, parameters: list[str]):
    """Answered where it asks, it ends with a result."""
    answers = iter(ANSWERS.get(example.name, []))
    said = shell("run", str(example), "--id", "RUN", "--no-input", *parameters)
    for _ in range(LIVES_MAX):
        if said.code != ON_HOLD:
            break
        answered = shell(*next(answers))
        assert 0 == answered.code, answered.err
        said = shell("resume", "RUN", "--no-input")

    assert 0 == said.code, said.err
    assert json.loads(said.out)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_can_be_planned(shell: Shell, example: Path):
    """`holdfast plan` walks it, and changes nothing."""
    said = shell("plan", str(example))

    assert 0 == said.code, said.err
    assert not shell.store.exists()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_readable(example: Path):
    """It fits a screen, and says first what it is and how it is run."""
    text = example.read_text("utf-8")

    assert len([line for line in text.splitlines() if line]) <= EXAMPLE_LINES_MAX
    assert f"holdfast run examples/{example.name}" in text.split('"""')[1]


def test_a_fleet_that_is_there_in_part_is_built(shell: Shell):
    """Killed while it was built, or built for fewer nodes: the rest is built, and no more."""
    (shell.folder / "fleet").mkdir()
    (shell.folder / "fleet/etcd-0").write_text("3.6")

    said = shell("run", str(ROOT / "examples/upgrade.py"))

    assert 0 == said.code, said.err
    assert {"3.6"} == {node.read_text() for node in (shell.folder / "fleet").iterdir()}


def test_the_backup_is_the_source(shell: Shell):
    """The backup example's copy has every byte, written in chunks."""
    source = shell.folder / "source"
    source.write_bytes(bytes(range(256)) * 100)

    said = shell("run", str(ROOT / "examples/backup.py"), "-p", f"source={source}")

    assert 0 == said.code, said.err
    assert source.read_bytes() == (shell.folder / "backup/source").read_bytes()
