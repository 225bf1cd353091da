"""Cassandra through its own `nodetool`, of 3.11, 4.0 and 4.1: steps, readings and probes.

    here = node("cass-1")                                   nodetool on this machine
    there = node("cass-1", "ssh", "cass-1")                 on another
    pod = node("cass-1", "kubectl", "exec", "cass-1", "--")     in a pod

A reading is a plain function; in a workflow it belongs into `require`, `wait_for` or a step of
yours. A probe is for `gate` and `measure`: it says nothing (None) where nobody knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from re import fullmatch
from shlex import quote
from typing import Final, TypeAlias

from holdfast.errors import CommandFailed, HoldfastError, UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import run_logged, save, saved, sh, token
from holdfast.integrations import nodetool as texts
from holdfast.integrations.nodetool import (
    Listed,
    Member,
    NodeInfo,
    Schema,
    UnreadableOutput,
)
from holdfast.ops.foreseeing import is_foreseen
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.context import is_in_step

__all__ = [
    "Listed", "Member", "Node", "NodeInfo", "NodetoolFailed", "Schema", "UnreadableOutput",
    "clear_snapshot", "disable_binary", "disable_gossip", "drain", "enable_binary",
    "enable_gossip", "info", "is_native_running", "mode", "node", "not_up", "not_up_probe",
    "release", "ring", "run", "schema", "schema_agrees", "schema_probe", "snapshot",
    "snapshot_age_probe", "snapshots", "upgrade_sstables",
]  # fmt: skip

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""
READ_S: Final = 120.0
"""How long a node may take to say how it is; what it does may take as long as it takes."""
NAMES: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Of tags and keyspaces: they may pass through the shell of `ssh`."""
DRAINED: Final = "DRAINED"
TOKEN_DIGITS: Final = 12
"""Of an own tag: with 20 characters or more, 3.11 prints it and the keyspace as one word."""
Probe: TypeAlias = Callable[[], float | None]


class NodetoolFailed(HoldfastError):
    """A node is not as it should be after a command that reported success."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node's name, for labels, and the words that run its `nodetool`."""

    name: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def node(name: str, *prefix: str, program: str = "nodetool") -> Node:
    """Return a node. `prefix` is what brings us to it: `"ssh", "cass-1"`; nothing is this
    machine. Options of nodetool that are always needed stand in `program`: `"nodetool -p 7198"`.
    """
    return Node(name, (*prefix, *program.split()))


def run(node: Node, *words: str) -> str:
    """Return what `nodetool WORDS` prints. Raises CommandFailed when it fails."""
    return sh(*node.words, *words).out


def _read(node: Node, *words: str) -> str:
    """As `run`, for what only looks: a node that does not answer holds up no gate for ever."""
    return run_logged([*node.words, *words], limit_s=READ_S).out


# --- readings -----------------------------------------------------------------------------------


def schema(node: Node) -> Schema:
    """Return which nodes have which version of the schema, as this one sees it."""
    return texts.schema_of(_read(node, "describecluster"))


def schema_agrees(node: Node) -> bool:
    """Whether all nodes could be asked and have the same schema, as this one sees it."""
    return schema(node).agrees


def ring(node: Node, keyspace: str | None = None) -> tuple[Member, ...]:
    """Return all nodes of the cluster, of every data centre, as this one sees them."""
    return texts.ring_of(_read(node, "status", *(() if keyspace is None else (_named(keyspace),))))


def not_up(node: Node) -> tuple[str, ...]:
    """Return the addresses of the nodes that are not `UN`: down, leaving, joining or moving."""
    return tuple(member.address for member in ring(node) if not member.is_up_normal)


def snapshots(node: Node) -> tuple[Listed, ...]:
    """Return the snapshots on this node, a row for each table."""
    return texts.snapshots_of(_read(node, "listsnapshots"))


def release(node: Node) -> str:
    """Return the release that runs on this node: `4.1.3`."""
    return texts.release_of(_read(node, "version"))


def mode(node: Node) -> str:
    """Return the node's own mode: NORMAL, JOINING, LEAVING, DRAINING, DRAINED, …"""
    return texts.mode_of(_read(node, "netstats"))


def info(node: Node) -> NodeInfo:
    """Return whether gossip and the native transport are active, uptime, rack and the like."""
    return texts.info_of(_read(node, "info"))


def is_native_running(node: Node) -> bool:
    """Whether the node takes requests of clients."""
    return texts.is_running("statusbinary", _read(node, "statusbinary"))


# --- probes -------------------------------------------------------------------------------------


def schema_probe(node: Node) -> Probe:
    """Return a probe for `gate(…, below=2)`: how many versions of the schema there are.

    None, which is inconclusive, while a node cannot be reached: what it has nobody knows.
    """

    def look() -> float | None:
        seen = schema(node)
        return None if seen.unreachable else len(seen.versions)

    return _asking(look, node, "describecluster")


def not_up_probe(node: Node) -> Probe:
    """Return a probe for `gate(…, below=1)`: how many nodes are not `UN`."""

    def look() -> float | None:
        return len(not_up(node))

    return _asking(look, node, "status")


def snapshot_age_probe(node: Node, begins: str = "") -> Probe:
    """Return a probe for `gate(…, below=86400)`: seconds since the newest snapshot whose tag
    begins so. None where there is none, or none that tells when it was made: before 4.1 only the
    tag does, and only when nobody chose it.
    """

    def look() -> float | None:
        moments = [texts.made_at(kept) for kept in snapshots(node) if kept.tag.startswith(begins)]
        newest = max((moment for moment in moments if moment is not None), default=None)
        return None if newest is None else (SystemClock().now() - newest).total_seconds()

    return _asking(look, node, "listsnapshots")


def _asking(look: Probe, node: Node, command: str) -> Probe:
    """Return the probe, saying what it asks as a person would type it."""
    look.__dict__["query"] = " ".join(map(quote, (*node.words, command)))
    return look


# --- steps --------------------------------------------------------------------------------------


def _is_drained(node: Node) -> bool:
    return mode(node) == DRAINED


@step("drain {node}", check=_is_drained)
def drain(node: Node) -> None:
    """Flush the node's tables and stop its traffic, so that it can be stopped without loss.

    Whether it is drained already is asked of the node. Nothing but a restart takes it back: there
    is no undo. Raises NodetoolFailed when the node does not say afterwards that it is drained.
    """
    run(node, "drain")
    now = mode(node)
    if now != DRAINED:
        raise NodetoolFailed(f"{node} was told to drain, and is {now}; see nodetool netstats")


def _is_binary_off(node: Node) -> bool:
    return not is_native_running(node)


def _is_binary_on(node: Node) -> bool | None:
    # In a plan the node still is as it was before it will have been kept from clients.
    return None if is_foreseen() else is_native_running(node)


@step("enable binary on {node}", check=_is_binary_on)
def enable_binary(node: Node) -> None:
    """Let the node take requests of clients again."""
    run(node, "enablebinary")


@step("disable binary on {node}", check=_is_binary_off, owes=enable_binary)
def disable_binary(node: Node) -> None:
    """Keep clients away from the node; `enable_binary` is owed."""
    run(node, "disablebinary")


def _is_gossip_off(node: Node) -> bool:
    return not texts.is_running("statusgossip", _read(node, "statusgossip"))


def _is_gossip_on(node: Node) -> bool | None:
    return None if is_foreseen() else not _is_gossip_off(node)


@step("enable gossip on {node}", check=_is_gossip_on)
def enable_gossip(node: Node) -> None:
    """Let the others see the node again."""
    run(node, "enablegossip")


@step("disable gossip on {node}", check=_is_gossip_off, owes=enable_gossip)
def disable_gossip(node: Node) -> None:
    """Have the others see the node as down; `enable_gossip` is owed."""
    run(node, "disablegossip")


@step("upgrade sstables on {node}")
def upgrade_sstables(node: Node) -> None:
    """Rewrite what older releases wrote. What is of this release is left alone, so that an
    interrupted run goes on where it was; there is no way back."""
    run(node, "upgradesstables")


@step("clear snapshot {tag} on {node}")
def clear_snapshot(node: Node, tag: str) -> None:
    """Remove a snapshot of that tag, all its tables. Harmless when there is none."""
    _clear(node, tag)


@step("remove the snapshot of {node}")
def _undo_snapshot(node: Node, result: str | None) -> None:
    tag = result if result is not None else saved()
    if isinstance(tag, str):
        _clear(node, tag)


@step("snapshot {node}", undo=_undo_snapshot)
def snapshot(node: Node, tag: str | None = None, keyspaces: tuple[str, ...] = ()) -> str:
    """Take a snapshot of all tables, or those of some keyspaces, and return its tag.

    Without a tag it is this step's own. What an attempt that was killed left is removed first: half
    a snapshot is none. The undo removes it. Raises NodetoolFailed when another one has the tag.
    """
    is_step = is_in_step()
    if tag is None:
        tag = f"hf-{(token() if is_step else secrets.token_hex())[:TOKEN_DIGITS]}"
    name, others = _named(tag), [_named(keyspace) for keyspace in keyspaces]
    if _has(node, name):
        if not is_step or saved() != name:
            raise NodetoolFailed(f"{node} has a snapshot {name} already; choose another tag")
        _clear(node, name)
    if is_step:
        save(name)
    run(node, "snapshot", "-t", name, *others)
    if not _has(node, name):
        raise NodetoolFailed(f"{node} was told to take snapshot {name}, and does not list it")
    return name


def _has(node: Node, tag: str) -> bool:
    """Whether there is a snapshot of that tag; 3.11 writes a long one and its keyspace as one."""
    return any(
        kept.tag == tag or (not kept.keyspace and kept.tag.startswith(tag))
        for kept in snapshots(node)
    )


def _clear(node: Node, tag: str) -> None:
    """Remove a snapshot; what is not there is no failure."""
    name = _named(tag)
    try:
        run(node, "clearsnapshot", "-t", name)
    except CommandFailed:
        if _has(node, name):
            raise


def _named(text: str) -> str:
    if fullmatch(NAMES, text) is None:
        raise UsageError(
            f"nodetool: {text!r} is no tag or keyspace that can be passed on: letters, digits, "
            "dots, dashes and underscores"
        )
    return text
