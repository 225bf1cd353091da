"""What steps have earned, by which runs, what took it back, and how a person takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from holdfast.app.judging import person_named
from holdfast.app.views import VERSION, time_json
from holdfast.app.wording import SHOWN_MAX
from holdfast.errors import UsageError
from holdfast.model.facts import Who
from holdfast.model.inventory import Earned
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.terms import Terms
from holdfast.model.trials import Trial
from holdfast.model.trust import Streak, earned, streak
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store
from holdfast.runtime.trusting import trials_now

EARNED = Earned()
"""What is asked for where no inventory says otherwise."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What one step of a workflow has earned. `code` is what ran last, and what the streak is
    of; `last_bad` what took it back last, as far as its trials are kept. `needed` says how many
    clean ones are asked for; `rule` and `asks` are those of a target without a risk."""

    workflow: str
    step: str
    code: str
    streak: Streak
    last_bad: Trial | None
    rule: str
    asks: bool
    needed: str = ""


def trust(
    store: Store, now: datetime, step: str = "", workflow: str = "", policy: Earned = EARNED
) -> tuple[Trust, ...]:
    """Return what is known of every step that was on trial, or of those that are named so.

    Raises UsageError when there is none of that name.
    """
    return tuple(_trust(store, now, found, policy) for found in find_tried(store, step, workflow))


def _trust(store: Store, now: datetime, found: tuple[str, str], policy: Earned) -> Trust:
    workflow, step = found
    needed = policy.successes_at("")
    terms = Terms("earned", "earned", successes=needed, within_s=policy.within_s)
    trials = trials_now(store, workflow, step, now)
    code = next((trial.code for trial in trials if trial.code), "")
    known = streak(trials, code)
    last_bad = next((trial for trial in trials if trial.outcome != "clean"), None)
    ruling = earned(known, terms, now)
    asked = _asked_for(policy)
    return Trust(workflow, step, code, known, last_bad, ruling.rule, ruling.asks, asked)


def _asked_for(policy: Earned) -> str:
    """Return how many clean trials in a row are asked for: `3`, or by risk `low 1, high 5`."""
    if not policy.by_risk:
        return str(policy.successes)
    return ", ".join(
        f"{risk} {'never' if number is None else number}" for risk, number in policy.by_risk.items()
    )


def find_tried(store: Store, step: str = "", workflow: str = "") -> Sequence[tuple[str, str]]:
    """Return the steps on trial of this name, or, when there is none, whose names begin so.

    Raises UsageError when there is none of these either.
    """
    tried = [found for found in store.tried() if workflow in ("", found[0])]
    same = [found for found in tried if found[1] == step]
    alike = same or [found for found in tried if found[1].startswith(step)]
    if step and not alike:
        known = ", ".join(repr(name) for _, name in tried[:SHOWN_MAX]) or "none yet"
        more = ", …" if len(tried) > SHOWN_MAX else ""
        where = f" of workflow {workflow}" if workflow else ""
        raise UsageError(f"no step{where} called {step!r} was on trial; known are {known}{more}")
    return alike


def revoke(
    store: Store, clock: Clock, by: Who, step: str, reason: str, workflow: str = ""
) -> tuple[str, str]:
    """Take back what a step has earned, and return its workflow and name. Durable on return.

    It asks again on every target, until it has been clean as often as before. Raises UsageError,
    changing nothing, without a reason and when `step` may be several or none.
    """
    if not reason.strip():
        raise UsageError("--revoke needs a reason: add -m REASON")
    found = find_tried(store, step, workflow)
    if len(found) != 1:
        names = ", ".join(f"{name!r} of {owner}" for owner, name in found[:SHOWN_MAX]) or "none"
        raise UsageError(
            f"{step!r} may be {names}; give the whole name, and --workflow NAME when several "
            "workflows have it"
        )
    ((of, name),) = found
    note = f"{person_named(by)}: {reason}"
    store.keep_trials((Trial(of, name, "", "", "", None, clock.now(), "revoked", note),))
    return of, name


def trust_json(found: Sequence[Trust]) -> dict[str, Json]:
    """Return what steps have earned as `trust --json` prints it."""
    return {"version": VERSION, "steps": [_step_json(known) for known in found]}


def _step_json(known: Trust) -> Json:
    bad = known.last_bad
    return {
        "workflow": known.workflow,
        "step": known.step,
        "code": known.code,
        "successes": known.streak.successes,
        "latest_at": time_json(known.streak.latest_at),
        "runs": [_trial_json(trial) for trial in known.streak.clean],
        "last_bad": None if bad is None else {**_trial_json(bad), "why": bad.why},
    }


def _trial_json(trial: Trial) -> dict[str, Json]:
    return {"run": trial.run or None, "target": trial.target, "at": time_json(trial.at)}
