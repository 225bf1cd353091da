"""A run as a Markdown document for people: good enough for a post-mortem."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from holdfast.app.decisions import decisions
from holdfast.app.failures import groups_of
from holdfast.app.judging import person_named, process_named
from holdfast.app.reasons import Why, why_of
from holdfast.app.rollout_views import rollouts_of
from holdfast.app.sentences import sentence
from holdfast.app.timeline import fact_event, subject_of
from holdfast.app.views import RunView, StepView, view_run
from holdfast.app.wording import moment, status_words
from holdfast.errors import error_text
from holdfast.model import durations
from holdfast.model.codec import shown_argument
from holdfast.model.facts import Spilled
from holdfast.model.json import Json
from holdfast.model.state import HoldState, RunState
from holdfast.ports.store import RunRow, Store

STEP_LINES_MAX: Final = 40
"""Of a step's output, the last ones."""
CELL_CHARS_MAX: Final = 120
SENTENCE_CHARS_MAX: Final = 1_000
EVENTS_MAX: Final = 2_000


def export_markdown(store: Store, run: str) -> str:
    """Return a run as a document for people: what, when, by whom, and how each step went.

    The user's own text is quoted, not interpreted. Raises UsageError for an unknown run,
    StoreCorrupt for a journal that is not what was written.
    """
    view = view_run(store, run)
    parts = [
        *_header(view, why_of(view)),
        *_parameters(view),
        *_steps(view),
        *_batches(store, view),
        *_units(view),
        *_failures(view),
        *_holds(view),
        *_decisions(store, view),
        *_events(store, view),
        *_output(store, view),
    ]
    return "\n".join(parts) + "\n"


def _header(view: RunView, reason: Why) -> Iterator[str]:
    row, state = view.row, view.state
    assert state.created is not None
    target = f" on {_cell(row.target)}" if row.target else ""
    yield f"# Run {row.id}: {_cell(row.workflow)}{target}"
    yield ""
    yield f"**{status_words(view.status)}**: {_cell(reason.summary, SENTENCE_CHARS_MAX)}"
    yield ""
    facts = {
        "Script": _cell(row.file),
        "Mode": _cell(_mode(state)),
        "Started": f"{_when(row.started_at)} by {_cell(person_named(state.created.by))}",
        "Ended": _ended(row),
        "Lives": str(len(state.lives)),
    }
    yield from _table(("", ""), [(f"**{name}**", value) for name, value in facts.items()])
    if len(state.lives) > 1:
        yield from _lives(state)


def _mode(state: RunState) -> str:
    terms = state.terms
    asks = "" if terms.ask == "step" else f"; one yes covers a whole {terms.ask}"
    return f"{terms.mode} ({terms.rule}{asks})"


def _ended(row: RunRow) -> str:
    if row.ended_at is None:
        return "not yet"
    return f"{_when(row.ended_at)}, after {_took(row.started_at, row.ended_at)}"


def _lives(state: RunState) -> Iterator[str]:
    yield "## Lives"
    yield ""
    rows = [
        (
            str(life.epoch),
            _when(life.at),
            _cell(person_named(life.by)),
            _cell(process_named(life.owner)),
            _cell(life.took_over or ("resumed" if life.resumed else "")),
        )
        for life in state.lives
    ]
    yield from _table(("#", "since", "by", "process", "why"), rows)


def _parameters(view: RunView) -> Iterator[str]:
    assert view.state.created is not None
    params = view.state.params
    if params:
        yield "## Parameters"
        yield ""
        yield from _table(("name", "value"), [_parameter(n, v) for n, v in params.items()])


def _parameter(name: str, value: Json) -> tuple[str, str]:
    text = shown_argument(name, value)
    return _cell(name), _cell(text.removeprefix(f"{name}="))


def _steps(view: RunView) -> Iterator[str]:
    yield "## Steps"
    yield ""
    if not view.steps:
        yield "None was started."
        yield ""
        return
    rows = [
        (
            _cell(step.key),
            status_words(step.status),
            _when(step.started_at),
            _took(step.started_at, step.ended_at),
            str(step.attempts),
            _cell(step.decided_by),
            _result(step),
        )
        for step in view.steps
    ]
    columns = ("step", "status", "started", "took", "attempts", "decided by", "result")
    yield from _table(columns, rows)
    result = view.state.result
    if view.status == "succeeded" and result is not None:
        yield f"Result of the run: {_value(result)}"
        yield ""


def _units(view: RunView) -> Iterator[str]:
    """Every unit of every rollout, those not reached too."""
    for rollout in rollouts_of(view.state):
        yield f"## Units of {_cell(rollout.key)}"
        yield ""
        yield f"{rollout.counts()}; {rollout.spent} of a budget of {rollout.budget} used."
        yield ""
        rows = [
            (str(number), _cell(unit.label), unit.status, _cell(unit.why))
            for number, wave in enumerate(rollout.waves, 1)
            for unit in wave
        ]
        yield from _table(("wave", "unit", "status", "why"), rows)


def _result(step: StepView) -> str:
    if step.error:
        return _cell(step.error.partition("\n")[0])
    return "" if step.result is None else _value(step.result)


def _batches(store: Store, view: RunView) -> Iterator[str]:
    """What became of the items, and the dead letters by kind of error."""
    if not view.batches:
        return
    yield "## Batches"
    yield ""
    columns = ("total", "done", "already", "failed", "quarantined", "uncertain", "skipped", "gone")
    counts = [[getattr(one.row, name) for name in columns] for one in view.batches.values()]
    rows = [
        (_cell(key), *("" if number is None else f"{number:,}" for number in numbers))
        for key, numbers in zip(view.batches, counts, strict=True)
    ]
    yield from _table(("batch", *columns), rows)
    batches = {key: batch.decided for key, batch in view.batches.items()}
    groups = groups_of(store, view.id, batches)
    if groups:
        found = [(_cell(g.batch), f"{g.count:,}", _cell(g.error), _cell(g.named())) for g in groups]
        yield from _table(("batch", "failed", "error", "items"), found)


def _failures(view: RunView) -> Iterator[str]:
    failed = [step for step in view.steps if step.error]
    run = view.state.failed
    if not failed and run is None:
        return
    yield "## Errors"
    yield ""
    if run is not None:
        yield f"The run failed at {_when(run.at)}{_at_line(run.location)}:"
        yield from _fenced(error_text(run.type, run.message))
    for step in failed:
        yield f"Step {_cell(step.key)}, attempt {step.attempts}{_at_line(step.location)}:"
        yield from _fenced(step.error)


def _holds(view: RunView) -> Iterator[str]:
    if not view.state.holds:
        return
    yield "## Holds and answers"
    yield ""
    rows = [row for hold in view.state.holds.values() for row in _hold_rows(hold)]
    columns = ("hold", "asked", "kind", "question", "answer", "by", "at", "comment")
    yield from _table(columns, rows)


def _hold_rows(hold: HoldState) -> Iterator[tuple[str, ...]]:
    opened = hold.opened
    asked = (opened.id, _when(opened.at), opened.kind, _cell(opened.question))
    if not hold.answers:
        yield (*asked, hold.status, "", "", "")
    for answer in hold.answers:
        said = answer.answer if answer.value is None else f"{answer.answer} {_value(answer.value)}"
        by = _cell(person_named(answer.by))
        yield (*asked, said, by, _when(answer.at), _cell(answer.comment))


def _decisions(store: Store, view: RunView) -> Iterator[str]:
    """Everything that people decided, also what came too late to have an effect."""
    rows = [
        (
            str(decision.seq),
            _when(decision.at),
            _cell(person_named(decision.by)),
            _cell(decision.place),
            _cell(decision.what, SENTENCE_CHARS_MAX),
            _cell(decision.digest[:12]),
        )
        for decision in decisions(store, view.id)
    ]
    yield "## Decisions"
    yield ""
    yield from _table(("#", "at", "by", "from", "what", "bound to"), rows)


def _events(store: Store, view: RunView) -> Iterator[str]:
    """Every fact in a line; the tables before say more about results and answers."""
    yield "## Timeline"
    yield ""
    rows = []
    for stored in store.read(view.id):
        _, text = sentence(fact_event(stored, subject_of(stored.fact, view.state)))
        rows.append((str(stored.seq), _when(stored.fact.at), _cell(text, SENTENCE_CHARS_MAX)))
        if len(rows) >= EVENTS_MAX:
            break
    yield from _table(("#", "at", "what happened"), rows)
    if len(rows) < view.state.seq:
        yield f"{view.state.seq - len(rows)} more facts are in the JSON export."
        yield ""


def _output(store: Store, view: RunView) -> Iterator[str]:
    tails: dict[str, deque[str]] = {}
    counts: dict[str, int] = {}
    for _, output in store.read_output(view.id):
        tail = tails.setdefault(output.key, deque(maxlen=STEP_LINES_MAX))
        tail.append(output.text.rstrip("\n"))
        counts[output.key] = counts.get(output.key, 0) + 1
    if tails:
        yield "## Output"
        yield ""
    for key, tail in tails.items():
        left = counts[key] - len(tail)
        capped = f" (the last {len(tail)} of {counts[key]} lines)" if left else ""
        yield f"{_cell(key)}{capped}:"
        yield from _fenced("\n".join(tail))


# --- Markdown ---------------------------------------------------------------------------------


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _cell(text: str, chars_max: int = CELL_CHARS_MAX) -> str:
    """Return text that neither ends its cell nor is taken for markup."""
    flat = " ".join(text.split("\n"))
    if len(flat) > chars_max:
        flat = flat[: chars_max - 1] + "…"
    for sign in "\\`*_[]<>|":
        flat = flat.replace(sign, "\\" + sign)
    return flat


def _value(value: Json | Spilled) -> str:
    if isinstance(value, Spilled):
        return f"{value.size_bytes:,} bytes, digest {value.digest[:12]}…"
    return _cell(json.dumps(value, ensure_ascii=False))


def _fenced(text: str) -> Iterator[str]:
    """Yield text as it is, in a fence longer than any in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    yield ""
    yield fence + "text"
    yield from text.split("\n")
    yield fence
    yield ""


def _when(at: datetime | None) -> str:
    return "" if at is None else moment(at)


def _took(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return ""
    return durations.show(max(0.0, (end - start).total_seconds()))


def _at_line(location: str) -> str:
    return f", at {_cell(location)}" if location else ""
