"""Every example runs, as its first lines say, without arguments and without a person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
EXAMPLE_LINES_MAX = 60
ON_HOLD = 3
LIVES_MAX = 10

ANSWERS = {
    "wizard.py": [("answer", "RUN", "sessions"), ("answer", "RUN", "30"), ("approve", "RUN")],
}
"""What a person says to the examples that ask."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_succeeds(shell: Shell, example: Path):
    """Run without arguments, and answered where it asks, it ends with a result."""
    answers = iter(ANSWERS.get(example.name, []))
    said = shell("run", str(example), "--id", "RUN", "--no-input")
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

    assert text.count("\n") <= EXAMPLE_LINES_MAX
    assert f"holdfast run examples/{example.name}" in text.split('"""')[1]


def test_the_backup_is_the_source(shell: Shell):
    """The backup example's copy has every byte, written in chunks."""
    source = shell.folder / "source"
    source.write_bytes(bytes(range(256)) * 100)

    said = shell("run", str(ROOT / "examples/backup.py"), "-p", f"source={source}")

    assert 0 == said.code, said.err
    assert source.read_bytes() == (shell.folder / "backup/source").read_bytes()
