"""`holdfast run`, and the same front door for a script of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from holdfast.app.loading import LOADING, load_workflow
from holdfast.app.starting import start
from holdfast.cli.failing import guarded
from holdfast.cli.living import Presence, live_through, presence_options, stdout_for_the_result
from holdfast.cli.options import Common, steal_options, store_options
from holdfast.cli.parameters import parameter_options, parameters_from, read_params
from holdfast.cli.shell.running import Given, attending, run_script, shell_of, with_params
from holdfast.errors import UsageError
from holdfast.flow.texts import quoted
from holdfast.flow.workflows import Workflow
from holdfast.model.making import replace

# --- the options ------------------------------------------------------------------------------


def _starting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    id = click.option("--id", metavar="ID", help="The run's id; the same again goes on with it.")
    return parameter_options(id(steal_options(function)))


class _Script(click.Command):
    """A command whose help, when it names a script, shows the workflow's parameters too."""

    workflow: Workflow[..., Any] | None = None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--help" in args or "-h" in args:
            try:
                words, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            except click.UsageError:
                words = {}
            file = words.get("file")
            if isinstance(file, str):
                self.workflow = load_workflow(file)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.workflow is not None:
            _write_parameters(self.workflow, formatter)
        super().format_options(ctx, formatter)


def _write_parameters(workflow: Workflow[..., Any], formatter: click.HelpFormatter) -> None:
    rows = []
    for info in workflow.parameters.describe():
        needed = "required" if info.required else f"default: {info.default}"
        choices = f"; one of {', '.join(info.choices)}" if info.choices else ""
        rows.append(
            (f"-p {quoted(f'{info.name}={info.example}')}", f"{info.type}  [{needed}{choices}]")
        )
    with formatter.section(f"Parameters of {workflow.name}"):
        if rows:
            formatter.write_dl(rows)
        else:
            formatter.write_text("none")


# --- the commands -----------------------------------------------------------------------------


@click.command("run", cls=_Script)
@click.argument("file", metavar="FILE[:WORKFLOW]")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENT]...")
@click.option("--within", is_flag=True, hidden=True)  # A fleet tells the times, and what is next.
@_starting_options
@presence_options
@store_options
def run_command(
    common: Common,
    file: str,
    words: tuple[str, ...],
    pairs: Sequence[str],
    params_file: str | None,
    target: str | None,
    mode: str | None,
    ask: str | None,
    id: str | None,
    steal: str | None,
    presence: Presence,
    within: bool,
) -> None:
    """Start a workflow, or go on with the run of that --id.

    A run that finished under that --id is reported; a stop or pause by a person is not lifted.
    `holdfast run FILE --help` shows the workflow's parameters. The result is printed as JSON.
    A shell script is run in its own shell, with ARGUMENTS; those with a dash stand after --. It
    leaves at the first step that begins when the time of --for is spent.
    """
    if (shell := shell_of(file)) is not None:
        if presence.plain:
            raise click.UsageError("--plain: a shell script writes what it writes")
        params = {} if params_file is None else read_params(params_file)
        run_script(
            common, shell, file, Given(id, target, mode, ask, with_params(pairs, params), steal),
            words, attending(no_input=presence.no_input, wait=presence.wait,
                             budget_s=presence.budget_s),
        )  # fmt: skip
    if words:
        raise click.UsageError(f"{file} is no shell script: what is {words[0]!r}?")
    common.find_places()
    with stdout_for_the_result():
        workflow = load_workflow(file)
    params = parameters_from(workflow, pairs, params_file)
    live_through(
        common,
        replace(presence, within=within),
        lambda setting: start(
            setting, workflow, params, id=id, target=target, mode=mode, ask=ask, steal=steal
        ),
        begins=True,
    )


def run_command_for(workflow: Workflow[..., Any]) -> NoReturn:
    """Be the command line of a script that ends in `holdfast.main(workflow)`; exits."""
    if LOADING:
        raise UsageError(
            "holdfast.main() was called while the script was being loaded; put it under "
            '`if __name__ == "__main__":`'
        )

    @click.command(cls=_Script, help=workflow.__doc__, context_settings=_HELP)
    @_starting_options
    @presence_options
    @store_options
    def script(
        common: Common,
        pairs: Sequence[str],
        params_file: str | None,
        target: str | None,
        mode: str | None,
        ask: str | None,
        id: str | None,
        steal: str | None,
        presence: Presence,
    ) -> None:
        params = parameters_from(workflow, pairs, params_file)
        live_through(
            common,
            presence,
            lambda setting: start(
                setting, workflow, params, id=id, target=target, mode=mode, ask=ask, steal=steal
            ),
            begins=True,
        )

    assert isinstance(script, _Script)
    script.workflow = workflow
    sys.exit(guarded(script, None, Path(sys.argv[0]).name))


_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
