"""Where the results of a batch's items are written: a file that is part of the checkpoint.

A line is there exactly once because two things are committed together: the bit that says an item
is done, and the length of the file that holds its line. The caller's order, always the same:

1. `open` with the length of the last checkpoint, or None before the first one, and a checkpoint
   with the length it returns *before the first write*: that length is what a crash goes back to.
2. `write` for each item, remembering the length it returns.
3. `sync`, and only then the checkpoint with that length and those bits, durable.

After a crash `open` cuts off what no checkpoint knows of, and those items are written again.
"""

from __future__ import annotations

from typing import Final, Protocol

BEGIN_ANEW: Final = "holdfast rewind RUN --to STEP"
"""How an error of `open` tells to write all of it anew; whoever knows them puts the names in."""


class OutputFile(Protocol):
    """A file of one line (or row) for each value. For one process and, in it, any thread."""

    @property
    def path(self) -> str:
        """The file's absolute path, as it was when `open` was called; before, as given."""

    def open(self, length_bytes: int | None) -> int:
        """Make the file exactly so long, lock it, and return its length.

        None is the first life of a batch: the file must be new or empty, unless it was made with
        `append=True`; then a torn tail is cut off, and what is there stays. Raises UsageError when
        it holds something else, or is no file that can be written; StoreCorrupt when it is shorter
        than `length_bytes`, or ends there within a line, changing nothing; RunLocked while somebody
        else writes to it; StoreError when the disk refuses.
        """

    def write(self, value: object) -> int:
        """Append the line of one value and return the file's new length.

        On return it survives the death of every process, not power loss. Raises Unrecordable,
        writing nothing, for a value that has no line here, and StoreError when the disk refuses:
        then the part that was written has been cut off again, or the text says that it was not,
        and nothing more is written until the file has been opened anew.
        """

    def sync(self) -> None:
        """Make everything written durable, and the file's name with it. Raises StoreError; then
        what the disk holds beyond the last `sync` is unknown until the file was opened anew."""

    def close(self) -> None:
        """Release the lock and the file, without a `sync`. Closing twice is once."""
