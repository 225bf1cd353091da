"""Begin a run that a shell owns: choose it, then have the shell take it up.

The two are apart. What chooses the run is called in a command substitution, and prints what the
shell is to evaluate; what takes it up is called by that very code, so that its parent is the
shell that will run the script, also where a subshell stood in between before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from holdfast.app.creating import ID_TRIES_MAX, check_same, create, new_id, no_free_id
from holdfast.app.finding import find_run
from holdfast.app.judging import status_of
from holdfast.app.starting import Setting
from holdfast.app.targets import on_target
from holdfast.app.terms import check_guard, target_params, terms_for
from holdfast.app.wording import stands
from holdfast.errors import HoldfastError, RunLocked, StoreError, UsageError
from holdfast.flow.secret import Secret
from holdfast.flow.shell_life import ShellWorkflow
from holdfast.model.codec import decode, digest, encode
from holdfast.model.facts import Commands, Owner, RunCreated
from holdfast.model.inventory_secrets import is_reference
from holdfast.model.json import Json
from holdfast.model.making import dataclass, replace
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.leftovers import end_left
from holdfast.runtime.ownership import liveness, this_process
from holdfast.runtime.shell_owner import is_substituted_in, is_within
from holdfast.runtime.takeover import Claim, take
from holdfast.version import VERSION

ITEMS, FOLDER = "items", "folder"
"""The parameters of a run that is one call of `each`, and no script's."""
OVER = 0
"""Stands for the life of a run that is over: what is recorded is replayed, and nothing runs."""


class NotToBegin(HoldfastError):
    """The run must not be taken up by whoever runs the script; `exit_code` says why."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `begin` was told. What `resumes` goes on with what a person stopped, too."""

    name: str
    params: Mapping[str, str]
    id: str | None = None
    target: str | None = None
    mode: str = ""
    ask: str = ""
    steal: str | None = None
    resumes: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """The run that was chosen, the life in which the shell is to own it, and the variables that
    its script finds: its parameters, and its target's environment, `secrets` of it by name."""

    run: str
    life: int
    recorded: int
    params: Mapping[str, str]
    env: Mapping[str, str]
    secrets: tuple[str, ...] = ()


def choose(setting: Setting, wanted: Wanted) -> Begun:
    """Return the run of that id, else the newest unfinished one of that name, target and
    parameters, else a new one; nobody owns it by that.

    Without parameters the newest unfinished one is meant, whatever its own are. Raises UsageError
    for an id that is another's; RunLocked while another process owns it; NotToBegin for one that
    a person stopped, that is being undone, or that ended otherwise than well.
    """
    workflow = ShellWorkflow(wanted.name)
    inventory = setting.inventory
    terms = terms_for(inventory, workflow, wanted.target, wanted.mode, wanted.ask)
    given = target_params(inventory, workflow, wanted.target, wanted.params)
    recorded: dict[str, Json] = {name: encode(value) for name, value in given.items()}
    fact = RunCreated(
        setting.clock.now(), wanted.name, "", recorded, digest(recorded), setting.by,
        wanted.target, terms.mode, wanted.mode, wanted.ask, shell=True,
    )  # fmt: skip
    if wanted.id is None:
        run, is_new = _unfinished_or_new(setting, fact, wanted)
    else:
        run, is_new, _ = create(setting.store, setting.clock, fact, wanted.id, wanted.steal)
    state = Journal(setting.store, run).refresh()
    if not is_new and wanted.id is not None:
        _check_shell(state, run)
        check_same(state, fact, run)
    row = find_run(setting.store, run)
    if not state.is_finished:
        _check_free(row, state, resumes=wanted.resumes)
    return _begun(setting, row, state)


def _unfinished_or_new(setting: Setting, fact: RunCreated, wanted: Wanted) -> tuple[str, bool]:
    """Return the run that goes on, or a new one, and whether it is new. Of scripts that begin at
    the same moment one makes it; the others find it, and are refused like any that come later."""
    store = setting.store
    for tries in range(ID_TRIES_MAX):
        # Before the look: then a run that is made after it is one that `create` takes notice of.
        newest = next((row.id for row in store.rows(workflow=fact.workflow, limit=1)), "")
        if (unfinished := _newest(store, fact, wanted)) is not None:
            return unfinished, False
        id = new_id(fact, tries)
        made, is_new, _ = create(store, setting.clock, fact, id, wanted.steal, newest)
        if is_new:
            return made, True
    raise no_free_id()


def check_outside(store: Store, run: str) -> None:
    """Raise UsageError when the shell that started this process is in that run, which is not over:
    it can end one run only, and would leave this one without an end."""
    row = store.row(run) if run else None
    owner = None if row is None else row.owner
    if owner is not None and liveness(owner) == "alive" and is_substituted_in(owner.pid):
        raise UsageError(
            f"this shell is in run {run} already: end that first, with `holdfast end 0`. "
            "A script that begins its own run is called without `holdfast run`; no other was begun"
        )


def _newest(store: Store, fact: RunCreated, wanted: Wanted) -> str | None:
    is_each = fact.params.keys() == {ITEMS, FOLDER}
    for row in _that_go_on(store, wanted.name, fact.target, is_each=is_each):
        if row.target != fact.target:
            continue
        first = next(iter(store.read(row.id))).fact
        if isinstance(first, RunCreated) and first.shell:
            is_any = not wanted.params and first.params.keys() != {ITEMS, FOLDER}
            if is_any or first.params_digest == fact.params_digest:
                return row.id
    return None


def _that_go_on(store: Store, name: str, target: str | None, *, is_each: bool) -> Sequence[RunRow]:
    """Return what the same call may go on with, the newest first: all of it, however many newer
    runs of the name there are. Not to find one is to do again what it has done."""
    rows = store.rows(workflow=name, target=target, unfinished=True)
    if not is_each:
        return rows
    owned = store.rows(workflow=name, target=target, status="succeeded", owned=True)
    untold = [row for row in owned if is_untold(row)]
    return sorted((*rows, *untold), key=lambda row: row.started_at, reverse=True)


def is_untold(row: RunRow) -> bool:
    """Whether a run of `each` did all, and its process was killed before it could say so. The
    same call tells that: begun anew, it would do everything twice."""
    owner = row.owner
    return row.status == "succeeded" and owner is not None and liveness(owner) == "dead"


def note_told(store: Store, run: str) -> None:
    """Note that somebody was told how a run of `each` stands; one that is over is not told of
    again. Durable on return. Never raises: without it, it is told once more."""
    with suppress(StoreError):
        row = store.row(run)
        if row is not None and (row.owner == this_process() or is_untold(row)):
            store.release(run, row.epoch, durable=True)


def _check_shell(state: RunState, run: str) -> None:
    if state.created is None or not state.created.shell:
        raise UsageError(f"run {run} is not of a shell script: choose another --id")


def _check_free(row: RunRow, state: RunState, *, resumes: bool) -> None:
    """Raise what keeps a run from being taken up by its script."""
    owner = row.owner
    if owner is not None and liveness(owner) in ("alive", "stopped") and is_within(owner.pid):
        raise UsageError(f"this shell has begun run {row.id} already, and is in it")
    if state.stop is not None and not resumes:
        word = "paused" if state.stop.pause else "stopped"
        by = state.stop.by.name
        text = f"run {row.id} was {word} by {by}; go on with: holdfast resume {row.id}"
        raise NotToBegin(text, 3)
    if state.ledger.rolling is not None:
        text = f"run {row.id} is being rolled back; go on with: holdfast resume {row.id}"
        raise NotToBegin(text, 3)


def _begun(setting: Setting, row: RunRow, state: RunState) -> Begun:
    if state.is_finished and state.status != "succeeded":
        text = f"run {row.id} {stands(status_of(row))}: give another --id to begin a new one"
        raise NotToBegin(text, 0 if state.status == "rolled_back" else 1)
    params = {name: str(decode(value)) for name, value in state.params.items()}
    given = setting.inventory.target(state.target).env
    secrets = tuple(name for name, text in given.items() if is_reference(text))
    env = {
        name: Secret.parse(text).reveal() if name in secrets else text
        for name, text in given.items()
    }
    done = sum(step.is_finished for step in state.steps.values())
    life = OVER if state.is_finished else row.epoch + 1
    return Begun(row.id, life, done, params, env, secrets)


# --- taking up --------------------------------------------------------------------------------


def take_up(
    setting: Setting,
    run: str,
    life: int,
    shell: Owner,
    script: str,
    *,
    again: tuple[str, ...] = (),
    steal: str | None = None,
    resumed: bool = False,
) -> Journal:
    """Make this shell the owner of the run, in the very life that was chosen. `again` is how its
    script is run again, where what the shell was started with does not say that.

    Durable on return. What still works for an earlier shell of the run is killed first. Raises
    RunLocked when another process took the run up meanwhile, TargetLocked.
    """
    store, journal = setting.store, Journal(setting.store, run)
    state = journal.refresh()
    check_guard(setting.inventory, run, state)
    workflow = ShellWorkflow(state.created.workflow if state.created else "")
    terms = terms_for(setting.inventory, workflow, state.target, state.given_mode, state.given_ask)
    file = str(Path(script).resolve()) if os.path.isfile(script) else ""
    claim = Claim(
        setting.by, VERSION, resumed, file=file, terms=terms, lease_s=setting.lease_s,
        epoch=life - 1, owner=shell, commands=_started_with(shell.pid, again),
    )  # fmt: skip

    def taken() -> Journal:
        return take(journal, claim, setting.clock, setting.tell)

    on_target(store, setting.clock, setting.by, steal, taken)
    if journal.epoch != life:
        raise RunLocked(f"run {run} was taken up by another process; nothing was changed")
    end_left(journal)
    return journal


def _started_with(pid: int, again: tuple[str, ...]) -> Commands:
    found = command_of(pid)
    return replace(found, argv=again) if again else found


def command_of(pid: int) -> Commands:
    """Return how a process was started, as far as the system tells."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
        folder = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return Commands(())
    return Commands(tuple(os.fsdecode(word) for word in text.split(b"\0")[:-1]), folder)
