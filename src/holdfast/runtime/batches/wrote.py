"""What a program wrote: in memory as long as it is little, and else in a file without a name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

from holdfast.scratch import scratch_file

MEMORY_BYTES_MAX: Final = 4 * 1024 * 1024
TAIL_BYTES: Final = 4 * 1024
READ_BYTES: Final = 1024 * 1024


class Kept:
    """The bytes of one stream, however many."""

    __slots__ = ("_chunks", "_file", "_last", "size")

    def __init__(self) -> None:
        self.size = 0
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._last = b""

    def add(self, chunk: bytes) -> None:
        """Keep a chunk behind those before. Raises OSError when the disk is full."""
        self.size += len(chunk)
        self._chunks.append(chunk)
        if self._file is not None or self.size > MEMORY_BYTES_MAX:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = scratch_file()  # Closed with the item.
        content = b"".join(self._chunks)
        self._last = (self._last + content)[-TAIL_BYTES:]
        self._file.write(content)
        self._chunks.clear()

    def chunks(self) -> Iterator[bytes]:
        """Yield everything, from the beginning."""
        if self._file is None:
            yield from self._chunks
            return
        self._file.seek(0)
        while chunk := self._file.read(READ_BYTES):
            yield chunk
        self._file.seek(0, 2)

    def head(self, size: int) -> bytes:
        """Return the beginning, so many bytes of it at most."""
        found = b""
        for chunk in self.chunks():
            found += chunk
            if len(found) >= size:
                break
        return found[:size]

    def tail(self) -> bytes:
        """Return the end."""
        return (self._last + b"".join(self._chunks))[-TAIL_BYTES:]

    def close(self) -> None:
        """Forget all of it."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()


class Wrote:
    """What a program wrote to its two outputs."""

    __slots__ = ("err", "out")

    def __init__(self) -> None:
        self.out, self.err = Kept(), Kept()

    def close(self) -> None:
        """Forget all of it."""
        self.out.close()
        self.err.close()
