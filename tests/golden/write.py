"""Write the golden journals of this release: `python -m tests.golden.write`.

One run of each kind, as it is stored: one fact per line, with its body as JSON and the chain
over its text. A journal that exists is never written again: it is what that release wrote, for
ever, and the run here that made it stays as it is. For a new fact or field, add a run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from holdfast.app import commands, holds, rewinding
from holdfast.app.starting import Setting, resume, rollback, start
from holdfast.errors import Leaving, StepFailed
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.point import no_return
from holdfast.flow.questions import ask, confirm
from holdfast.flow.running import Outcome
from holdfast.flow.scopes import flight, parallel, preflight, stage
from holdfast.flow.verbs import do, require, sleep, wait_for, window
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model.facts import (
    Fact,
    HoldAnswered,
    HoldExpired,
    HoldOpened,
    HoldVoided,
    LockStolen,
    Owner,
    Spilled,
    Who,
)
from holdfast.model.retry import Retry
from holdfast.model.terms import Electorate
from holdfast.runtime import takeover
from holdfast.runtime.journal import Journal
from holdfast.stores.memory import MemoryStore
from holdfast.stores.rows import chain, dump, first_link
from holdfast.testing.clock import JumpClock
from holdfast.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "journals"
RUN = "golden"
ADA, BEN = Who("ada", "host", "pts/1", "Ada"), Who("ben", "host")
AT = datetime(2026, 11, 21, tzinfo=UTC)


class Away:
    """Nobody is there: a hold parks the run."""

    def attend(self, run: str, state: Any, holds: Any) -> None:
        raise Leaving("waits for a person", 3, "park")


class Scene:
    """One run, lived through and decided upon by several people."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), JumpClock(AT)
        self.workflow: Workflow[..., Any] | None = None
        self.patience_s: float | None = None

    def start(self, workflow: Workflow[..., Any], **params: object) -> Outcome:
        self.workflow = workflow
        setting = Setting(self.store, self.clock, Away(), ADA, patience_s=self.patience_s)
        return start(setting, workflow, params, id=RUN)

    def resume(self, workflow: Workflow[..., Any], **options: Any) -> Outcome:
        self.workflow = workflow
        setting = Setting(self.store, self.clock, Away(), BEN, patience_s=self.patience_s)
        return resume(setting, RUN, workflow, **options)

    def rollback(self, workflow: Workflow[..., Any], **options: Any) -> Outcome:
        self.workflow = workflow
        return rollback(Setting(self.store, self.clock, Away(), BEN), RUN, workflow, **options)

    def add(self, *facts: Fact) -> None:
        """Append what no verb here leads to."""
        journal = Journal(self.store, RUN)
        journal.refresh()
        journal.append(facts)


def plain(scene: Scene) -> None:
    """Steps, a retry, a caught failure, stages, branches, waiting, a nested workflow, values."""
    tries: list[int] = []

    def flaky() -> int:
        tries.append(1)
        return 1 // (len(tries) - 1)

    @workflow
    def inner(depth: int) -> dict[str, object]:
        return {"depth": depth, "at": do("when", lambda: AT), "path": do("path", Path, "a/b")}

    @workflow(name="plain")
    def main(nodes: list[str], size: float = 1.5) -> object:
        require("reachable", lambda: True)
        with stage("flight"):
            for node in nodes:
                do(f"drain {node}/x", lambda: {"drained": True})
            do("flaky", flaky, retry=Retry(attempts=3, first="1s"))
            do("checked", lambda: None, check=lambda: True)
        try:
            do("hopeless", lambda: 1 // 0)
        except StepFailed as failure:
            do(f"caught {failure.type}", lambda: None)
        sleep("1h")
        wait_for("ready", lambda: True, every="1m", timeout="1h")
        return parallel(("a", inner, 1), ("b", inner, 2), at_once=1)

    scene.start(main, nodes=["n1", "n2"])


def large(scene: Scene) -> None:
    """A value that is kept beside its row."""

    @workflow(name="large")
    def main() -> int:
        return len(do("large", lambda: "x" * 70_000))

    scene.start(main)


def asked(scene: Scene) -> None:
    """A confirm and a question, answered by two people; a step that needs a yes, and a skip."""

    @workflow(name="asked")
    def main() -> object:
        yes = confirm("go on?")
        size = ask("how many?", int)
        do("careful", lambda: None, confirm=True)
        do("skipped", lambda: None, confirm=True)
        return [yes.by, size]

    scene.start(main)
    for given, value, comment in (
        ("approve", None, "looks good"), ("value", 3, ""), ("approve", None, ""),
        ("skip", None, "not here"),
    ):  # fmt: skip
        holds.answer(
            scene.store,
            RUN,
            scene.clock,
            BEN,
            given,
            value=value,
            comment=comment,  # type: ignore[arg-type]
        )
        scene.resume(main)


def doubted(scene: Scene) -> None:
    """A `once` step that died, one that raised; one is done by hand, one runs again."""
    lives: list[int] = []

    @workflow(name="doubted")
    def main() -> object:
        do("pay", lambda: lives.append(1) or 1 // (len(lives) - 1), once=True)
        return do("ship", lambda: lives.append(1) or 1 // (len(lives) - 3), once=True)

    scene.start(main)
    commands.rearm(scene.store, RUN, "pay", scene.clock, ADA, "nothing was paid")
    scene.resume(main)
    commands.mark_done(scene.store, RUN, "ship", scene.clock, BEN, "by hand", "it is on its way")
    scene.resume(main)


def stopped(scene: Scene) -> None:
    """A failure that is retried, a stop in the middle of a cursor, a pause, a cancel."""
    lives: list[int] = []

    @step("long")
    def long() -> object:
        for number in range(saved(0), 3):
            if number == 1 and len(lives) == 2:
                commands.stop(scene.store, RUN, scene.clock, BEN)
            save(number + 1)
        return saved()

    @workflow(name="stopped")
    def main() -> None:
        lives.append(1)
        do("fails once", lambda: 1 // (len(lives) - 1))
        long()
        if len(lives) == 3:
            commands.stop(scene.store, RUN, scene.clock, BEN, pause=True)
        do("never", lambda: None)

    scene.start(main)
    scene.resume(main)
    scene.resume(main)
    commands.cancel(scene.store, RUN, scene.clock, ADA, "no longer needed")


def edited(scene: Scene) -> None:
    """A script that changed between two lives: renamed, accepted, gone and voided."""

    @workflow(name="edited")
    def before() -> None:
        step("old name")(lambda: None)()
        do("gone", lambda: None)
        confirm("first?")

    @workflow(name="edited")
    def after() -> str:
        step("new name", was="old name")(lambda: None)()
        do("inserted", lambda: None)
        return "edited"

    scene.start(before)
    scene.add(HoldVoided(AT, "h1", "what it asked about changed"))
    scene.resume(after)
    scene.resume(after, accept_drift=True)


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


RUNS: dict[str, Callable[[Scene], None]] = {
    scene.__name__: scene
    for scene in (
        plain,
        large,
        asked,
        doubted,
        stopped,
        edited,
        guarded,
        earned,
        borrowed,
        rolled,
        waited,
        rewound,
        rechecked,
    )
}


def lines(store: MemoryStore) -> list[str]:
    """Return a run's rows, and then the values that are kept beside them."""
    spilled: dict[str, object] = {}
    found: list[dict[str, object]] = []
    link = first_link(RUN)
    for stored in store.read(RUN):
        kind, text = dump(stored.fact, _keep_nothing)
        text = text.replace(str(ROOT), "/srv/holdfast")
        link = chain(link, kind, text)
        found.append(
            {
                "seq": stored.seq,
                "epoch": stored.epoch,
                "kind": kind,
                "body": json.loads(text),
                "chain": link.hex(),
            }
        )
        for value in (getattr(stored.fact, "result", None), getattr(stored.fact, "value", None)):
            if isinstance(value, Spilled):
                spilled[value.digest] = store.load(value)
    kept = [{"spilled": digest, "value": value} for digest, value in spilled.items()]
    return [json.dumps(line, ensure_ascii=False) for line in [*found, *kept]]


def _keep_nothing(value: str | Spilled) -> Spilled:
    assert isinstance(value, Spilled), "what is read back is one already"
    return value


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    # The same on every machine: nobody's host is named in a file that stays for ever.
    takeover.this_process = lambda: Owner("host", 42, "1", "boot", "ada")
    for name, play in RUNS.items():
        path = FOLDER / f"{VERSION}-{name}.ndjson"
        if path.exists():
            print(f"{path.name} is there already, and stays")
            continue
        scene = Scene()
        play(scene)
        path.write_text("\n".join(lines(scene.store)) + "\n", encoding="utf-8")
        print(f"{path.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
