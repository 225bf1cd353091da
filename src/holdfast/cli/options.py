"""The options that many commands share, written before the command or after it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Common:
    """Which store a command uses, and under what name a person acts."""

    store: str | None = None
    claimed: str = ""


def store_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command, or the group, `--store` and `--as`.

    The function gets a `Common` as its first argument. What stands after the command wins over
    what stands before it; `HOLDFAST_USER` comes last.
    """

    @functools.wraps(function)
    def merged(
        *arguments: object,
        store: str | None,
        claimed: str | None,
        **rest: object,
    ) -> None:
        context = click.get_current_context()
        outer = context.find_object(Common) or Common()
        context.obj = Common(
            store or outer.store,
            claimed or outer.claimed or os.environ.get("HOLDFAST_USER", ""),
        )
        function(context.obj, *arguments, **rest)

    for option in (_AS, _STORE):
        merged = option(merged)
    return merged


_STORE = click.option("--store", metavar="URL", help="The store; else HOLDFAST_STORE.")
_AS = click.option("--as", "claimed", metavar="NAME", help="Act under this name.")


def json_option(function: Function) -> Function:
    """Give a command `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(
        function
    )
