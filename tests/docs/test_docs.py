"""The pages say what is so: generated ones are fresh, links lead somewhere, nothing is left out."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from docs import build, checks

import holdfast
from holdfast.cli.main import holdfast as program

ROOT = Path(__file__).parent.parent.parent
HOW_TO_LINES_MAX = 80
BLOCK = re.compile(r"(?ms)^```(?:sh|console|text)\n(.*?)^```$")
PYTHON = re.compile(r"(?ms)^```python\n(.*?)^```$")
SHELL_SIGNS = {"|", ">", ">>", "2>>", "&", "&&", ";"}


def pages() -> list[Path]:
    return build.pages()


def test_generated_pages_are_fresh():
    """Commands, names and facts are documented as they are; `python3 dev docs` writes them."""
    assert [] == [*build.stale()]


def test_links_lead_somewhere():
    """Every link of docs/ has its page and its heading, inside docs/."""
    inside = [page for page in pages() if page.is_relative_to(ROOT / "docs")]

    assert [] == checks.broken_links(ROOT, inside)


@pytest.mark.skipif(not (ROOT / "src").is_dir(), reason="the wheel stands without its checkout")
def test_links_of_the_checkout_lead_somewhere():
    """README, ARCHITECTURE and the other pages at the top point at files that are there."""
    top = [page for page in pages() if page.parent == ROOT]

    assert [] == checks.broken_links(ROOT, top)


def test_navigation_and_pages_match():
    """Each page can be reached from the menu, and each entry of the menu is a page."""
    assert [] == checks.orphans(ROOT)


def test_nothing_is_undocumented():
    """Each command, option, name, fact, status, exit code and variable is explained somewhere."""
    assert [] == checks.undocumented(ROOT)


def test_how_to_pages_are_short():
    """A task fits a page of 80 lines."""
    lengths = {p.name: len(p.read_text().splitlines()) for p in (ROOT / "docs/how-to").glob("*")}

    assert {} == {name: size for name, size in lengths.items() if size > HOW_TO_LINES_MAX}


def test_printed_commands_exist():
    """Each `holdfast …` in a block of a page names a command and options that there are."""
    wrong = [f"{page.name}: {line}: {why}" for page, line in commands() if (why := refused(line))]

    assert [] == wrong


def commands() -> Iterator[tuple[Path, str]]:
    """Give each holdfast command that a page has in a block."""
    for page in pages():
        if page.name in ("cli.md", "CHANGELOG.md"):
            continue
        for block in BLOCK.findall(page.read_text("utf-8")):
            for line in block.splitlines():
                typed = re.search(r"(?:^|\s|[$/])(holdfast [a-z].*)$", line.split("  # ")[0])
                if typed and "·" not in line:
                    yield page, typed[1]


def refused(line: str) -> str:
    """Return why the command line would not accept these words, or nothing."""
    words = shlex.split(line, comments=True)[1:]
    end = next((at for at, word in enumerate(words) if word in SHELL_SIGNS), len(words))
    words = words[:end]
    context = click.Context(program, info_name="holdfast")
    command = program.get_command(context, words[0])
    if command is None:
        return "there is no such command"
    try:
        command.make_parser(click.Context(command)).parse_args(words[1:])
    except click.UsageError as error:
        return error.format_message()
    return ""


def test_names_in_examples_are_imported():
    """Each of our names that a how-to page uses is imported on it, in that block or one before,
    and none is imported for nothing."""
    pages = sorted((ROOT / "docs/how-to").glob("*.md"))

    assert {} == {page.name: wrong for page in pages if (wrong := _badly_imported(page))}


def _badly_imported(page: Path) -> list[str]:
    blocks = [ast.parse(block) for block in PYTHON.findall(page.read_text("utf-8"))]
    nodes = [node for block in blocks for node in ast.walk(block)]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    imported, wrong = set[str](), set[str]()
    for block in blocks:
        names = [node for node in ast.walk(block) if isinstance(node, ast.ImportFrom | ast.Import)]
        imported |= {(name.asname or name.name) for node in names for name in node.names}
        here = {node.id for node in ast.walk(block) if isinstance(node, ast.Name)}
        wrong |= here & set(holdfast.__all__) - imported - _bound(block)
    return sorted(wrong | {name for name in imported - used if name in holdfast.__all__})


def _bound(block: ast.Module) -> set[str]:
    """Return the names that a block gives a meaning of its own."""
    return {
        name
        for node in ast.walk(block)
        for name in (
            [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            else [node.arg] if isinstance(node, ast.arg) else []
        )
    }  # fmt: skip


@pytest.mark.slow
def test_the_tests_of_the_page_about_tests_pass(tmp_path):
    """What "Test your workflow" shows passes, as shown, for the workflow of the tutorial."""
    tutorial = (ROOT / "docs/tutorials/first-workflow.md").read_text("utf-8")
    shown = PYTHON.findall((ROOT / "docs/how-to/test-your-workflow.md").read_text("utf-8"))
    (tmp_path / "migrate.py").write_text(PYTHON.findall(tutorial)[0], "utf-8")
    tests = "\n\n".join(block for block in shown if "StoreSuite" not in block)
    (tmp_path / "test_migrate.py").write_text(tests, "utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_migrate.py"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip

    assert "3 passed" in done.stdout, done.stdout
