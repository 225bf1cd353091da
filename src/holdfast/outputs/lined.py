"""What files of lines have in common: two ways to open them, and who may write."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Self

from holdfast.errors import UsageError
from holdfast.locks import Lock, forkable
from holdfast.outputs.appending import Appending, too_long, too_short
from holdfast.outputs.tails import Find
from holdfast.ports.outputs import BEGIN_ANEW


class Lined(ABC):
    """A file of one line for each value: alone in a `with` block, or as the `out=` of a batch."""

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self._given = os.fspath(path)
        if not isinstance(self._given, str) or not self._given or "\0" in self._given:
            raise UsageError(f"{type(self).__name__}: {self._given!r} is no path of a file")
        self._append = append
        self._file: Appending | None = None
        self._lock = forkable(Lock())
        self.cut_bytes = 0
        """How much was cut off when the file was opened, and is kept beside it: a torn line, or
        what a killed batch wrote and did not record."""

    @property
    def path(self) -> str:
        return self._given if self._file is None else self._file.path

    def open(self, length_bytes: int | None, *, is_closed: bool = False) -> int:
        file = self._start(length_bytes or 0)
        self.cut_bytes = 0
        try:
            if length_bytes is not None:
                file.check_ends_record(length_bytes)
                if length_bytes and not self._append:
                    self._check_kind(file)
                self._end_at(file, length_bytes, is_closed=is_closed)
            elif self._append:
                self._cut_torn(file)
            elif file.length:
                raise UsageError(
                    f"{file.path} holds {file.length} bytes that this batch did not write; nothing "
                    "was changed. Move it away, or give append=True to write after what is there"
                )
            self._begin(file)
            self._file, file_length = file, file.length
            return file_length
        finally:
            if self._file is not file:
                file.close()

    def write(self, value: object) -> int:
        with self._lock:
            file = self._opened()
            return file.append(self._line(value, is_first=file.length == 0))

    def sync(self) -> None:
        with self._lock:
            self._opened().sync()

    def close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def __enter__(self) -> Self:
        """Open the file to append: a new one is made, a torn last line is cut off."""
        file = self._start()
        try:
            self._cut_torn(file)
            self._begin(file)
            self._file = file
        finally:
            if self._file is not file:
                file.close()
        return self

    def __exit__(self, *error: object) -> None:
        """Make everything written durable and close the file."""
        try:
            self.sync()
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._given!r})"

    def _start(self, recorded: int = 0) -> Appending:
        """Open the file, made if need be: but not one of which so much is recorded."""
        if self._file is not None:
            raise UsageError(f"{self._file.path} is open already; close it first")
        path = os.path.abspath(self._given)  # A relative one is of today's directory.
        try:
            return Appending(path, make=not recorded)
        except FileNotFoundError as problem:
            raise too_short(path, 0, recorded) from problem

    def _opened(self) -> Appending:
        if self._file is None:
            raise UsageError(
                f"{self._given} is not open; write inside `with {type(self).__name__}(…) as out:`"
            )
        return self._file

    def _check_kind(self, file: Appending) -> None:
        """Refuse a file that was begun as one of another kind. Raises UsageError."""
        with file.reader() as reader:
            first = reader.readline()
        if not self._may_begin(first):
            raise UsageError(
                f"{file.path} was begun by another out= than {type(self).__name__}, and nothing "
                "was changed. Give the one with which the batch began, or another file and all of "
                f"it anew: `{BEGIN_ANEW}`"
            )

    def _cut_torn(self, file: Appending) -> None:
        """Cut off what follows the last whole record."""
        with file.reader() as reader:
            end = self._find_end()(reader)
        self._cut(file, end)

    def _end_at(self, file: Appending, length: int, *, is_closed: bool) -> None:
        """Let a batch go on after what it wrote; others may write to a file to append to, too."""
        if self._append and is_closed:
            self._cut_torn(file)
        elif self._append:
            self._cut(file, length)
        elif is_closed and file.length > length:
            raise too_long(file.path, file.length, length)
        else:
            file.cut(length)

    def _cut(self, file: Appending, end: int) -> None:
        """Cut off what follows, which may be somebody else's: it is kept beside the file."""
        self.cut_bytes = file.length - end
        if self.cut_bytes:
            file.keep_tail(end)
            file.cut(end)

    @abstractmethod
    def _find_end(self) -> Find:
        """Return what finds the end of the whole records of such a file."""

    @abstractmethod
    def _may_begin(self, line: bytes) -> bool:
        """Whether a file of this kind may have this first line."""

    @abstractmethod
    def _line(self, value: object, *, is_first: bool) -> bytes:
        """Return the line of a value, with its end, and with what stands above it when it is the
        first. Raises Unrecordable."""

    @abstractmethod
    def _begin(self, file: Appending) -> None:
        """Learn what must be known of the file that was just opened. Raises UsageError."""
