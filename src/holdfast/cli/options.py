"""The options that many commands share, written before the command or after it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from holdfast.model.making import dataclass

if TYPE_CHECKING:
    from holdfast.model.inventory import Inventory
    from holdfast.ports.store import Store

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Common:
    """Which store and inventory a command uses, and under what name a person acts."""

    store: str | None = None
    claimed: str = ""
    config: str | None = None

    @functools.cached_property
    def inventory(self) -> Inventory:
        """What `--config`, or else the nearest inventory, says; read once, when it is needed.

        Raises ConfigError for a file that is not to be trusted, or wrong.
        """
        from holdfast.app.inventory_file import load_inventory

        return load_inventory(self.config)

    def find_places(self) -> None:
        """Find the inventory and the store now: a script that is loaded may go elsewhere."""
        _ = self.inventory, self.url

    @functools.cached_property
    def url(self) -> str:
        """The store to use, from any folder. An inventory that was not given is read only when
        nothing nearer says the store."""
        from holdfast.wiring import store_url

        if self.config is not None:
            _ = self.inventory
        if self.store or os.environ.get("HOLDFAST_STORE"):
            return store_url(self.store)
        return store_url(None, self.inventory)

    @property
    def lease_s(self) -> float:
        """How long an owner may be silent."""
        from holdfast.runtime.ownership import LEASE_S

        return self.inventory.lease_s or LEASE_S

    def open(self, *, create: bool = True, read_only: bool = False) -> Store:
        """Open the store. Raises what `wiring.open_store` raises."""
        from holdfast.wiring import open_store

        if read_only:
            return open_store(self.url, create=create, read_only=True)
        return open_store(self.url, create=create, lease_s=self.lease_s)

    @property
    def repeated(self) -> tuple[str, ...]:
        """The options that a command to type next needs, to find the same store and inventory."""
        store = ("--store", self.store) if self.store else ()
        return store if self.config is None else (*store, "--config", self.config)


def store_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command, or the group, `--store`, `--config` and `--as`.

    The function gets a `Common` as its first argument. What stands after the command wins over
    what stands before it; `HOLDFAST_USER` comes last.
    """

    @functools.wraps(function)
    def merged(
        *arguments: object,
        store: str | None,
        config: str | None,
        claimed: str | None,
        **rest: object,
    ) -> None:
        context = click.get_current_context()
        outer = context.find_object(Common) or Common()
        common = Common(
            store or outer.store,
            claimed or outer.claimed or os.environ.get("HOLDFAST_USER", ""),
            outer.config if config is None else config,
        )
        # Whoever tells how the command failed has the outermost context only.
        context.obj = context.find_root().obj = common
        function(common, *arguments, **rest)

    for option in (_AS, _CONFIG, _STORE):
        merged = option(merged)
    return merged


_STORE = click.option("--store", metavar="URL", help="The store; else HOLDFAST_STORE.")
_CONFIG = click.option(
    "--config", metavar="FILE", help="The inventory; else the nearest holdfast.toml upward."
)
_AS = click.option("--as", "claimed", metavar="NAME", help="Act under this name.")


def plain_option(function: Callable[..., None]) -> Callable[..., None]:
    """Give a reading command `--plain`, passed as `is_plain`."""
    said = "Words only: no glyphs, no colour, nothing redrawn."
    return click.option("--plain", "is_plain", is_flag=True, help=said)(function)


def json_option(function: Function) -> Function:
    """Give a command `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(
        function
    )


def steal_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--steal` and its reason, passed as one `steal`: None, or the reason."""

    @functools.wraps(function)
    def gathered(*args: object, steals: bool, comment: str, **rest: object) -> None:
        if comment and not steals:
            raise click.UsageError("-m gives the reason of --steal")
        if steals and not comment.strip():
            raise click.UsageError("--steal needs a reason: add -m REASON")
        function(*args, steal=comment if steals else None, **rest)

    for option in (
        click.option("-m", "comment", metavar="TEXT", default="", help="The reason of --steal."),
        click.option(
            "--steal", "steals", is_flag=True, help="Take the target from a run nobody works on."
        ),
    ):
        gathered = option(gathered)
    return gathered
