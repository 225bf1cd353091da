"""`holdfast run`, the same front door for a script of its own, and a life of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import click

from holdfast.app.loading import LOADING, load_workflow
from holdfast.app.starting import Setting, start
from holdfast.app.views import RunView, view_of, with_stored
from holdfast.cli.ending import ending
from holdfast.cli.failing import guarded, say
from holdfast.cli.live import Progress, progress_on
from holdfast.cli.naming import target_option
from holdfast.cli.options import Common, steal_options, store_options
from holdfast.cli.paper import paper
from holdfast.cli.prompt import Ask, is_interactive, person_for
from holdfast.cli.shell.running import Given, attending, run_script, shell_of, with_params
from holdfast.cli.text import json_text
from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.running import Outcome
from holdfast.flow.texts import quoted
from holdfast.flow.workflows import Workflow
from holdfast.model.codec import encode
from holdfast.model.durations import seconds
from holdfast.model.making import dataclass, replace
from holdfast.model.state import RunState
from holdfast.model.terms import ASKS, MODES
from holdfast.ports.store import Store
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import this_person, this_process
from holdfast.runtime.threads import end_if_items_left
from holdfast.wiring import open_telling

PARAMS_FILE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Presence:
    """How a command lives through a run: who answers, how progress looks, how long it may take,
    and how much of that in waits."""

    no_input: bool = False
    wait: bool = False
    plain: bool = False
    budget_s: float | None = None
    patience_s: float | None = None


# --- the options ------------------------------------------------------------------------------


def _duration(ctx: click.Context, option: click.Parameter, text: str | None) -> float | None:
    return None if text is None else seconds(text)


def presence_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a life, passed as one `presence`."""
    import functools

    @functools.wraps(function)
    def gathered(
        *args: Any, no_input: bool, wait: bool, plain: bool, budget_s: float | None, **rest: Any
    ) -> None:
        if no_input and wait:
            raise click.UsageError("--no-input parks at a question and --wait stays: give one")
        function(*args, presence=Presence(no_input, wait, plain, budget_s), **rest)

    for option in (
        click.option("--plain", is_flag=True, help="One line per event, also on a terminal."),
        click.option("--wait", is_flag=True, help="Stay at a question until somebody answers."),
        click.option("--no-input", is_flag=True, help="Never prompt: park at a question."),
        click.option(
            "--for", "budget_s", metavar="D", callback=_duration,
            help="Stop after this time (90s, 1h30m), exit 75.",
        ),
    ):  # fmt: skip
        gathered = option(gathered)
    return gathered


mode_option = click.option("--mode", type=click.Choice(MODES), help="Whether steps ask for a yes.")


def parameter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the workflow's parameters, the target, the mode and what a yes covers."""
    for option in (
        click.option("--ask", type=click.Choice(ASKS), help="How much one yes covers."),
        mode_option,
        target_option(help="What the run acts on."),
        click.option(
            "--params", "params_file", metavar="FILE", help="A JSON file with the parameters."
        ),
        click.option(
            "-p", "pairs", metavar="NAME=VALUE", multiple=True, help="A parameter of the workflow."
        ),
    ):
        function = option(function)
    return function


set_option = click.option(
    "--set", "pairs", metavar="NAME=VALUE", multiple=True,
    help="Another value for a parameter, from now on.",
)  # fmt: skip


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
        params = {} if params_file is None else _read_params(params_file)
        run_script(
            common, shell, file, Given(id, target, mode, ask, with_params(pairs, params), steal),
            words, attending(no_input=presence.no_input, wait=presence.wait,
                             budget_s=presence.budget_s),
        )  # fmt: skip
    if words:
        raise click.UsageError(f"{file} is no shell script: what is {words[0]!r}?")
    common.find_places()
    with _stdout_for_the_result():
        workflow = load_workflow(file)
    params = parameters_from(workflow, pairs, params_file)
    live_through(
        common,
        presence,
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


def parameters_from(
    workflow: Workflow[..., Any], pairs: Sequence[str], file: str | None
) -> dict[str, object]:
    """Return what `-p` and `--params` say, typed by the workflow's annotations."""
    return workflow.parameters.parse(pairs, None if file is None else _read_params(file))


def _read_params(file: str) -> dict[str, object]:
    try:
        with open(file, encoding="utf-8") as opened:
            found = json.loads(opened.read(PARAMS_FILE_BYTES_MAX))
    except OSError as error:
        raise UsageError(f"--params {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--params {file}: it is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f'--params {file}: one JSON object is needed, {{"NAME": VALUE}}')
    return found


# --- a life -----------------------------------------------------------------------------------


class _Begun:
    """The run that this process took up, once it did."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.state: RunState | None = None

    def __call__(self, run: str, state: RunState) -> None:
        self.state = state
        self._progress.begin(run, state)


def live_through(
    common: Common,
    presence: Presence,
    go: Callable[[Setting], Outcome],
    *,
    begins: bool = False,
) -> NoReturn:
    """Go through one life of a run and exit with its code: progress and how it ended on stderr,
    the result on stdout. Only what `begins` a run makes a store where there is none."""
    store = common.open(create=begins)
    try:
        outcome = lived_through(store, common, presence, go)
    finally:
        store.close()
    end_if_items_left(outcome.exit_code)
    click.get_current_context().exit(outcome.exit_code)


def lived_through(
    store: Store, common: Common, presence: Presence, go: Callable[[Setting], Outcome]
) -> Outcome:
    """Go through one life of a run and return how it ended, which is said."""
    prompts = is_interactive() and not (presence.no_input or presence.wait)
    progress = progress_on(sys.stderr, plain=presence.plain, prompts=prompts)
    begun = _Begun(progress)
    clock, by = SystemClock(), this_person(common.claimed)
    person = person_for(Ask(store, clock, by, progress), prompts=prompts, wait=presence.wait)
    config = ("--config", common.config) if common.config else ()
    telling = open_telling(common.inventory.notify, common.url, progress.note, options=config)
    setting = Setting(
        store, clock, person, by, (progress,), progress.note, begun, presence.budget_s,
        common.lease_s, inventory=common.inventory, telling=telling,
        patience_s=presence.patience_s,
    )  # fmt: skip
    try:
        with _stdout_for_the_result():
            outcome = go(setting)
    finally:
        person.close()
        progress.close()
        if telling is not None:
            telling.close()
    _report(store, common, outcome, begun.state)
    if outcome.status == "succeeded" and outcome.result is not None:
        click.echo(json_text(encode(outcome.result)))
    return outcome


@contextmanager
def _stdout_for_the_result() -> Iterator[None]:
    """Send what the script prints to stderr: stdout is the result, which a program may read."""
    with redirect_stdout(sys.stderr):
        yield


def _report(store: Store, common: Common, outcome: Outcome, state: RunState | None) -> None:
    try:
        view = _view(store, outcome.run_id, state)
    except HoldfastError:
        view = None
    try:
        lines = ending(outcome, view, common, paper(stream=sys.stderr).columns)
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass
    if store.dropped:
        say(f"{store.dropped} lines of output could not be kept")


def _view(store: Store, run: str, state: RunState | None) -> RunView | None:
    row = store.row(run)
    if row is None:
        return None
    if row.owner == this_process():
        # Its life is over, also where the run is kept until somebody was told (`each`).
        row = replace(row, owner=None)
    return with_stored(view_of(row, state or Journal(store, run).refresh()), store)
