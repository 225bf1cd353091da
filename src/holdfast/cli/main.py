"""The `holdfast` command: it imports the one that is used, and no other."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from importlib import import_module

import click

from holdfast.cli.commands import COMMANDS
from holdfast.cli.failing import guarded
from holdfast.cli.options import Common, store_options
from holdfast.collector import without_collector
from holdfast.version import VERSION

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
