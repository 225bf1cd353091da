"""Workflows that stand still where a test wants them: at a gate, asleep, on hold, in a program.

A gate is the FIFO $GATE: a step waits there until the test opens it for writing.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from holdfast import confirm, parallel, save, saved, sh, sleep, step, workflow
from holdfast.stores.lockfile import LockFile


def effect(key: str) -> str:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{key}\n")
    return key


@step("plain {number}")
def plain(number: int) -> str:
    return effect(f"plain {number}")


@step("gated")
def gated() -> str:
    effect("gated")
    if os.environ.get("NO_THREADS"):
        threading.stack_size(1 << 46)  # No system has room for that.
    print("at the gate")
    return Path(os.environ["GATE"]).read_text()


@workflow
def gate() -> str:
    plain(0)
    said = gated()
    plain(1)
    return said


@workflow
def sleeper(duration: str = "1h") -> None:
    plain(0)
    sleep(duration)
    plain(1)


@workflow
def late_gate() -> None:
    plain(0)
    sleep("1h")
    gated()
    plain(1)


@workflow
def holder() -> None:
    plain(0)
    confirm("go on?")
    plain(1)


@workflow
def asks_beside_a_step() -> None:
    parallel(("gate", gated), ("ask", lambda: confirm("go on?")))
    plain(1)


@step("program")
def runs_program() -> str:
    effect("program")
    return sh("sh", "-c", 'echo begun; read -r line <"$GATE"; echo "$line"').out


@workflow
def program() -> None:
    plain(0)
    runs_program()
    plain(1)


@step("counting")
def counting() -> int:
    for number in range(saved(0), 3):
        effect(f"counting:{number}")
        if number == 1 and "GATE" in os.environ:
            print("at the gate")
            Path(os.environ["GATE"]).read_text()
        save(number + 1)
    return int(saved())


@workflow
def counter() -> int:
    return counting()


@step("stops with the lock")
def stops_with_the_lock(store: str) -> None:
    effect("stops with the lock")
    if "STOP" in os.environ:
        LockFile(Path(store + ".lock")).acquire()
        os.kill(os.getpid(), signal.SIGSTOP)


@workflow
def locker(store: str) -> None:
    stops_with_the_lock(store)
    plain(1)
