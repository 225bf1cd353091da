"""Decorators, in another file than the functions that they stand around."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    value: object


def timed(function: Callable) -> Callable:
    """Return a function that calls another."""

    @functools.wraps(function)
    def inner(*args: object) -> object:
        return function(*args)

    return inner


def wrapping(function: Callable) -> Callable:
    """Return a function that returns in a class of this file what another does."""

    @functools.wraps(function)
    def inner(*args: object) -> object:
        return Timed(function(*args))

    return inner
