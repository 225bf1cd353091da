"""Files for what is not to be kept, also in a container whose root cannot be written.

Most processes need none: `tempfile` is imported by those that do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def scratch_file() -> IO[bytes]:
    """Return a file without a name, which is gone when it is closed: in the folder for temporary
    files or, where there is none, in memory. Raises OSError when the disk is full."""
    import tempfile

    try:
        return tempfile.TemporaryFile()
    except FileNotFoundError:
        return os.fdopen(os.memfd_create("holdfast"), "w+b")


def scratch_folder() -> Path | None:
    """Return the folder for temporary files, or None where there is none."""
    import tempfile

    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None
