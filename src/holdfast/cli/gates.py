"""A gate as it is shown while it watches: a line of blocks and the count, each series below it."""

from __future__ import annotations

from typing import Final

from holdfast.app.gate_sentences import values_text
from holdfast.app.gates import sparkline
from holdfast.cli.text import fit, safe
from holdfast.model import facts as f
from holdfast.model.gate_facts import Verdict
from holdfast.model.json import Json
from holdfast.model.sampling import GateState, series_of
from holdfast.model.state import RunState

BLOCKS_MAX: Final = 20
SERIES_MAX: Final = 3
NAME_COLUMNS_MAX: Final = 24
_COUNTED: Final[tuple[tuple[Verdict, str], ...]] = (
    ("fail", "failed"),
    ("inconclusive", "unclear"),
    ("error", "errors"),
)


def progress_note(gate: GateState) -> str:
    """Return how far a gate is: `▂▄█ 3/6  < 10  now 6.2  1 failed`."""
    opened = gate.opened
    done = sum(gate.counts.values()) if opened.measures else gate.conclusive
    series = _series(gate)
    line = f"{sparkline(next(iter(series.values())))} " if len(series) == 1 else ""
    parts = [f"{line}{done}/{opened.wants}", safe(opened.limit)]
    if gate.samples and len(series) == 1:
        parts.append(f"now {safe(values_text(dict(gate.samples[-1].values)))}")
    parts += [f"{gate.taken(verdict)} {word}" for verdict, word in _COUNTED if gate.taken(verdict)]
    return "  ".join(part for part in parts if part)


def series_notes(gate: GateState) -> list[str]:
    """Return a line a series, where there are several: its blocks, its last value, its name."""
    series = _series(gate)
    if len(series) < 2:
        return []
    last = gate.samples[-1].values
    lines = [
        f"{sparkline(values)}  {values_text({'': last.get(name)})}  "
        f"{fit(safe(name), NAME_COLUMNS_MAX)}"
        for name, values in list(series.items())[:SERIES_MAX]
    ]
    more = gate.samples[-1].series - len(lines)
    return [*lines[: SERIES_MAX - 1], f"and {more + 1} more"] if more > 0 else lines


def _series(gate: GateState) -> dict[str, list[Json]]:
    return series_of(gate.samples[-BLOCKS_MAX:])


# --- one line a fact, for logs ------------------------------------------------------------------


def opened_line(fact: f.GateOpened, state: RunState) -> str:
    """Return that a gate begins to watch."""
    verb = "measuring" if fact.measures else "watching"
    return f"gate {verb} {safe(fact.key)}: {safe(fact.shown)}"


def sampled_line(fact: f.SampleTaken, state: RunState) -> str:
    """Return a sample that says something else than the one before; nothing for one that is
    alike."""
    step = state.steps.get(fact.key)
    gate = None if step is None else step.gate
    if gate is None:
        return ""
    before = gate.samples[-2] if len(gate.samples) > 1 else None
    if before is not None and (before.verdict, before.why) == (fact.verdict, fact.why):
        return ""
    values = safe(values_text(dict(fact.values)))
    why = f": {safe(fact.why)}" if fact.why else ""
    counted = f"{gate.conclusive} of {gate.opened.wants}"
    return f"gate {fact.verdict} {safe(fact.key)} {values}{why} ({counted})".replace("  ", " ")


def overridden_line(fact: f.GateOverridden, state: RunState) -> str:
    """Return who let a gate pass."""
    comment = f": {safe(fact.comment)}" if fact.comment else ""
    return f"gate overridden {safe(fact.key)} by {safe(fact.by.name)}{comment}"
