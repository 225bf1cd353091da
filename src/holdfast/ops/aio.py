"""The ready-made steps for `async def` workflows: the same names and arguments, awaited."""

from __future__ import annotations

from typing import cast

from holdfast.flow.awaited import place, recorded
from holdfast.flow.unawaited import noted
from holdfast.ops.awaiting import awaited
from holdfast.ops.kubectl import aio as kubectl
from holdfast.ops.snapshot import Place, Snapshot, labelled

__all__ = ["Snapshot", "awaited", "kubectl", "snapshot"]


@noted
async def snapshot(
    path: Place, *, to: Place | None = None, label: str | None = None, keep: bool = False
) -> Snapshot:
    """Keep a directory as it is now, in a thread; see `holdfast.ops.snapshot`."""
    frame = place("snapshot")
    arguments: dict[str, object] = {"path": path, "to": to, "keep": keep}
    return cast(Snapshot, await recorded(frame, labelled(label), arguments))
