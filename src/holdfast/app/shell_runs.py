"""A run of a shell script, as the operator's verbs and the views see it."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.flow.shell_life import ShellWorkflow
from holdfast.flow.shell_words import shown_words
from holdfast.model.state import RunState


def again(state: RunState) -> str:
    """Return what a person types to run a shell script again; empty where that is not known."""
    commands = state.lives[-1].commands if state.lives else None
    for life in reversed(state.lives):
        commands = life.commands or commands
        if commands is not None:
            break
    if commands is None or not _names_script(commands.argv):
        return ""
    return shown_words(commands.argv)


def _names_script(argv: Sequence[str]) -> bool:
    """Whether a shell was given more than options: an interactive one cannot be run again."""
    return any(not word.startswith("-") for word in argv[1:])


def shell_workflow(state: RunState) -> ShellWorkflow:
    """Return how the operator's verbs see a run of a shell script."""
    assert state.created is not None and state.created.shell
    file = next((life.file for life in reversed(state.lives) if life.file), "")
    return ShellWorkflow(state.created.workflow, file, again(state))
