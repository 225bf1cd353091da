"""`holdfast completion`: the script that makes a shell complete our words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    Tab then completes commands, options, and the names of runs, steps, holds and targets.

    For bash: `eval "$(holdfast completion bash)"` in ~/.bashrc; zsh likewise in ~/.zshrc, after
    `compinit`; for fish: `holdfast completion fish > ~/.config/fish/completions/holdfast.fish`.
    """
    maker = get_completion_class(shell)
    assert maker is not None
    root = click.get_current_context().find_root()
    name = root.info_name or "holdfast"
    variable = f"_{name}_COMPLETE".replace("-", "_").upper()
    click.echo(maker(root.command, {}, name, variable).source())
