"""`each` of a shell: a command for every item, in a script's run or as a run of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from holdfast.engine import drift
from holdfast.engine.batch import Ended, batch
from holdfast.engine.spec import Call, Rules
from holdfast.engine.trace import Trace
from holdfast.errors import LostOwnership, StepFailed, UsageError
from holdfast.flow.shell_calls import Asked, ShellCall
from holdfast.flow.shell_items import ItemCommand
from holdfast.flow.shell_life import ShellWorkflow
from holdfast.flow.shell_template import Template
from holdfast.flow.shell_words import shown_words
from holdfast.flow.workflows import succeed
from holdfast.model.codec import digest
from holdfast.model.facts import Commands
from holdfast.model.making import dataclass, replace
from holdfast.ports.outputs import OutputFile
from holdfast.runtime.batches.rules import BatchRules
from holdfast.runtime.batches.running import run_items
from holdfast.runtime.driving import drive
from holdfast.runtime.life import Life


class Printer(Protocol):
    """Writes what an item wrote to our own outputs, all of it together."""

    def pass_on(self, out: Iterable[bytes], err: Iterable[bytes]) -> None:
        """Write it. Raises Leaving when nobody reads it."""


def _at_once(write: Callable[[], None]) -> None:
    write()


@dataclass(frozen=True, slots=True)
class EachAsked:
    """What `each` was told. `items` are its items, which may be read twice, and `text_of` gives the
    bytes of one. `out` makes the file for what they write, from what prints, and the streams `held`
    are not passed on beside it; `aside` is called around each write to our own outputs. `rules` are
    those of the batch, without all that."""

    name: str
    commands: Commands
    is_shell: bool
    rules: BatchRules
    items: Iterable[object]
    text_of: Callable[[object], bytes]
    out: Callable[[Printer], OutputFile] | None = None
    held: Sequence[str] = ()
    aside: Callable[[Callable[[], None]], None] = _at_once

    @property
    def inputs(self) -> str:
        """What tells whether a finished batch was done with this very command."""
        return digest([*self.commands.argv, self.is_shell])


def body_of(life: Life, asked: EachAsked) -> Callable[[Call], Ended]:
    """Return what does the items of a batch."""
    template = Template(asked.commands.argv, asked.is_shell)

    def body(call: Call) -> Ended:
        command = ItemCommand(
            life, call.key, template,
            attempts=asked.rules.retry.attempts, text_of=asked.text_of, aside=asked.aside,
            keeps=asked.out is not None, held=asked.held,
        )  # fmt: skip
        out = None if asked.out is None else asked.out(command)
        rules = dataclasses.replace(asked.rules, commands=command, out=out)
        return run_items(life, call.key, rules, asked.items, command.here)

    return body


def each_in_script(call: ShellCall, asked: EachAsked) -> int:
    """Do the items that are not done, and return 0; 1 when some failed without a budget for that.

    Raises Leaving when the run leaves, UsageError.
    """
    key = call.key_of(asked.name)
    call.refuse_secret(" ".join(asked.commands.argv), "the command line")
    call.reach(key)
    call.ends = lambda: _end_all(call.life)
    made = call.call(Asked(asked.name, asked.commands, Rules()), key, body_of(call.life, asked))
    try:
        call.drive(batch(replace(made, inputs=asked.inputs)))
    except StepFailed as failure:
        call.life.tell(f"{failure}; which, and why: holdfast failures {call.life.run}")
        return 1
    _tell_of_dead_letters(call.life, key)
    return 0


def _tell_of_dead_letters(life: Life, key: str) -> None:
    """Say what a budget has let pass: the exit code is that of a batch without a failure."""
    row = life.store.batches.batch(life.run, key)
    dead = 0 if row is None else row.failed + row.quarantined
    if dead:
        what = "1 item" if dead == 1 else f"{dead:,} items"
        life.tell(f"{key}: {what} failed within the budget: holdfast failures {life.run}")


def _end_all(life: Life) -> bool:
    """Give up on what runs, from another thread: its shell is gone. How it ends is not recorded."""
    life.leave("its shell is gone", LostOwnership.exit_code, "lost")
    life.is_cut_off = True
    life.groups.kill_all(0.0)
    return True


def each_replayed(call: ShellCall, asked: EachAsked) -> int:
    """Return how the batch ended in a run that is over; nothing runs. Raises UsageError."""
    key = call.key_of(asked.name)
    seen = call.state.steps.get(key)
    if seen is None or not (seen.is_finished or seen.status == "failed"):
        raise UsageError(
            f"run {call.life.run} is over ({call.state.status}) and has no batch {key!r}: "
            "nothing of it runs any more"
        )
    return 1 if seen.status == "failed" else 0


class EachWorkflow(ShellWorkflow):
    """A run that is nothing but one batch of a shell."""

    def __init__(self, asked: EachAsked, again: str, secrets: Mapping[str, str]) -> None:
        """`secrets` are covered wherever they are shown, by name."""
        super().__init__(asked.name, again=again)
        self._asked, self._secrets = asked, secrets

    def walk(self, life: Life, root: Trace, params: Mapping[str, object]) -> object:
        """Do the items that are not done, to the recorded end of the run."""
        if life.is_replaying:
            return super().walk(life, root, params)
        asked = self._asked
        for name, secret in self._secrets.items():
            life.redact(name, secret)
        call = Call(
            asked.name,
            asked.name,
            Rules(),
            body_of(life, asked),
            root,
            asked.inputs,
            life.redactor(shown_words(asked.commands.argv)),
            abort=life.kill_programs_of,
            redact=life.redactor,
            commands=asked.commands,
        )
        drive(batch(call), life.performer())
        life.raise_if_leaving()
        drive(drift.at_end(root), life.performer())
        life.forget_deadline()
        drive(succeed(None), life.performer())
        return None
