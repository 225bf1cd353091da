"""JSON lines: one value, one line."""

from __future__ import annotations

from holdfast.model.codec import dumps, encode
from holdfast.outputs.appending import Appending
from holdfast.outputs.lined import Lined
from holdfast.outputs.tails import Find, kind_of, last_line_end


class JsonLines(Lined):
    """A file with a line of JSON for each value, of which no line is ever torn or half there.

    As the `out=` of a batch it holds what the function returned, exactly once for each item. The
    file must be new or empty, unless `append=True`.

    Alone, `with JsonLines(path) as out: out.write(value)` appends to what is there, after a torn
    last line was cut off (and kept in `PATH.cut`; `cut_bytes` says how long it was). A line
    survives the death of the process when `write` returns, and power loss after `sync()` or at
    the end of the block. Any thread may write; another process is refused with RunLocked.

    Plain data is plain JSON; what JSON has no word for (a date, a dataclass) is written in the
    tagged form in which results are recorded. Raises Unrecordable, and writes nothing, for a
    value that has neither; StoreError when the disk refuses, and says in which state the file is.
    """

    def _find_end(self) -> Find:
        return last_line_end

    def _may_begin(self, line: bytes) -> bool:
        return kind_of(line) is not None

    def _line(self, value: object, *, is_first: bool) -> bytes:
        # A newline inside a text is written as an escape, so a line's only newline is its end.
        return (dumps(encode(value)) + "\n").encode()

    def _begin(self, file: Appending) -> None:
        pass  # A line stands for itself.
