"""A life of a shell script as a whole: how it ends, and how what it did is given back.

A script in Python is walked once more to learn how each step is given back. A shell script is not:
what gives its steps back was recorded with them, as commands, and runs in the folder that the
step ran in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from holdfast.engine import drift
from holdfast.engine.effects import record
from holdfast.engine.giving_back import undo_stage
from holdfast.engine.spec import Call, Rules
from holdfast.engine.trace import Trace
from holdfast.flow.giving_back import ways_of
from holdfast.flow.inside import sh, target_env
from holdfast.flow.shell_calls import ShellCall
from holdfast.flow.shell_stages import end_stage
from holdfast.flow.shell_words import check_says, undo_shown
from holdfast.flow.steps import Met, Options, StepFunction
from holdfast.flow.workflows import Workflow, succeed
from holdfast.model.facts import AttemptFailed, Commands, RunFailed, RunStopped
from holdfast.model.keys import LABEL_CHARS_MAX
from holdfast.model.making import replace
from holdfast.model.state import RunState, StepState
from holdfast.model.undoing import is_giving_back
from holdfast.runtime.context import Frame
from holdfast.runtime.driving import drive
from holdfast.runtime.life import Life
from holdfast.runtime.ownership import liveness
from holdfast.runtime.replay import walk_over
from holdfast.runtime.watchdog import SHELL

SIGNALLED: Final = {129: "SIGHUP", 130: "SIGINT", 143: "SIGTERM"}
"""The exit codes of a script that a signal ended in order."""
LOOK_EVERY_S: Final = 0.05


class ShellWorkflow(Workflow[..., None]):
    """A shell script as the verbs of an operator see it: they can give back what it did, and lift
    what holds it up, but it is run again by whoever runs scripts."""

    def __init__(self, name: str, file: str = "", again: str = "") -> None:
        super().__init__(_script, name)
        self._file, self._again = file, again

    @property
    def file(self) -> str:
        """The script, empty when it is not known."""
        return self._file

    def walk(self, life: Life, root: Trace, params: Mapping[str, object]) -> object:
        """Meet what may have to be given back, and end there: what is new comes from the script."""
        if life.is_replaying:
            meet(life, root)
            raise walk_over()
        again = self._again or "in its shell"
        raise life.leave(f"it goes on when the script is run again: {again}", 0, "verb")


def _script(**params: str) -> None:
    """A shell script takes any parameter, as text."""


def meet(life: Life, root: Trace) -> None:
    """Note how each recorded step is given back, and asked about."""
    for seen in _given_back(life.journal.state):
        assert seen.commands is not None
        life.met[seen.key] = _met(life, root, seen, seen.commands)


def _given_back(state: RunState) -> Iterator[StepState]:
    debts = (debt.step for debt in state.ledger.debts.values())
    known = {s.key: s for s in [*debts, *state.steps.values(), *state.ledger.standing.values()]}
    for seen in known.values():
        if seen.commands is not None and not is_giving_back(seen.key):
            yield seen


def _met(life: Life, root: Trace, seen: StepState, commands: Commands) -> Met:
    frame = Frame(life, root)
    rules = Rules(once=seen.once, undoes=bool(commands.undo), owes=bool(commands.owes))
    undo, owes = _command(commands, commands.undo), _command(commands, commands.owes)
    options = Options(undo=undo, owes=owes)
    step = StepFunction(_nothing, rules, options)

    def ask(call: Call) -> object:
        env = target_env(life)
        return check_says(life, call.key, max(1, seen.attempts), commands, env)

    call = Call(
        seen.key,
        seen.label,
        rules,
        lambda call: None,
        root,
        seen.inputs,
        seen.shown,
        check=ask if commands.check else None,
        abort=life.kill_programs_of,
        redact=life.redactor,
        undo_shown=undo_shown(commands),
    )
    return Met(frame, step, {}, call)


def _nothing() -> None:
    return None


def _command(commands: Commands, text: str) -> Callable[[], None] | None:
    """Return what runs a recorded command, named by it."""
    if not text:
        return None

    def run() -> None:
        sh(SHELL, "-c", text, cwd=commands.cwd or None)

    run.__name__ = run.__qualname__ = " ".join(text.split())[:LABEL_CHARS_MAX] or SHELL
    return run


# --- the end of a life ------------------------------------------------------------------------


def end_shell(call: ShellCall, status: int, wait: Callable[[float], object]) -> int:
    """Record how the script ended, and return the exit code it is to end with.

    Raises Leaving when the run holds instead, and what an undo that gave up raises.
    """
    life, state = call.life, call.state
    if status == 0:
        _await_steps(life, wait)
    _end_interrupted(life)
    if status == 0:
        for _ in list(state.walk.stages):
            end_stage(call)
        drive(drift.at_end(call.trace()), life.performer())
        drive(succeed(None), life.performer())
        return 0
    failures = tuple(
        step.key
        for step in state.steps.values()
        if step.status == "failed" and step.epoch == state.epoch
    )
    at, name = life.clock.now(), SIGNALLED.get(status)
    if name is not None and not failures:
        life.end(RunStopped(at, "signal", f"{name} ended the script", status))
        return status
    message = f"the script ended with exit status {status}"
    is_undone = undo_what_failed(call, message)
    after = restored_after(state, failures)
    failed = RunFailed(at, "ExitStatus", message, failures, after, is_undone=is_undone)
    life.end(replace(failed, at=life.clock.now()))
    return status


def restored_after(state: RunState, failures: tuple[str, ...]) -> tuple[str, ...]:
    """Return the steps that gave back what was borrowed, after the last failure: when the run
    goes on it borrows again, so they run again, too. What an undone stage set aside, failures
    included, runs again by itself."""
    ended = [state.steps[key].ended_seq for key in failures if key in state.steps]
    if not ended:
        return ()
    last = max(ended)
    return tuple(
        step.key for step in state.steps.values() if step.settles and step.started_seq > last
    )


def _await_steps(life: Life, wait: Callable[[float], object]) -> None:
    """Return when no process of this life is at work on a step any more."""
    told = False
    while True:
        life.journal.refresh()
        state = life.journal.state
        under_way = [key for key, step in state.steps.items() if _is_at_work(state, step)]
        if not under_way:
            return
        if not told:
            life.tell(f"waits for {', '.join(under_way)}, which the script left running")
            told = True
        life.raise_if_due()
        wait(LOOK_EVERY_S)


def _end_interrupted(life: Life) -> None:
    """Record of steps whose process was killed, and which the script did not call again, that they
    have no result. One that runs at most once is in doubt instead, and holds."""
    state = life.journal.state
    for step in list(state.steps.values()):
        is_ours = step.status == "running" and step.key in state.walk.reached
        if is_ours and not step.leaves_doubt and not _is_at_work(state, step):
            at, why = life.clock.now(), "its process ended without a result"
            drive(
                record(AttemptFailed(at, step.key, step.attempts, "Interrupted", why)),
                life.performer(),
            )


def _is_at_work(state: RunState, step: StepState) -> bool:
    by = state.walk.reached.get(step.key)
    return step.status == "running" and by is not None and liveness(by) in ("alive", "stopped")


def undo_what_failed(call: ShellCall, why: str) -> bool:
    """Undo the stage that undoes itself and that the script was in; return whether there was one,
    and nothing stands any more. Raises Leaving, and what an undo that gave up raises."""
    life, state = call.life, call.state
    scope = state.ledger.begun or call.trace().undone_with()
    if not scope:
        return False
    life.met.clear()
    meet(life, Trace(state, is_replay=True))
    drive(undo_stage(scope, ways_of(life), why), life.performer())
    life.met.clear()
    return not state.ledger.dues()
