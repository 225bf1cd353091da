"""Read `holdfast.toml`: the nearest one upward from the working directory, or the one given.

What runs may do to a target is said there, so it is read only where nobody else could have
written it, and what is wrong with it is said with the line, all at once.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import ConfigError
from holdfast.model.inventory import NO_INVENTORY, Inventory
from holdfast.model.inventory_secrets import Place

if TYPE_CHECKING:
    from holdfast.model.inventory_checks import Problem

FILE_NAME: Final = "holdfast.toml"
FILE_BYTES_MAX: Final = 4 * 1024 * 1024
PROBLEMS_SHOWN_MAX: Final = 50

_ROOT: Final = 0
_FILE_REFERENCE: Final = "@file:"
_AT_LINE: Final = r" \(at line (\d+), column \d+\)"


def load_inventory(config: str | None = None) -> Inventory:
    """Return what the nearest inventory says, or the file `config`; without one, the empty one.

    Raises ConfigError: where somebody else could have written the file, with the command that
    closes it; for what is no TOML; and with a line for each thing that is wrong in it.
    """
    path = find_inventory(Path.cwd()) if config is None else Path(config).absolute()
    if path is None:
        return NO_INVENTORY
    text = _text(path, _trusted_bytes(path))
    document = _parsed(path, text)
    # Here alone, as the parser: most commands have no inventory to read.
    from holdfast.model.inventory_checks import check

    inventory, problems = check(_anchored(document, path.parent), str(path))
    if problems:
        raise ConfigError("\n".join(_sentences(path, text, problems)))
    return inventory


def find_inventory(folder: Path) -> Path | None:
    """Return the nearest `holdfast.toml` in a folder or above it. Raises ConfigError where that
    cannot be told."""
    for place in (folder, *folder.parents):
        path = place / FILE_NAME
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigError(f"{path}: cannot be looked for: {error.strerror}") from error
        return path
    return None


def place_in(inventory: Inventory, *place: str | int) -> str:
    """Return where in its file the inventory says something, as FILE:LINE."""
    from holdfast.app.toml_lines import lines_of, nearest

    try:
        lines = lines_of(Path(inventory.file).read_text("utf-8"))
    except (OSError, ValueError, AssertionError, IndexError):
        return inventory.file  # It was edited meanwhile; what we read of it still holds.
    return f"{inventory.file}:{nearest(lines, place)}"


# --- whose file it is -------------------------------------------------------------------------


def _trusted_bytes(path: Path) -> bytes:
    try:
        _check_owner(path, path.lstat())
        # NONBLOCK: a pipe of this name must not make us wait for somebody to write.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(handle, "rb") as stream:
            found = os.fstat(handle)
            _check_owner(path, found)
            _check_kind(path, found)
            return stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid in (os.geteuid(), _ROOT):
        return
    raise ConfigError(
        f"{path}: belongs to {_user(found.st_uid)}, who could change what runs may do; when you "
        f"have read it, type: sudo chown -h {_user(os.geteuid())} {quote(str(path))}"
    )


def _check_kind(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: is no regular file; an inventory is one")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{path}: can be written by others, who could change what runs may do; when you have "
            f"read it, type: chmod go-w {quote(str(path))}"
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# --- what it says -----------------------------------------------------------------------------


def _text(path: Path, found: bytes) -> str:
    if len(found) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: is larger than {FILE_BYTES_MAX:,} bytes")
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        line = found.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is no UTF-8 text") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # Here alone: a command that finds no file does not need it.

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    except ValueError as error:
        said = str(error)
        at = re.search(_AT_LINE, said)
        line = at[1] if at else text.count("\n") + 1
        raise ConfigError(f"{path}:{line}: is no TOML: {re.sub(_AT_LINE, '', said)}") from None


def _anchored(value: Any, folder: Path) -> Any:
    """Return a value in which references to files begin at the inventory's folder."""
    if isinstance(value, Mapping):
        return {name: _anchored(inner, folder) for name, inner in value.items()}
    if isinstance(value, list):
        return [_anchored(inner, folder) for inner in value]
    if isinstance(value, str) and value.startswith(_FILE_REFERENCE):
        place = value.removeprefix(_FILE_REFERENCE)
        if place and not place.startswith("~"):
            return f"{_FILE_REFERENCE}{folder / place}"
    return value


def _sentences(path: Path, text: str, problems: Sequence[Problem]) -> list[str]:
    """Return a line for each problem, in the order of the file."""
    from holdfast.app.toml_lines import lines_of, nearest

    lines = lines_of(text)
    placed = sorted((nearest(lines, p.place), _dotted(p.place), p.text) for p in problems)
    said = [f"{path}:{line}: {key}: {text}" for line, key, text in placed]
    more = len(said) - PROBLEMS_SHOWN_MAX
    return said[:PROBLEMS_SHOWN_MAX] + ([f"{path}: and {more} more"] if more > 0 else [])


def _dotted(place: Place) -> str:
    """Return a place as it could be written in the file: `targets."etcd/a".labels`."""
    parts: list[str] = []
    for part in place:
        if isinstance(part, int):
            parts[-1] += f" #{part + 1}"
        else:
            parts.append(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part))
    return ".".join(parts)
