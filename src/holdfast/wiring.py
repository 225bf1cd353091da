"""Which store a URL means; the only place that names every adapter."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from holdfast.errors import ConfigError
from holdfast.ports.store import Store


def store_url(given: str | None = None) -> str:
    """Return the store to use: given, else HOLDFAST_STORE, else the user's own state folder."""
    chosen = given or os.environ.get("HOLDFAST_STORE")
    if chosen:
        return chosen
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"sqlite://{state}/holdfast/holdfast.db"


def open_store(
    url: str | None = None,
    *,
    create: bool = True,
    read_only: bool = False,
    on_blocked: Callable[[int], bool] | None = None,
) -> Store:
    """Open the store of `url`. Raises ConfigError for a URL nobody serves, StoreAbsent when it
    does not exist and `create` is False, StoreError when it cannot be opened."""
    from holdfast.stores.sqlite import SqliteStore

    return SqliteStore(
        sqlite_path(store_url(url)), create=create, read_only=read_only, on_blocked=on_blocked
    )


def sqlite_path(url: str) -> Path:
    """Return the file that a `sqlite:///path` URL, or a plain path, names."""
    if url.startswith("sqlite:"):
        rest = url.removeprefix("sqlite:").removeprefix("//")
        if rest.startswith("//"):
            rest = rest[1:]
    elif "://" in url:
        raise ConfigError(
            f"no store for {url.partition('://')[0]}:// here; use sqlite:///path/to/holdfast.db"
        )
    else:
        rest = url
    if not rest:
        raise ConfigError(f"store {url!r} names no file; use sqlite:///path/to/holdfast.db")
    return Path(rest).expanduser()
