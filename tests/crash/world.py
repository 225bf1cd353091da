"""A world that scripts change and give back, and lives that are killed while they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from holdfast.app import commands
from holdfast.app.starting import Setting, resume, rollback, settle
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.questions import confirm
from holdfast.flow.running import Outcome
from holdfast.flow.scopes import flight, parallel, preflight
from holdfast.flow.verbs import do, require, sleep
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model.state import RunState
from holdfast.model.undoing import OWED, UNDO
from holdfast.runtime.journal import Journal
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import TESTER, live_once

WORLD: dict[str, object] = {}
BODIES: Counter[str] = Counter()
ASKED: Counter[str] = Counter()
"""How often a person was asked whether a step had taken effect."""
LIVES_MAX = 30


def forget() -> None:
    WORLD.clear()
    BODIES.clear()
    ASKED.clear()


def unmake(name: str, result: str) -> None:
    """Undo `make`: a plain function, so a person is asked before it would run a second time."""
    assert result == f"made {name}"
    BODIES[f"undo {name}"] += 1
    WORLD.pop(name, None)


@step("make {name}", undo=unmake)
def make(name: str) -> str:
    BODIES[name] += 1
    WORLD[name] = "made"
    return f"made {name}"


def unpay(name: str) -> None:
    BODIES[f"undo {name}"] += 1
    assert WORLD.pop(name) == "paid", "what was not paid was paid back"


@step("pay {name}", once=True, undo=unpay)
def pay(name: str) -> None:
    BODIES[name] += 1
    assert name not in WORLD
    WORLD[name] = "paid"


@step("uncordon {node}")
def uncordon(node: str) -> None:
    WORLD.pop(f"cordon {node}", None)


@step("cordon {node}", owes=uncordon)
def cordon(node: str, why: str = "upgrade") -> None:
    WORLD[f"cordon {node}"] = why


def is_put(name: str) -> bool:
    return name in WORLD


def take_away(name: str) -> None:
    BODIES[f"undo {name}"] += 1
    del WORLD[name]


@step("put {name}", check=is_put, undo=take_away)
def put(name: str) -> None:
    BODIES[name] += 1
    WORLD[name] = "put"


@step("remove the copies")
def uncopy() -> None:
    """Undo `copy`. As a step of its own it says that a second time is harmless."""
    BODIES["repeatable"] += 1
    for number in range(saved(0)):
        WORLD.pop(f"copy {number}", None)


@step("copy", undo=uncopy)
def copy() -> None:
    for number in range(saved(0), 2):
        save(number + 1)
        WORLD[f"copy {number}"] = "copied"


@workflow
def member(name: str) -> str:
    make(f"image {name}")
    return name


def node(name: str) -> None:
    cordon(name)
    member(name)
    uncordon(name)


FAILS: list[str] = []


def fails() -> None:
    FAILS.append("once")
    raise OSError("it fails")


@workflow
def everything() -> None:
    with preflight():
        make("backup")
        require("room", lambda: True)
    with flight():
        put("config")
        parallel(("n1", node, "n1"), ("n2", node, "n2"), at_once=1)
        pay("bill")
        copy()
        sleep("1h")
        confirm("go on?")
        cordon("n3")
        try:
            make("late")
            do("fail", fails)
        finally:
            uncordon("n3")


def state_of(store: MemoryStore) -> RunState:
    return Journal(store, "r").refresh()


def decide(store: MemoryStore) -> None:
    """A person looks at the world and decides what is in doubt, as it is asked."""
    state = state_of(store)
    for hold in state.open_holds:
        if hold.opened.kind != "in_doubt":
            continue
        key = hold.opened.key
        ASKED[key] += 1
        assert not key.endswith((OWED, "copy#undo")), "what may be repeated was asked about"
        label = key.rpartition("/")[2].removesuffix(UNDO).removesuffix(OWED)
        name = label.partition(" ")[2] or label
        is_there = name in WORLD or (label == "copy" and "copy 0" in WORLD)
        if is_there != key.endswith(UNDO):
            commands.mark_done(store, "r", key, JumpClock(), TESTER, recorded(label), "seen")
        else:
            commands.rearm(store, "r", key, JumpClock(), TESTER, "not seen")


def recorded(label: str) -> Any:
    return f"made {label[5:]}" if label.startswith("make ") else None


def rolled(flow: Workflow[..., Any], to: str | None = None) -> Callable[[Setting], Outcome]:
    return lambda setting: rollback(setting, "r", flow, to=to)


def resumed(flow: Workflow[..., Any]) -> Callable[[Setting], Outcome]:
    return lambda setting: resume(setting, "r", flow)


def settle_all(flow: Workflow[..., Any]) -> Callable[[Setting], Outcome]:
    return lambda setting: settle(setting, "r", flow)


def go_back(
    flow: Workflow[..., Any], store: MemoryStore, go: Callable[[Setting], Outcome], **fuse: Any
) -> Outcome:
    """Roll back, over as many lives as it takes; the first may be killed."""
    outcome, _ = live_once(flow, store, go=go, **fuse)
    for _ in range(LIVES_MAX):
        if outcome is not None and outcome.exit_code != 6:
            return outcome
        decide(store)
        state = state_of(store)
        begun = state.ledger.rolling is not None or state.is_finished
        outcome, _ = live_once(flow, store, go=resumed(flow) if begun else go)
    raise AssertionError(f"it does not end: {outcome}")


def effects_of(flow: Workflow[..., Any]) -> int:
    forget()
    return live_once(flow, MemoryStore())[1]
