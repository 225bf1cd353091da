"""A workflow to be killed while it takes a snapshot of $PLACE, and while it puts it back."""

from __future__ import annotations

import os
from pathlib import Path

from holdfast import do, workflow
from holdfast.ops import snapshot

PLACE = Path(os.environ.get("PLACE", "none"))


def spoil() -> None:
    (PLACE / "file-0").write_text("spoiled")
    (PLACE / "file-1").unlink(missing_ok=True)
    (PLACE / "added").touch()


def boom() -> None:
    raise OSError("boom")


@workflow
def change() -> None:
    snapshot(PLACE, label="keep")
    do("spoil", spoil)
    do("fail", boom)
