"""Ready-made steps. `holdfast.ops.aio` has the same names, awaited."""

from holdfast.ops.snapshot import Snapshot, snapshot

__all__ = ["Snapshot", "snapshot"]
