"""Secrets: texts that a run needs and never keeps, named by where they are found."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.errors import UsageError
from holdfast.model.codec import encode
from holdfast.model.making import dataclass
from holdfast.model.types import register
from holdfast.runtime.context import FRAME

if TYPE_CHECKING:
    from holdfast.runtime.life import Life

SECRET_BYTES_MAX: Final = 1_048_576
"""What systemd allows a credential; whatever is larger is not the file that was meant."""

FORMS: Final = "@env:NAME or @file:PATH"
_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_FILE_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"


@register
@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, by reference: `env:NAME` or `file:PATH`.

    Only the reference is recorded, compared and shown. The text is looked up each time it is
    revealed, so a resumed run takes the one of today.
    """

    reference: str

    def __post_init__(self) -> None:
        kind, _, place = self.reference.partition(":")
        if kind == "env" and re.fullmatch(_VARIABLE, place):
            return
        if kind != "file" or not place or "\0" in place:
            # What was given is not shown: it may be the secret itself.
            raise UsageError("a Secret is made of a reference, env:NAME or file:PATH")

    @classmethod
    def parse(cls, text: str) -> Secret:
        """Return the secret behind `@env:NAME` or `@file:PATH`; UsageError for any other text.

        A path is made absolute and `~` is the home directory, because a resume may happen in
        another directory.
        """
        if not text.startswith("@"):
            raise UsageError(f"a secret is given by reference, as {FORMS}")
        kind, _, place = text[1:].partition(":")
        if kind == "file" and place:
            return cls(f"file:{os.path.abspath(os.path.expanduser(place))}")
        return cls(text[1:])

    def reveal(self) -> str:
        """Return the text itself; a file's last line end is left out.

        Inside a run the exact text is from now on replaced wherever output shows it. Raises
        UsageError, naming the reference, when there is nothing or nothing readable.
        """
        kind, _, place = self.reference.partition(":")
        if kind == "env":
            text = os.environ.get(place, "")
            if not text:
                state = "empty" if place in os.environ else "not set"
                raise UsageError(f"the secret {self.reference} is missing: {place} is {state}")
        else:
            text = _read(Path(place), self.reference)
        found = FRAME.get()
        if found is not None:
            found.life.redact(self.reference, text)
        return text

    def __str__(self) -> str:
        return repr(self)


def find_secret(name: str, directories: Sequence[Path]) -> str:
    """Return the environment variable `name`, or else the first file of that name.

    An empty variable counts as none; a file that is there but cannot be used is an error, never
    passed over. Raises UsageError saying where it was looked for.
    """
    if not re.fullmatch(_FILE_NAME, name):
        raise UsageError(
            f"{name!r} names no secret: letters, digits, '_', '-' and '.' do, and no path"
        )
    text = os.environ.get(name)
    if text:
        return text
    files = [Path(directory) / name for directory in directories]
    for file in files:
        if os.path.lexists(file):
            return _read(file, name)
    state = "is empty" if text == "" else "is not set"
    places = ", ".join(f"there is no {file}" for file in files) or "no directory is searched"
    raise UsageError(f"no secret {name!r}: the environment variable {name} {state}; {places}")


def _read(file: Path, name: str) -> str:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            # A pipe, say: a resumed run could not read it again, and it might block for ever.
            raise _unusable(name, file, "it is no regular file")
        with file.open("rb") as stream:
            content = stream.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise _unusable(name, file, error.strerror or type(error).__name__) from error
    if len(content) > SECRET_BYTES_MAX:
        raise _unusable(name, file, f"it is larger than {SECRET_BYTES_MAX} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # Not chained: the error carries the bytes.
        raise _unusable(name, file, "it is no UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise _unusable(name, file, "it is empty")
    return text


def _unusable(name: str, file: Path, why: str) -> UsageError:
    shown = name if name.endswith(str(file)) else f"{name} in {file}"
    return UsageError(f"the secret {shown} cannot be read: {why}")


def refuse_secrets(life: Life, what: str, value: object) -> None:
    """Raise UsageError when `value`, about to be recorded, holds the text of a secret."""
    if life.redactor:
        name = life.redactor.held_by(encode(value))
        if name is not None:
            raise UsageError(
                f"{what} holds the secret {name}, and secrets are never recorded; return "
                "something else, and read the secret where it is needed"
            )


def refuse_secret_name(life: Life, label: str, template: str = "") -> None:
    """Raise UsageError when a label, which is a part of keys, holds the text of a secret.

    What the script itself says in the `template` of the label tells nothing: the password of a
    trial may well be `test`.
    """
    if life.redactor:
        name = life.redactor.found_in(label)
        if name is not None and life.redactor.found_in(template) is None:
            raise UsageError(
                f"the label {life.redactor(label)!r} holds the secret {name}, and secrets are "
                'never recorded; give a label without it, such as @step("fetch"), and read the '
                "secret where it is needed"
            )
