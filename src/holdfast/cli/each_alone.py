"""`holdfast each` outside any script: a run of its own, as `xargs` is used.

It is known by its name, the folder it is called in and the file of its items: the same call again
goes on with the newest run of these that is not finished, also with another command. A finished
run is over: the next call begins a new one, unless `--id` names it, or its process was killed
before it had said how the run ended. Then the next call says that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

from holdfast.app.shelling import FOLDER, ITEMS, OVER, Wanted, choose, is_untold, note_told, take_up
from holdfast.app.starting import Setting
from holdfast.cli.live import Progress
from holdfast.cli.living import Presence, lived_through
from holdfast.cli.options import Common
from holdfast.cli.saying import say
from holdfast.cli.shell.each import asked_of, beside
from holdfast.cli.shell.words import EACH, Taken
from holdfast.flow.running import Outcome, live
from holdfast.flow.shell_each import EachAsked, EachWorkflow
from holdfast.flow.shell_words import shown_words
from holdfast.model.keys import check_label
from holdfast.model.making import replace
from holdfast.runtime.journal import Journal
from holdfast.runtime.life import Listener
from holdfast.runtime.ownership import this_process

PIPE: Final = "-"


def alone(taken: Taken, asked: EachAsked) -> int:
    """Begin or go on with the run, and return its exit code."""
    config = os.environ.get("HOLDFAST_CONFIG")
    common = Common(taken.store, os.environ.get("HOLDFAST_USER", ""), config)
    common.find_places()
    store = common.open()
    try:
        go = _going(taken, asked, _wanted(taken, asked), tells=True)
        outcome = lived_through(store, common, Presence(), go)
        note_told(store, outcome.run_id)
        return outcome.exit_code
    finally:
        store.close()


def alone_in(taken: Taken, run: str) -> Callable[[Setting], Outcome]:
    """Return what goes on with that very run, and lifts what a person stopped."""
    asked = asked_of(taken)
    wanted = replace(_wanted(taken, asked), id=run, resumes=True)
    return _going(taken, asked, wanted)


def _going(
    taken: Taken, asked: EachAsked, wanted: Wanted, *, tells: bool = False
) -> Callable[[Setting], Outcome]:
    """Return what goes on with the run; who `tells` how it stands gives it back, after that."""

    def go(setting: Setting) -> Outcome:
        begun = choose(setting, wanted)
        if begun.life == OVER:
            say(_over(setting, begun.run))
            return Outcome("succeeded", None, begun.run)
        os.environ.update(begun.env)
        line = again(taken)
        journal = take_up(
            setting, begun.run, begun.life, this_process(), "", again=line, resumed=wanted.resumes
        )
        setting.begins(begun.run, journal.state)
        secrets = {name: begun.env[name] for name in begun.secrets}
        written = replace(asked, aside=_aside(setting))
        workflow = EachWorkflow(written, shown_words(line), secrets)
        with setting.listening(journal) as listeners:
            return _lived(setting, workflow, journal, listeners, tells=tells)

    return go


def _over(setting: Setting, run: str) -> str:
    row = setting.store.row(run)
    if row is not None and is_untold(row):
        return (
            f"run {run} had done all when its process was killed, and nothing was run; once more "
            "the same call begins another one"
        )
    return f"run {run} is over: nothing of it runs any more"


def _lived(
    setting: Setting,
    workflow: EachWorkflow,
    journal: Journal,
    listeners: Sequence[Listener],
    *,
    tells: bool,
) -> Outcome:
    return live(
        workflow,
        {},
        journal,
        setting.clock,
        setting.person,
        listeners,
        budget_s=setting.budget_s,
        lease_s=setting.lease_s,
        inventory=setting.inventory,
        stays_owned=tells,
    )


def _aside(setting: Setting) -> Callable[[Callable[[], None]], None]:
    (progress,) = setting.listeners
    drawn: Progress = progress  # type: ignore[assignment]
    return lambda write: beside(drawn, write)


def _wanted(taken: Taken, asked: EachAsked) -> Wanted:
    source = taken.get("items") or PIPE
    path = source if source == PIPE else os.path.abspath(source)
    params = {ITEMS: path, FOLDER: asked.commands.cwd}
    return Wanted(check_label(asked.name), params, taken.get("id"), taken.get("target"))


def again(taken: Taken) -> tuple[str, ...]:
    """Return the words that do the same once more."""
    known = {option.key: option for option in EACH.options}
    options: list[str] = []
    for key, value in taken.values.items():
        options += [known[key].name, value] if known[key].metavar else [known[key].name]
    return ("holdfast", "each", *taken.words, *options, "--", *taken.argv)
