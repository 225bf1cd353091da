"""The run of the golden journal in which a process dies in the middle of going back."""

from __future__ import annotations

from typing import Any, cast

from tests.golden.scene import BEN, RUN, Scene

from holdfast.app import commands
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.testing.crash import Crash, Mortal


def halfway(scene: Scene) -> None:
    """A rollback whose process died in two undos: one runs again, one is done by hand."""
    store = scene.store
    mortals: list[Mortal] = []

    def die() -> None:
        if len(mortals) < 3:
            mortals[-1].is_dead = True
            raise Crash

    @workflow(name="halfway")
    def main() -> None:
        do("first", lambda: 1, undo=die)
        do("second", lambda: 2, undo=die)
        do("fails", lambda: 1 // 0)

    def killed(go: Any) -> None:
        mortals.append(Mortal(store))
        scene.store = cast(Any, mortals[-1])
        try:
            go(main)
        except Crash:
            row = store.row(RUN)
            assert row is not None
            store.release(RUN, row.epoch)
        scene.store = store

    scene.start(main)
    killed(scene.rollback)
    scene.resume(main)
    commands.mark_done(store, RUN, "second#undo", scene.clock, BEN, None, "it is gone")
    killed(scene.resume)
    mortals.append(Mortal(store))
    scene.resume(main)
    commands.rearm(store, RUN, "first#undo", scene.clock, BEN, "it is still there")
    scene.resume(main)
