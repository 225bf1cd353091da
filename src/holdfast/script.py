"""The front door of a plain script: `holdfast.run` in Python, `holdfast.main` for its command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from holdfast.app.inventory_file import load_inventory
from holdfast.app.nobody import Nobody
from holdfast.app.starting import Setting, start
from holdfast.errors import UsageError
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.ports.store import Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import LEASE_S, this_person
from holdfast.streams import open_closed_streams
from holdfast.wiring import open_store, open_telling, store_url


def _say(text: str) -> None:
    """Show on stderr what is no fact of the run: why somebody is not told of it."""
    print(f"holdfast: {text}", file=sys.stderr)


def run(
    workflow: Workflow[..., Any],
    params: Mapping[str, object] | None = None,
    *,
    id: str | None = None,
    target: str | None = None,
    mode: str | None = None,
    store: str | Store | None = None,
) -> Outcome:
    """Start a run of `workflow`, or go on with the run called `id`, in this process.

    Returns how the run stands then, with the workflow's result when it succeeded; a hold parks
    it (`on_hold`). Everything the outcome says is durable. What the nearest `holdfast.toml` says
    of the target holds. Raises UsageError before anything is recorded for what is no workflow,
    wrong parameters or an unknown target, RunLocked while another process owns the run, StoreError
    and ConfigError when the store or the inventory cannot be used.
    """
    refuse_other(workflow, "run")
    open_closed_streams()
    inventory = load_inventory()
    lease_s = inventory.lease_s or LEASE_S
    if store is None or isinstance(store, str):
        opened = open_store(store_url(store, inventory), lease_s=lease_s)
    else:
        opened = store
    telling = open_telling(inventory.notify, opened.url, _say)
    setting = Setting(
        opened, SystemClock(), Nobody(), this_person(),
        lease_s=lease_s, inventory=inventory, telling=telling,
    )  # fmt: skip
    try:
        return start(setting, workflow, params or {}, id=id, target=target, mode=mode)
    finally:
        if telling is not None:
            telling.close()
        if opened is not store:
            opened.close()


def main(workflow: Workflow[..., Any]) -> None:
    """Run `workflow` as the command line says, with the options of `holdfast run`, and exit."""
    from holdfast.cli.running import run_command_for

    open_closed_streams()
    try:
        refuse_other(workflow, "main")
    except UsageError as error:
        _say(str(error))
        raise SystemExit(error.exit_code) from None
    run_command_for(workflow)


def refuse_other(given: object, verb: str) -> None:
    """Raise UsageError for what is no workflow."""
    if not isinstance(given, Workflow):
        raise UsageError(
            f"holdfast.{verb}: {given!r:.80} is no workflow; define a function under `@workflow`, "
            "and give that"
        )
