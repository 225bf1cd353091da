"""Write the golden journals of this release: `python -m tests.golden.write`.

One run of each kind, as it is stored: one fact per line, with its body as JSON and the chain
over its text. A journal that exists is never written again: it is what that release wrote, for
ever, and the run here that made it stays as it is. For a new fact or field, add a run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.golden.gate_scenes import gated, waves
from tests.golden.halfway import halfway
from tests.golden.scene import ADA, AT, BEN, FOLDER, ROOT, RUN, Scene
from tests.golden.scenes import (
    batched,
    borrowed,
    earned,
    guarded,
    rechecked,
    rewound,
    rolled,
    waited,
)
from tests.golden.shell_scene import shell

from holdfast.app import commands, holds
from holdfast.errors import StepFailed
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.questions import ask, confirm
from holdfast.flow.scopes import parallel, stage
from holdfast.flow.verbs import do, require, sleep, wait_for
from holdfast.flow.workflows import workflow
from holdfast.model.facts import (
    HoldVoided,
    Owner,
    Spilled,
)
from holdfast.model.retry import Retry
from holdfast.runtime import takeover
from holdfast.stores.memory import MemoryStore
from holdfast.stores.rows import chain, dump, first_link
from holdfast.version import VERSION


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
        halfway,
        batched,
        gated,
        waves,
        shell,
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
