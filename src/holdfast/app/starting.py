"""Start a run, or go on with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from holdfast.app.creating import check_same, create
from holdfast.app.due import verdict_on
from holdfast.app.finding import find_run
from holdfast.app.fleet_children import is_fleet
from holdfast.app.given_parameters import given_by, set_parameters
from holdfast.app.going_back import rollback_of, settling_of
from holdfast.app.judging import status_of
from holdfast.app.loading import workflow_of
from holdfast.app.reporting import not_to_be_resumed, reported
from holdfast.app.targets import on_target
from holdfast.app.terms import check_guard, target_params, terms_for
from holdfast.engine.spec import Ahead, nothing_ahead
from holdfast.errors import StoreError, UsageError
from holdfast.flow.errands import Errand
from holdfast.flow.running import Outcome, live
from holdfast.flow.workflows import Workflow
from holdfast.model.codec import decode, digest
from holdfast.model.facts import HoldAnswered, RunCreated, Who
from holdfast.model.inventory import NO_INVENTORY, Inventory
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.model.terms import ASKS, MODES, Terms
from holdfast.model.undo_facts import ErrandKind
from holdfast.ports.clock import Clock
from holdfast.ports.person import Person
from holdfast.ports.store import Store
from holdfast.runtime.blocking import Performer
from holdfast.runtime.journal import Journal
from holdfast.runtime.leftovers import end_left
from holdfast.runtime.life import Listener, Performers
from holdfast.runtime.ownership import LEASE_S
from holdfast.runtime.takeover import Claim, take
from holdfast.version import VERSION

if TYPE_CHECKING:
    from holdfast.app.notifying import Telling


@dataclass(frozen=True, slots=True)
class Setting:
    """What a front-end brings along for a life of a run.

    `tell` hears what a person should know that is no fact of the run. `begins` is told the run's
    id and state when this process owns it, before anything of it runs. `budget_s` is `--for`.
    `patience_s` is how long it may spend in waits before it leaves them to a later life.
    `telling` tells people who are not there; None tells nobody, and costs nothing.
    """

    store: Store
    clock: Clock
    person: Person
    by: Who
    listeners: Sequence[Listener] = ()
    tell: Callable[[str], None] = lambda text: None
    begins: Callable[[str, RunState], None] = lambda run, state: None
    budget_s: float | None = None
    lease_s: float = LEASE_S
    performers: Performers = Performer
    inventory: Inventory = NO_INVENTORY
    telling: Telling | None = None
    patience_s: float | None = None

    @contextmanager
    def listening(self, journal: Journal) -> Iterator[Sequence[Listener]]:
        """Give all who listen to a life that is about to begin."""
        if self.telling is None:
            yield self.listeners
            return
        with self.telling.told(journal) as elsewhere:
            # Whoever is told elsewhere does not wait for a terminal that is held up.
            yield (*elsewhere, *self.listeners)


def start(
    setting: Setting,
    workflow: Workflow[..., Any],
    params: Mapping[str, object],
    *,
    id: str | None = None,
    target: str | None = None,
    mode: str | None = None,
    ask: str | None = None,
    steal: str | None = None,
) -> Outcome:
    """Run `workflow`, or go on with the run called `id`, and return how it stands then.

    The same `id` again resumes an unfinished run and reports a finished one; it never starts
    twice and never lifts a person's stop. Raises UsageError before anything is recorded for
    wrong parameters, or an `id` that is another workflow's or has other parameters; RunLocked
    while another process owns it; TargetLocked while another unfinished run has the target,
    unless `steal` gives the reason to take it from one that nobody works on.
    """
    given_mode, given_ask = _checked("mode", mode, MODES), _checked("ask", ask, ASKS)
    inventory = setting.inventory
    terms = terms_for(inventory, workflow, target, given_mode, given_ask)
    checked = workflow.parameters.check(target_params(inventory, workflow, target, params))
    recorded = workflow.recorded(checked)
    fact = RunCreated(
        setting.clock.now(), workflow.name, workflow.script, recorded, digest(recorded), setting.by,
        target, terms.mode, given_mode, given_ask,
    )  # fmt: skip
    workflow.refuse_here()
    run, is_new, stole = create(setting.store, setting.clock, fact, id, steal)
    journal = Journal(setting.store, run)
    journal.refresh()
    if not is_new:
        check_same(journal.state, fact, run)
        refused = not_to_be_resumed(journal, workflow.types)
        if refused is not None:
            return refused
    return _live(
        setting, workflow, journal, resumed=False, mode=given_mode, steal=steal, stole=stole
    )


def resume(
    setting: Setting,
    run: str,
    file: str | Workflow[..., Any] | None = None,
    *,
    accept_drift: bool = False,
    mode: str | None = None,
    steal: str | None = None,
    if_due: bool = False,
    pairs: Sequence[str] = (),
    recheck: bool = False,
) -> Outcome:
    """Go on with a run, also after a stop or pause, and return how it stands then.

    `file` is where the script is now, when it moved, or the workflow itself. `accept_drift`
    accepts exactly the difference that the run holds on; without such a hold it changes nothing.
    With `if_due` only a run goes on that needs no person, and no stop or pause is lifted: else
    nothing is changed. Raises RunLocked when another process took it up meanwhile.
    `pairs` are parameters that get another value, `NAME=VALUE`: they are typed before anything
    is recorded (UsageError), and recorded when this process owns the run, before it goes on.
    `recheck` has the checks of finished steps asked first, and holds on what is not so any more.
    """
    given_mode = _checked("mode", mode, MODES)
    row = find_run(setting.store, run)
    journal = Journal(setting.store, row.id)
    if journal.refresh().is_finished:
        return reported(journal, lambda: workflow_of(row, file, journal.state).types)
    if if_due:
        verdict = verdict_on(setting.store, row, journal.state, setting.clock.now())
        if not verdict.is_due:
            return Outcome(status_of(row), None, row.id, verdict.exit_code, verdict.why)
    workflow = workflow_of(row, file, journal.state)
    given = given_by(workflow, pairs)
    if accept_drift:
        _accept_drift(setting, journal)
    return _live(
        setting,
        workflow,
        journal,
        resumed=not if_due,
        mode=given_mode,
        steal=steal,
        epoch=row.epoch if if_due else None,
        given=given,
        recheck=recheck,
    )


def rollback(
    setting: Setting,
    run: str,
    file: str | Workflow[..., Any] | None = None,
    *,
    to: str | None = None,
    mode: str | None = None,
) -> Outcome:
    """Undo a run, the last thing first, and return how it stands then.

    With `to`, a step or scope, only from there on: the run can be resumed and does that again.
    Raises UsageError for a run that is over, PastNoReturn for one past its point of no return,
    both before anything is recorded, and InDoubt over an item that may have taken effect;
    RunLocked while another process owns it.
    """
    from holdfast.app.items_in_doubt import refuse_items_in_doubt

    given_mode = _checked("mode", mode, MODES)
    row = find_run(setting.store, run)
    journal = Journal(setting.store, row.id)
    refuse_items_in_doubt(setting.store, row.id, journal.refresh())
    if is_fleet(row):
        raise UsageError(
            f"run {row.id} is a fleet: the run of each target is rolled back by itself (holdfast "
            f"rollback {row.id}.TARGET); holdfast fleet status {row.id} shows them"
        )
    errand = rollback_of(journal.state, row.id, setting.by, to)
    workflow = workflow_of(row, file, journal.state)
    return _live(setting, workflow, journal, resumed=True, mode=given_mode, errand=errand)


def settle(
    setting: Setting,
    run: str,
    file: str | Workflow[..., Any] | None = None,
    *,
    mode: str | None = None,
) -> Outcome:
    """Give back what a run owes, and nothing else; return how it stands then.

    Raises UsageError for a run that is over or owes nothing, RunLocked while a process owns it.
    """
    given_mode = _checked("mode", mode, MODES)
    row = find_run(setting.store, run)
    journal = Journal(setting.store, row.id)
    errand = settling_of(journal.refresh(), row.id, setting.by)
    workflow = workflow_of(row, file, journal.state)
    return _live(setting, workflow, journal, resumed=True, mode=given_mode, errand=errand)


def _live(
    setting: Setting,
    workflow: Workflow[..., Any],
    journal: Journal,
    *,
    resumed: bool,
    mode: str = "",
    steal: str | None = None,
    stole: str = "",
    errand: Errand | None = None,
    epoch: int | None = None,
    given: Mapping[str, Json] | None = None,
    recheck: bool = False,
) -> Outcome:
    workflow.refuse_here()
    rolling = journal.state.ledger.rolling
    if errand is None and rolling is not None:
        errand = Errand("rollback", rolling.by, rolling.to, rolling.since)
    file = workflow.script
    state = journal.state
    check_guard(setting.inventory, journal.run, state)
    terms = terms_for(
        setting.inventory, workflow, state.target, mode or state.given_mode, state.given_ask
    )
    kind: ErrandKind = "" if errand is None else errand.kind
    claim = Claim(
        setting.by, VERSION, resumed, file=file, mode=mode, terms=terms, stole=stole,
        lease_s=setting.lease_s, errand=kind, epoch=epoch,
    )  # fmt: skip
    recorded = {**state.params, **(given or {})}
    params = _decoded(workflow, recorded)  # Refused before anything is changed.
    with _given_back(journal):
        _take_up(setting, journal, claim, steal, given)
        if state.params != recorded:
            params = _decoded(workflow, state.params)
        return _owned(setting, workflow, params, journal, terms, errand, recheck=recheck)


@contextmanager
def _given_back(journal: Journal) -> Iterator[None]:
    """Give the run back when its life does not come about: this process may live on, and would
    keep everybody from the run. (A life that was lived has given it back.)"""
    try:
        yield
    except BaseException:
        if journal.epoch is not None:
            with suppress(StoreError):
                journal.store.release(journal.run, journal.epoch)
        raise


def _decoded(workflow: Workflow[..., Any], params: Mapping[str, Json]) -> dict[str, object]:
    return {name: decode(value, workflow.types) for name, value in params.items()}


def _owned(
    setting: Setting,
    workflow: Workflow[..., Any],
    params: Mapping[str, object],
    journal: Journal,
    terms: Terms,
    errand: Errand | None,
    *,
    recheck: bool,
) -> Outcome:
    """Live a life of the run that this process owns now."""
    ahead: Callable[[str], tuple[Ahead, ...]] = nothing_ahead
    if errand is None and terms.ask != "step" and terms.mode != "auto":
        from holdfast.app.planning import steps_ahead  # Who asks can wait a moment longer.

        ahead = steps_ahead(
            workflow, params, setting.clock,
            store=setting.store, run=journal.run, terms=terms, inventory=setting.inventory,
        )  # fmt: skip
    with setting.listening(journal) as listeners:
        return live(
            workflow,
            params,
            journal,
            setting.clock,
            setting.person,
            listeners,
            budget_s=setting.budget_s,
            patience_s=setting.patience_s,
            lease_s=setting.lease_s,
            performers=setting.performers,
            ahead=ahead,
            inventory=setting.inventory,
            errand=errand,
            rechecks=recheck,
        )


def _take_up(
    setting: Setting,
    journal: Journal,
    claim: Claim,
    steal: str | None,
    given: Mapping[str, Json] | None,
) -> None:
    """Become the run's owner, record the parameters that are given, and let the front-end know.

    Raises RunLocked and TargetLocked.
    """
    if claim.stole:
        setting.tell(claim.stole)

    def taken() -> Journal:
        return take(journal, claim, setting.clock, setting.tell)

    _, freed = on_target(setting.store, setting.clock, setting.by, steal, taken)
    end_left(journal)
    if freed:
        setting.tell(freed)
    if given:
        setting.tell(set_parameters(journal, given, setting.clock, setting.by))
    setting.begins(journal.run, journal.state)


def _accept_drift(setting: Setting, journal: Journal) -> None:
    while holds := [hold for hold in journal.state.open_holds if hold.opened.kind == "drift"]:
        opened = holds[-1].opened
        answer = HoldAnswered(
            setting.clock.now(), opened.id, setting.by, "approve", digest=opened.digest,
            comment="--accept-drift",
        )  # fmt: skip
        if not journal.append((answer,)):
            journal.refresh()


def _checked(name: str, given: str | None, allowed: Sequence[str]) -> str:
    """Return what was given, an empty text for nothing. Raises UsageError for what is none."""
    if given is not None and given not in allowed:
        raise UsageError(f"{name} {given!r}: choose one of {', '.join(allowed)}")
    return given or ""
