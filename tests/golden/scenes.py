"""The runs of golden journals in which people decide, things are taken back, and time passes."""

from __future__ import annotations

from datetime import timedelta

from tests.golden.scene import ADA, AT, BEN, RUN, Scene

from holdfast.app import commands, holds, item_verbs, rewinding
from holdfast.app.items import item_named
from holdfast.flow.batches import each
from holdfast.flow.decorator import step
from holdfast.flow.point import no_return
from holdfast.flow.questions import confirm
from holdfast.flow.scopes import flight, parallel, preflight, stage
from holdfast.flow.verbs import do, sleep, window
from holdfast.flow.workflows import workflow
from holdfast.model.facts import (
    HoldAnswered,
    HoldExpired,
    HoldOpened,
    LockStolen,
)
from holdfast.model.terms import Electorate


def guarded(scene: Scene) -> None:
    """A run on a target, asked about by the stage; a question that expired, and a stolen lock."""

    @workflow(name="guarded", mode="confirm")
    def main() -> object:
        with stage("flight"):
            do("drain", lambda: "drained")
        return "drained"

    two = Electorate(("ada", "ben"), 2, True)
    scene.start(main)
    scene.add(
        HoldOpened(AT, "h2", "confirm", "flight", "stage flight?", "digest", {}, two,
                   ("flight/drain",), AT + timedelta(hours=1), "reject"),
        HoldAnswered(AT, "h2", BEN, "approve", digest="digest", scope="flight"),
        HoldExpired(AT + timedelta(hours=2), "h2"),
        LockStolen(AT, BEN, "its process is gone", "other"),
    )  # fmt: skip


def earned(scene: Scene) -> None:
    """Steps that earn and one that never does; a yes, a no, a skip and a retry."""
    tries: list[int] = []

    @workflow(name="earned", mode="earned")
    def main() -> str:
        for node in ("n1", "n2", "n3"):
            step("drain {node}")(lambda node: node)(node)
        do("flaky", lambda: tries.append(1) or 1 // (len(tries) - 1), retry=2)
        do("careful", lambda: None, confirm=True)
        return "earned"

    scene.start(main)
    for given in ("approve", "reject", "approve", "skip", "approve", "approve"):
        holds.answer(scene.store, RUN, scene.clock, BEN, given, comment="seen")  # type: ignore[arg-type]
        scene.resume(main)


def borrowed(scene: Scene) -> None:
    """A pre-flight that undid itself, debts that were settled and accepted, a point passed."""
    lives: list[int] = []

    @step("uncordon {node}")
    def uncordon(node: str) -> None: ...

    @step("cordon {node}", owes=uncordon)
    def cordon(node: str, why: str = "upgrade") -> None: ...

    @workflow(name="borrowed")
    def main() -> str:
        lives.append(1)
        with preflight():
            do("backup", lambda: "at 7", undo=lambda result: result)
            cordon("n0")
            do("ready", lambda: 1 // (len(lives) - 1))
            uncordon("n0")
        with flight():
            cordon("n1")
            no_return("nothing reads the old format any more")
            uncordon("n1")
            cordon("n2")
        return "borrowed"

    scene.start(main)
    scene.resume(main)
    holds.answer(scene.store, RUN, scene.clock, BEN, "approve", comment="it is scrapped")
    scene.resume(main)


def rolled(scene: Scene) -> None:
    """A rollback to a step, what followed run again, and a rollback of all of it."""

    @workflow(name="rolled")
    def main() -> None:
        do("mail", lambda: None)
        do("first", lambda: 1, undo=lambda result: result)
        do("second", lambda: 2, undo=lambda: None, owes=lambda: None)
        do("fails", lambda: 1 // 0)

    scene.start(main)
    scene.rollback(main, to="second")
    scene.resume(main)
    scene.rollback(main)


def waited(scene: Scene) -> None:
    """A closed window and a sleep, each left to a later life; a question that would expire."""

    @workflow(name="waited")
    def main() -> str:
        window("Mon,Tue 09:00-16:00 UTC, !2026-11-23")
        sleep("1d")
        confirm("go on?", expires="1h")
        return "waited"

    scene.patience_s = 0.0
    scene.start(main)
    scene.clock.jump(4 * 86_400)
    scene.resume(main)
    scene.clock.jump(5 * 86_400 + 36_000)
    scene.resume(main)
    scene.clock.jump(86_400)
    scene.resume(main)
    holds.answer(scene.store, RUN, scene.clock, BEN, "approve")
    scene.resume(main)


def rewound(scene: Scene) -> None:
    """A run that is taken back to one node, and goes on with another parameter."""
    tries: list[str] = []

    def upgrade(node: str, image: str) -> str:
        do("drain", lambda: tries.append(node) or node)
        return do("image", lambda: f"{node} {image}")

    @workflow(name="rewound")
    def main(image: str = "old") -> object:
        do("before", lambda: None)
        with stage("flight"):
            nodes = parallel(("n1", upgrade, "n1", "same"), ("n2", upgrade, "n2", image), at_once=1)
        do("pay", lambda: len(tries), once=True)
        do("verify", lambda: 1 // (len(tries) - 2))
        return nodes

    scene.start(main)
    rewinding.rewind(scene.store, RUN, "flight/n2", scene.clock, ADA, "the image was wrong")
    scene.resume(main, pairs=["image=new"])


def rechecked(scene: Scene) -> None:
    """Finished steps whose checks are asked again; one runs again, one is accepted as it is."""
    world = {"n1": False, "n2": False}

    def cordoned(node: str) -> object:
        return world[node]

    @step("cordon {node}", check=cordoned)
    def cordon(node: str) -> None:
        world[node] = True

    @workflow(name="rechecked")
    def main(nodes: list[str]) -> str:
        for node in nodes:
            cordon(node)
        confirm("go on?")
        return "rechecked"

    scene.start(main, nodes=["n1", "n2"])
    world.update(n1=False, n2=None)  # type: ignore[dict-item]
    scene.resume(main, recheck=True)
    commands.rearm(scene.store, RUN, "cordon n1", scene.clock, ADA, "uncordoned by hand")
    scene.resume(main)
    scene.resume(main, accept_drift=True)
    holds.answer(scene.store, RUN, scene.clock, BEN, "approve")
    scene.resume(main)


def batched(scene: Scene) -> None:
    """A batch whose budget is granted anew, dead letters that are decided, and one in doubt."""
    lives: list[int] = []

    def fetch(number: int) -> None:
        if number % 3 == 0 and len(lives) < 4:
            raise ValueError(f"id {number} is bad")

    def pay(number: int) -> None:
        if number == 1 and len(lives) == 4:
            raise OSError("the line broke")

    @workflow(name="batched")
    def main() -> str:
        lives.append(1)
        each(range(10), fetch, budget=0)
        each(range(3), pay, once=True)
        return "batched"

    def decide(item: str, batch: str) -> None:
        row, state = scene.look()
        found = item_named(scene.store, RUN, state, f"{batch}/{item}")
        assert found is not None
        item_verbs.decide_item(scene.store, row, scene.clock, ADA, found, "done", "by hand")

    scene.start(main)
    holds.answer(scene.store, RUN, scene.clock, BEN, "approve")
    scene.resume(main)
    holds.answer(scene.store, RUN, scene.clock, BEN, "reject", comment="look first")
    decide("0", "fetch")
    row, _ = scene.look()
    item_verbs.retry_failed(
        scene.store, row, scene.clock, BEN, None, where="bad", limit=2, reason="fixed"
    )
    scene.resume(main)
    holds.answer(scene.store, RUN, scene.clock, BEN, "approve")
    scene.resume(main)
    decide("1", "pay")
    scene.resume(main)
