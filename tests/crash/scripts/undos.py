"""A workflow to be killed while it is rolled back: each body leaves its key in $EFFECTS."""

from __future__ import annotations

import os
from pathlib import Path

from holdfast import flight, parallel, step, workflow


def place(name: str) -> Path:
    return Path(os.environ["EFFECTS"]).parent / "world" / name


def effect(key: str) -> None:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{key}\n")
    os.write(int(os.environ["WITNESS"]), b".")


def unmake(scope: str, name: str) -> None:
    place(name).unlink(missing_ok=True)  # No effect yet: that is the line, in one write.
    effect(f"{scope}/make {scope} {name}#undo")


@step("make {scope} {name}", undo=unmake)
def make(scope: str, name: str) -> None:
    place(name).touch()
    effect(f"{scope}/make {scope} {name}")


def refund(scope: str, name: str) -> None:
    place(name).unlink(missing_ok=True)
    effect(f"{scope}/pay {scope} {name}#undo")


@step("pay {scope} {name}", once=True, undo=refund)
def pay(scope: str, name: str) -> None:
    place(name).touch(exist_ok=False)
    effect(f"{scope}/pay {scope} {name}")


@step("clear {name}")
def clear(scope: str, name: str) -> None:
    place(name).unlink(missing_ok=True)
    effect(f"{scope}/fill {scope} {name}#undo")


@step("fill {scope} {name}", undo=clear)
def fill(scope: str, name: str) -> None:
    place(name).touch()
    effect(f"{scope}/fill {scope} {name}")


@step("return {name}")
def give_back(name: str) -> None:
    place(name).unlink(missing_ok=True)
    effect(f"flight/borrow {name}#owed")


@step("borrow {name}", owes=give_back)
def borrow(name: str) -> None:
    place(name).touch()
    effect(f"flight/borrow {name}")


@workflow
def undone(steps: int) -> None:
    place("").mkdir(exist_ok=True)
    with flight():
        for number in range(steps // 4):
            borrow(f"b{number}")

    def branch(scope: str) -> None:
        for number in range(steps // 4):
            make(scope, f"{scope}{number}")
            if number % 5 == 4:
                pay(scope, f"{scope}-paid{number}")
                fill(scope, f"{scope}-filled{number}")

    parallel(("x", branch, "x"), ("y", branch, "y"), at_once=2)
    raise RuntimeError("now it is to be rolled back")
