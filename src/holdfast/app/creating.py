"""Create a run: under the id that was asked for, or one made for it."""

from __future__ import annotations

from os import urandom

from holdfast.app.targets import on_target
from holdfast.errors import RunLocked, UsageError
from holdfast.model.facts import RunCreated
from holdfast.model.keys import as_id, check_run_id
from holdfast.model.state import RunState
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store

ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without the letters and digits that are mistaken for one another."""
ID_LETTERS_MAX = 8
ID_TRIES_MAX = 100
STEM_CHARS_MAX = 40
_NO_NAME = "._:-"


def create(
    store: Store,
    clock: Clock,
    fact: RunCreated,
    id: str | None,
    steal: str | None,
    newest: str | None = None,
) -> tuple[str, bool, str]:
    """Create the run that `fact` makes, unless one has its `id` already. Return the run, whether it
    is new, and from whom its target was taken. Durable on return. With an `id` that is made up,
    `newest` is the run after which it is to be made, as in `Store.create`."""
    run = None if id is None else check_run_id(id)
    if run is not None and run.startswith("-") and store.row(run) is None:
        raise UsageError(
            f"--id {run} looks like an option, and every command about the run would take it for "
            "one: give another"
        )

    def attempt() -> tuple[str, bool]:
        if run is None:
            return _create_anew(store, fact), True
        return run, store.create(run, fact, newest=newest)

    (made, is_new), stole = on_target(store, clock, fact.by, steal, attempt)
    return made, is_new, stole


def _create_anew(store: Store, fact: RunCreated) -> str:
    """Create a new run and return its id, which is made up for it."""
    for tries in range(ID_TRIES_MAX):
        run = new_id(fact, tries)
        if store.create(run, fact):
            return run
    raise no_free_id()


def no_free_id() -> RunLocked:
    """Return what is said when every id that was tried is another run's."""
    return RunLocked("no free run id was found; give one with --id")


def new_id(fact: RunCreated, tries: int) -> str:
    """Return an id for the run that `fact` makes: the workflow's name, as far as it is plain, and
    a few letters; more of them after many tries."""
    stem = as_id(fact.workflow).strip(_NO_NAME)[:STEM_CHARS_MAX] or "run"
    letters = urandom(4 if tries < ID_TRIES_MAX // 2 else ID_LETTERS_MAX)
    return f"{stem}-{''.join(ID_LETTERS[byte % len(ID_LETTERS)] for byte in letters)}"


def check_same(state: RunState, fact: RunCreated, id: str) -> None:
    """Raise UsageError when the run of that id is not the one that `fact` would make."""
    created = state.created
    assert created is not None
    if created.workflow != fact.workflow:
        raise UsageError(
            f"run {id} is of workflow {created.workflow!r}, not {fact.workflow!r}: "
            "choose another --id"
        )
    if state.params_digest != fact.params_digest:
        names = sorted(
            name
            for name in {*state.params, *fact.params}
            if state.params.get(name) != fact.params.get(name)
        )
        raise UsageError(
            f"run {id} has other parameters ({', '.join(names)}): choose another --id, or go on "
            f"with the recorded ones: holdfast resume {id}"
        )
    if created.target != fact.target:
        raise UsageError(f"run {id} is for target {created.target!r}, not {fact.target!r}")
