"""Run a program to its end, in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from holdfast.engine.effects import Effect, Program

T = TypeVar("T")


def drive(program: Program[T], perform: Callable[[Effect], object]) -> T:
    """Run `program` to its end, answering each effect with `perform`.

    An ordinary error of an effect is raised inside the program. Leaving, and the death of the
    process, end it where it stands.
    """
    try:
        effect = next(program)
        while True:
            try:
                answer = perform(effect)
            except Exception as error:
                effect = program.throw(error)
            else:
                effect = program.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
