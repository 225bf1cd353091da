"""The runs of golden journals in which something is watched."""

from __future__ import annotations

import math

from tests.golden.scene import BEN, RUN, Scene

from holdfast.app import commands, holds
from holdfast.flow.gates import gate, measure
from holdfast.flow.rollouts import rollout
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.reading import Reading


def gated(scene: Scene) -> None:
    """A baseline, a gate that needs a second chance, one that a person lets pass, one that says
    nothing for a while."""
    left = [4.0, None, math.inf, 5.5, 6.0]

    def p99() -> dict[str, object]:
        value = left.pop(0) if len(left) > 1 else left[0]
        return {"a": Reading(value, scene.clock.now()), "b": 1}

    p99.query, p99.link, p99.window = "p99", "https://dash/p99", "15s"  # type: ignore[attr-defined]

    @workflow(name="gated")
    def main() -> object:
        base = measure("base", lambda: 4, span="10s")
        do("change", lambda: None)
        gate("p99", p99, below=1.5 * base.mean + 1, samples=2, timeout="1d")
        gate("errors", lambda: 1, below=0)
        return base

    scene.start(main)
    commands.rearm(scene.store, RUN, "p99", scene.clock, BEN, "it was the backup")
    scene.resume(main)
    holds.answer(scene.store, RUN, scene.clock, BEN, "approve", comment="known, ticket 7")
    scene.resume(main)


def waves(scene: Scene) -> None:
    """A rollout in waves with a soak, one unit that a person goes on without, and one that is
    taken up again."""
    tries: list[str] = []

    def one(node: str) -> str:
        do(f"drain {node}", lambda: tries.append(node))
        if node == "n2" or (node == "n3" and tries.count("n3") + tries.count("again") < 2):
            do("ready", lambda: 1 // (0 if node == "n2" else tries.count("again")))
        return node

    @workflow(name="waves")
    def main() -> object:
        return rollout(["n1", "n2", "n3"], one, waves=[1, "rest"], soak="1h")

    scene.start(main)
    holds.answer(scene.store, RUN, scene.clock, BEN, "approve", comment="n2 is scrapped")
    scene.resume(main)
    tries.append("again")
    commands.rearm(scene.store, RUN, "n3/ready", scene.clock, BEN, "it was the disk")
    scene.resume(main)
