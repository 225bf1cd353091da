"""exec: a command in a container, as a step with the options that fit what it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from holdfast.errors import CommandFailed, UsageError
from holdfast.flow.inside import sh
from holdfast.flow.steps import Duration, StepFunction
from holdfast.flow.verbs import adhoc, named
from holdfast.integrations.kubernetes.refusals import refusal
from holdfast.model.retry import Retry
from holdfast.ops.kubectl.calling import Cluster, name_of, resource_of
from holdfast.runtime.context import FRAME
from holdfast.runtime.processes import Done

VERSION = "1"
LABEL_CHARS_MAX: Final = 80
_ENDED: Final = re.compile(r"command terminated with exit code (\d+)\s*$")


def exec(  # its name is kubectl's
    pod: str,
    *argv: str,
    container: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
    label: str | None = None,
    once: bool = False,
    check: Callable[..., object] | None = None,
    undo: Callable[..., object] | None = None,
    reads: bool = False,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
) -> Done:
    """Run a command in a pod's container and return its output, as a step.

    What the command does is yours to say: `once=True` if it must not be repeated, `check=` if it
    can be told whether it was done, `reads=True` if it changes nothing; else an interrupted one
    runs again. `check` and `undo` get `pod`, `argv`, `container`, `namespace`, `context` by name.
    Raises StepFailed: with CommandFailed when the command failed in the container, else with what
    kept kubectl from running it.
    """
    options = {"once": once, "check": check, "undo": undo, "reads": reads}
    step = exec_step(pod, argv, label, retry=retry, timeout=timeout, **options)
    return step(pod, argv, container, namespace, context)


def exec_step(
    pod: str, argv: tuple[str, ...], label: str | None, **options: Any
) -> StepFunction[..., Done]:
    """Return the step with its label and options. Raises UsageError."""
    if not argv:
        raise UsageError(f"exec({pod!r}): there is no command to run")
    text = f"exec {pod}: {' '.join(argv)}"
    short = text if len(text) <= LABEL_CHARS_MAX else f"{text[: LABEL_CHARS_MAX - 1]}…"
    step = adhoc(_exec, **options)
    frame = FRAME.get()
    return step if frame is None else named(step, short if label is None else label)


def _exec(
    pod: str,
    argv: tuple[str, ...],
    container: str | None,
    namespace: str | None,
    context: str | None,
) -> Done:
    given = [] if container is None else [f"--container={container}"]
    there = resource_of(pod) if "/" in pod else name_of(pod, "pod")
    command = Cluster(context, namespace).words("exec", there, *given, "--", *argv)
    done = sh(*command, check=False)
    if done.code == 0:
        return done
    if ended := _ENDED.search(done.err):
        said = "\n".join(filter(None, (done.out, done.err[: ended.start()].strip())))
        raise CommandFailed((f"{pod}:", *argv), int(ended[1]), said)
    raise refusal(command, done.code, done.err, done.out)
