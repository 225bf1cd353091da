"""What happened, in one sentence an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdfast.app.gate_sentences import SENTENCES as _OF_GATES
from holdfast.app.timeline import Event
from holdfast.app.wording import ANSWERED
from holdfast.errors import error_text
from holdfast.model.codec import dumps
from holdfast.model.json import Json
from holdfast.model.keys import unescape

VALUE_CHARS_MAX: Final = 80
_KEYS: Final = frozenset({"key", "scope", "to", "was"})


def sentence(event: Event) -> tuple[str, str]:
    """Return what a fact says, and the step's status that its glyph is of, if it has one.

    The user's text in it is as it was recorded: make it safe before it is shown. Steps are called
    as live lines call them; whoever types such a name means the same step.
    """
    kind = str(event["kind"])
    told = _SENTENCES.get(kind)
    if told is None:
        return "", f"{kind} {_read('key', event.get('key')) or ''}".rstrip()
    status, say = told
    return status, say({name: _read(name, value) for name, value in event.items()})


def _read(name: str, value: Json) -> Json:
    """Return a key as a person reads it, and any other field as it is."""
    return unescape(value) if name in _KEYS and isinstance(value, str) else value


def _who(who: Json) -> str:
    if not isinstance(who, dict):
        return "somebody"
    return f"{who.get('claimed') or who.get('user')}@{who.get('host')}"


def _after(text: Json, start: str = ": ") -> str:
    return f"{start}{text}" if text else ""


def _value(value: Json, sign: str = ": ") -> str:
    if value is None:
        return ""
    text = dumps(value)
    return f"{sign}{text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + '…'}"


def _life(e: Event) -> str:
    owner = e["owner"]
    assert isinstance(owner, dict)
    how = {"rollback": "taken up to roll back", "settle": "taken up to settle"}.get(
        str(e["errand"]), "resumed" if e["resumed"] else "taken up"
    )
    return (
        f"{how} by {_who(e['by'])} in pid {owner['pid']} on {owner['host']} "
        f"(life {e['epoch']}){_after(e['took_over'], '; ')}"
    )


def _started(e: Event) -> str:
    again = f", attempt {e['attempt']}" if e["attempt"] != 1 else ""
    decided = str(e["decided_by"])
    owes = e["owes"]
    owed = f"; owes {owes['label']}" if isinstance(owes, dict) else ""
    by = "" if decided.startswith("auto") else f" ({decided})"
    return f"{e['key']} started{again}{by}{owed}"


def _attempt_failed(e: Event) -> str:
    later = f"; the next at {str(e['next_at'])[:19]}Z" if e["next_at"] else ""
    place = f" ({e['location']})" if e["location"] else ""
    error = error_text(str(e["type"]), str(e["message"])).split("\n")[0]
    # A no is an attempt that never was.
    which = f", attempt {e['attempt']}" if e["attempt"] else ""
    return f"{e['key']} failed{which}: {error}{later}{place}"


def _stop(e: Event) -> str:
    word = "pause" if e["pause"] else "stop"
    return f"{_who(e['by'])} asked it to {word}{' now' if e['now'] else ''}"


def _drift(e: Event) -> str:
    gone, changed = e["gone"], e["changed"]
    assert isinstance(gone, list) and isinstance(changed, list)
    parts = [f"{len(gone)} gone"] if gone else []
    parts += [f"{len(changed)} with other inputs"] if changed else []
    parts += [f"new: {e['new']}"] if e["new"] else []
    if e["world"]:
        return f"{_who(e['by'])} accepted the world as it is ({_pairs(e['world'])})"
    return f"{_who(e['by'])} accepted the edited script ({', '.join(parts) or 'no difference'})"


def _pairs(found: Json) -> str:
    assert isinstance(found, list)
    pairs = [pair for pair in found if isinstance(pair, list)]
    return ", ".join(f"{key}: {says}" for key, says in pairs)


def _rechecked(e: Event) -> str:
    found = e["found"]
    count = "1 check" if e["asked"] == 1 else f"{e['asked']} checks"
    return f"{_who(e['by'])} had {count} asked again: {_pairs(found) or 'all is still so'}"


def _answered(e: Event) -> str:
    word = ANSWERED.get(str(e["answer"]), "answered")
    value = "" if e["value"] is None else f" with {dumps(e['value'])}"
    return f"{e['id']} {word}{value} by {_who(e['by'])}{_after(e['comment'])}"


def _rewound(e: Event) -> str:
    keys = e["keys"]
    assert isinstance(keys, list)
    count = "1 step or scope" if len(keys) == 1 else f"{len(keys)} steps or scopes"
    return f"{_who(e['by'])} went back to {e['to']}: {count} set aside{_after(e['reason'])}"


def _parameters(e: Event) -> str:
    params = e["params"]
    assert isinstance(params, dict)
    given = ", ".join(f"{name}{_value(value, '=') or '=null'}" for name, value in params.items())
    return f"{_who(e['by'])} set {given}"


def _run_failed(e: Event) -> str:
    place = f" ({e['location']})" if e["location"] else ""
    undone = "; what its stage did is undone" if e["is_undone"] else ""
    return f"the run failed: {e['type']}: {str(e['message']).partition(chr(10))[0]}{place}{undone}"


def _settled(e: Event) -> str:
    how = {
        "step": f"by {e['by']}", "check": "its check finds it gone",
        "not_done": "the step says that it did nothing",
    }.get(str(e["how"]), f"by {e['how']}")  # fmt: skip
    again = "; the step runs again" if e["repeats"] else ""
    return f"{e['key']} owes nothing more: {how}{again}"


def _items_rearmed(e: Event) -> str:
    items, limit = e["items"], e["limit"]
    if isinstance(items, list) and items:
        what = f"item {items[0]}" if len(items) == 1 else f"{len(items)} items"
    else:
        first = "every item" if limit is None else f"the first {limit} items"
        what = f"{first} that failed{_after(e['where'], ' with ')}"
    return f"{e['key']}: {what} to be tried again: {_who(e['by'])}{_after(e['reason'])}"


def _item_decided(e: Event) -> str:
    how = "is done, says" if e["outcome"] == "done" else "skipped by"
    return f"{e['key']}: item {e['item']} {how} {_who(e['by'])}{_after(e['reason'])}"


def _budget_granted(e: Event) -> str:
    count = "1 failed item counts" if e["failed"] == 1 else f"{e['failed']} failed items count"
    return f"{e['key']}: {_who(e['by'])} granted the budget anew: {count} no more"


def _ends(e: Event) -> str:
    return "the end of " if e["place"] == "end" else ""


def _left(e: Event) -> str:
    left = e["left"]
    return f"; left as they are: {len(left)}" if isinstance(left, list) and left else ""


_SENTENCES: Final[dict[str, tuple[str, Callable[[Event], str]]]] = {
    "RunCreated": ("", lambda e: f"created by {_who(e['by'])}: workflow {e['workflow']}"),
    "LifeStarted": ("", _life),
    "RunSucceeded": ("succeeded", lambda e: f"the run succeeded{_value(e['result'])}"),
    "RunFailed": ("failed", _run_failed),
    "RunStopped": ("waiting", lambda e: f"the run left: {e['reason']} (exit {e['exit_code']})"),
    "StopRequested": ("waiting", _stop),
    "RunCancelled": ("skipped", lambda e: f"cancelled by {_who(e['by'])}{_after(e['reason'])}"),
    "StepStarted": ("running", _started),
    "StepSucceeded": ("succeeded", lambda e: f"{e['key']} succeeded{_value(e['result'])}"),
    "StepFoundDone": ("already_done", lambda e: f"{e['key']} is done already ({e['decided_by']})"),
    "AttemptFailed": ("failed", _attempt_failed),
    "StepDoubted": ("in_doubt", lambda e: f"{e['key']} is in doubt: {e['why']}"),
    "StepRearmed": (
        "waiting",
        lambda e: f"{e['key']} is to run again: {_who(e['by'])}{_after(e['reason'])}",
    ),
    "StepSkipped": (
        "skipped",
        lambda e: f"{e['key']} skipped by {_who(e['by'])}{_after(e['reason'])}",
    ),
    "StepRenamed": ("", lambda e: f"{e['was']} is now called {e['key']}"),
    "CursorSaved": ("running", lambda e: f"{e['key']} saved{_value(e['value'])}"),
    "StepLeft": ("waiting", lambda e: f"{e['key']} left in order"),
    "TimerSet": (
        "waiting",
        lambda e: (
            f"{e['key']} waits"
            + (f" until {str(e['until'])[:19]}Z" if e["until"] else " until it is so")
        ),
    ),
    "ScopeEntered": ("", lambda e: f"{e['scope_kind']} {e['key']} entered"),
    "ScopeClosed": ("", lambda e: f"{e['scope_kind']} {e['key']} done"),
    "DriftAccepted": ("", _drift),
    "HoldOpened": ("waiting", lambda e: f"{e['id']} ({e['hold_kind']}) asks: {e['question']}"),
    "HoldAnswered": ("", _answered),
    "HoldExpired": ("", lambda e: f"{e['id']} has expired: nobody answered in time"),
    "LockStolen": (
        "waiting",
        lambda e: (
            f"{_who(e['by'])} took the target{_after(e['run'], ' for ')}{_after(e['reason'])}"
        ),
    ),
    "DebtSettled": ("succeeded", _settled),
    "DebtAccepted": (
        "skipped",
        lambda e: f"{_who(e['by'])} accepted what {e['key']} owes{_after(e['reason'])}",
    ),
    "PointPassed": ("succeeded", lambda e: f"{e['key']} passed: {e['reason']}"),
    "UndoBegun": ("waiting", lambda e: f"{e['scope']} is undone{_after(e['why'])}"),
    "StageUndone": ("undone", lambda e: f"{e['scope']} has been undone{_left(e)}"),
    "RollbackBegun": (
        "waiting",
        lambda e: f"{_who(e['by'])} rolls it back{_after(e['to'], ' to ')}",
    ),
    "StepUndone": ("undone", lambda e: f"{e['key']} has been undone"),
    "RolledBack": ("undone", lambda e: f"rolled back{_after(e['to'], ' to ')}{_left(e)}"),
    "Rewound": ("waiting", _rewound),
    "ParameterSet": ("", _parameters),
    "Rechecked": ("", _rechecked),
    "ItemsRearmed": ("waiting", _items_rearmed),
    "ItemDecided": ("", _item_decided),
    "BudgetGranted": ("", _budget_granted),
    **_OF_GATES,
    "PlaceReached": ("", lambda e: f"the script came to {_ends(e)}{e['key']}"),
    "HoldVoided": ("", lambda e: f"{e['id']} is void: {e['why']}"),
}
