"""How the steps of `holdfast.ops.kubectl` call the user's own kubectl.

Always the program `kubectl` of PATH with the kubeconfig it finds itself: KUBECONFIG may come from
the environment or from the target's `env` of the inventory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from holdfast.errors import UsageError
from holdfast.flow.inside import sh
from holdfast.integrations.kubernetes.pods import Object
from holdfast.integrations.kubernetes.refusals import KubectlFailed, refusal
from holdfast.ops.programs import unlogged
from holdfast.runtime.processes import Done

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what they do does."""
REQUEST_S_MAX = 20
"""How long a single question may take: a check has 30 s."""
PROGRAM = "kubectl"
_ERROR = re.compile(r"^error: ", re.MULTILINE)
"""kubectl cordon says this and exits with 0 when the cluster refuses the change."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster, and where in it. None leaves it to the kubeconfig."""

    context: str | None = None
    namespace: str | None = None

    def words(self, *words: str) -> list[str]:
        """Return the arguments of a kubectl there."""
        given = [f"--context={self.context}"] if self.context is not None else []
        given += [f"--namespace={self.namespace}"] if self.namespace is not None else []
        return [PROGRAM, *given, *words]

    def change(self, *words: str) -> Done:
        """Run a kubectl that changes something; what it says goes to the step's log. Raises
        KubectlFailed."""
        command = self.words(*words)
        done = sh(*command, check=False)
        if done.code or _ERROR.search(done.err):
            raise refusal(command, done.code, done.err, done.out)
        return done

    def ask(self, *words: str) -> str:
        """Return what a kubectl that only reads says; nothing of it is logged. Raises
        KubectlFailed."""
        command = self.words(*words, f"--request-timeout={REQUEST_S_MAX}s")
        done = unlogged(command)
        if done.code:
            raise refusal(command, done.code, done.err, done.out)
        return done.out

    def get(self, *words: str) -> Object:
        """Return an object, or a list of objects, as JSON. Raises KubectlFailed."""
        text = self.ask("get", *words, "--output=json")
        try:
            found: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise KubectlFailed(f"kubectl get {' '.join(words)} gave no JSON: {error}") from error
        if not isinstance(found, dict):
            raise KubectlFailed(f"kubectl get {' '.join(words)} gave no object: {text:.80}")
        return found


def name_of(name: str, of: str) -> str:
    """Return the name of one thing as it may stand among kubectl's words. Raises UsageError for
    what kubectl would take for an option, a kind, or several names: it would act on all of them."""
    if not name or name.startswith("-") or "/" in name or "," in name or name.split() != [name]:
        raise UsageError(f"{name!r} is no name of a {of}")
    return name


def resource_of(resource: str) -> str:
    """Return `kind/name` as kubectl takes it. Raises UsageError for anything else."""
    kind, _, name = resource.partition("/")
    try:
        return f"{name_of(kind, 'kind')}/{name_of(name, kind)}"
    except UsageError:
        raise UsageError(
            f"{resource!r} is no resource: write kind and name, as in pod/etcd-1"
        ) from None
