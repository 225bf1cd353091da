"""What a step borrows, and whose debts a call settles: told by names and shared arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from holdfast.errors import UsageError
from holdfast.flow.signatures import VAR_KEYWORD, Parameter, parameters_of
from holdfast.model.called import name_of
from holdfast.model.codec import fingerprint
from holdfast.model.keys import default_label
from holdfast.model.state import RunState
from holdfast.model.undo_facts import Owed

RESULT = "result"
"""The name under which an undo or owed step may ask for the step's result."""


def owed_by(owes: Callable[..., object], arguments: Mapping[str, object]) -> Owed:
    """Return what a call with these arguments borrows: the step that gives it back, which is met
    again by its name and the arguments both have."""
    parameters = declared(owes)
    takes_all = any(p.kind == VAR_KEYWORD for p in parameters)
    names = {p.name for p in parameters}
    shared = {name: v for name, v in arguments.items() if takes_all or name in names}
    return Owed(function_name(owes), label_for(owes, shared), tuple(shared), fingerprint(shared)[0])


def declared(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """Return the parameters of what is given the step's arguments by their names. Raises
    UsageError for a builtin that does not tell them."""
    try:
        return parameters_of(getattr(function, "body", function))
    except ValueError:
        raise UsageError(
            f"{name_of(function)} does not tell its parameters, and would be given the step's "
            "arguments by their names; give a function or a lambda that calls it"
        ) from None


def function_name(function: Callable[..., object]) -> str:
    """Return the name by which a function is met again; nothing for a lambda, which has none."""
    name = str(getattr(function, "__qualname__", ""))
    return "" if name.endswith("<lambda>") else name


def label_for(function: Callable[..., object], arguments: Mapping[str, object]) -> str:
    """Return what a person calls this call of a step or function."""
    name = str(getattr(function, "__name__", "")).replace("<lambda>", "") or "its function"
    labelled = getattr(function, "labelled", None)
    if labelled is None:
        return default_label(name, arguments, {})
    try:
        return str(labelled(arguments))
    except (TypeError, UsageError):
        # It needs the result, which is not known before the step has run.
        return default_label(name, arguments, {})


def settled_by(name: str, arguments: Mapping[str, object], state: RunState) -> tuple[str, ...]:
    """Return the steps whose open debts a call of the function `name` settles."""
    if not state.ledger.owing:
        return ()
    # Many debts share few names: a digest for each would cost more than the step.
    digest_of = cache(lambda shared: fingerprint({name: arguments[name] for name in shared})[0])
    return tuple(
        debt.key
        for debt in state.ledger.open_debts
        if debt.owed.step == name != ""
        and arguments.keys() >= set(debt.owed.names)
        and digest_of(debt.owed.names) == debt.owed.digest
    )
