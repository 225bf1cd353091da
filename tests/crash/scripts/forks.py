"""Workflows whose code forks processes."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event

from holdfast import each, parallel, step, workflow

GO = Path(os.environ["EFFECTS"]).with_name("go")
LONG_S = 20.0
ANSWERED = (signal.SIGTERM, signal.SIGINT)


def wait_long(told: int) -> None:
    os.write(told, b".")
    Event().wait(LONG_S)


@step("fork")
def fork() -> int | None:
    heard, told = os.pipe()
    child = get_context("fork").Process(target=wait_long, args=(told,))
    child.start()
    os.read(heard, 1)
    child.terminate()
    child.join()
    return child.exitcode


@workflow
def forked() -> int | None:
    return fork()


@step
def print_on(over: Event) -> None:
    while not over.is_set():
        print("a line")


@step
def fork_and_print(over: Event) -> list[int]:
    """Return how each child ended that printed; one that hangs is ended by its alarm."""
    codes: list[int] = []
    while len(codes) < 200 and not any(codes):
        pid = os.fork()
        if pid == 0:
            signal.alarm(2)
            print("a line of the child")
            os._exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    over.set()
    return codes


@workflow
def printing() -> list[int]:
    over = Event()
    return parallel(("print", print_on, over), ("fork", fork_and_print, over))[1]


def last_a_while(number: int) -> None:
    """Begin, and end when the file GO is there."""
    GO.with_name(f"begun-{number}").touch()
    while not GO.exists():
        Event().wait(0.01)
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{number}\n")


def answers(number: int) -> str:
    """Return what this process does at a signal, and whether SIGTERM reaches it."""
    kinds = [signal.Handlers(signal.getsignal(each)).name for each in ANSWERED]
    return " ".join([*kinds, *(each.name for each in signal.pthread_sigmask(signal.SIG_BLOCK, ()))])


@workflow
def answering(start: str) -> list[str]:
    with ProcessPoolExecutor(2, get_context(start)) as pool:
        done = each(range(4), answers, executor=pool, order="input", keep=True)
    return list(dict.fromkeys(said for _, said in done.results()))


@workflow
def ended() -> list[str]:
    """Return what is left of a pool when its batch has ended."""
    each(
        range(4), answers, executor=partial(ProcessPoolExecutor, 2, get_context("fork")), at_once=2
    )
    names = [type(thread).__name__ for thread in threading.enumerate()]
    return [name for name in names if "Executor" in name]


@workflow
def served() -> int | None:
    """Start a process by the server that a pool has started, and end it."""
    answering("forkserver")
    beside = get_context("forkserver").Process(target=wait_long, args=(1,))
    beside.start()
    beside.terminate()
    beside.join()
    return beside.exitcode


@workflow
def pooled() -> int:
    return each(range(4), last_a_while, executor=ProcessPoolExecutor(2, get_context("spawn"))).done
