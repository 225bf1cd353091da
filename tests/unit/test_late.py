"""A part of a store that is made when it is asked for."""

from __future__ import annotations

import threading

import pytest

from holdfast.stores.late import Late


def test_it_is_made_once_whoever_asks() -> None:
    """Nothing is made before; threads that ask at the same moment get the same."""
    made: list[object] = []
    gate = threading.Barrier(4)
    got: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    late = Late(make)

    def ask() -> None:
        gate.wait()
        got.append(late())

    assert [] == made
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [made[0]] * 4 == got and 1 == len(made)


def test_what_could_not_be_made_is_made_by_the_next_to_ask() -> None:
    """An error is raised to who asked, and is not remembered."""
    answers = iter([OSError("full")])

    def make() -> str:
        for error in answers:
            raise error
        return "made"

    late = Late(make)

    with pytest.raises(OSError, match="full"):
        late()
    assert "made" == late()
