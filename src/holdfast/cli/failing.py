"""What a person sees when a command fails: a line on stderr, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdfast.cli.saying import say as say
from holdfast.errors import ConfigError, HoldfastError, Leaving
from holdfast.scratch import scratch_folder

if TYPE_CHECKING:
    from holdfast.cli.options import Common

EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_OUTPUT = 74
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""As of a program that SIGPIPE ended: whoever read our output had enough."""


def guarded(command: click.Command, args: Sequence[str] | None, name: str) -> int:
    """Run a command and return its exit status, whatever happens in it."""
    words = sys.argv[1:] if args is None else list(args)
    context: click.Context | None = None
    try:
        if _completes(command, name):
            return 0
        with command.make_context(name, list(words)) as context:
            command.invoke(context)
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as ended:
        return _flushed(ended.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        return _refused(error, name)
    except (HoldfastError, Leaving) as error:
        return _failed(error, None if context is None else context.obj)
    except BrokenPipeError:
        _forget_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if _is_of_output(error):
            say(f"the output could not be written: {error.strerror}")
            return EXIT_OUTPUT
        return unexpected(error, words)
    except Exception as error:
        return unexpected(error, words)


def _failed(error: HoldfastError | Leaving, common: Common | None) -> int:
    """Say what happened, in one line, but of a file in one for each mistake. What it says to type
    finds the store that was given."""
    text = str(error) or type(error).__name__
    if common is not None:
        from holdfast.cli.offered import to_type

        text = to_type(text, common)
    for line in text.splitlines() if isinstance(error, ConfigError) else [text]:
        say(line)
    return error.exit_code


def _flushed(status: int) -> int:
    """Return `status` once stdout is written; of a run that is done, a reader who has gone takes
    nothing away."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return status or EXIT_BROKEN_PIPE
    except OSError as error:
        _forget_stdout()
        say(f"the output could not be written: {error.strerror}")
        return EXIT_OUTPUT
    return status


def _completes(command: click.Command, name: str) -> bool:
    """Return whether a shell asked for the words that may follow, after answering it."""
    variable = f"_{name}_COMPLETE".replace("-", "_").replace(".", "_").upper()
    instruction = os.environ.get(variable)
    if not instruction:
        return False
    from click.shell_completion import shell_complete

    shell_complete(command, {}, name, variable, instruction)
    return True


def _refused(error: click.ClickException, name: str) -> int:
    context = getattr(error, "ctx", None)
    text = error.format_message().rstrip()
    text = text[:1].lower() + text[1:] if text[:2].istitle() else text
    path = context.command_path if isinstance(context, click.Context) else name
    known = f"; {_candidates(error)}".removesuffix("; ")
    stop = "" if text.endswith("?") else ";"
    say(f"{text.removesuffix('.')}{known}{stop} `{path} --help` shows what there is")
    return error.exit_code


def _candidates(error: click.ClickException) -> str:
    """Return what may have been meant, where the words themselves do not say it."""
    if isinstance(error, click.NoSuchOption) and not error.possibilities and _takes_names(error):
        return "a name that begins with a hyphen stands after --"
    if not isinstance(error, click.MissingParameter):
        return ""
    from holdfast.cli.candidates import candidates

    return candidates(error)


def _takes_names(error: click.UsageError) -> bool:
    params = error.ctx.command.params if error.ctx is not None else ()
    return any(isinstance(param, click.Argument) for param in params)


def _forget_stdout() -> None:
    """Keep the interpreter from flushing into the broken pipe once more when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            try:
                os.dup2(null, stream.fileno())
            except (OSError, ValueError):
                continue


def _is_of_output(error: OSError) -> bool:
    """Whether it says that stdout cannot be written: no file is named, and it was raised by the
    writing, or is by writing what was kept back."""
    from traceback import walk_tb

    if error.filename is not None:
        return False
    *_, (frame, _) = walk_tb(error.__traceback__)
    try:
        sys.stdout.flush()
    except OSError:
        _forget_stdout()
        return True
    return frame.f_globals.get("__name__") == click.utils.__name__


def _folder_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def unexpected(error: Exception, args: list[str]) -> int:
    """Say what happened in one line and keep the traceback in a file."""
    if isinstance(error, FileNotFoundError) and _folder_is_gone():
        say("the folder that you are in was removed: go to one that is there, and try again")
        return EXIT_USAGE
    what = f"unexpected {type(error).__name__}: {str(error)[:200]}"
    kept = _keep_traceback(error, args)
    where = f"the traceback is in {kept}" if kept else "the traceback could not be kept"
    say(
        f"{what}; {where}. This is a bug in holdfast: please report it with that file and what "
        "`holdfast doctor` prints"
    )
    return EXIT_UNEXPECTED


def _keep_traceback(error: Exception, args: list[str]) -> Path | None:
    """Write the traceback next to the store, or else to the folder for temporary files."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    for folder in (_store_folder(args), scratch_folder()):
        try:
            if folder is not None and folder.is_dir():
                handle, path = tempfile.mkstemp(".txt", "holdfast-error-", folder)
                with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(text)
                return Path(path)
        except OSError:
            continue
    return None


def _store_folder(args: list[str]) -> Path | None:
    from holdfast.wiring import sqlite_path, store_url

    given = None
    for at, word in enumerate(args):
        if word == "--store":
            given = args[at + 1] if at + 1 < len(args) else None
        elif word.startswith("--store="):
            given = word.partition("=")[2]
    try:
        return sqlite_path(store_url(given)).parent
    except HoldfastError:
        return None
