"""The style guide, where a machine can check it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import holdfast

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|work)(?![\w-])")
REGISTRY_HOST = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|ghcr[.]io|docker[.]io"
)
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|X{3})\b")

OURS = ("holdfast", "tests", "bench", "docs")
CHANGE_KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
RELEASE = re.compile(r"\[\d+[.]\d+[.]\d+\] - \d{4}-\d{2}-\d{2}")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def texts() -> dict[str, str]:
    """Return each text file that is, or is about to be, part of the repository."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")
    found = {}
    for name in sorted(filter(None, set(names))):
        try:
            found[name] = (ROOT / name).read_text("utf-8")
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue  # deleted, linked, or not text
    return found


def trees() -> dict[str, ast.Module]:
    """Return the syntax tree of each Python file that has any content."""
    python = {n: t for n, t in texts().items() if t and (n.endswith(".py") or n == "dev")}
    return {name: ast.parse(text, name) for name, text in python.items()}


def functions() -> Iterator[tuple[str, Function]]:
    """Give each function with the place where it stands."""
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    """Return the place and text of each line that the pattern is found in."""
    return [
        f"{name}:{number} {line.strip()}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_files_are_short():
    """A Python file has one subject, and fits into 400 lines."""
    sizes = {n: t.count("\n") for n, t in texts().items() if n.endswith(".py") or n == "dev"}

    assert {} == {name: size for name, size in sizes.items() if size > FILE_LINES_MAX}


def test_functions_are_short():
    """A function fits a screen, or at worst 60 lines."""
    sizes = {place: (f.end_lineno or f.lineno) - f.lineno + 1 for place, f in functions()}

    assert {} == {place: size for place, size in sizes.items() if size > FUNCTION_LINES_MAX}


def test_modules_say_their_subject():
    """The first line of a module says what lives there, in a sentence that ends on it."""
    said = {name: ast.get_docstring(tree) or "" for name, tree in trees().items()}

    assert [] == [name for name, text in said.items() if not re.match(r".*[.:?](\n|$)", text)]


def test_public_names_say_what_they_promise():
    """A function or class that other modules may use says in a docstring what they get."""
    named = [
        (f"{name}:{node.lineno} {node.name}", node)
        for name, tree in trees().items()
        if name.startswith("src/")
        for node in tree.body
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
    ]

    assert [] == [
        place
        for place, node in named
        if not ast.get_docstring(node)
        and not any(ast.unparse(each) == "overload" for each in node.decorator_list)
    ]


def test_tests_are_promises():
    """The docstring of a test is the sentence that it proves."""
    tests = [(place, f) for place, f in functions() if f.name.startswith("test_")]
    promises = [(place, ast.get_docstring(f) or "") for place, f in tests]

    assert [] == [place for place, text in promises if not re.match(r"(?s)\S.*[.?!:]", text)]


def test_tests_do_not_sleep():
    """A test waits for an event or moves a clock; it never hopes that time was enough."""
    sleeps = ("time.sleep", "from time import sleep")
    nodes = [
        (f"{name}:{node.lineno}", ast.unparse(node))
        for name, tree in trees().items()
        if name.startswith("tests/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.ImportFrom)
    ]

    assert [] == [place for place, code in nodes if code in sleeps]


def test_tests_share_nothing_among_themselves():
    """What several files of tests need has a file of its own: each of them can be moved or go."""
    assert [] == lines_matching(re.compile(r"^\s*(from|import) tests\.(\w+\.)*test_"))


def test_private_names_stay_at_home():
    """A name that begins with an underscore is imported by no other module, nor by a test."""
    assert [] == [
        f"{name}:{node.lineno} {alias.name}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if re.match(r"_[^_]", alias.name) and str(node.module).partition(".")[0] in OURS
    ]


def test_locks_are_ours():
    """A lock of `threading` may stay taken after a signal in Python 3.14: ours never do."""
    made = r"threading\.R?Lock\b|from threading import .*Lock\b|Condition\(\)"

    assert ["src/holdfast/locks.py"] == [
        name for name, text in texts().items() if name.startswith("src/") and re.search(made, text)
    ]


def test_nothing_is_left_unfinished():
    """What is still to be done is an issue, not a mark in a file."""
    assert [] == lines_matching(UNFINISHED)


def test_no_machine_is_named():
    """A checkout works anywhere: no file names a path of one machine."""
    assert [] == lines_matching(MACHINE_PATH)


def test_no_registry_is_named():
    """Packages come from the registry that the reader's installer is configured for."""
    assert [] == lines_matching(REGISTRY_HOST)


def test_requirements_are_pinned_by_hash_alone():
    """Requirement files hold names, versions and digests, and no address."""
    pinned = {n: t for n, t in texts().items() if re.fullmatch(r"requirements/\w+[.]txt", n)}
    line = re.compile(r"[\w.-]+==[\w.]+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")

    assert pinned
    assert [] == [(n, x) for n, t in pinned.items() for x in t.splitlines() if not line.match(x)]


def test_public_names_are_sorted():
    """A reader finds a name in `holdfast.__all__` where the alphabet puts it, once."""
    assert sorted(set(holdfast.__all__)) == list(holdfast.__all__)


def test_public_names_are_importable():
    """Each name that `holdfast` promises is there, although it is loaded on first use."""
    assert [] == [name for name in holdfast.__all__ if not hasattr(holdfast, name)]


def test_changelog_keeps_its_shape():
    """Unreleased comes first, then releases with their day; sections say what kind of change."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    unreleased, *releases = re.findall(r"(?m)^## (.+)$", changelog)
    sections = re.findall(r"(?m)^### (.+)$", changelog)

    assert changelog.startswith("# Changelog\n")
    assert "[Unreleased]" == unreleased
    assert [] == [release for release in releases if not RELEASE.fullmatch(release)]
    assert set(sections) <= {kind.capitalize() for kind in CHANGE_KINDS}


def test_changes_say_their_kind():
    """A file in changes/ is named after its subject and its kind: `web-console.added.md`."""
    names = {path.name for path in (ROOT / "changes").iterdir()} - {"TEMPLATE.md"}
    shape = re.compile(rf"[a-z0-9-]+[.](?:{'|'.join(CHANGE_KINDS)})[.]md")

    assert set() == {name for name in names if not shape.fullmatch(name)}
