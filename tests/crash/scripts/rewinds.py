"""A line of steps, nodes in branches, and an end that fails until its file is there."""

from __future__ import annotations

import os
from pathlib import Path

from holdfast import parallel, stage, step, workflow


def effect(key: str) -> str:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{key}\n")
    return key


@step("plain {number}")
def plain(number: int) -> str:
    return effect(f"plain {number}")


@step("mended")
def mended() -> str:
    if not Path(f"{os.environ['EFFECTS']}.mended").exists():
        raise ValueError("not mended")
    return effect("mended")


def node(name: str) -> str:
    step("drain {name}")(lambda name: effect(f"drain {name}"))(name)
    return step("image {name}")(lambda name: effect(f"image {name}"))(name)


@workflow
def line(steps: int = 4) -> None:
    for number in range(steps):
        plain(number)
    with stage("flight"):
        parallel(("n1", node, "n1"), ("n2", node, "n2"), at_once=1)
    mended()
