"""`holdfast plan`: what a run would do, as Markdown, without doing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import click

from holdfast.app.finding import find_run
from holdfast.app.loading import load_workflow
from holdfast.app.planning import Plan, Planned, plan
from holdfast.app.terms import target_params, terms_for
from holdfast.cli.naming import run_option
from holdfast.cli.options import Common, json_option, store_options
from holdfast.cli.parameters import parameter_options, parameters_from
from holdfast.cli.reading import reading
from holdfast.cli.shell.running import plan_of, shell_of
from holdfast.cli.showing import arguments
from holdfast.cli.text import json_text, safe
from holdfast.model.codec import decode
from holdfast.model.keys import label_of, scope_of
from holdfast.ports.store import Store, StoreAbsent
from holdfast.runtime.batches.surveying import survey_text
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal


@click.command("plan")
@click.argument("file", metavar="FILE[:WORKFLOW]")
@run_option(help="What is left of this run.")
@parameter_options
@json_option
@store_options
def plan_command(
    common: Common,
    file: str,
    run: str | None,
    pairs: Sequence[str],
    params_file: str | None,
    target: str | None,
    mode: str | None,
    ask: str | None,
    as_json: bool,
) -> None:
    """Show what a run would do, without doing it.

    The workflow is walked with every step answered instead of run; only checks, probes of gates,
    and steps that declare reads=True are asked. What stands between the steps does run, as at
    every resume. Nothing is written. Where the rest depends on a result, the plan ends and says so.
    """
    common.find_places()
    if shell_of(file) is not None:
        known = plan_of(common, file, run)
        click.echo(json_text(known.as_json()) if as_json else "\n".join(lines_of(known)))
        return
    workflow = load_workflow(file)
    with ExitStack() as stores:
        store: Store | None = None
        if run is not None:
            store = stores.enter_context(reading(common, run))
            run = find_run(store, run).id
            state = Journal(store, run).refresh()
            target, mode, ask = state.target, mode or state.given_mode, ask or state.given_ask
            params = {name: decode(value, workflow.types) for name, value in state.params.items()}
        else:
            given = parameters_from(workflow, pairs, params_file)
            params = target_params(common.inventory, workflow, target, given)
        terms = terms_for(common.inventory, workflow, target, mode or "", ask or "")
        if store is None and terms.mode == "earned":
            store = _store_if_any(common, stores)
        found = plan(
            workflow, params, SystemClock(), store=store, run=run, target=target, terms=terms,
            inventory=common.inventory, ledgers=lambda: _store_if_any(common, stores),
        )  # fmt: skip
    click.echo(json_text(found.as_json()) if as_json else "\n".join(lines_of(found)))


def _store_if_any(common: Common, stores: ExitStack) -> Store | None:
    """Return the store, which tells what steps have earned and what ledgers know, also when the
    run is a new one."""
    try:
        return stores.enter_context(reading(common))
    except StoreAbsent:
        return None


def lines_of(found: Plan) -> Iterator[str]:
    """Yield the plan as Markdown."""
    yield f"# Plan of {safe(found.workflow)}"
    yield ""
    if found.params:
        yield f"Parameters: {arguments(found.params)}"
    per = "" if found.terms.ask == "step" else f"; one yes covers a whole {found.terms.ask}"
    yield f"Mode: {safe(found.terms.rule)}{per}"
    will = sum(line.will in ("run", "ask and run") for line in found.steps)
    asks = sum(line.will in ("ask and run", "hold") for line in found.steps)
    done = f", {found.recorded} recorded already" if found.recorded else ""
    yield f"{will} {_steps(will)} to run, {asks} to be asked about{done}. Nothing was done."
    yield ""
    number = 0
    for line in found.steps:
        depth = "  " * scope_of(line.key).count("/") + ("  " if "/" in line.key else "")
        if line.will == "enter":
            yield f"{depth}- **{safe(label_of(line.key))}** ({', '.join(line.marks)})"
            continue
        number += 1
        yield f"{depth}- {number}. {safe(_line(line))}"
    yield from _endings(found)


def _steps(count: int) -> str:
    return "step" if count == 1 else "steps"


def _line(line: Planned) -> str:
    parts = [label_of(line.key)]
    if line.will == "read":
        parts.append("reads only")
    elif line.will == "already so":
        parts.append("already so: will not run")
    elif line.will == "hold":
        parts.append(f"waits for a person: {line.says}")
    elif line.will == "wait":
        parts.append(f"waits {line.rule}".rstrip())
    elif line.will in ("gate", "measure"):
        parts += [text for text in (f"{line.will}: {line.shown}", line.rule) if text]
    elif line.will == "no return":
        parts.append(f"no rollback after it: {line.says} ({line.rule})")
    else:
        parts.append(line.rule)
    words = {"once": "runs at most once", "undo": "has an undo"}
    parts.extend(words.get(mark, mark) for mark in line.marks)
    if line.items is not None:
        parts.append(survey_text(line.items))
    if line.says and line.will not in ("hold", "no return"):
        parts.append(line.says)
    return " · ".join(parts)


def _endings(found: Plan) -> Iterator[str]:
    if found.warnings:
        yield ""
        yield "Warnings: what could be told of these is not what the run will need:"
        # A gate that stands in every unit warns once.
        lines = (f"- {safe(label_of(key))}: {safe(text)}" for key, text in found.warnings)
        yield from dict.fromkeys(lines)
    if found.owes:
        yield ""
        yield f"At its end it would still owe: {safe(', '.join(found.owes))}"
    if found.depends_on:
        yield ""
        yield f"The rest depends on a result that is not known yet: {safe(found.depends_on)}"
    if found.fails:
        yield ""
        yield f"Today the run would stop here: {safe(found.fails)}"
