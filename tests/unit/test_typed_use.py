"""A script whose types are checked: `python3 dev check` gives this file to mypy --strict.

What each verb returns is written in `assert_type`, which does nothing while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, assert_type

import holdfast
from holdfast import Retry, aio, ask, do, require, step, wait_for, workflow


@dataclass
class Node:
    name: str


def is_there(name: str) -> bool:
    return False


def maybe(name: str) -> Node | None:
    return Node(name)


@step
def plain(name: str) -> Node:
    return Node(name)


@step("make {name}", retry=Retry(attempts=2), check=is_there, undo=maybe)
def make(name: str, *, size: int = 3) -> Node:
    return Node(name * size)


class Fleet:
    @step("find {name}")
    def find(self, name: str) -> Node:
        return Node(name)

    @staticmethod
    @step
    def count(more: int) -> int:
        return more


@workflow
def nested(name: str) -> Node:
    return assert_type(plain(name), Node)


@workflow(name="uses", mode="auto")
def blocking(name: str) -> list[str]:
    found = [
        assert_type(make(name, size=2), Node),
        assert_type(Fleet().find(name), Node),
        assert_type(nested(name), Node),
        assert_type(do("a node", maybe, name), Node | None),
        assert_type(wait_for("a node in time", maybe, name), Node),
        assert_type(require("a node that is", plain, name), Node),
    ]
    assert_type(Fleet.count(1), int)
    return [node.name for node in found if node is not None]


@aio.step
async def awaited(name: str) -> Node:
    return Node(name)


@aio.step("awaited {name}", retry=2)
async def labelled(name: str) -> Node:
    return Node(name)


@aio.step
def in_thread(name: str) -> Node:
    return Node(name)


@aio.workflow
async def inner(name: str) -> Node:
    return assert_type(await awaited(name), Node)


async def coming(name: str) -> Node | None:
    return Node(name)


@aio.workflow(name="awaited uses")
async def waiting(name: str) -> list[str]:
    call: Coroutine[Any, Any, Node] = awaited(name)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(labelled(name))
    first = assert_type(await call, Node)
    second = assert_type(task.result(), Node)
    third = assert_type(await in_thread(name), Node)
    fourth = assert_type(await inner(name), Node)
    coming_one = assert_type(await aio.do("a coming one", coming, name), Node | None)
    plain_one = assert_type(await aio.do("a node", maybe, name), Node | None)
    fifth = assert_type(await aio.wait_for("one in time", coming, name), Node)
    sixth = assert_type(await aio.wait_for("a node in time", maybe, name), Node)
    last = assert_type(await aio.require("a node that is", Node, name), Node)
    assert coming_one == plain_one
    return [node.name for node in (first, second, third, fourth, fifth, sixth, last)]


def asked(text: str) -> None:
    """Never called: nobody is there to answer."""
    assert_type(ask(text), str)
    assert_type(ask(text, choices=["a", "b"]), str)
    assert_type(ask(text, int, default=3), int)
    assert_type(ask(text, Literal["a", "b"]), Any)


def test_the_script_runs_as_it_is_typed(tmp_path: Path) -> None:
    """So that what is asserted of the types is said of a script that works."""
    store = f"sqlite:///{tmp_path / 'h.db'}"
    flows: list[Callable[[], holdfast.Outcome]] = [
        lambda: holdfast.run(blocking, {"name": "a"}, store=store),
        lambda: holdfast.run(waiting, {"name": "a"}, store=store),
    ]

    assert [["aa", *["a"] * 5], ["a"] * 7] == [flow().result for flow in flows]
