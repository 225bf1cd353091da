"""Streams that compress and decompress: zstd where this Python or the system has it, and gzip."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, Any, BinaryIO, Literal, TypeAlias, cast

from holdfast.integrations.directories.tree import DirectoryFailed
from holdfast.scratch import scratch_file

Compression: TypeAlias = Literal["zstd", "gzip"]
GZIP_LEVEL = 6
PROGRAM = "zstd"


def best() -> Compression:
    """Return the better of what is here."""
    return "zstd" if _module() is not None or shutil.which(PROGRAM) else "gzip"


def _module() -> Any:
    """Return Python's own zstd, which it may have since 3.14."""
    if sys.version_info >= (3, 14):  # Before, it would be whatever else is called so.
        with suppress(ImportError):
            return import_module("compression.zstd")
    return None


@contextmanager
def compressed(how: Compression, file: BinaryIO) -> Iterator[BinaryIO]:
    """Give a stream to write to; what is written is in `file`, compressed, after the block."""
    if how == "gzip":
        # Without a name or a time: equal directories make equal archives.
        with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as stream:
            yield cast(BinaryIO, stream)
    elif (module := _module()) is not None:
        with module.ZstdFile(file, "wb") as stream:
            yield stream
    else:
        file.flush()
        with _program(["-q", "-c"], stdin=subprocess.PIPE, stdout=file) as process:
            yield process.stdin


@contextmanager
def decompressed(how: Compression, file: BinaryIO) -> Iterator[BinaryIO]:
    """Give a stream of what `file` has, which is read to its end in the block. Raises
    DirectoryFailed when it was not compressed so."""
    if how == "gzip":
        with gzip.GzipFile(fileobj=file, mode="rb") as stream:
            try:
                yield cast(BinaryIO, stream)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DirectoryFailed(f"what gzip wrote does not read: {error}") from error
    elif (module := _module()) is not None:
        with module.ZstdFile(file, "rb") as stream:
            yield stream
    else:
        with _program(["-q", "-d", "-c"], stdin=file, stdout=subprocess.PIPE) as process:
            yield process.stdout


@contextmanager
def _program(options: list[str], **ends: Any) -> Iterator[Any]:
    """Run zstd between two ends. Raises DirectoryFailed, with its own words, when it fails.

    It has a session of its own, so that Ctrl-C lets this process finish; when this process dies
    its end of the pipe is closed, and zstd with it.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise DirectoryFailed("the archive is of zstd, and there is no `zstd` here; install it")
    environment = {**os.environ, "LC_ALL": "C"}
    with scratch_file() as said:
        process = subprocess.Popen(
            [found, *options], stderr=said, env=environment, start_new_session=True, **ends
        )
        is_over = False
        try:
            yield process
            is_over = True
        except BrokenPipeError:
            is_over = True  # It says itself why it ended.
        finally:
            if not is_over:
                process.kill()
            _quietly(process.stdin)
            code = process.wait()
            _quietly(process.stdout)
        if code != 0:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
            raise DirectoryFailed(f"zstd failed: {words or f'exit {code}'}")


def _quietly(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(BrokenPipeError):  # Its exit code tells.
            pipe.close()


class Counted:
    """A stream to write to, which takes note of what passes."""

    def __init__(self, target: BinaryIO, note: Callable[[bytes], object]) -> None:
        self._target, self._note = target, note

    def write(self, part: bytes) -> int:
        self._note(part)
        self._target.write(part)
        return len(part)
