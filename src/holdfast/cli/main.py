"""The `holdfast` command: which commands there are, each imported only when it is used."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from importlib import import_module

import click

from holdfast.cli.failing import guarded
from holdfast.cli.options import Common, store_options
from holdfast.collector import without_collector
from holdfast.version import VERSION

COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Run": {
        "run": ("running", "Start a workflow, or go on with the run of that --id."),
        "resume": ("resuming", "Go on with a run, also after a stop, a failure or a crash."),
        "fleet": ("fleet", "One workflow on many targets, in waves; and how they stand."),
        "plan": ("planning", "What a run would do, without doing it."),
        "demo": ("demo", "Kill a small run in the middle and count what was lost: nothing."),
    },
    "In a shell script": {
        "begin": ("shell.beginning", "Make the rest of the script a run, or go on with it."),
        "step": ("shell.commands", "Run a command as a checkpoint of the script."),
        "each": ("each", "Run a command for every item, each a checkpoint."),
        "stage": ("shell.commands", "Begin a stage, or end it with --end."),
        "gate": ("shell.commands", "Wait until a command passes."),
        "confirm": ("shell.commands", "Hold until a person says yes."),
        "ask": ("shell.commands", "Ask a person for a value, and print it."),
        "end": ("shell.commands", "End the run with the script's exit status."),
    },
    "Read": {
        "list": ("inspecting", "The runs, newest first."),
        "show": ("inspecting", "Where a run stands: steps, holds, errors."),
        "owed": ("going_back", "What all runs owe."),
        "log": ("inspecting", "What the steps of a run printed."),
        "watch": ("inspecting", "Follow a run while it moves."),
        "targets": ("targets", "What runs may act on, on what terms, and which run has it."),
        "why": ("inspecting", "Why a run waits, stopped or failed, and what to do."),
        "failures": ("failures", "What failed in the batches of a run, by kind of error."),
        "export": ("inspecting", "Everything a run recorded, to keep elsewhere."),
        "trust": ("trusting", "What steps have earned, by which runs; --revoke takes it back."),
    },
    "Decide": {
        "approve": ("deciding", "Say yes to what a run asks."),
        "reject": ("deciding", "Say no to what a run asks, with the reason."),
        "answer": ("deciding", "Give the value that a run asks for."),
        "done": ("deciding", "Record that a step took effect, with the reason."),
        "retry": ("deciding", "Run a failed or in-doubt step again, and go on."),
        "skip": ("deciding", "Go on without a step, with the reason."),
        "rewind": ("rewinding", "Go back to an earlier step, which runs again."),
        "rollback": ("going_back", "Undo what a run did, the last thing first."),
        "settle": ("going_back", "Give back what a run owes, and nothing else."),
        "stop": ("deciding", "Stop a run after the step in hand."),
        "pause": ("deciding", "Stop a run; only a person's resume goes on."),
        "cancel": ("deciding", "End a run for good, with the reason."),
    },
    "Operate": {
        "verify": ("inspecting", "Check that a journal was not altered."),
        "gc": ("inspecting", "Remove old finished runs."),
        "doctor": ("inspecting", "Check the store and this machine."),
        "completion": ("completion", "Print the completion script of a shell."),
    },
}
"""By section of the help: the command, the module it lives in, and its line in the help."""

_HOME = {name: home for section in COMMANDS.values() for name, (home, _) in section.items()}


class Commands(click.Group):
    """The group: it knows the names of all commands and loads the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_HOME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = _HOME.get(cmd_name)
        if home is None:
            return None
        with without_collector():
            module = import_module(f"holdfast.cli.{home}")
        gc.freeze()  # What is imported stays: the last collection need not walk it either.
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, click.Command) and value.name == cmd_name
        ]
        return found[0] if found else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name == "help":
            return self._resolve_help(ctx, args[1:])
        if name in _HOME or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from holdfast.cli.guessing import guess

        raise click.UsageError(f"there is no command {name!r}{guess(name, _HOME)}", ctx)

    def _resolve_help(
        self, ctx: click.Context, about: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `help COMMAND` for `COMMAND --help`, as many other programs do."""
        if about:
            return self.resolve_command(ctx, [*about, "--help"])
        click.echo(ctx.get_help())
        ctx.exit()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text("Begin with: holdfast demo")


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, message="%(prog)s %(version)s")
@store_options
def holdfast(common: Common) -> None:
    """Checkpointed automation: kill it anywhere, resume, and nothing finished runs twice."""
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def enter(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status. Never raises."""
    return guarded(holdfast, args, "holdfast")
