"""The pages of the reference that are made from the code: commands, names, facts."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import import_module
from typing import Any, get_overloads

import click
from docs.fields import MEANINGS, OVERRIDES, STEP_OPTIONS

import holdfast
from holdfast.cli.commands import COMMANDS
from holdfast.cli.main import holdfast as program
from holdfast.model import facts

NOTICE = "<!-- Made by `python3 dev docs`; edit the code, not this page. -->"
COMMON = ("--store", "--config", "--as", "--help")
"""Options that every command takes; the page says them once."""

# --- reference/cli.md -------------------------------------------------------------------------


def cli_page() -> str:
    """Return the page of all commands, their arguments and options."""
    context = click.Context(program, info_name="holdfast")
    parts = [
        "# Commands",
        NOTICE,
        "`holdfast` and `python -m holdfast` are the same. `RUN` is a run's id or the beginning of "
        "one; `STEP` is a step's key, its last part when that is unique, or, for `log`, a scope. "
        "Results go to stdout, progress and questions to stderr. What the exit codes mean is in "
        "[Exit codes](exit-codes.md), what `--json` prints in [JSON](json.md), and what is read "
        "from the environment in [Environment](environment.md).",
        "These options go with every command, before it or after it:",
        _table(("option", "meaning"), [_option(p) for p in program.params if _is_common(p)]),
        "`holdfast --version` prints the version.",
    ]
    for section, commands in COMMANDS.items():
        parts.append(f"## {section}")
        for name in commands:
            command = program.get_command(context, name)
            assert command is not None, name
            parts += _command(command, name)
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, name: str) -> Iterator[str]:
    yield f"### holdfast {name}"
    if isinstance(command, click.Group):
        yield inspect.cleandoc(command.help or "")
        for inner, part in command.commands.items():
            yield from _command(part, f"{name} {inner}")
        return
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if is_told(p) and not _is_common(p)]
    words = ["holdfast", name, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)]
    yield f"```text\n{' '.join(words)}\n```"
    yield inspect.cleandoc(command.help or "").replace("\b\n", "")
    if options:
        yield _table(("option", "meaning"), [_option(p) for p in options])


def _argument(argument: click.Parameter) -> str:
    assert isinstance(argument, click.Argument) and argument.name is not None
    if argument.metavar:
        return argument.metavar
    word = argument.name.upper()
    if isinstance(argument.type, click.Choice):
        word = "|".join(argument.type.choices)
    return word if argument.required else f"[{word}]"


def _is_common(parameter: click.Parameter) -> bool:
    return any(name in COMMON for name in parameter.opts)


def _option(option: click.Parameter) -> tuple[str, str]:
    assert isinstance(option, click.Option)
    value = "" if option.is_flag else f" {option.metavar or _value(option)}"
    names = ", ".join(f"`{name}{value}`" for name in sorted(option.opts, key=len))
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    notes = [option.help or ""]
    if choices:
        notes.append(f"One of {', '.join(f'`{choice}`' for choice in choices)}.")
    if option.multiple:
        notes.append("May be given several times.")
    if option.show_default:
        notes.append(f"Default: {option.default}.")
    return names, " ".join(filter(None, notes))


def is_told(parameter: click.Parameter) -> bool:
    """Whether it is an option, and for people: not one that holdfast gives to itself."""
    return isinstance(parameter, click.Option) and not parameter.hidden


def _value(option: click.Option) -> str:
    return "N" if isinstance(option.type, click.IntRange) else "VALUE"


# --- reference/api.md -------------------------------------------------------------------------

GROUPS = {
    "Workflows and runs": ("workflow", "run", "main", "Outcome", "here", "Here"),
    "Steps": ("step", "do", "require", "Check", "Retry"),
    "Waiting": ("wait_for", "sleep", "sleep_until", "window"),
    "Gates and rollouts": (
        "gate", "measure", "Gate", "Reading", "Stats", "rollout", "Results",
    ),
    "Questions": ("confirm", "ask"),
    "Scopes": ("stage", "preflight", "flight", "postflight", "no_return", "parallel"),
    "Inside a step": (
        "sh", "Done", "save", "saved", "progress", "attempt", "token", "secret", "Secret",
    ),
    "Items": (
        "each", "Batch", "current_item", "CurrentItem", "lines", "csv_rows", "jsonl", "directory",
        "query", "paged", "JsonLines", "Csv", "Budget", "Rate",
    ),
    "Recorded values": ("register",),
    "Errors": (
        "HoldfastError", "UsageError", "DuplicateLabel", "StepFailed", "Rejected",
        "ParallelFailed", "PastNoReturn", "NotDone", "CommandFailed", "RateLimited", "RunLocked",
        "LostOwnership", "StoreError", "StoreCorrupt", "ConfigError", "Leaving",
    ),
}  # fmt: skip
"""Every name of `holdfast.__all__` but the version, in the order of a reader's needs."""


def api_page() -> str:
    """Return the page of all public names, with signatures and promises."""
    named = [name for names in GROUPS.values() for name in names]
    missing = set(holdfast.__all__) - {"__version__"} ^ set(named)
    if missing or len(named) != len(set(named)):
        raise SystemExit(f"docs/generate.py: GROUPS does not match __all__: {sorted(missing)}")
    parts = [
        "# Python API",
        NOTICE,
        'Everything here is importable from `holdfast`. A duration is text such as `"90s"`, '
        '`"5m"`, `"1h30m"` or `"2d"`, a number of seconds, or a `timedelta`. `__version__` is the '
        "version.",
    ]
    for title, names in GROUPS.items():
        parts.append(f"## {title}")
        for name in names:
            parts += _entry(name, getattr(holdfast, name))
    parts += [*_awaited(), *_ready_made()]
    return "\n\n".join(parts) + "\n"


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f"### {name}"
    yield f"```python\n{_shown(name, value)}\n```"
    yield _prose(value)
    if name == "step":
        yield _table(("option", "meaning"), [*_step_options()])
    if inspect.isclass(value) and name in ("Check", "Secret"):
        for member, method in vars(value).items():
            plain = getattr(method, "__func__", method)
            if not member.startswith("_") and inspect.isfunction(plain):
                yield f"`{_signature(f'{name}.{member}', plain)}`: {_prose(plain)}"


def _step_options() -> Iterator[tuple[str, str]]:
    for option in inspect.signature(get_overloads(holdfast.step)[-1]).parameters:
        if option not in STEP_OPTIONS:
            raise SystemExit(f"docs/fields.py does not say what step({option}=) does")
        yield f"`{option}`", STEP_OPTIONS[option]


def _shown(name: str, value: Any) -> str:
    if inspect.isclass(value):
        if issubclass(value, BaseException):
            return f"class {name}({value.__bases__[0].__name__})"
        if dataclasses.is_dataclass(value):
            # A class of ours writes its `__init__` when its first object is made.
            made = value if "__signature__" in vars(value) else value.__init__
            return _signature(f"class {name}", made)
        if issubclass(value, Enum):
            return "\n".join(f"{name}.{member.name}" for member in value)
        return _signature(f"class {name}", value.__init__)
    overloads = get_overloads(value)
    return _signature(name, overloads[-1] if overloads else value)


def _signature(name: str, function: Callable[..., Any]) -> str:
    """Return the signature, one parameter a line when it does not fit one."""
    signature = inspect.signature(function)
    words, is_keyword = [], False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            words.append("*")
        is_keyword = parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        words.append(_parameter(parameter))
    back = signature.return_annotation
    arrow = "" if back is signature.empty or name.startswith("class ") else f" -> {_type(back)}"
    line = f"{name}({', '.join(words)}){arrow}"
    if len(line) <= 88:
        return line
    return f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){arrow}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = stars + parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {_type(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {_default(parameter.default)}"
    return text


def _type(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "None")
    return str(text)


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_default, value))}{',' if len(value) == 1 else ''})"
    return value.__name__ if inspect.isclass(value) else repr(value).replace("'", '"')


def _prose(value: object) -> str:
    text = inspect.getdoc(value) or ""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


def _awaited() -> Iterator[str]:
    """The awaited verbs: the same names, so only what differs is said."""
    aio = import_module("holdfast.aio")
    yield "## holdfast.aio"
    yield (
        "For `async def` workflows: the same names with the same arguments. "
        "`async with` enters a stage; `ask`, `confirm`, `do`, `no_return`, `parallel`, "
        "`require`, `sh`, `sleep`, `sleep_until`, `wait_for` and the steps themselves are awaited; "
        "`attempt`, `here`, `progress`, `save`, `saved`, `secret` and `token` are plain calls."
    )
    rows = [(f"`{name}`", _prose(getattr(aio, name)).partition("\n")[0]) for name in aio.__all__]
    yield _table(("name", "what it does"), rows)


def _ready_made() -> Iterator[str]:
    """The steps that are there already, and what belongs to them."""
    yield "## holdfast.ops"
    yield (
        "Ready-made steps, from `holdfast.ops`; `holdfast.ops.aio` has `snapshot` and `kubectl`, "
        "awaited, and `awaited` makes the others so. "
        "Outside any run the plain ones are just functions. A `Place` is a path: text, or a `Path`."
    )
    for module, names in READY_MADE.items():
        shown = "" if module == "holdfast.ops.snapshot" else f"{module.rpartition('.')[2]}."
        for name in names:
            yield from _entry(f"{shown}{name}", getattr(import_module(module), name))
    yield from _kubectl_errors()


def _kubectl_errors() -> Iterator[str]:
    """What a step of `kubectl` fails with, by the name that its StepFailed has as `type`."""
    kubectl = import_module("holdfast.ops.kubectl")
    kinds = [getattr(kubectl, name) for name in kubectl.__all__]
    errors = [kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, Exception)]
    yield "### Errors of kubectl"
    yield _table(("type", "meaning"), [(f"`{kind.__name__}`", _prose(kind)) for kind in errors])


READY_MADE = {
    "holdfast.ops.snapshot": ("snapshot", "Snapshot", "restore"),
    "holdfast.ops.kubectl": (
        "cordon", "uncordon", "drain", "set_image", "set_env", "patch", "wait_ready", "exec",
        "Changed", "EnvChanged",
    ),
    "holdfast.ops.prometheus": ("query", "range", "Query", "PrometheusFailed"),
    "holdfast.ops.git": ("repository", "branch", "commit", "push", "commit_of", "remote_commit"),
    "holdfast.ops.pulls": (
        "github", "gitea", "open_pull", "wait_for_checks", "merge_pull", "close_pull", "pull_now",
        "checks", "Pull",
    ),
    "holdfast.ops.aio": ("awaited",),
    "holdfast.ops.nodetool": (
        "node", "run", "drain", "snapshot", "clear_snapshot", "disable_binary", "enable_binary",
        "disable_gossip", "enable_gossip", "upgrade_sstables", "schema", "schema_agrees", "ring",
        "not_up", "snapshots", "release", "mode", "info", "is_native_running", "schema_probe",
        "not_up_probe", "snapshot_age_probe",
    ),
}  # fmt: skip

# --- reference/facts.md -----------------------------------------------------------------------

SECTIONS = {
    "The run and its lives": (
        "RunCreated", "LifeStarted", "RunSucceeded", "RunFailed", "RunStopped", "StopRequested",
        "RunCancelled", "LockStolen", "ParameterSet", "Rewound",
        "Rechecked",
    ),
    "Steps": (
        "StepStarted", "StepSucceeded", "StepFoundDone", "AttemptFailed", "StepDoubted",
        "StepRearmed", "StepSkipped", "StepRenamed", "CursorSaved", "StepLeft", "TimerSet",
    ),
    "Batches": ("ItemsRearmed", "ItemDecided", "BudgetGranted"),
    "Scopes": ("ScopeEntered", "ScopeClosed", "DriftAccepted"),
    "Gates and rollouts": (
        "GateOpened", "SampleTaken", "GateOverridden", "RolloutPlanned", "UnitFailed",
        "FailuresGranted",
    ),
    "Shell scripts": ("PlaceReached", "Commands"),
    "Holds": ("HoldOpened", "HoldAnswered", "HoldVoided", "HoldExpired"),
    "Going back": (
        "RollbackBegun", "RolledBack", "UndoBegun", "StageUndone", "StepUndone", "PointPassed",
        "DebtSettled", "DebtAccepted",
    ),
    "Values within facts": ("Who", "Owner", "Owed", "Spilled"),
}  # fmt: skip


def facts_page() -> str:
    """Return the page of all facts and their fields."""
    listed = {name for names in SECTIONS.values() for name in names}
    missing = {*facts.KINDS, "Who", "Owner", "Owed", "Spilled", "Commands"} ^ listed
    if missing:
        raise SystemExit(f"docs/generate.py: SECTIONS does not match the facts: {sorted(missing)}")
    control = ", ".join(f"`{kind.__name__}`" for kind in facts.ControlFact.__args__)
    parts = [
        "# Facts",
        NOTICE,
        "A fact is one immutable record of a run's journal. `holdfast log RUN --json` and "
        "`holdfast export RUN` print them; the [store's page](store.md) says how they are kept. "
        "Names and fields are never renamed or removed; later releases may add fields with a "
        "default. Times are UTC. As JSON a fact has two more members: `seq`, its place in the "
        "journal, and its name, `kind`; a field called `kind` is then `stop_kind`, `hold_kind` or "
        "`scope_kind`.",
        f"The run's owner writes facts. Any process may append the control facts: {control}.",
    ]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}")
        for name in names:
            kind = getattr(facts, name)
            rows = [
                (f"`{field.name}`", f"`{_field_type(field)}`", _meaning(name, field.name))
                for field in dataclasses.fields(kind)
            ]
            parts += [f"### {name}", _prose(kind), _table(("field", "type", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _field_type(field: dataclasses.Field[Any]) -> str:
    text = str(field.type)
    alias = getattr(facts, text, None)
    choices = getattr(alias, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        text = " | ".join(f'"{choice}"' for choice in choices)
    return text.replace("|", "\\|")


def _meaning(fact: str, field: str) -> str:
    text = OVERRIDES.get((fact, field)) or MEANINGS.get(field)
    if text is None:
        raise SystemExit(f"docs/fields.py does not say what {fact}.{field} is")
    return text


# --- Markdown ---------------------------------------------------------------------------------


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


PAGES: dict[str, Callable[[], str]] = {
    "reference/cli.md": cli_page,
    "reference/api.md": api_page,
    "reference/facts.md": facts_page,
}
