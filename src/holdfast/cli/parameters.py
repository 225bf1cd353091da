"""What the command line says of a run: the workflow's parameters, the target, the mode."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from holdfast.cli.naming import target_option
from holdfast.errors import UsageError
from holdfast.flow.workflows import Workflow
from holdfast.model.terms import ASKS, MODES

PARAMS_FILE_BYTES_MAX = 64 * 1024 * 1024

mode_option = click.option("--mode", type=click.Choice(MODES), help="Whether steps ask for a yes.")
set_option = click.option(
    "--set", "pairs", metavar="NAME=VALUE", multiple=True,
    help="Another value for a parameter, from now on.",
)  # fmt: skip


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


def parameters_from(
    workflow: Workflow[..., Any], pairs: Sequence[str], file: str | None
) -> dict[str, object]:
    """Return what `-p` and `--params` say, typed by the workflow's annotations."""
    return workflow.parameters.parse(pairs, None if file is None else read_params(file))


def read_params(file: str) -> dict[str, object]:
    """Return the parameters in a JSON file. Raises UsageError, naming the file."""
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
