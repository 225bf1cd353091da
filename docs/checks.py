"""What the documentation must be: linked without a gap, and complete."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
from docs.generate import is_told

import holdfast
from holdfast import errors
from holdfast.cli.commands import COMMANDS
from holdfast.cli.main import holdfast as program
from holdfast.model.facts import KINDS, HoldKind
from holdfast.model.status import RunStatus, StepStatus

FENCE = re.compile(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"(?m)^#{1,6} (.+)$")
VARIABLE = re.compile(r"""environ(?:\.get\(|\[)["']([A-Z_]+)["']""")
EXIT_CODE = re.compile(r"(?m)^EXIT_\w+ = (\d+)$")
SIGNAL_CODES = (129, 130, 143)
HOLD_CODES = (3, 4, 6)

# --- links ------------------------------------------------------------------------------------


def broken_links(root: Path, pages: list[Path]) -> list[str]:
    """Return each link of the pages that leads nowhere in this checkout."""
    found = []
    for page in pages:
        for target in LINK.findall(prose(page)):
            why = _broken(root, page, target)
            if why:
                found.append(f"{page.relative_to(root)}: {target}: {why}")
    return found


def _broken(root: Path, page: Path, target: str) -> str:
    if target.startswith(("https://", "http://", "mailto:")):
        return ""
    path, _, anchor = target.partition("#")
    file = Path(os.path.normpath(page.parent / path)) if path else page
    if not file.exists():
        return "there is no such file"
    inside = (root / "docs").resolve()
    if page.is_relative_to(inside) and not file.is_relative_to(inside):
        return "a page of docs/ cannot link out of it"
    if anchor and anchor not in anchors(file):
        return "there is no such heading"
    return ""


def prose(page: Path) -> str:
    """Return a page's text without its blocks of code."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    return {_slug(heading) for heading in HEADING.findall(prose(page))}


def _slug(heading: str) -> str:
    text = re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower()
    return re.sub(r"[\s-]+", "-", text)


def orphans(root: Path) -> list[str]:
    """Return the pages of docs/ that the navigation does not lead to, and the other way round."""
    listed = set(re.findall(r"[\w/-]+\.md", (root / "mkdocs.yml").read_text("utf-8")))
    there = {str(page.relative_to(root / "docs")) for page in (root / "docs").rglob("*.md")}
    return sorted(listed ^ there)


# --- completeness -----------------------------------------------------------------------------


def undocumented(root: Path) -> list[str]:
    """Return what a user may meet and no page explains."""
    docs = root / "docs"
    written = "\n".join(
        page.read_text("utf-8")
        for page in sorted(docs.rglob("*.md"))
        if page.name not in ("cli.md", "api.md", "facts.md")
    )
    return [
        *(f"command {name} has no page that shows it" for name in _commands() if not re.search(
            rf"holdfast (?:--\S+ \S+ )?{name}\b", written)),
        *_absent(docs / "reference/cli.md", _options(), "option"),
        *_absent(docs / "reference/facts.md", [f"### {kind}" for kind in KINDS], "fact"),
        *_absent(docs / "reference/api.md", [f"### {name}" for name in _names()], "name"),
        *_absent(docs / "reference/json.md", [f"`{s}`" for s in _statuses()], "status or kind"),
        *_absent(docs / "reference/exit-codes.md", [f"| {c} |" for c in exit_codes()], "exit code"),
        *_absent(docs / "reference/environment.md", [f"`{v}`" for v in variables()], "variable"),
    ]  # fmt: skip


def _absent(page: Path, wanted: list[str], what: str) -> Iterator[str]:
    text = page.read_text("utf-8")
    yield from (f"{what} {word} is not in {page.name}" for word in wanted if word not in text)


def _names() -> list[str]:
    return [name for name in holdfast.__all__ if not name.startswith("_")]


def _commands() -> list[str]:
    return [name for commands in COMMANDS.values() for name in commands]


def _options() -> list[str]:
    context = click.Context(program, info_name="holdfast")
    commands = [program.get_command(context, name) for name in _commands()]
    groups = [command for command in commands if isinstance(command, click.Group)]
    commands += [part for group in groups for part in group.commands.values()]
    return sorted({
        f"`{name}"
        for command in commands if command is not None
        for parameter in command.params if is_told(parameter)
        for name in parameter.opts
    })  # fmt: skip


def _statuses() -> list[str]:
    return sorted({*get_args(RunStatus), *get_args(StepStatus), *get_args(HoldKind)})


def exit_codes() -> list[int]:
    """Return every code that a holdfast process ends with on purpose."""
    tree = [error.exit_code for error in vars(errors).values() if hasattr(error, "exit_code")]
    source = "\n".join(path.read_text("utf-8") for path in _sources("cli"))
    constants = [int(code) for code in EXIT_CODE.findall(source)]
    return sorted({0, *(c for c in tree if isinstance(c, int)), *constants,
                   *SIGNAL_CODES, *HOLD_CODES})  # fmt: skip


def variables() -> list[str]:
    """Return every environment variable that the package reads by name."""
    found = {name for path in _sources() for name in VARIABLE.findall(path.read_text("utf-8"))}
    return sorted(found | {"HOLDFAST_STORE", "HOLDFAST_USER", "COLUMNS"})


def _sources(part: str = "") -> list[Path]:
    package = Path(holdfast.__file__).parent
    return sorted((package / part).rglob("*.py"))
