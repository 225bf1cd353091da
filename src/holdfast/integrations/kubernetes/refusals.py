"""What kubectl says when it will not: one error for each thing that a person would do about it.

KubectlFailed           anything that is not told apart below
├── KubectlMissing      there is no such program
├── Unconfigured        no kubeconfig, or no such context in it
├── Unreachable         the cluster did not answer: nobody knows
├── Forbidden           the cluster knows us, or does not, and says no
├── NotFound            the cluster has no such thing
├── ChangedMeanwhile    a guard did not hold: somebody else changed it
├── DrainFailed         pods remain on the node, which stays cordoned
└── NotReady            it did not become ready in time, or never will
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from holdfast.errors import HoldfastError

TEXT_CHARS_MAX: Final = 1_500


class KubectlFailed(HoldfastError):
    """kubectl could not do what it was asked for; its last words say why."""


class KubectlMissing(KubectlFailed):
    """There is no program `kubectl` here."""


class Unconfigured(KubectlFailed):
    """The kubeconfig says nothing of such a cluster."""


class Unreachable(KubectlFailed):
    """The cluster did not answer."""


class Forbidden(KubectlFailed):
    """The cluster says no to who we are."""


class NotFound(KubectlFailed):
    """The cluster has no such thing."""


class ChangedMeanwhile(KubectlFailed):
    """A guard did not hold: what was to be changed is not what it was."""


class DrainFailed(KubectlFailed):
    """Pods remain on a node that was to be drained."""


class NotReady(KubectlFailed):
    """Something did not become ready, or is broken."""


_NOT_FOUND: Final = re.compile(r"\(NotFound\)|not found in the namespace|unable to find container")
_FORBIDDEN: Final = re.compile(
    r"\(Forbidden\)| is forbidden: |\(Unauthorized\)|must be logged in|provide credentials"
)
_UNREACHABLE: Final = re.compile(
    r"connection to the server .* was refused|Unable to connect to the server|i/o timeout|"
    r"no such host|connection refused|TLS handshake timeout|\(ServiceUnavailable\)|"
    r"context deadline exceeded|connection reset by peer|unexpected EOF|: EOF$|"
    r"\(Timeout\)|\(TooManyRequests\)|etcdserver: |client connection lost|no route to host|"
    r"network is unreachable",
    re.MULTILINE,
)
_UNCONFIGURED: Final = re.compile(
    r"context was not found|context \"[^\"]*\" does not exist|no configuration has been provided|"
    r"error loading config file|Error in configuration"
)
_CHANGED: Final = re.compile(
    r"The request is invalid: the server rejected our request|testing (?:value|path) .* failed|"
    r"\(Conflict\)|the object has been modified"
)
_NO_PROGRAM: Final = 127


def refusal(words: Sequence[str], code: int, err: str, out: str = "") -> KubectlFailed:
    """Return what the end of a kubectl that failed means, and what to do about it."""
    said = (err.strip() or out.strip() or f"exit {code}, and not a word")[-TEXT_CHARS_MAX:]
    call = " ".join(words)
    if code == _NO_PROGRAM:
        return KubectlMissing(
            "there is no program `kubectl` in PATH, and nothing was asked of the cluster: install "
            "it (its version within one minor of the cluster's), or set PATH, and resume"
        )
    for pattern, kind, advice in _KINDS:
        if pattern.search(said):
            return kind(f"{said}; `{call}` {advice}")
    return KubectlFailed(f"{said}; `{call}` ended with exit {code}")


_KINDS: Final[tuple[tuple[re.Pattern[str], type[KubectlFailed], str], ...]] = (
    (
        _UNCONFIGURED,
        Unconfigured,
        "asked nothing of any cluster: see `kubectl config get-contexts`, and set context= or "
        "KUBECONFIG (also in the target's env of holdfast.toml)",
    ),
    (
        _FORBIDDEN,
        Forbidden,
        "changed nothing: log in again, or have the right granted (`kubectl auth can-i --list` "
        "tells what you may), and resume",
    ),
    (
        _UNREACHABLE,
        Unreachable,
        "got no answer, and whether it took effect is not known: see whether the cluster answers "
        "(`kubectl get nodes`), and resume; the step looks before it acts again",
    ),
    (
        _NOT_FOUND,
        NotFound,
        "changed nothing: compare the name, the namespace and the context with "
        "`kubectl get nodes,pods -A`",
    ),
    (
        _CHANGED,
        ChangedMeanwhile,
        "changed nothing, because something else is there than was expected: see what it is now, "
        "and resume when it may be changed",
    ),
)
