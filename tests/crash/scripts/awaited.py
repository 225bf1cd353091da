"""An async workflow to be killed; see `steps.py`."""

from __future__ import annotations

import asyncio
import os

from holdfast import aio


@aio.step("awaited {name} {number}")
async def awaited(name: str, number: int) -> str:
    await asyncio.sleep(0)
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{name}/awaited {name} {number}\n")
    os.write(int(os.environ["WITNESS"]), b".")
    return name


@aio.workflow
async def tasks(steps: int) -> int:
    async def branch(name: str) -> int:
        return len([await awaited(name, number) for number in range(steps // 2)])

    return sum(await aio.parallel(("x", branch, "x"), ("y", branch, "y")))
