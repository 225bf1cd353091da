"""One call of a shell script: a step, a stage, a question, each in a process of its own.

The programs are the engine's, and so is the life; what is special is that the life is the shell's.
This process joins it for one call, under the epoch that the shell's environment names, and leaves
it as it is. What the script has reached before it reads from the journal (`model.shelling`).

Nothing that walks scripts in Python is imported here: a step has to begin at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from os import fsdecode
from typing import Final

from holdfast.engine.effects import Program, Record
from holdfast.engine.spec import Call, Rules
from holdfast.engine.step import step as step_program
from holdfast.engine.trace import Trace
from holdfast.errors import CommandFailed, NotDone, StepFailed, StoreError, UsageError
from holdfast.flow.shell_words import (
    as_bytes,
    as_value,
    check_says,
    code_of,
    owed_by,
    settled_by,
    shown_words,
    undo_shown,
)
from holdfast.model.codec import digest
from holdfast.model.facts import Commands, Fact, PlaceReached, Spilled, StepRearmed
from holdfast.model.json import Json
from holdfast.model.keys import check_label, join
from holdfast.model.making import dataclass, field
from holdfast.model.shell_facts import Place
from holdfast.model.state import RunState
from holdfast.ports.store import Output
from holdfast.runtime.driving import drive
from holdfast.runtime.life import Life
from holdfast.runtime.ownership import liveness, this_process
from holdfast.runtime.passing import NOT_EXECUTABLE, NotStarted, Passing, cannot_run, write_all
from holdfast.runtime.shell_owner import is_beside
from holdfast.runtime.watchdog import TOKEN

STDOUT: Final = 1
STEP: Final = "HOLDFAST_STEP"
"""The variable that tells a command which step it is, so that it is none within a step."""
TIMED_OUT: Final = 124
"""The exit code of a command that took too long, as of `timeout`."""
LINE_BYTES_MAX: Final = 64 * 1024
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one attempt's output, as it is kept for people; what is recorded has no such limit."""
WHY_NOT: Final = {127: "no such command", 126: "it cannot be executed"}


class CommandExited(CommandFailed):
    """A step's command ended with another code than 0."""

    def __init__(self, argv: Iterable[str], code: int) -> None:
        words = tuple(argv)
        super().__init__(words, code, "")
        self.args = (f"exit status {code}: {shown_words(words)}",)


class CommandNeverRan(NotDone):
    """A step's command could not be run at all: it is in no doubt."""

    def __init__(self, argv: Iterable[str], code: int, why: str = "") -> None:
        words = tuple(argv)
        super().__init__(f"exit status {code}: {why or WHY_NOT[code]}: {words[0]}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call of a script was told: its name, its rules, its commands."""

    name: str
    commands: Commands
    rules: Rules = field(default_factory=Rules)


class ShellCall:
    """One call, in this process, of a life that its shell owns."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.passing: Passing | None = None
        self.code = 0
        self.ends: Callable[[], bool] | None = None
        """Kills what else runs here, and tells whether anything did."""
        self._out: list[bytes] = []

    @property
    def state(self) -> RunState:
        """The run's state, as folded so far."""
        return self.life.journal.state

    def key_of(self, name: str) -> str:
        """Return the key of a name in the stage that the script is in. Raises UsageError."""
        self.refuse_secret(name, "the name")
        return join(self.state.walk.stage, check_label(name))

    def refuse_secret(self, text: str, what: str) -> None:
        """Raise UsageError for a text to be recorded, `what` it is, that holds a secret."""
        name = self.life.redactor.found_in(text)
        if name is not None:
            raise UsageError(
                f"{what} holds the secret {name}, and secrets are never recorded: let the command "
                "read it from its environment"
            )

    def kill(self) -> bool:
        """Kill the command that runs, and return whether one did; from any thread."""
        passing = self.passing
        if self.ends is not None:
            return self.ends()
        if passing is None or not passing.is_running:
            return False
        passing.kill()
        return True

    # --- places ---

    def reach(self, key: str, place: Place = "step") -> None:
        """Record that the script has come to a place, so that no other process of this life does.

        Not hardened: what a crash forgets belongs to a life that is over. Raises UsageError for a
        name that this life has used before, and Leaving when the run is to leave.
        """
        while True:
            if place != "end":
                self.refuse_twice(key)
            at = self.life.clock.now()
            facts: list[Fact] = [PlaceReached(at, key, place, this_process())]
            seen = self.state.steps.get(key)
            if seen is not None and seen.status == "failed":
                # The next call is the next attempt, and it gets its attempts anew.
                facts.append(StepRearmed(at, key, self.state.lives[-1].by, "called again"))
            if self.life.record(Record(tuple(facts), False, boundary=True)):
                return

    def refuse_twice(self, key: str) -> None:
        """Raise UsageError for a name that this life of the script has used before."""
        state = self.state
        if key not in state.walk.reached:
            return
        by, seen = state.walk.reached[key], state.steps.get(key)
        is_over = key in state.scopes or (seen is not None and seen.is_finished)
        # Whoever came here before may have died, or failed: then this is the next attempt.
        if is_over or (by is not None and liveness(by) in ("alive", "stopped")):
            raise UsageError(
                f"the name {key!r} is used twice in this life of the script; "
                "give each step and stage a name of its own"
            )

    def trace(self) -> Trace:
        """Return the stage that the script is in, and what this life has reached there."""
        state, trace = self.state, Trace(self.state)
        stages = state.walk.stages
        for scope in ("", *stages):
            if scope:
                undoes = state.scope(scope).undoes
                trace = Trace(state, scope, trace, contract="undo" if undoes else "")
            trace.reach_all([key for key in trace.pending if key in state.walk.reached])
        return trace

    def call(self, asked: Asked, key: str, body: Callable[[Call], object]) -> Call:
        """Return what the engine is told of one call."""
        commands, life, trace = asked.commands, self.life, self.trace()
        is_new = key not in self.state.steps and any(t.pending for t in trace.chain())
        shell = self.state.lives[-1].owner.pid
        return Call(
            key,
            asked.name,
            asked.rules,
            body,
            trace,
            digest([*commands.argv]) if commands.argv else "",
            life.redactor(shown_words(commands.argv)),
            check=self._check(commands) if commands.check else None,
            abort=life.kill_programs_of,
            undo_shown=undo_shown(commands),
            lane=1 if is_new and is_beside(shell) else 0,
            redact=life.redactor,
            owes=owed_by(commands.owes) if commands.owes else None,
            settles=partial(settled_by, commands.argv),
            commands=commands,
        )

    def drive(self, program: Program[Json | Spilled]) -> Json | Spilled:
        """Drive a program to its end. Raises StepFailed and Leaving."""
        return drive(program, self.life.performer())

    # --- a step ---

    def step(self, asked: Asked) -> int:
        """Run the step, or give its recorded output again; return the exit code of its command.

        What was written to standard output is what was recorded, on every replay, byte for byte.
        Raises Leaving when the run leaves, UsageError; StoreError where there was no room for that,
        which is recorded all the same.
        """
        key = self.key_of(asked.name)
        commands = asked.commands
        said = (*commands.argv, commands.check, undo_shown(commands))
        self.refuse_secret(" ".join(said), "the command line")
        self.reach(key)
        self._end_left(key)
        call = self.call(asked, key, self._body)
        try:
            result = self.drive(step_program(call))
        except StepFailed as failure:
            return self._failed(failure)
        if self.passing is None or self.passing.holds_back or self.code != 0:
            self._write(key, as_bytes(self.life.journal.load(result)))
        elif self.passing.lost is not None:
            self.life.raise_if_leaving()  # Then it comes again in any case.
            raise _comes_again(key, self.passing.lost)
        return 0

    def _end_left(self, key: str) -> None:
        """End the command of a call of this step that was killed in this same life."""
        seen = self.state.steps.get(key)
        if seen is not None and seen.status == "running":
            from holdfast.runtime.leftovers import end_programs

            end_programs([self._token(key)])

    def replay(self, asked: Asked) -> int:
        """Give what is recorded again, in a run that is over; nothing runs. Raises UsageError."""
        key = self.key_of(asked.name)
        seen = self.state.steps.get(key)
        if seen is None or not (seen.is_finished or seen.status == "failed"):
            raise UsageError(
                f"run {self.life.run} is over ({self.state.status}) and has no step {key!r}: "
                "nothing of it runs any more"
            )
        if seen.status == "failed":
            return code_of(seen)
        self._write(key, as_bytes(self.life.journal.load(seen.result)))
        return 0

    def _write(self, key: str, out: bytes) -> None:
        try:
            write_all(STDOUT, out)
        except StoreError as error:
            raise _comes_again(key, error) from error

    def _failed(self, failure: StepFailed) -> int:
        passing = self.passing
        with suppress(StoreError):  # Another call is another attempt: how it failed says more.
            if passing is not None and passing.holds_back:
                write_all(STDOUT, b"".join(self._out))
        if failure.type == "TimeoutError":
            self.life.tell(str(failure))
            return TIMED_OUT
        if self.code:
            return self.code
        self.life.tell(str(failure))
        return 1

    def _body(self, call: Call) -> object:
        commands = call.commands
        assert commands is not None
        if code := cannot_run(commands.argv[0]):
            raise self._never_ran(commands, code, WHY_NOT[code])
        self._out.clear()
        attempts = call.rules.retry.attempts
        log = Log(self.life, call.key, self.state.steps[call.key].attempts)
        inside = {STEP: call.key, TOKEN: self._token(call.key)}
        self.passing = Passing(commands.argv, self._keeper(log), attempts > 1, inside)
        try:
            self.code = self.passing.run(self.life.groups_of(call.key))
        except NotStarted as error:
            raise self._never_ran(commands, NOT_EXECUTABLE, str(error)) from error
        finally:
            log.end()
        if self.code:
            raise CommandExited(commands.argv, self.code)
        wrote = b"".join(self._out)
        if self.life.redactor:
            self.refuse_secret(fsdecode(wrote), "what it wrote")
        return as_value(wrote)

    def _token(self, key: str) -> str:
        return self.state.token_of(self.life.run, key, "")

    def _never_ran(self, commands: Commands, code: int, why: str) -> CommandNeverRan:
        self.code = code
        self.life.tell(f"{commands.argv[0]}: {why}")
        return CommandNeverRan(commands.argv, code, why)

    def _keeper(self, log: Log) -> Callable[[str, bytes], None]:
        def keep(stream: str, chunk: bytes) -> None:
            if stream == "out":
                self._out.append(chunk)
            log.take(stream, chunk)

        return keep

    def _check(self, commands: Commands) -> Callable[[Call], object]:
        def ask(call: Call) -> object:
            seen = self.state.steps.get(call.key)
            attempt = 1 if seen is None else max(1, seen.attempts)
            return check_says(self.life, call.key, attempt, commands)

        return ask


def _comes_again(key: str, error: StoreError) -> StoreError:
    return StoreError(
        f"{error}; what {key!r} wrote is recorded, and comes again when the script is run again"
    )


class Log:
    """Keeps what a command writes, line by line, in the run's log."""

    def __init__(self, life: Life, key: str, attempt: int) -> None:
        self._life, self._key, self._attempt = life, key, attempt
        self._rest = {"out": b"", "err": b""}
        self._left = LOG_BYTES_MAX

    def take(self, stream: str, chunk: bytes) -> None:
        """Keep the lines that `chunk` completes; of endless output only the beginning."""
        if self._left <= 0:
            return
        self._left -= len(chunk)
        *lines, self._rest[stream] = (self._rest[stream] + chunk).split(b"\n")
        if len(self._rest[stream]) > LINE_BYTES_MAX:
            lines, self._rest[stream] = [*lines, self._rest[stream]], b""
        self._write(stream, lines)

    def end(self) -> None:
        """Keep what has no newline."""
        for stream, rest in self._rest.items():
            if rest:
                self._write(stream, [rest])
        if self._left <= 0:
            self._write("err", [b"[holdfast: the log ends here; what it wrote went on]"])

    def _write(self, stream: str, lines: list[bytes]) -> None:
        life, at = self._life, self._life.clock.now()
        texts = (life.redactor(line.decode(errors="replace")) for line in lines)
        outputs = [Output(at, self._key, self._attempt, stream, text) for text in texts]
        if outputs:
            life.store.write_output(life.run, outputs)
