"""Find the workflow in a user's script."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.workflows import Workflow
from holdfast.model.guessing import guess
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow
from holdfast.runtime.loader import ScriptLoader

_PACKAGE = Path(__file__).resolve().parents[1]
LOADING: set[str] = set()
"""The modules that are being executed now: no run may start from there."""


def load_workflow(spec: str, meant: str = "") -> Workflow[..., Any]:
    """Return the workflow that `FILE` or `FILE:workflow` names; without a name `meant`, where the
    file has it.

    Raises what `workflow_in` raises.
    """
    if Path(spec).exists() or ":" not in spec:
        return workflow_in(spec, meant=meant)
    file, _, name = spec.rpartition(":")
    return workflow_in(file, name)


def workflow_in(file: str, name: str = "", *, meant: str = "") -> Workflow[..., Any]:
    """Return the workflow of that name in a file; without one `meant`, or the only one.

    The file is executed as a module of its own name, with its folder importable, as Python
    would for a script. Raises UsageError with the line to look at when it cannot be.
    """
    path = Path(file)
    if path.is_dir():
        raise UsageError(f"{file} is a folder; name the Python file in it")
    if not path.exists():
        meant = guess(path, map(str, path.parent.glob("*.py"))) or ";"
        raise UsageError(f"no file {file}{meant} give the path of a Python script")
    found = workflows_of(load_module(path))
    return _choose(found, name or (meant if meant in found else ""), file)


def workflow_of(
    row: RunRow, file: str | Workflow[..., Any] | None, state: RunState
) -> Workflow[..., Any]:
    """Return the workflow of a run, from `file` when its script moved. Raises UsageError."""
    if state.created is not None and state.created.shell:
        from holdfast.app.shell_runs import shell_workflow  # Most runs are of no shell script.

        return shell_workflow(state)
    if file is None and not row.file:
        raise UsageError(
            f"run {row.id} was begun by a program that is in no file, and that alone can go on "
            f"with it: run it again with id={row.id!r}; or name a script that has its workflow, "
            f"{row.workflow}: holdfast resume {row.id} FILE"
        )
    if file is None and not Path(row.file).exists():
        raise UsageError(
            f"no file {row.file}, where the script of run {row.id} was: put it back, or say where "
            f"it is now: resume, rollback and settle take its path behind {row.id}, retry behind "
            "the step"
        )
    if isinstance(file, Workflow):
        workflow = file
    elif file is not None:
        workflow = load_workflow(file, row.workflow)
    else:
        workflow = workflow_in(row.file, row.workflow)
    if workflow.name != row.workflow:
        raise UsageError(
            f"run {row.id} is of workflow {row.workflow!r}, not {workflow.name!r}: name it as "
            f"{file}:{row.workflow}, or start a new run"
        )
    return workflow


def _choose(found: dict[str, Workflow[..., Any]], name: str, file: str) -> Workflow[..., Any]:
    names = ", ".join(sorted(found))
    if not found:
        raise UsageError(f"{file} has no workflow; mark its function with @holdfast.workflow")
    if name:
        if name not in found:
            raise UsageError(f"{file} has no workflow {name!r}; it has {names}")
        return found[name]
    if len(found) > 1:
        first = sorted(found)[0]
        raise UsageError(f"{file} has several workflows ({names}); say which: {file}:{first}")
    return next(iter(found.values()))


def workflows_of(module: ModuleType) -> dict[str, Workflow[..., Any]]:
    """Return the workflows that the module defines itself, by name."""
    return {
        value.name: value
        for value in vars(module).values()
        if isinstance(value, Workflow) and value.function.__module__ == module.__name__
    }


def load_module(path: Path) -> ModuleType:
    """Return the module of a script, executed; one of holdfast's own is imported, so that its
    folder is none where the script's modules are looked for. Raises UsageError."""
    path = path.resolve()
    if path.is_relative_to(_PACKAGE):
        return import_module(".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts))
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if known is not None:
        # A script named like a library must not be mistaken for it, nor replace it.
        name = f"{name}_script"
    try:
        return _executed(name, path)
    except UsageError as refused:
        package = _package_of(path)
        if not (package and _is_relative(refused.__cause__)):
            raise
        # It was begun as `python -m PACKAGE.MODULE`, and imports what is beside it.
        import_module(package)
        return _executed(f"{package}.{path.stem}", path)


def _is_relative(error: BaseException | None) -> bool:
    return isinstance(error, ImportError) and "relative import" in str(error)


def _package_of(path: Path) -> str:
    """Return the package that a file belongs to, importable from now on; nothing for none."""
    parts: list[str] = []
    folder = path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    if parts and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return ".".join(parts)


def _executed(name: str, path: Path) -> ModuleType:
    # A loader of our own choice: a script need not end in .py.
    loader = ScriptLoader(name, str(path))
    spec = spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    LOADING.add(name)
    try:
        loader.exec_module(module)
    except UsageError as error:
        del sys.modules[name]
        raise UsageError(f"{_line_in(error, str(path))}: {error}") from error
    except HoldfastError:
        del sys.modules[name]
        raise
    except SyntaxError as error:
        del sys.modules[name]
        where = f"{error.filename or path}:{error.lineno or 1}"
        raise UsageError(f"{where}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        where = _line_in(error, str(path))
        raise UsageError(f"{where}: {type(error).__name__}: {error}") from error
    finally:
        LOADING.discard(name)
    return module


def _line_in(error: BaseException, file: str) -> str:
    """Return file:line of the script's line that the error passed through."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{file}:{line}"
