"""What Cassandra's `nodetool` prints, of 3.11, 4.0 and 4.1, as values.

Read from the programs' own sources; `tests/unit/test_nodetool_texts.py` has one text of each kind.
What differs between the releases:

    describecluster  3.11 ends after the schema versions; 4.0 adds nodes, data centres, releases and
                     keyspaces. With `-pp`, 4.0 gives addresses with their ports
    status           without vnodes a Token column stands where Tokens would; Owns is `?` when no
                     keyspace is given and their replication differs; a rack is the rest of a line
    listsnapshots    3.11 has columns of fixed width, into which a long name runs; 4.1 adds when a
                     snapshot was made, and when it expires
    info             "Thrift active" is gone in 4.0

A line that should be there and is not, or that is of no known form, raises `UnreadableOutput`:
nothing is guessed about a database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from holdfast.errors import HoldfastError

SHOWN_CHARS_MAX: Final = 300
UNREACHABLE: Final = "UNREACHABLE"


class UnreadableOutput(HoldfastError):
    """`nodetool` printed what no known release prints."""

    def __init__(self, command: str, what: str, text: str) -> None:
        shown = text.strip()[:SHOWN_CHARS_MAX]
        super().__init__(f"nodetool {command}: {what}; it printed: {shown!r}")


@dataclass(frozen=True, slots=True)
class Schema:
    """Which nodes have which version of the schema, and which nodes cannot be asked."""

    versions: dict[str, tuple[str, ...]]
    unreachable: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether every node could be asked, and all have the same version."""
        return len(self.versions) == 1 and not self.unreachable


@dataclass(frozen=True, slots=True)
class Member:
    """One node as `status` shows it: `status` is U, D or ?, `state` N, L, J or M. `owns` is a
    percentage, and None where that is not known; `tokens` is how many it has."""

    address: str
    status: str
    state: str
    datacenter: str
    rack: str
    host_id: str
    load: str
    owns: float | None
    tokens: int

    @property
    def is_up_normal(self) -> bool:
        """Whether it is `UN`: up, and neither leaving, joining nor moving."""
        return self.status == "U" and self.state == "N"


@dataclass(frozen=True, slots=True)
class Listed:
    """One table of a snapshot. `made_at` is None where the release does not say so."""

    tag: str
    keyspace: str
    table: str
    true_size: str
    size_on_disk: str
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What `info` says. `uptime_s` and `exceptions` are None where it does not say that."""

    id: str
    gossip: bool
    native: bool
    datacenter: str
    rack: str
    uptime_s: int | None
    exceptions: int | None


# --- describecluster, status --------------------------------------------------------------------


def schema_of(text: str) -> Schema:
    """Return what `describecluster` says of the schema. Raises UnreadableOutput."""
    lines = iter(text.splitlines())
    if not any(line.strip() == "Schema versions:" for line in lines):
        raise UnreadableOutput("describecluster", "there are no schema versions", text)
    versions: dict[str, tuple[str, ...]] = {}
    for line in lines:
        found = _VERSION.fullmatch(line.strip())
        if found is not None:
            nodes = tuple(node.strip() for node in found[2].split(",") if node.strip())
            versions[found[1]] = versions.get(found[1], ()) + nodes
        elif line.strip():
            break
    unreachable = versions.pop(UNREACHABLE, ())
    if not versions:
        raise UnreadableOutput("describecluster", "no node told its schema version", text)
    return Schema(versions, unreachable)


_VERSION: Final = re.compile(rf"([0-9a-f-]{{36}}|{UNREACHABLE}): \[(.*)\]")


def ring_of(text: str) -> tuple[Member, ...]:
    """Return the nodes that `status` lists, of all data centres. Raises UnreadableOutput."""
    datacenter, has_tokens, found = "", None, list[Member]()
    for line in text.splitlines():
        if line.startswith("Datacenter: "):
            datacenter, has_tokens = line.removeprefix("Datacenter: ").strip(), None
        elif line.startswith("--  "):
            has_tokens = " Tokens " in line
        elif _NODE_BEGINS.match(line):
            if has_tokens is None:
                raise UnreadableOutput("status", "a node stands before any heading", text)
            found.append(_member(line, datacenter, has_tokens=has_tokens, text=text))
    if not found:
        raise UnreadableOutput("status", "it lists no node", text)
    return tuple(found)


_NODE_BEGINS: Final = re.compile(r"[UD?][NLJM]  ")
_SIZE: Final = r"\?|[\d.,]+ (?:bytes|[KMGTPE]i?B)"
_OWNS: Final = r"(?P<owns>\?|[\d.,]+%)"
_BEFORE: Final = rf"(?P<up>[UD?])(?P<state>[NLJM])  (?P<address>\S+)\s+(?P<load>{_SIZE})\s+"
_AFTER: Final = r"(?P<id>\S+)\s+"
_WITH_TOKENS: Final = re.compile(rf"{_BEFORE}(?P<tokens>\d+)\s+{_OWNS}\s+{_AFTER}(?P<rack>\S.*)")
_WITH_TOKEN: Final = re.compile(rf"{_BEFORE}{_OWNS}\s+{_AFTER}(?P<token>-?\w+)\s+(?P<rack>\S.*)")


def _member(line: str, datacenter: str, *, has_tokens: bool, text: str) -> Member:
    found = (_WITH_TOKENS if has_tokens else _WITH_TOKEN).fullmatch(line.rstrip())
    if found is None:
        raise UnreadableOutput("status", f"the line {line!r} is of no known form", text)
    owns = found["owns"]
    return Member(
        found["address"],
        found["up"],
        found["state"],
        datacenter,
        found["rack"],
        found["id"],
        found["load"],
        None if owns == "?" else float(owns.rstrip("%").replace(",", ".")),
        int(found["tokens"]) if has_tokens else 1,
    )


# --- listsnapshots ------------------------------------------------------------------------------

NO_SNAPSHOTS: Final = "There are no snapshots"
_LISTED: Final = re.compile(
    rf"(?P<names>\S.*?)\s+(?P<true>{_SIZE})\s+(?P<disk>{_SIZE})"
    r"(?:\s+(?P<made>\d{4}-\d\d-\d\dT[\d:.]+Z|null))?(?:\s+(?P<expires>\d{4}-\S+Z|null))?"
)


def snapshots_of(text: str) -> tuple[Listed, ...]:
    """Return what `listsnapshots` lists, a row for each table. Raises UnreadableOutput."""
    if NO_SNAPSHOTS in text:
        return ()
    lines = iter(text.splitlines())
    if not any(line.startswith("Snapshot name") for line in lines):
        raise UnreadableOutput("listsnapshots", "there is no heading", text)
    found: list[Listed] = []
    for line in lines:
        if line.startswith("Total TrueDiskSpaceUsed"):
            return tuple(found)
        if line.strip():
            found.append(_listed(line, text))
    raise UnreadableOutput("listsnapshots", "its end is missing", text)


def _listed(line: str, text: str) -> Listed:
    row = _LISTED.fullmatch(line.strip())
    names = [] if row is None else row["names"].split()
    if row is None or len(names) not in (2, 3):
        raise UnreadableOutput("listsnapshots", f"the line {line!r} is of no known form", text)
    # In 3.11 a name of 20 characters or more runs into the keyspace's; the tag is then the whole.
    tag, keyspace, table = names if len(names) == 3 else (names[0], "", names[1])
    made = row["made"]
    made_at = None if made in (None, "null") else datetime.fromisoformat(made)
    return Listed(tag, keyspace, table, row["true"], row["disk"], made_at)


_MILLISECONDS: Final = re.compile(r"\d{13}")


def made_at(listed: Listed) -> datetime | None:
    """Return when a snapshot was made: as the release says; else by a tag that nobody chose, for
    that is the time in milliseconds; None when neither tells."""
    if listed.made_at is not None:
        return listed.made_at
    if _MILLISECONDS.fullmatch(listed.tag):
        return datetime.fromtimestamp(int(listed.tag) / 1000, UTC)
    return None


# --- version, netstats, info --------------------------------------------------------------------


def release_of(text: str) -> str:
    """Return what `version` says: `4.1.3`. Raises UnreadableOutput."""
    found = re.search(r"^ReleaseVersion: (\S+)$", text, re.MULTILINE)
    if found is None:
        raise UnreadableOutput("version", "there is no release", text)
    return found[1]


def mode_of(text: str) -> str:
    """Return the mode that `netstats` begins with: `NORMAL`, `DRAINED`. Raises UnreadableOutput."""
    found = re.search(r"^Mode: ([A-Z_]+)$", text, re.MULTILINE)
    if found is None:
        raise UnreadableOutput("netstats", "there is no mode", text)
    return found[1]


def is_running(command: str, text: str) -> bool:
    """Return what `statusbinary` and its kin say. Raises UnreadableOutput."""
    says = text.strip()
    if says not in ("running", "not running"):
        raise UnreadableOutput(command, 'neither "running" nor "not running"', text)
    return says == "running"


def info_of(text: str) -> NodeInfo:
    """Return what `info` says. Raises UnreadableOutput."""
    fields = dict(
        (name.strip(), value.strip())
        for name, colon, value in (line.partition(":") for line in text.splitlines())
        if colon
    )
    try:
        return NodeInfo(
            fields["ID"],
            _flag(fields["Gossip active"]),
            _flag(fields["Native Transport active"]),
            fields["Data Center"],
            fields["Rack"],
            _number(fields.get("Uptime (seconds)", "")),
            _number(fields.get("Exceptions", "")),
        )
    except (KeyError, ValueError) as missing:
        raise UnreadableOutput("info", f"{missing} is missing, or of no known form", text) from None


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
