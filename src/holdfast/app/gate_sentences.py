"""What happened at a gate or in a rollout, in one sentence an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdfast.app.timeline import Event
from holdfast.model.codec import decode
from holdfast.model.json import Json, list_in
from holdfast.model.reading import number

VALUES_SHOWN_MAX: Final = 4
_VERBS: Final = {"pass": "passes", "fail": "fails"}


def values_text(values: Json) -> str:
    """Return the values of one sample: a number, or each series with its own."""
    if not isinstance(values, dict):
        return ""
    parts = [f"{name} {number_text(value)}".strip() for name, value in values.items()]
    more = f", and {len(parts) - VALUES_SHOWN_MAX} more" if len(parts) > VALUES_SHOWN_MAX else ""
    return ", ".join(parts[:VALUES_SHOWN_MAX]) + more


def number_text(value: Json) -> str:
    """Return a recorded number as a person reads it."""
    return "-" if value is None else number(decode(value))


def _opened(e: Event) -> str:
    verb = "measures" if e["measures"] else "watches"
    limit = f" for {e['limit']}" if e["limit"] else ""
    count = "1 sample" if e["wants"] == 1 else f"{e['wants']} samples"
    return f"{e['key']} {verb}{limit}, {count}"


def _sampled(e: Event) -> str:
    verdict = str(e["verdict"])
    times = f" ({e['count']} alike)" if e["count"] != 1 else ""
    values, why = values_text(e["values"]), e["why"]
    seen = f" {values}" if values else ""
    return f"{e['key']}{seen}: {_VERBS.get(verdict, verdict)}{f': {why}' if why else ''}{times}"


def _overridden(e: Event) -> str:
    comment = f": {e['comment']}" if e["comment"] else ""
    return f"{_name(e['by'])} let {e['key']} pass all the same{comment}"


def _granted(e: Event) -> str:
    units = ", ".join(map(str, list_in(e["units"])))
    return f"{_name(e['by'])} lets {e['key']} go on without {units}"


def _name(who: Json) -> str:
    if not isinstance(who, dict):
        return "somebody"
    return str(who.get("claimed") or who.get("user"))


SENTENCES: Final[dict[str, tuple[str, Callable[[Event], str]]]] = {
    "GateOpened": ("waiting", _opened),
    "SampleTaken": ("", _sampled),
    "GateOverridden": ("skipped", _overridden),
    "RolloutPlanned": ("", lambda e: f"{e['key']}: {len(list_in(e['units']))} units to be done"),
    "UnitFailed": ("failed", lambda e: f"unit {e['key']} failed: {e['message']}"),
    "FailuresGranted": ("skipped", _granted),
}
