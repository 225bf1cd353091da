"""What `holdfast doctor` says of a store: what is wrong, what to mind, and what is fine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.app.views import VERSION
from holdfast.app.wording import count
from holdfast.errors import StoreError
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.ports.store import StoreAbsent
from holdfast.wiring import (
    clear_suspect,
    inspect_store,
    sqlite_path,
    store_url,
    undelivered,
)

if TYPE_CHECKING:
    from holdfast.wiring import Health, Undelivered

FREE_BYTES_MIN: Final = 100 * 1024 * 1024
OTHERS: Final = 0o077
"""The permission bits of everybody but the owner."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One store as it was found. `health` is None where there is no store yet.

    `was_cleared` tells that a disk once failed here, and that the store was found sound now.
    """

    path: Path
    health: Health | None
    wrong: tuple[str, ...]
    mind: tuple[str, ...]
    was_cleared: bool = False

    @property
    def is_healthy(self) -> bool:
        return not self.wrong


def diagnose(url: str | None) -> Diagnosis:
    """Return how a store is, after reading all of it.

    The marker of a disk that failed is removed when every byte is what was written.
    """
    path = sqlite_path(store_url(url))
    try:
        health = inspect_store(url)
    except StoreAbsent:
        return Diagnosis(path, None, (), ())
    wrong, cleared = list(_wrong(health)), False
    if health.suspect is not None and health.is_clean:
        try:
            clear_suspect(url)
            cleared = True
        except StoreError as problem:
            wrong.append(str(problem))
    mind = (*_mind(health), *_not_delivered(undelivered(url)))
    return Diagnosis(path, health, tuple(wrong), mind, cleared)


def _wrong(health: Health) -> Iterator[str]:
    for line in health.integrity:
        yield f"the database is damaged: {line}"
    for run, why in health.broken:
        yield f"run {run}: {why}" if run else why


def _mind(health: Health) -> Iterator[str]:
    if health.is_on_network:
        yield f"it lies on a network file system ({health.filesystem}), whose locks may lie"
    if health.free_bytes < FREE_BYTES_MIN:
        yield f"only {health.free_bytes / 2**20:,.0f} MiB are free"
    if not health.schema_version and not health.integrity:
        yield (
            "it holds nothing: so does a database that was copied without its log, "
            f"{Path(health.path).name}-wal"
        )
    for text in health.behind:
        yield (
            f"{text}: the database is older than what lies beside it, like a copy without its log "
            "or a backup that was put back. What was done since it does not know, and would repeat"
        )
    if health.names > 1:
        yield (
            f"it has {health.names} names (hard links), and its log is beside one of them: use "
            "no other, and copy it with SQLite's .backup"
        )
    for place, mode in health.modes.items():
        if mode & OTHERS:
            yield f"others may use {place} (mode {mode:04o}): chmod go= {place}"


def _not_delivered(found: Undelivered) -> Iterator[str]:
    if found.failed:
        notices = count(found.failed, "notice")
        yield (
            f"{notices} could not be delivered, the last {found.last} "
            f"(each is a line in {found.folder}/failed.ndjson: remove it when read)"
        )
    if found.waiting:
        yield (
            f"{count(found.waiting, 'notice')} in {found.folder} nobody delivers now; the next "
            "run with the same receivers does, or drops what is over a day old"
        )


def doctor_json(found: Diagnosis) -> dict[str, Json]:
    """Return a diagnosis as JSON; file modes are octal text."""
    health = found.health
    described: Json = None
    if health is not None:
        described = asdict(health)
        described["modes"] = {place: f"{mode:04o}" for place, mode in health.modes.items()}
    return {
        "version": VERSION,
        "path": str(found.path),
        "healthy": found.is_healthy,
        "wrong": list(found.wrong),
        "mind": list(found.mind),
        "suspect_cleared": found.was_cleared,
        "store": described,
    }


def doctor_lines(found: Diagnosis) -> Iterator[str]:
    """Yield a diagnosis for people, the verdict last."""
    health = found.health
    yield f"store        {found.path}"
    if health is None:
        yield "             not there yet; the first run makes it"
        return
    yield f"sqlite       {health.sqlite_version}{_about_bug(health)}"
    yield f"schema       version {health.schema_version}"
    yield f"integrity    {'ok' if not health.integrity else 'damaged'}"
    chains = _how_many(health.broken_chains)
    yield f"chains       {chains} ({count(health.facts, 'fact')} in {count(health.runs, 'run')})"
    if health.batches or health.broken_batches:
        yield f"batches      {_how_many(health.broken_batches)} ({health.batches:,} in all)"
    if health.values or health.broken_values:
        yield f"values       {_how_many(health.broken_values)} ({health.values:,} large ones)"
    network = ", on a network" if health.is_on_network else ""
    yield f"disk         {health.free_bytes / 2**30:,.1f} GiB free on {health.filesystem}{network}"
    holder = "nobody" if health.lock_holder is None else f"pid {health.lock_holder}"
    yield f"lock         held by {holder}"
    if health.suspect is not None:
        after = "removed: the store is sound" if found.was_cleared else "kept"
        yield f"suspect      {health.suspect} (marker {after})"
    yield from (f"mind         {text}" for text in found.mind)
    yield from (f"WRONG        {text}" for text in found.wrong)
    if found.wrong:
        yield "damaged: stop using it, keep a copy, and restore it from a backup"
    else:
        yield "healthy"


def _how_many(broken: tuple[tuple[str, str], ...]) -> str:
    return f"{len(broken)} broken" if broken else "ok"


def _about_bug(health: Health) -> str:
    if not health.has_wal_reset_bug:
        return ""
    return " (may lose commits when a checkpoint races one; our lock file keeps them apart)"
