"""Keys: the names of runs, scopes and steps; what makes one valid, and how a person finds one.

A key is the path of scopes to a step, `flight/node-7/drain node-7#2`. Its parts are labels, in
which `/`, `#`, `%` and characters that no terminal or database should see are percent-escaped;
the `#2` says that the label is used for the second time in its scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Final

from holdfast.errors import UsageError
from holdfast.model.loaded import loaded

LABEL_CHARS_MAX: Final = 200
ARGUMENT_CHARS_MAX: Final = 40
"""A longer argument does not become part of a default label."""

RUN_ID_CHARS_MAX: Final = 64
CANDIDATES_SHOWN_MAX: Final = 5

_ESCAPED: Final = "[/#%\x00-\x1f\x7f-\x9f\ud800-\udfff]"
_ESCAPES: Final = "(?:%[0-9A-F]{2})+"
_NOT_IN_ID: Final = "[^A-Za-z0-9._:-]"
_SECRET: Final = "pass(?:wor[dt]|wd|phrase|code)|secret|token|credential|api_?key|private_?key"


def join(scope: str, label: str, occurrence: int = 1) -> str:
    """Return the key of a label's use within a scope; the empty scope is the workflow itself."""
    assert occurrence >= 1
    own = escape(label) if occurrence == 1 else f"{escape(label)}#{occurrence}"
    return f"{scope}/{own}" if scope else own


def scope_of(key: str) -> str:
    """Return the key of the scope that `key` is in; empty for the workflow itself."""
    return key.rpartition("/")[0]


def scopes_around(key: str) -> Iterator[str]:
    """Yield the scopes around a step or scope, innermost first."""
    while key := scope_of(key):
        yield key


def last(key: str) -> str:
    """Return the last part of a key, still escaped and with its `#2`."""
    return key.rpartition("/")[2]


def label_of(key: str) -> str:
    """Return the label as the script gave it."""
    return unescape(last(key).partition("#")[0])


def escape(label: str) -> str:
    """Return `label` as a part of a key, in characters that UTF-8 can hold."""
    if label.isprintable() and not ("/" in label or "#" in label or "%" in label):
        return label  # Nearly always; the pattern takes long to compile.
    return re.sub(_ESCAPED, _percent, label)


def unescape(part: str) -> str:
    """Return what `escape` was given; escapes that it did not write stay as they are."""
    return re.sub(_ESCAPES, _plain, part)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _plain(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return match[0]


def find(keys: Sequence[str], wanted: str) -> list[str]:
    """Return the keys a person means: a key, all in a scope, or those of unique last parts.

    Parts may be given as a key has them, or as they are shown, without escapes. Nothing when none
    fits. Raises UsageError, naming the candidates, when last parts fit several steps or scopes.
    """
    scope = wanted.rstrip("/")
    if wanted in keys:
        return [wanted]
    inside = [key for key in keys if scope and key.startswith(scope + "/")]
    if inside:
        return inside
    names, parts = _with_scopes(keys), {scope, escape(wanted)}
    fitting = [name for name in names if last(name) in parts]
    fitting = fitting or [name for name in names if is_meant(name, wanted)]
    if len(fitting) > 1:
        shown = ", ".join(map(repr, fitting[:CANDIDATES_SHOWN_MAX]))
        more = "" if len(fitting) <= CANDIDATES_SHOWN_MAX else f" and {len(fitting)} in all"
        raise UsageError(f"{wanted!r} may be {shown}{more}; give the whole key")
    if not fitting:
        return []
    found = fitting[0]
    return [found] if found in keys else [key for key in keys if key.startswith(found + "/")]


def is_meant(name: str, wanted: str) -> bool:
    """Whether a person who types `wanted` may mean this step or scope: it is the key or its last
    parts, as the key has them or as they are shown."""
    path, text = name.split("/"), wanted.rstrip("/")
    tails = ["/".join(path[at:]) for at in range(len(path))]
    return bool(text) and any(text == tail or unescape(tail) in (text, wanted) for tail in tails)


def _with_scopes(keys: Sequence[str]) -> list[str]:
    """Return the keys and the scopes they are in, each once."""
    names: dict[str, None] = {}
    for key in keys:
        path = key.split("/")
        names.update(dict.fromkeys("/".join(path[: end + 1]) for end in range(len(path))))
    return list(names)


def check_run_id(text: str) -> str:
    """Return `text` when it may be a run's id, else raise UsageError."""
    if not 0 < len(text) <= RUN_ID_CHARS_MAX or as_id(text) != text:
        raise UsageError(
            f"{text!r} is no run id: give 1 to {RUN_ID_CHARS_MAX} letters, digits, dots, "
            "underscores, colons or hyphens"
        )
    return text


def as_id(text: str) -> str:
    """Return `text` with a hyphen for each character that no run's id may hold."""
    return re.sub(_NOT_IN_ID, "-", text)


# --- labels ---------------------------------------------------------------------------------


def check_label(label: str) -> str:
    """Return `label` when a step or scope may have it, else raise UsageError."""
    if not label.strip():
        raise UsageError("a label is empty; give each step and scope a name")
    if len(label) > LABEL_CHARS_MAX:
        raise UsageError(
            f"the label {label[:40]!r}… has {len(label)} characters; "
            f"{LABEL_CHARS_MAX} are allowed, give a shorter one"
        )
    return label


def format_label(template: str, arguments: Mapping[str, object]) -> str:
    """Return the label that a template such as "uncordon {node}" gives for a call.

    Raises UsageError, with the names there are, when it cannot be filled in.
    """
    if "{" not in template and "}" not in template:
        return check_label(template)
    try:
        label = template.format_map(arguments)
    except Exception as error:  # A `__format__` of the user's may raise anything.
        names = ", ".join(arguments) or "none"
        raise UsageError(
            f"the label {template!r} cannot be filled in: {type(error).__name__}: {error}; "
            f"the arguments are: {names}"
        ) from error
    return check_label(label)


def default_label(
    name: str, arguments: Mapping[str, object], defaults: Mapping[str, object]
) -> str:
    """Return a function's name and its short scalar arguments that are not their defaults.

    `drain node-7`; a bool is shown by its name, `drain node-7 force=True`. Arguments that are
    long, or whose names speak of secrets, are left out, and so is what makes the label too long.
    """
    label = check_label(name)
    for parameter, value in arguments.items():
        shown = _scalar(parameter, value)
        if not shown or is_secret_name(parameter):
            continue
        default = defaults.get(parameter, ...)
        if type(value) is type(default) and value == default:
            continue
        if len(label) + 1 + len(shown) <= LABEL_CHARS_MAX:
            label = f"{label} {shown}"
    return label


_INT_BITS_MAX: Final = ARGUMENT_CHARS_MAX * 4
"""Python may refuse to write a larger one in decimal."""


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Return whether a parameter of this name should not be shown."""
    return re.search(_SECRET, name, re.IGNORECASE) is not None


def _scalar(parameter: str, value: object) -> str:
    """Return a short scalar as a part of a label; empty for any other value."""
    # A datetime, which is a date too, would make the label change at every call.
    kind = type(value)
    if type(value) is str:
        shown = value
    elif kind is bool:
        return f"{parameter}={value}"
    elif isinstance(value, Enum):
        shown = str(value.name)
    elif type(value) is int:
        shown = str(value) if value.bit_length() <= _INT_BITS_MAX else ""
    elif kind in (float, date) or isinstance(value, PurePath) or kind is loaded("uuid", "UUID"):
        shown = str(value)
    else:
        return ""
    return shown if len(shown) <= ARGUMENT_CHARS_MAX and shown.isprintable() else ""
