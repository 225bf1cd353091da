"""How runs are drawn: the list of them, and one with its steps, holds and ways to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from holdfast.app.backward import left_lines
from holdfast.app.batch_views import BatchView
from holdfast.app.batch_ways import shown_holds
from holdfast.app.evidence import evidence_of
from holdfast.app.hold_standing import agreement
from holdfast.app.hold_ways import hold_ways
from holdfast.app.judging import person_named, process_named, status_of
from holdfast.app.next_ways import Next, without_target
from holdfast.app.reasons import Why, why_of
from holdfast.app.shell_runs import again
from holdfast.app.tree import Branch, tree_of
from holdfast.app.views import RunView, StepView
from holdfast.app.wording import status_words
from holdfast.cli.batch_lines import batch_lines, batch_note
from holdfast.cli.paper import STATUS_COLOURS, Paper
from holdfast.cli.rollouts import pictures
from holdfast.cli.table import table_lines
from holdfast.cli.text import ago, field_lines, fit, pad, safe, since, took, when, width_of
from holdfast.model.codec import dumps, shown_argument
from holdfast.model.facts import Spilled
from holdfast.model.json import Json
from holdfast.model.making import replace
from holdfast.model.state import HoldState
from holdfast.ports.store import DebtRow, RunRow
from holdfast.runtime.ownership import whereabouts

STEPS_MAX: Final = 100
"""Beyond, finished steps and scopes are counted instead of drawn, but for the last ones."""
FINISHED_KEPT: Final = 3
LABEL_COLUMNS_MAX: Final = 48
WORKFLOW_COLUMNS_MIN: Final = 8
PARAM_COLUMNS_MAX: Final = 60
REASON_COLUMNS_MAX: Final = 1_000
"""Of each line of what failed: an error may have a whole document for its message."""
REASON_LINES_MAX: Final = 40

_DONE: Final = frozenset({"succeeded", "already_done", "skipped", "undone", "superseded"})


# --- many runs --------------------------------------------------------------------------------


def list_lines(rows: Sequence[RunRow], paper: Paper, now: datetime) -> Iterator[str]:
    """Yield the table of runs; ids are never cut. Where they leave no room beside them, all else
    stands below."""
    cells = [
        (
            safe(row.id),
            _standing(row),
            safe(row.workflow),
            safe(row.target or "-"),
            since(row.started_at, now),
            safe(row.started_by),
        )
        for row in rows
    ]
    heads = ("RUN", "STATUS", "WORKFLOW", "TARGET", "STARTED", "BY")

    def painted(row: int, column: int, text: str) -> str:
        colour = STATUS_COLOURS.get(status_of(rows[row]), "") if column == 1 else ""
        return paper.paint(text, colour)

    # By, target and workflow give way, in this order.
    give_way = ((5, 0), (3, 6), (2, WORKFLOW_COLUMNS_MIN), (4, 0), (3, 0))
    least = sum(max(width_of(line[at]) for line in (heads, *cells)) + 2 for at in (0, 1))
    if paper.columns is None or least + WORKFLOW_COLUMNS_MIN <= paper.columns:
        yield from table_lines(heads, cells, paper, give_way, painted)
        return
    below = table_lines(
        heads[1:],
        [line[1:] for line in cells],
        replace(paper, columns=paper.columns - 2),
        [(column - 1, width) for column, width in give_way],
        lambda row, column, text: painted(row, column + 1, text),
    )
    for line, rest in zip((heads, *cells), below, strict=True):
        yield from (line[0], f"  {rest}")


def _standing(row: RunRow) -> str:
    """Return a run's status, and until when it waits."""
    status = status_of(row)
    until = f" until {when(row.due_at)}" if status == "waiting" and row.due_at else ""
    return status_words(status) + until


# --- one run ----------------------------------------------------------------------------------


def run_lines(
    view: RunView, paper: Paper, now: datetime, options: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a whole run: what it is, its steps, and what to do next."""
    why = why_of(view)
    yield from head_lines(view, paper, now)
    yield ""
    yield from step_lines(view, paper, now)
    yield from pictures(view.state, paper)
    yield from _debt_lines(view, paper, now)
    yield from _hold_lines(view, paper, now, options)
    shown = {way for hold in view.state.open_holds for way in _ways(view, hold)}
    others = tuple(way for way in why.next if way not in shown)
    yield from why_lines(replace(why, next=others), paper, now, options, is_short=True)


def head_lines(view: RunView, paper: Paper, now: datetime) -> Iterator[str]:
    """Yield what a run is and how it stands, in a few lines."""
    row, state = view.row, view.state
    assert state.created is not None
    words = paper.paint(status_words(view.status), STATUS_COLOURS.get(view.status, ""), bold=True)
    target = f" on {safe(row.target)}" if row.target else ""
    yield f"{safe(row.id)}: {safe(row.workflow)}{target}: {words}"
    lines = {"started": f"{ago(row.started_at, now)} by {person_named(state.created.by)}"}
    if row.ended_at is not None:
        is_end = view.state.is_finished or view.status == "failed"
        lines["ended" if is_end else "left"] = (
            f"{ago(row.ended_at, now)}, after {took(row.started_at, row.ended_at)}"
        )
    if row.due_at is not None and state.stop is None:
        lines["due"] = f"{ago(row.due_at, now)}; `resume --due` takes it up then"
    if row.owner is not None:
        lines["owner"] = _owner(view)
    if len(state.lives) > 1:
        last = state.lives[-1]
        lines["lives"] = (
            f"{len(state.lives)}, the last since {when(last.at)} by {person_named(last.by)}"
        )
    per = "" if state.terms.ask == "step" else f"; one yes covers a whole {state.terms.ask}"
    lines["mode"] = f"{state.terms.rule}{per}"
    if row.file or again(state):
        lines["script" if row.file else "command"] = row.file or again(state)
    if state.params:
        lines["with"] = arguments(state.params)
    if view.status == "succeeded" and state.result is not None:
        lines["result"] = _value(state.result)
    for name, text in lines.items():
        yield from paper.wrap(f"  {name:<8} {safe(text)}", " " * 11)


def arguments(params: Mapping[str, Json]) -> str:
    """Return the parameters of a run on one line, each cut short."""
    shown = (shown_argument(name, value) for name, value in params.items())
    return ", ".join(fit(safe(text), PARAM_COLUMNS_MAX) for text in shown)


def _owner(view: RunView) -> str:
    owner = view.row.owner
    assert owner is not None
    beat = f", last heard of {when(view.row.beat_at)}" if view.row.beat_at else ""
    health = {
        "alive": "",
        "stopped": ", which is stopped (SIGSTOP)",
        "elsewhere": f", {whereabouts(owner)}{beat}",
        "dead": ", which is dead",
    }[view.owner_is or "dead"]
    return f"{process_named(owner)} (user {owner.user}){health}"


def _value(value: object) -> str:
    if isinstance(value, Spilled):
        return f"{value.size_bytes:,} bytes; --json shows them"
    return fit(safe(dumps(value)), 200)  # type: ignore[arg-type]


# --- its steps --------------------------------------------------------------------------------


def step_lines(view: RunView, paper: Paper, now: datetime) -> Iterator[str]:
    """Yield the steps as a tree of scopes, one glyph a step."""
    if not view.steps:
        yield "  no step was started"
        return
    root = tree_of(view.steps)
    drawn = list(_drawn(root, 0, condense=len(view.steps) > STEPS_MAX))
    labels = [
        2 * depth + width_of(safe(part.label))
        for depth, part in drawn
        if isinstance(part, StepView)
    ]
    most = LABEL_COLUMNS_MAX if paper.columns is None else max(16, paper.columns // 2)
    column = min(most, max(labels, default=0))
    for depth, part in drawn:
        indent = " " * (2 * depth + 1)
        if isinstance(part, int):
            counted = "1 finished part" if part == 1 else f"{part} finished parts"
            yield f"{indent}{paper.glyph('succeeded')} {counted} not drawn"
        elif isinstance(part, Branch):
            yield f"{indent}{paper.paint(safe(part.label), '', bold=True)}"
        else:
            batch = view.batches.get(part.key)
            yield _step_line(part, indent, column - 2 * depth, paper, now, batch)
            if batch is not None:
                yield from batch_lines(batch, paper, now, f"{indent}    ")


def _drawn(
    branch: Branch, depth: int, *, condense: bool
) -> Iterator[tuple[int, Branch | StepView | int]]:
    """Yield what is drawn of a scope: scopes, steps, and numbers of parts that are not."""
    parts = list(branch.inside.values())
    done = [part for part in parts if condense and _is_done(part)]
    hidden = {id(part) for part in done[: max(0, len(done) - FINISHED_KEPT)]}
    if hidden:
        yield depth, len(hidden)
    for part in parts:
        if id(part) in hidden:
            continue
        yield depth, part
        if isinstance(part, Branch):
            yield from _drawn(part, depth + 1, condense=condense)


def _is_done(part: Branch | StepView) -> bool:
    if isinstance(part, StepView):
        return part.status in _DONE
    return all(_is_done(inner) for inner in part.inside.values())


def _step_line(
    step: StepView,
    indent: str,
    column: int,
    paper: Paper,
    now: datetime,
    batch: BatchView | None = None,
) -> str:
    shown = "interrupted" if step.is_orphaned and step.status == "running" else step.status
    label = pad(fit(safe(step.label), column), column)
    again = f"{step.attempts} attempts" if step.attempts > 1 and batch is None else ""
    note = _note(step, now) if batch is None else batch_note(batch, step, _note(step, now))
    notes = [text for text in (again, safe(note)) if text]
    start = f"{indent}{paper.glyph(shown)} {label}"
    rest = f"  {took(step.started_at, step.ended_at):>6}  {'; '.join(notes)}".rstrip()
    if paper.columns is not None:
        used = width_of(indent) + (13 if paper.is_plain else 2) + width_of(label)
        rest = fit(rest, max(8, paper.columns - used))
    return start + rest


def _note(step: StepView, now: datetime) -> str:
    """Return what a person should know of a step beside its label."""
    process = process_named(step.life.owner) if step.life else "an unknown process"
    if step.status == "in_doubt":
        return f"in doubt: {process}, {when(step.started_at)}"
    if step.is_orphaned:
        return f"interrupted: {process}, {when(step.started_at)}; runs again"
    match step.status:
        case "running":
            return f"in {process} since {ago(step.started_at, now)}"
        case "failed":
            return step.error.partition("\n")[0]
        case "waiting" if step.next_at is not None:
            return f"until {when(step.next_at)}"
        case "waiting":
            return "runs again" if step.attempts else "waits"
        case "already_done":
            return f"already so ({step.decided_by})"
        case "superseded":
            return "superseded"
        case _:
            return "" if step.decided_by.startswith("auto") else step.decided_by


# --- what is owed, holds, reasons, commands -----------------------------------------------------


def _debt_lines(view: RunView, paper: Paper, now: datetime) -> Iterator[str]:
    owed = [] if view.state.cancelled is not None else view.state.ledger.open_debts
    if owed:
        yield ""
    for debt in owed:
        text = f"owes {safe(debt.owed.label)}, since {ago(debt.since, now)} ({safe(debt.key)})"
        yield from paper.wrap(text, "  ")
    left = left_lines(view.state)
    if left:
        yield ""
        yield "Left as they are:"
    for line in left:
        yield from paper.wrap(f"  {safe(line)}", "    ")


def owed_lines(rows: Sequence[DebtRow], paper: Paper, now: datetime) -> Iterator[str]:
    """Yield what all runs owe, the oldest debt first; ids are never cut."""
    for row in rows:
        text = f"{safe(row.run)}  {safe(row.label)}, since {ago(row.since, now)} ({safe(row.key)})"
        yield from paper.wrap(text, "  ")


def _hold_lines(
    view: RunView, paper: Paper, now: datetime, options: Sequence[str]
) -> Iterator[str]:
    for hold in shown_holds(view.state.open_holds):
        opened = hold.opened
        yield ""
        kind = status_words(opened.kind)
        asks = f"{opened.id} ({kind}) {safe(opened.question)}"
        yield from paper.wrap(asks if paper.is_plain else f"⏸ {asks}", "  ")
        yield f"  asked {ago(opened.at, now)}"
        known = evidence_of(opened, is_over=hold.is_over(view.at))
        for name, text in (*known, *agreement(hold, view.state.starters)):
            yield from field_lines(name, text, paper.columns)
        yield from next_lines(_ways(view, hold), options, paper.columns)


def _ways(view: RunView, hold: HoldState) -> list[Next]:
    if hold.is_over(view.at):
        return []
    ways = hold_ways(view.id, hold, is_only=len(view.state.open_holds) == 1)
    return list(without_target(ways) if view.displaced_by else ways)


def why_lines(
    why: Why, paper: Paper, now: datetime, options: Sequence[str] = (), *, is_short: bool = False
) -> Iterator[str]:
    """Yield why a run stands where it stands, and the commands that go on.

    `is_short` is for where the holds and the steps were drawn already.
    """
    reasons = [r for r in why.reasons if not (is_short and r.kind in ("hold", "timer", "running"))]
    if reasons:
        yield ""
    for reason in reasons:
        first, *more = reason.text.split("\n")
        yield from paper.wrap(fit(safe(first), REASON_COLUMNS_MAX), "  ")
        if len(more) > REASON_LINES_MAX:
            yield f"    … {len(more) - REASON_LINES_MAX} lines before; --json has all"
        for line in more[-REASON_LINES_MAX:]:
            yield f"    {fit(safe(line), REASON_COLUMNS_MAX)}"
        for name, text in reason.fields:
            yield from field_lines(name, text, paper.columns, 4)
        if reason.location and not reason.fields:
            yield f"  at {safe(reason.location)}"
        if reason.at is not None:
            yield f"  since {ago(reason.at, now)}"
    if not reasons and not is_short:
        yield from paper.wrap(safe(why.summary), "  ")
    if why.next:
        yield ""
        yield "Next:"
        yield from next_lines(why.next, options, paper.columns)


def next_lines(
    ways: Sequence[Next], options: Sequence[str] = (), columns: int | None = None
) -> Iterator[str]:
    """Yield commands to type, each with what it does; a command is never cut or wrapped.

    Where both do not fit side by side, what it does stands below.
    """
    lines = [(safe(way.line(*options)), safe(way.does)) for way in ways]
    column = max((width_of(line) for line, _ in lines), default=0)
    is_wide = columns is None or all(column + width_of(does) + 5 <= columns for _, does in lines)
    for line, does in lines:
        if is_wide:
            yield f"  {pad(line, column)}   {does}"
        else:
            yield from (f"  {line}", f"    # {does}")
