"""The stages of a shell script: each is begun and ended by a process of its own."""

from __future__ import annotations

from holdfast.engine.scope import close, enter
from holdfast.engine.trace import Trace
from holdfast.errors import UsageError
from holdfast.flow.shell_calls import ShellCall
from holdfast.runtime.driving import drive


def begin_stage(call: ShellCall, name: str, *, undoes: bool) -> None:
    """Record that the script is in a stage from now on, inside the one it was in before.

    With `undoes` the stage is undone when the script fails in it. Raises UsageError for a name
    that this life has used, Leaving when the run is to leave.
    """
    life = call.life
    key = call.key_of(name)
    call.refuse_twice(key)
    trace = Trace(call.state, key, call.trace(), contract="undo" if undoes else "")
    drive(enter(trace, "stage"), life.performer())
    call.reach(key, "stage")


def end_stage(call: ShellCall) -> None:
    """Record that the innermost stage has ended well. Raises UsageError when the script is in
    none, Leaving when the run holds because finished steps of it were not reached."""
    key = call.state.walk.stage
    if not key:
        raise UsageError("no stage is open: `holdfast stage NAME` begins one")
    drive(close(call.trace(), "stage"), call.life.performer())
    call.reach(key, "end")
