"""set_env: variables of a container are set or removed, and put back by the undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from holdfast.engine.spec import Check
from holdfast.errors import UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.steps import StepFunction
from holdfast.flow.verbs import named
from holdfast.integrations.kubernetes import patches
from holdfast.integrations.kubernetes.pods import Object
from holdfast.integrations.kubernetes.refusals import ChangedMeanwhile
from holdfast.model.json import Json
from holdfast.ops.kubectl.seeing import former, object_of, send
from holdfast.runtime.context import FRAME

VERSION = "1"
Env: TypeAlias = Mapping[str, str | None]
Entry: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True)
class EnvChanged:
    """What `set_env` changed, by variable: its whole entry as it stood first, and after; None is
    a variable that is not there."""

    before: dict[str, Entry | None]
    after: dict[str, Entry | None]


def _is_put_back(
    resource: str,
    container: str | None,
    namespace: str | None,
    context: str | None,
    result: EnvChanged | None,
) -> object:
    kept = result or saved()
    if not isinstance(kept, EnvChanged):
        return Check.DONE  # It was cut short before it had seen anything, so it changed nothing.
    found = object_of(resource, namespace, context)
    return patches.entries_of(found, container, kept.before) == kept.before


@step("put the variables of {resource} back", check=_is_put_back)
def _put_back(
    resource: str,
    container: str | None,
    namespace: str | None,
    context: str | None,
    result: EnvChanged | None,
) -> None:
    kept = result or saved()
    if not isinstance(kept, EnvChanged):
        return
    found = object_of(resource, namespace, context)
    now = patches.entries_of(found, container, kept.before)
    if now == kept.before:
        return
    if now != kept.after:
        raise ChangedMeanwhile(
            f"the variables of {resource} were not put back: somebody else has changed "
            f"{', '.join(kept.before)} since; put them back by hand and say `holdfast done`, or "
            "`holdfast skip`"
        )
    _send(resource, container, namespace, context, found, kept.before)


def _has_env(
    resource: str,
    env: dict[str, str | None],
    container: str | None,
    namespace: str | None,
    context: str | None,
) -> object:
    wanted, found = patches.entries(env), object_of(resource, namespace, context)
    if patches.entries_of(found, container, wanted) != wanted:
        return False
    return Check.done(saved())


def set_env(
    resource: str,
    env: Env,
    *,
    container: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
) -> EnvChanged:
    """Set variables of a container, and remove those whose value is None; the undo puts back what
    there was.

    Their names and values are recorded: a secret belongs in a Secret of the cluster. Raises
    StepFailed, also when somebody else changes the container's variables meanwhile.
    """
    return env_step(resource, env)(resource, dict(env), container, namespace, context)


def env_step(resource: str, env: Env) -> StepFunction[..., EnvChanged]:
    """Return the step under the names of what it sets. Raises UsageError."""
    if not env:
        raise UsageError(f"set_env({resource!r}): there is no variable to set")
    names = " ".join(name if value is not None else f"{name}-" for name, value in env.items())
    return named(_set_env, f"set env {resource} {names}")


@step("set env {resource}", check=_has_env, undo=_put_back)
def _set_env(
    resource: str,
    env: dict[str, str | None],
    container: str | None,
    namespace: str | None,
    context: str | None,
) -> EnvChanged:
    found = object_of(resource, namespace, context)
    wanted = patches.entries(env)
    now = patches.entries_of(found, container, wanted)
    first = former(EnvChanged)
    is_ours = first is not None and first.after == now
    done = EnvChanged(first.before if first is not None and is_ours else now, wanted)
    if FRAME.get() is not None:
        save(done)  # Before the change: whoever finds it changed knows what there was.
    if now != wanted:
        _send(resource, container, namespace, context, found, wanted)
    return done


def _send(
    resource: str,
    container: str | None,
    namespace: str | None,
    context: str | None,
    found: Object,
    wanted: dict[str, Entry | None],
) -> None:
    """Change these variables where all of the container's are still what was seen."""
    path = f"{patches.container_path(found, container)}/env"
    there = patches.seen(found, {path: None})
    made: Json = cast(Json, patches.with_entries(there[path], wanted))
    send(resource, namespace, context, found, {path: made}, there)
