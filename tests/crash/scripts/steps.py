"""Workflows to be killed: each step leaves one line, its own key, in the file $EFFECTS."""

from __future__ import annotations

import os

from holdfast import Retry, attempt, parallel, save, saved, sh, step, workflow

ONCE_EVERY = 10


def effect(key: str) -> str:
    """Change the world: one appended line, whole or not at all."""
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{key}\n")
    os.write(int(os.environ["WITNESS"]), b".")
    return key


@step("plain {number}")
def plain(number: int) -> str:
    return effect(f"plain {number}")


@step("once {number}", once=True)
def once(number: int) -> str | None:
    return effect(f"once {number}")


@workflow
def sequence(steps: int) -> int:
    for number in range(steps):
        (once if number % ONCE_EVERY == ONCE_EVERY - 1 else plain)(number)
    return steps


@step("in {branch} {number}")
def within(branch: str, number: int) -> str:
    return effect(f"{branch}/in {branch} {number}")


@workflow
def branches(steps: int) -> int:
    def branch(name: str) -> int:
        return len([within(name, number) for number in range(steps // 4)])

    return sum(parallel(*((name, branch, name) for name in "abcd"), at_once=2))


@step("child {number}")
def child(number: int) -> None:
    line = f"child {number}"
    sh("sh", "-c", 'sleep 60 & echo "$0" >>"$EFFECTS"; printf . >"/dev/fd/$WITNESS"; kill $!', line)


@workflow
def children(steps: int) -> int:
    for number in range(steps):
        child(number)
    return steps


@step("cursor {number}")
def cursor(number: int) -> int:
    for position in range(saved(0), 10):
        effect(f"cursor {number}:{position}")
        save(position + 1)
    return int(saved())


@workflow
def cursors(steps: int) -> int:
    return sum(cursor(number) for number in range(steps // 10))


@step("flaky {number}", retry=Retry(attempts=50, first=0.02, most=0.02))
def flaky(number: int) -> str:
    if attempt() == 1:
        raise OSError("the first attempt always fails here")
    return effect(f"flaky {number}")


@workflow
def retries(steps: int) -> int:
    return len([flaky(number) for number in range(steps)])
