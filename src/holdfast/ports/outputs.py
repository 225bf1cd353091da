"""Where the results of a batch's items are written: a file that is part of the checkpoint.

A line is there exactly once because two things are committed together: the bit that says an item
is done, and the length of the file that holds its line. The caller's order, always the same:

1. `open` with the length of the last checkpoint, or None before the first one, and a checkpoint
   with the length it returns *before the first write*: that length is what a crash goes back to.
2. `write` for each item, remembering the length it returns.
3. `sync`, and only then the checkpoint with that length and those bits, durable.

After a crash `open` cuts off what no checkpoint knows of, and those items are written again. With
`append=True` others may have written there meanwhile: it is kept beside the file. An implementation
must pass `holdfast.testing.OutputSuite`.
"""

from __future__ import annotations

from typing import Final, Protocol

BEGIN_ANEW: Final = "holdfast rewind RUN --to STEP"
"""How an error of `open` tells to write all of it anew; whoever knows them puts the names in."""

KEPT_END: Final = ".cut"
"""What is cut off and may be somebody else's is kept in a file beside, whose name ends in this."""


class OutputFile(Protocol):
    """A file of one line (or row) for each value. For one process and, in it, any thread."""

    @property
    def path(self) -> str:
        """The file's absolute path, as it was when `open` was called; before, as given."""

    @property
    def cut_bytes(self) -> int:
        """How much `open` cut off that may be somebody else's, and keeps beside the file."""

    def open(self, length_bytes: int | None, *, is_closed: bool = False) -> int:
        """Make the file exactly so long, lock it, and return its length.

        None is the first life of a batch: the file must be new or empty, unless it was made with
        `append=True`; then a torn tail is cut off, and what is there stays. With `is_closed` the
        batch was left when the file was exactly so long, and what follows now is somebody else's:
        with `append=True` it stays in the same way, and without it is refused.

        Raises UsageError when it holds something else, or is no file that can be written;
        StoreCorrupt when it is shorter than `length_bytes`, ends there within a line, or is longer
        though it was closed, changing nothing; RunLocked while somebody else writes to it;
        StoreError when the disk refuses.
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
