"""Which store a URL means, and what notifies; the only place that names every adapter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError, UsageError
from holdfast.model.inventory import NO_INVENTORY, Inventory
from holdfast.model.making import replace
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import LEASE_S, end_stopped_holder

if TYPE_CHECKING:
    from holdfast.app.notifying import Telling
    from holdfast.integrations.spool import Undelivered as Undelivered
    from holdfast.model.notice import Notify
    from holdfast.ports.notifier import Notifier
    from holdfast.stores.sqlite_health import Health as Health


def store_url(given: str | None = None, inventory: Inventory = NO_INVENTORY) -> str:
    """Return the store to use: given, else HOLDFAST_STORE, else the inventory's, else the user's
    own state folder. It is the same one from any folder that the process goes to."""
    chosen = given or os.environ.get("HOLDFAST_STORE") or _filed(inventory)
    if chosen:
        return _from_anywhere(chosen)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"sqlite://{state}/holdfast/holdfast.db"


def open_store(
    url: str | None = None,
    *,
    create: bool = True,
    read_only: bool = False,
    lease_s: float = LEASE_S,
) -> Store:
    """Open the store of `url`. Raises ConfigError for a URL nobody serves, StoreAbsent when it
    does not exist and `create` is False, StoreError when it cannot be opened.

    While another process keeps us from writing, one that owns a run there and has been stopped
    for a lease is killed.
    """
    from holdfast.stores.sqlite import SqliteStore

    path = sqlite_path(store_url(url))

    def end_stopped(pid: int) -> bool:
        return end_stopped_holder(pid, lambda: _running(path), SystemClock().monotonic(), lease_s)

    return SqliteStore(path, create=create, read_only=read_only, on_blocked=end_stopped)


def _from_anywhere(url: str) -> str:
    path = sqlite_path(url)
    return url if path.is_absolute() else f"sqlite://{path.absolute()}"


def _filed(inventory: Inventory) -> str:
    """Return the inventory's store; a relative path begins at the file's folder."""
    url = inventory.store
    if not url or ("://" in url and not url.startswith("sqlite:")):
        return url
    return f"sqlite://{Path(inventory.file).parent / sqlite_path(url)}"


def _running(path: Path) -> Sequence[RunRow]:
    """Return the running runs, read beside whoever holds the store's lock."""
    from holdfast.stores.sqlite import SqliteStore

    with closing(SqliteStore(path, read_only=True)) as store:
        return store.rows(status="running")


def inspect_store(url: str | None = None) -> Health:
    """Return how the store of `url` is, after reading all of it; nothing is changed.

    Raises StoreAbsent when there is none, ConfigError when it is not ours or too new for us,
    StoreError when it cannot be read.
    """
    from holdfast.stores import sqlite_health

    return sqlite_health.inspect(sqlite_path(store_url(url)))


def clear_suspect(url: str | None = None) -> None:
    """Remove the mark that a failed disk left on a store, which was found sound since.

    Raises StoreError when it cannot be removed.
    """
    from holdfast.stores import sqlite_health

    sqlite_health.clear_suspect(sqlite_path(store_url(url)))


def open_notifier(
    notify: Notify, url: str | None = None, tell: Callable[[str], None] = lambda text: None
) -> Notifier | None:
    """Return what delivers the notices of the runs in the store of `url`; None when nobody is
    to be told. `tell` hears why notices are not delivered, where that is known here: a secret
    that is missing, or apprise, fails no run."""
    if not (notify.urls or notify.command) or not notify.on:
        return None
    from holdfast.integrations import notify as integration

    revealed = replace(notify, urls=tuple(_revealed(notify.urls, tell)))
    return integration.open_notifier(revealed, _notices(url), tell)


def _revealed(urls: Sequence[str], tell: Callable[[str], None]) -> Iterator[str]:
    """Yield each URL, also where a reference says where it is kept."""
    from holdfast.flow.secret import Secret

    for url in urls:
        try:
            yield Secret.parse(url).reveal() if url.startswith("@") else url
        except UsageError as missing:
            tell(f"notices to a URL are not sent: {missing}")


def open_telling(
    notify: Notify | None,
    url: str | None = None,
    tell: Callable[[str], None] = lambda text: None,
    *,
    options: tuple[str, ...] = (),
) -> Telling | None:
    """Return what tells of a run's life as an inventory says; None when nobody is to be told.

    `options` are what the commands in a notice need besides the store. Close it after the life.
    """
    notifier = None if notify is None else open_notifier(notify, url, tell)
    if notify is None or notifier is None:
        return None
    from holdfast.app.notifying import Telling

    return Telling(notifier, SystemClock(), tell, _watched_s(notify), (*finds_store(url), *options))


def _watched_s(notify: Notify) -> float | None:
    return notify.stalled_after_s if "stalled" in notify.on else None


def undelivered(url: str | None = None) -> Undelivered:
    """Return which notices of the runs in the store of `url` were not delivered."""
    from holdfast.integrations.errand import Limits
    from holdfast.integrations.spool import undelivered

    return undelivered(_notices(url), working_s=2 * Limits().total_s)


def _notices(url: str | None) -> Path:
    path = sqlite_path(store_url(url))
    return path.with_name(path.name + ".notices")


def finds_store(url: str | None = None) -> tuple[str, ...]:
    """Return the options with which a command finds the store from any shell of this user."""
    return ("--store", str(sqlite_path(store_url(url)).absolute()))


def sqlite_path(url: str) -> Path:
    """Return the file that a `sqlite:///path` URL, or a plain path, names."""
    if url.startswith("sqlite:"):
        rest = url.removeprefix("sqlite:").removeprefix("//")
    elif "://" in url:
        raise ConfigError(
            f"no store for {url.partition('://')[0]}:// here; use sqlite:///path/to/holdfast.db"
        )
    else:
        rest = url
    if rest.startswith("//"):
        rest = "/" + rest.lstrip("/")  # To SQLite two would name a host.
    if not Path(rest).name or rest == ":memory:":
        raise ConfigError(f"store {url!r} names no file; use sqlite:///path/to/holdfast.db")
    return Path(rest).expanduser()
