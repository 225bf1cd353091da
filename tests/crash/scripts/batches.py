"""Batches to be killed: each item leaves its key in $EFFECTS and a line in an output.

Where the test gives permits, in the FIFO $PERMITS, each takes one first: no batch outruns who
strikes it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import local
from typing import Any

from holdfast import JsonLines, current_item, each, lines, workflow

FOLDER = Path(os.environ.get("OUT") or Path(os.environ["EFFECTS"]).parent)
WORKERS = 3


def permitted() -> None:
    if (place := os.environ.get("PERMITS")) is not None:
        fd = os.open(place, os.O_RDONLY)
        os.read(fd, 1)
        os.close(fd)


def do(item: object) -> dict[str, object]:
    permitted()
    return affect(item)


def affect(item: object) -> dict[str, object]:
    fd = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, f"{item}\n".encode())
    finally:
        os.close(fd)
    os.write(int(os.environ["WITNESS"]), b".")
    return {"item": item, "text": "é" * (len(str(item)) * 7)}


async def do_async(item: object) -> dict[str, object]:
    await asyncio.sleep(0)
    return do(item)


MODES: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "alone": (do, {}),
    "position": (do, {"key": "position"}),
    "chunks": (do, {"chunk": 5}),
    "kept": (do, {"keep": True}),
    "threads": (do, {"at_once": 4}),
    "ordered": (do, {"at_once": 4, "order": "input"}),
    "tasks": (do_async, {"at_once": 4}),
    "processes": (
        do,
        # Forked, as $WITNESS is one of our files.
        {"at_once": WORKERS, "executor": lambda: ProcessPoolExecutor(WORKERS, get_context("fork"))},
    ),
}


@workflow
def appended(first: int, count: int) -> int:
    out = JsonLines(FOLDER / "out.jsonl", append=True)
    return each(range(first, first + count), do, at_once=4, out=out).done


@workflow
def items(mode: str, count: int) -> list[int]:
    function, options = MODES[mode]
    found = each(range(count), function, out=JsonLines(FOLDER / "out.jsonl"), **options)
    kept = len(list(found.results()))
    return [found.total, found.done, kept]


@workflow
def file_lines() -> list[int]:
    found = each(lines(FOLDER / "in.txt"), do, at_once=2, out=JsonLines(FOLDER / "out.jsonl"))
    return [found.total, found.done, found.gone, found.duplicates]


def connection() -> Any:
    """The user's own database: PostgreSQL when $USERS_DB is an address, else SQLite."""
    address = os.environ["USERS_DB"]
    if "://" in address:
        import psycopg

        return psycopg.connect(address)
    import sqlite3

    return sqlite3.connect(address, timeout=20, isolation_level=None)


OWN = local()


def load(item: int) -> None:
    """Write a row of the item's in the transaction that says that it is done."""
    permitted()
    mine = OWN.__dict__.setdefault("connection", None) or connection()
    OWN.connection = mine
    mark = "%s" if "://" in os.environ["USERS_DB"] else "?"
    with current_item().tx(mine):
        mine.execute(f"INSERT INTO loaded VALUES ({mark})", (item,))
    affect(item)


@workflow
def rows(count: int) -> int:
    return each(range(count), load, at_once=2).done
