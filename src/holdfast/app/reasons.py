"""Why a run stands where it stands, and the exact commands that go on from there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from holdfast.app import batch_ways, next_ways
from holdfast.app.backward import way_back
from holdfast.app.batch_views import BatchView
from holdfast.app.evidence import evidence_of, world_of
from holdfast.app.fleet_children import is_fleet
from holdfast.app.hold_standing import agreement
from holdfast.app.judging import person_named, process_named
from holdfast.app.next_ways import Next
from holdfast.app.run_ways import is_rejected, ways_of
from holdfast.app.script_ways import with_script
from holdfast.app.views import VERSION, RunView, StepView, time_json, view_run
from holdfast.app.wording import Field, count, moment
from holdfast.errors import error_text
from holdfast.model.facts import Owner
from holdfast.model.json import Json
from holdfast.model.keys import unescape
from holdfast.model.making import dataclass
from holdfast.model.state import HoldState
from holdfast.model.status import RunStatus
from holdfast.model.undoing import why_not_again
from holdfast.ports.store import Store

REASONS_MAX = 20
SUMMED_MAX = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that holds a run where it is. `key` is the step, `owner` the process.

    `fields` is what a hold shows beside its question.
    """

    kind: str
    text: str
    key: str = ""
    at: datetime | None = None
    location: str = ""
    owner: Owner | None = None
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """Where a run stands in one sentence, everything that keeps it there, and what to do."""

    run: str
    status: RunStatus
    summary: str
    reasons: tuple[Reason, ...]
    next: tuple[Next, ...]

    def as_json(self, *options: str) -> dict[str, Json]:
        """Return what `why --json` gives; `options` stand in every command."""
        return {
            "version": VERSION,
            "run": self.run,
            "status": self.status,
            "why": self.summary,
            "reasons": [_reason_json(reason) for reason in self.reasons],
            "next": [{"command": way.line(*options), "does": way.does} for way in self.next],
        }


def why(store: Store, run: str) -> Why:
    """Return why a run stands where it stands. Raises UsageError for an unknown one."""
    return why_of(view_run(store, run))


def why_of(view: RunView) -> Why:
    """Return why a run that was looked at stands where it stands."""
    reasons = tuple(_reasons(view))
    found = ways_of(view)
    if view.displaced_by:
        found = next_ways.displaced_ways(view.id, view.displaced_by, found)
    ways = tuple(dict.fromkeys(with_script(view.state, found)))
    return Why(view.id, view.status, _summary(view, reasons), reasons[:REASONS_MAX], ways)


def _summary(view: RunView, reasons: tuple[Reason, ...]) -> str:
    if reasons:
        texts = [reason.text for reason in reasons[:SUMMED_MAX]]
        more = len(reasons) - len(texts)
        return "; ".join(texts) + (f"; and {more} more" if more else "")
    match view.status:
        case "succeeded":
            return "the workflow returned"
        case "queued":
            return "no process has taken it up yet"
        case "rolled_back":
            return "all that could be undone is undone"
        case "on_hold" if is_fleet(view.row):
            return "what its targets asked is answered; nobody has resumed it yet"
        case "on_hold":
            return "every hold is answered; nobody has resumed it yet"
        case "running":
            return "it is between two steps"
        case _:
            return f"it is {view.status}"


# --- reasons ----------------------------------------------------------------------------------


def _reasons(view: RunView) -> Iterator[Reason]:
    """Yield what keeps the run where it is, the most pressing first."""
    if view.state.is_finished:
        yield from _end(view)
        return
    if view.status == "interrupted":
        yield _interruption(view)
    yield from (reason for step in view.steps if (reason := _doubt(view, step)))
    yield from (Reason("in_doubt", *told) for told in batch_ways.item_doubts(view.state))
    asked = (hold for hold in view.state.open_holds if hold.opened.kind != "in_doubt")
    yield from (_hold(view, hold) for hold in asked)
    for each in view.targets:
        if each.waits:
            yield Reason("target", f"{each.target}: {each.waits}")
    if view.status == "failed":
        yield from _failures(view)
    yield from _stops(view)
    if not view.is_alive:
        yield from (Reason(kind, text) for kind, text in way_back(view))
    yield from (reason for step in view.steps if (reason := _activity(view, step)))


def _called(step: StepView) -> str:
    """Return a step's name as a person reads it, in quotes."""
    return repr(unescape(step.key))


def _end(view: RunView) -> Iterator[Reason]:
    cancelled = view.state.cancelled
    if cancelled is not None:
        text = f"cancelled by {person_named(cancelled.by)}" + _colon(cancelled.reason)
        yield Reason("cancelled", text, at=cancelled.at)
        if view.is_alive and view.row.owner is not None:
            where = process_named(view.row.owner)
            yield Reason("running", f"{where} leaves at its next boundary", owner=view.row.owner)


def _interruption(view: RunView) -> Reason:
    life = view.state.lives[-1] if view.state.lives else None
    if life is None:
        return Reason("interrupted", "its process ended without saying why")
    text = f"{process_named(life.owner)} (user {life.owner.user}) ended without saying why"
    return Reason("interrupted", text, at=life.at, owner=life.owner)


def _doubt(view: RunView, step: StepView) -> Reason | None:
    if not (step.is_orphaned or step.status == "in_doubt"):
        return None
    owner = step.life.owner if step.life else None
    where = f" in {process_named(owner)}" if owner else ""
    began = f"attempt {step.attempts} began{where}"
    if step.status != "in_doubt":
        what = _what_is_left(view.batches.get(step.key)) if step.is_batch else "it runs again"
        text = f"step {_called(step)} was interrupted: {began}, without an end; {what}"
        return Reason("interrupted_step", text, step.key, step.started_at, owner=owner)
    why = step.error or "no result was recorded"
    text = f"step {_called(step)} is in doubt: {began}; {why}. {_why_asked(view, step)}"
    return Reason("in_doubt", text, step.key, step.started_at, step.location, owner)


def _why_asked(view: RunView, step: StepView) -> str:
    seen = view.state.steps.get(step.key)
    return why_not_again(step.key, is_once=seen is None or seen.once)


def _what_is_left(batch: BatchView | None) -> str:
    """Return what becomes of the items of a batch that was interrupted."""
    doubtful = 0 if batch is None else batch.row.uncertain
    what = "its items that are not done go on"
    if not doubtful:
        return what
    items = "1 that" if doubtful == 1 else f"{doubtful:,} that"
    return f"{what}, without {items} may have taken effect: a person is asked about these"


def _hold(view: RunView, hold: HoldState) -> Reason:
    opened = hold.opened
    is_over = hold.is_over(view.at)
    asks = {"question": "waits for an answer", "drift": "the script or its parameters changed"}
    if world_of(opened):
        asks["drift"] = "the world has changed"
    about = asks.get(opened.kind, "waits for a decision" if opened.kind != "confirm" else "")
    if is_over:
        about = "nobody answered in time"
    text = f"{about or 'waits for a yes'} ({opened.id}): {opened.question}"
    location = opened.evidence.get("location")
    place = str(location or "")
    fields = (*evidence_of(opened, is_over=is_over), *agreement(hold, view.state.starters))
    return Reason("hold", text, opened.key, opened.at, place, fields=fields)


def _failures(view: RunView) -> Iterator[Reason]:
    failed = view.state.failed
    if failed is None:
        return
    steps = {step.key: step for step in view.steps}
    known = [steps[key] for key in failed.failures if key in steps]
    for step in known:
        text = f"step {_called(step)} {_how_failed(step)}"
        yield Reason("failure", text, step.key, step.ended_at, step.location)
    if not known:
        text = f"the workflow failed: {error_text(failed.type, failed.message)}"
        yield Reason("failure", text, at=failed.at, location=failed.location)


def _how_failed(step: StepView) -> str:
    if is_rejected(step):
        return f"was {step.error.removeprefix('Rejected: ')}"
    after = ""
    if step.attempts and not step.is_batch:
        after = f" after {count(step.attempts, 'attempt')}"
    return f"failed{after}: {step.error.removeprefix('ItemsFailed: ')}"


def _stops(view: RunView) -> Iterator[Reason]:
    stop, stopped, stolen = view.state.stop, view.state.stopped, view.state.stolen
    if stolen is not None:
        text = f"target {view.row.target} was taken from it by {person_named(stolen.by)}"
        text += f" for run {view.displaced_by}" if view.displaced_by else ""
        yield Reason("stolen", text + _colon(stolen.reason), at=stolen.at)
    rewound = view.state.rewound
    if rewound is not None:
        text = f"taken back to {rewound.to} by {person_named(rewound.by)}"
        yield Reason("rewound", text + _colon(rewound.reason), rewound.to, rewound.at)
    if stop is not None:
        word = "pause" if stop.pause else "stop"
        if view.is_alive:
            text = f"{person_named(stop.by)} asked it to {word}: it leaves at its next boundary"
        else:
            text = f"{'paused' if stop.pause else 'stopped'} by {person_named(stop.by)}"
        yield Reason("stop", text, at=stop.at)
    elif stopped is not None and stopped.kind not in ("park", "timer"):
        text = f"stopped: {stopped.reason} (exit {stopped.exit_code})"
        yield Reason("stop", text, at=stopped.at)


def _activity(view: RunView, step: StepView) -> Reason | None:
    """Return what a step does now, or waits for."""
    owner = step.life.owner if step.life else None
    if step.status == "running" and not step.is_orphaned:
        where = f" in {process_named(owner)}" if owner else ""
        halted = "; the process is stopped (SIGSTOP)" if view.owner_is == "stopped" else ""
        text = f"step {_called(step)} is running{where}, attempt {step.attempts}{halted}"
        return Reason("running", text, step.key, step.started_at, owner=owner)
    if step.status != "waiting" or view.status not in ("running", "waiting", "interrupted"):
        return None
    if step.next_at is None:
        if step.attempts:
            return None
        return Reason("timer", f"waits until {_called(step)} is so", step.key, step.started_at)
    what = f"retries after {step.error}" if step.error else "waits"
    text = f"step {_called(step)} {what}, until {moment(step.next_at)}"
    return Reason("timer", text, step.key, step.started_at)


def _colon(text: str) -> str:
    return f": {text}" if text else ""


def _reason_json(reason: Reason) -> Json:
    owner = reason.owner
    return {
        "kind": reason.kind,
        "text": reason.text,
        "key": reason.key or None,
        "at": time_json(reason.at),
        "location": reason.location or None,
        "host": owner.host if owner else None,
        "pid": owner.pid if owner else None,
    }
