"""The output of steps: one file a run, one JSON line a piece, only ever appended to.

Output is a help to people, never a truth: what cannot be kept is dropped and counted, and a
line that a killed process or a full disk left half-written is passed over when reading.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from holdfast.errors import HoldfastError, StoreError
from holdfast.locks import Lock, forkable
from holdfast.ports.store import Output
from holdfast.stores.lockfile import hand_over, hand_over_folder, open_regular, refuse_link
from holdfast.stores.row_tables import dump_time, load_time

OPEN_FILES_MAX: Final = 32
READ_BYTES: Final = 1 << 20


def dump_output(output: Output) -> str:
    """Return one line, newline and all. Plain ASCII, so that any bytes a program wrote fit."""
    parts = [dump_time(output.at), output.key, output.attempt, output.stream, output.text]
    return json.dumps(parts, separators=(",", ":")) + "\n"


def load_output(line: str | bytes) -> Output | None:
    """Return what `dump_output` wrote, or None for a line that a crash or a full disk tore."""
    try:
        at, key, attempt, stream, text = json.loads(line)
        return Output(load_time(at), key, attempt, stream, text)
    except (ValueError, TypeError):
        return None


class OutputFiles:
    """The output files of one store, by the number of the run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.dropped = 0
        self._open: dict[int, int] = {}
        self._mutex = forkable(Lock())
        refuse_link(root)

    def write(self, number: int, outputs: Iterable[Output]) -> None:
        """Append pieces of output; what cannot be written is dropped and counted."""
        lines = [dump_output(output) for output in outputs]
        if not lines:
            return
        with self._mutex:
            self.dropped += self._append(number, "".join(lines).encode())

    def _append(self, number: int, data: bytes) -> int:
        """Append whole lines; return how many were not written."""
        try:
            written = os.write(self._file(number), data)
        except (OSError, HoldfastError):
            written = 0
        if written < len(data):
            # Opened anew, the next piece starts on a line of its own.
            self._forget(number)
        return data[written:].count(b"\n")

    def read(self, number: int, after: int) -> Iterator[tuple[int, Output]]:
        """Yield whole lines from byte `after` on, each with where the next one starts."""
        try:
            fd = open_regular(self._path(number), os.O_RDONLY)
        except StoreError as problem:
            if isinstance(problem.__cause__, FileNotFoundError | NotADirectoryError):
                return
            raise
        with os.fdopen(fd, "rb", READ_BYTES) as file:
            file.seek(after)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                after += len(line)
                output = load_output(line)
                if output is not None:
                    yield after, output

    def remove(self, number: int) -> None:
        """Remove a run's output. What cannot be removed now is found by the next sweep."""
        with self._mutex:
            self._forget(number)
        with contextlib.suppress(OSError):
            self._path(number).unlink()

    def close(self) -> None:
        """Close the files; the next write opens them anew."""
        with self._mutex:
            for number in list(self._open):
                self._forget(number)

    def _path(self, number: int) -> Path:
        return self.root / f"{number}.ndjson"

    def _file(self, number: int) -> int:
        if (fd := self._open.get(number)) is not None:
            return fd
        if len(self._open) >= OPEN_FILES_MAX:
            self._forget(next(iter(self._open)))
        self.root.mkdir(mode=0o700, exist_ok=True)
        hand_over_folder(self.root)
        fd = open_regular(self._path(number), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        hand_over(fd, self.root)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            # A killed process left half a line: end it, or it would swallow ours.
            os.write(fd, b"\n")
        self._open[number] = fd
        return fd

    def _forget(self, number: int) -> None:
        fd = self._open.pop(number, None)
        if fd is not None:
            os.close(fd)
