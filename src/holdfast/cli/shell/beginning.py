"""`holdfast begin`: the rest of a shell script becomes a run."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shlex import join, quote, split

import click

from holdfast.app.shelling import (
    OVER,
    Begun,
    Wanted,
    check_outside,
    choose,
    command_of,
    take_up,
)
from holdfast.app.starting import Setting
from holdfast.cli.offered import to_type
from holdfast.cli.options import Common, steal_options, store_options
from holdfast.cli.saying import GIVEN
from holdfast.cli.shell import code, traps
from holdfast.cli.shell.joining import (
    ACCEPT,
    LIFE,
    RUN,
    SECRETS,
    Signalled,
    Somebody,
    named_run,
    say,
)
from holdfast.cli.shell.telling import INVENTORY
from holdfast.errors import HoldfastError, StoreError, UsageError
from holdfast.flow.shell_calls import STEP
from holdfast.model.keys import check_label
from holdfast.model.parties import Owner
from holdfast.model.terms import ASKS, MODES
from holdfast.ports.store import Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import this_person
from holdfast.runtime.shell_owner import parent_of_this
from holdfast.scratch import scratch_folder
from holdfast.wiring import sqlite_path

PARAM = "HOLDFAST_PARAM_"
TRAPS_BYTES_MAX = SCRIPT_BYTES_MAX = 1024 * 1024
TRAPS_PREFIX = "holdfast-traps-"
TRAPS_KEPT_S = 24 * 60 * 60
"""A shell reads its file within milliseconds."""
EXIT_STORAGE = 74
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@click.command("begin")
@click.argument("name")
@click.option("--id", metavar="ID", help="The run's id; the same again goes on with it.")
@click.option("--target", metavar="T", help="What the run acts on.")
@click.option("--mode", type=click.Choice(MODES), help="Whether steps ask for a yes.")
@click.option("--ask", type=click.Choice(ASKS), help="How much one yes covers.")
@click.option("-p", "pairs", metavar="NAME=VALUE", multiple=True, help="A parameter of the run.")
@click.option("--accept-drift", "accepts_drift", is_flag=True, help="Accept an edited script.")
@steal_options
@store_options
def begin(
    common: Common,
    name: str,
    id: str | None,
    target: str | None,
    mode: str | None,
    ask: str | None,
    pairs: Sequence[str],
    accepts_drift: bool,
    steal: str | None,
) -> None:
    """Make the rest of a shell script a run, or go on with it: eval "$(holdfast begin NAME)".

    Prints POSIX shell code to evaluate. The shell owns the run until it ends, in any way; the
    script's exit status is how the run ends. Without --id the newest unfinished run of this name,
    target and parameters goes on.
    """
    if sys.stdout.isatty():
        raise UsageError(
            "what this prints is for a shell to evaluate, and nothing was begun: write in the "
            f'script: eval "$(holdfast begin {quote(name)})"'
        )
    shell = next(iter(command_of(os.getppid()).argv), "")
    try:
        code.refuse_others(shell, "this script")
        begun, url = _chosen(common, Wanted(
            check_label(name), _params(pairs), id, target, mode or "", ask or "", steal
        ))  # fmt: skip
    except HoldfastError as error:
        say(to_type(str(error), common))
        click.echo(
            f"exit {error.exit_code}" if code.other(shell) else code.refusal(error.exit_code)
        )
        click.get_current_context().exit(error.exit_code)
    for line in _lines(common, begun, url, accepts_drift=accepts_drift, steal=steal):
        click.echo(line)


def _chosen(common: Common, wanted: Wanted) -> tuple[Begun, str]:
    common.find_places()
    store = common.open()
    try:
        check_outside(store, os.environ.get(RUN, ""))
        return choose(_setting(common, store), wanted), store.url
    finally:
        store.close()


def _setting(common: Common, store: Store) -> Setting:
    clock, by = SystemClock(), this_person(common.claimed)
    person = Somebody(store, accepts_drift=False)
    return Setting(
        store, clock, person, by, tell=say, lease_s=common.lease_s, inventory=common.inventory
    )


def _params(pairs: Sequence[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not _NAME.fullmatch(name):
            raise UsageError(f"-p {name}…: NAME=VALUE is needed, with a name a shell can say")
        if name in params:
            raise UsageError(f"parameter {name} is given twice with -p; give it once")
        params[name] = value
    return params


def _lines(
    common: Common, begun: Begun, url: str, *, accepts_drift: bool, steal: str | None
) -> list[str]:
    variables = {
        RUN: begun.run,
        LIFE: str(begun.life),
        ACCEPT: "1" if accepts_drift else "",
        STEP: "",
        SECRETS: " ".join(begun.secrets),
        "HOLDFAST_STORE": url,
        GIVEN: join(common.repeated),
        INVENTORY: "" if common.config else common.inventory.file,
        **{PARAM + name: value for name, value in begun.params.items()},
        **begun.env,
    }
    if common.config:
        variables["HOLDFAST_CONFIG"] = os.path.abspath(common.config)
    if common.claimed:
        variables["HOLDFAST_USER"] = common.claimed
    lines = [*code.exports(variables)]
    if begun.life == OVER:
        say(f"run {begun.run} is over: what it recorded is replayed, and nothing runs")
        return lines
    file = _file_for_traps(url)
    done = f": {begun.recorded} done already" if begun.recorded else ""
    say(f"run {begun.run}, life {begun.life}{done}")
    return [*lines, *code.taking(os.path.abspath(file), steal)]


def _file_for_traps(url: str) -> str:
    """Make an empty file that the shell lists its traps in: beside the store where there is no
    folder for temporary files."""
    folder = scratch_folder() or sqlite_path(url).parent
    _remove_left(folder)
    try:
        handle, file = tempfile.mkstemp(prefix=TRAPS_PREFIX, dir=folder)
    except OSError as error:
        raise StoreError(
            f"no file for the traps of the shell can be made in {folder}: {error.strerror}; "
            "nothing was begun"
        ) from error
    os.close(handle)
    return file


def _remove_left(folder: Path) -> None:
    """Remove what shells of ours have left that were killed before they had read it."""
    before = time.time() - TRAPS_KEPT_S
    for path in folder.glob(f"{TRAPS_PREFIX}*"):
        with suppress(OSError):
            seen = path.lstat()
            if seen.st_uid == os.getuid() and seen.st_mtime < before:
                path.unlink()


def take(file: str, script: str, main: str, steal: str | None = None) -> int:
    """Have the shell that started this process own the run, and write the trap that ends it.

    `file` has what `trap` lists; `main` is what the shell calls `$$`: itself, or the shell that it
    is a subshell of; `steal` why its target is taken from another run. Return the exit code;
    what is refused is said.
    """
    common = Common(None, os.environ.get("HOLDFAST_USER", ""), os.environ.get("HOLDFAST_CONFIG"))
    try:
        run, life = named_run()
        shell = parent_of_this(int(main))
        with open(file, encoding=sys.getfilesystemencoding(), errors="surrogateescape") as listed:
            lines = "\n".join(traps.traps(listed.read(TRAPS_BYTES_MAX)))
        refused = _taken(common, run, life, shell, script, steal)
        if refused:
            return refused
        with open(file, "w", encoding=sys.getfilesystemencoding(), errors="surrogateescape") as to:
            to.write(f"{lines}\n")
        _warn_of_traps(script)
    except OSError as error:
        say(f"{file}: {error.strerror}")
        return EXIT_STORAGE
    except Signalled as signalled:
        return signalled.end()
    except HoldfastError as error:
        say(str(error))
        return error.exit_code
    return 0


def _warn_of_traps(script: str) -> None:
    """A run that nothing ends is interrupted for ever, and its script only replays it."""
    with suppress(OSError), open(script, encoding="utf-8", errors="replace") as file:
        text = file.read(SCRIPT_BYTES_MAX)
        is_around = bool(os.environ.get(code.AGAIN))
        line = traps.replaced_at(text, is_around=is_around, read=_read)
        if line is not None:
            say(
                f"{script}:{line}: this trap on EXIT replaces the one that ends the run: have it "
                'call `holdfast end "$status"`, or the run is left interrupted'
            )


def _read(word: str) -> str | None:
    """Return the text of a file that a script's shell reads, called by this word; None where the
    word says too little, or there is no such file."""
    try:
        (name,) = split(word.rstrip(";&|)}"))
        with open(name, encoding="utf-8", errors="replace") as file:
            return file.read(SCRIPT_BYTES_MAX)
    except (OSError, ValueError):
        return None


def _taken(
    common: Common, run: str, life: int, shell: Owner, script: str, steal: str | None
) -> int:
    """Take the run up, and end what its last life began to undo; return 0, or the exit code of
    what keeps the script from going on."""
    store = common.open(create=False)
    try:
        again = tuple(split(os.environ.get(code.AGAIN, "")))
        journal = take_up(
            _setting(common, store), run, life, shell, script, again=again, steal=steal
        )
        if not journal.state.ledger.begun:
            return 0
        from holdfast.cli.shell.ending import undo_first

        return undo_first(journal)
    finally:
        store.close()
