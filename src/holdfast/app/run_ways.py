"""The commands that go on with a run, from where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.app import batch_ways, next_ways
from holdfast.app.backward import owed_labels, undo_count
from holdfast.app.evidence import world_of
from holdfast.app.fleet_targets import are_waited_for
from holdfast.app.hold_standing import RESUMING_BARS
from holdfast.app.hold_ways import doubt_ways, hold_ways
from holdfast.app.meant import is_question
from holdfast.app.next_ways import Next, about
from holdfast.app.views import RunView, StepView
from holdfast.model.shown import few
from holdfast.model.undoing import is_giving_back


def ways_of(view: RunView) -> Iterator[Next]:
    """Yield the commands that go on, the usual one first."""
    run = view.id
    if view.state.is_finished:
        yield from batch_ways.left_behind(run, view.state, view.batches.values())
        yield Next(("log", run), "what happened")
        yield Next(("export", run, "--md"), "the whole record, to read")
        return
    for hold in batch_ways.shown_holds(view.state.open_holds):
        if not hold.is_over(view.at):
            yield from hold_ways(run, hold, is_only=len(view.state.open_holds) == 1)
    yield from batch_ways.more_ways(run, view.state.open_holds)
    for step in view.steps:
        if step.status == "in_doubt":
            yield from _doubt_ways(view, step)
    yield from next_ways.target_ways(run, view.targets)
    if view.is_alive:
        if view.owner_is == "stopped" and view.row.owner is not None:
            wake = f"kill -CONT {view.row.owner.pid}"
            yield Next(("kill",), "let its process go on, which is stopped (SIGSTOP)", wake)
            yield Next(("resume", run), "take it over, once its process was stopped for a lease")
        yield Next(("watch", run), "see it go on")
        yield Next(("stop", run), "stop it after the step in hand")
        return
    yield from _resting_ways(view)


def _doubt_ways(view: RunView, step: StepView) -> Iterator[Next]:
    if view.state.ledger.is_going_back and not is_giving_back(step.key):
        return doubt_ways(view.id, step.key, "there is nothing to undo")
    return doubt_ways(view.id, step.key)


def _resting_ways(view: RunView) -> Iterator[Next]:
    """Yield what to do with an unfinished run that no process works on."""
    run, failed = view.id, view.state.failed
    yield Next(("resume", run), _what_resume_does(view))
    if goes_on_by_itself(view):
        yield Next(("resume", "--due"), "every run whose time has come goes on: for cron")
    if failed is not None and not failed.is_undone:
        for key in failed.failures[:1]:
            if key not in view.state.steps:
                break  # It was set aside with its stage, while a branch beside that goes on.
            if is_question(view.state, key):
                break  # It wrote nothing, and only an answer is its result.
            yield from batch_ways.dead_letter_ways(run, key, view.batches)
            if view.state.steps[key].attempts:
                yield about("what the failed step wrote", "log", run, key)
            by_hand = "it was done by hand: do not repeat it"
            yield about(by_hand, "done", run, key, "-m", "REASON")
            yield about("go on without it", "skip", run, key, "-m", "REASON")
    yield from _ways_back(view)


def _what_resume_does(view: RunView) -> str:
    failed, holds = view.state.failed, view.state.open_holds
    asked = [hold for hold in holds if not hold.is_over(view.at)]
    kinds = {hold.opened.kind for hold in asked}
    if kinds:
        is_edited = kinds == {"drift"} and not any(world_of(hold.opened) for hold in asked)
        does = f"go on, once {'the script is put back' if is_edited else 'that is answered'}"
        is_shut = any(hold.opened.electorate.separate for hold in asked)
        return does + (f"; {RESUMING_BARS}" if is_shut else "")
    if any(hold.opened.on_expiry == "reject" for hold in holds):
        return "nobody's answer is a no; the next resume asks again"
    once_decided = ", once that is decided" if _is_in_doubt(view) else ""
    if view.state.ledger.is_going_back:
        return f"go on undoing{once_decided}"
    if once_decided:
        return f"go on{once_decided}"
    if failed is not None and failed.is_undone:
        return "run it again from the start of that stage"
    if failed is not None and any(
        is_rejected(step) for step in view.steps if step.key in failed.failures
    ):
        return "ask again, and go on"
    if holds:
        return "ask again"
    if are_waited_for(view.targets):
        return "go on, once one of them can"
    return {
        "failed": "retry what failed, and go on",
        "queued": "take it up",
        "waiting": "wait for it here, and go on",
    }.get(view.status, "go on")


def _is_in_doubt(view: RunView) -> bool:
    return any(step.status == "in_doubt" for step in view.steps)


def _ways_back(view: RunView) -> Iterator[Next]:
    """Yield how to undo a resting run, to give back what it owes, and to end it."""
    run, ledger = view.id, view.state.ledger
    owed, undos = owed_labels(view.state), undo_count(view.state)
    if not ledger.is_going_back:
        if owed and not any(hold.opened.kind == "debt" for hold in view.state.open_holds):
            yield Next(("settle", run), f"give back what it owes: {', '.join(few(owed))}")
        if undos:
            yield Next(("rollback", run), f"undo what it did: {undos} to undo, {len(owed)} owed")
    if owed:
        yield Next(("cancel", run, "--abandon", "-m", "REASON"), "end it, and leave what it owes")
    else:
        yield Next(("cancel", run, "-m", "REASON"), "end it for good")


def goes_on_by_itself(view: RunView) -> bool:
    """Whether `resume --due` takes the run up, now or when its time has come."""
    if view.state.stop is not None:
        return False
    is_answered = view.status == "on_hold" and not view.state.open_holds
    is_answered = is_answered and not are_waited_for(view.targets)
    return view.status == "waiting" or is_answered


def is_rejected(step: StepView) -> bool:
    """Whether a person said no, before it was tried at all."""
    return step.attempts == 0 and step.error.startswith("Rejected: rejected by ")
