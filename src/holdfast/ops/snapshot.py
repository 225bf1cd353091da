"""`snapshot`: a directory is kept aside, and its undo puts it back in one moment."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from holdfast.engine.spec import Check
from holdfast.flow.decorator import step
from holdfast.flow.inside import progress, save, saved
from holdfast.flow.steps import StepFunction
from holdfast.flow.verbs import named
from holdfast.model.codec import digest
from holdfast.runtime.context import FRAME, is_in_step

if TYPE_CHECKING:
    from holdfast.integrations.directories.keeping import Kept

__all__ = ["Snapshot", "restore", "snapshot"]

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""
FOLDER = ".holdfast-snapshots"
"""Where archives are kept, beside the directory, unless `to=` says otherwise."""
KEY_DIGITS = 12
PUT_BACK = "put back"
"""What the undo saves when only the archive is left to be removed."""
Place: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A directory as it was: where its archive is, how it was made, and what proves it.

    `method` is "absent", and there is no archive, when there was no directory. `files` counts all
    but directories; `size_bytes` is the archive's size, or with "reflink" that of the files, most
    of which it shares with the directory. `digest` is that of the archive, or with "reflink" of
    names, modes, owners, times and sizes.
    """

    path: Path
    archive: Path | None
    method: Literal["reflink", "zstd", "gzip", "absent"]
    size_bytes: int
    files: int
    digest: str


def snapshot(
    path: Place, *, to: Place | None = None, label: str | None = None, keep: bool = False
) -> Snapshot:
    """Keep a directory as it is now, as a step whose undo puts it back in one moment.

    When it returns, a whole, verified and durable archive is in the directory `to`, or else in
    `.holdfast-snapshots` beside `path`. The undo makes the directory exactly what it was, removes
    it when there was none, and then removes the archive unless `keep` is given. A run that
    succeeds leaves its archives. Raises StepFailed, with the directory untouched, when it holds a
    socket, a device or another file system, when it does not stand still, and for `/`, home
    directories and the like.
    """
    return labelled(label)(path, to, keep)


def labelled(label: str | None) -> StepFunction[Any, Snapshot]:
    """Return the step under a label of its own, or under the usual one."""
    return _take if label is None else named(_take, label)


def restore(taken: Snapshot) -> None:
    """Make a directory what it was when the snapshot was taken, as its undo does; for a step of
    your own. The archive stays. Harmless when repeated. Raises DirectoryFailed and UsageError."""
    from holdfast.integrations.directories import restoring

    place = os.fsencode(taken.path)
    if taken.archive is None:
        restoring.take_away(place, b"absent")
    else:
        restoring.put_back(_kept(taken), place)


def _is_there(path: Place) -> object:
    """Whether an attempt that died had its archive whole; then that is the snapshot."""
    from holdfast.integrations.directories.guard import place_of

    found = saved()
    if not isinstance(found, Snapshot) or os.fsencode(found.path) != place_of(path):
        return Check.ABSENT
    if found.archive is not None and not found.archive.exists():
        return Check.ABSENT
    return Check.done(found)


def _is_put_back() -> Check:
    """An undo that was interrupted begins anew, whatever the directory looks like."""
    return Check.UNKNOWN


@step("put {path} back", check=_is_put_back)
def _put_back(path: Place, keep: bool, result: Snapshot | None) -> None:
    from holdfast.integrations.directories import system
    from holdfast.integrations.directories.tree import DirectoryFailed

    if not isinstance(result, Snapshot):
        raise DirectoryFailed(
            f"there is no snapshot of {path} to put back: its step was marked as done by hand; "
            "put it back by hand and mark this as done, or skip it"
        )
    if saved() != PUT_BACK:
        restore(result)
        save(PUT_BACK)
    if result.archive is not None and not keep:
        system.remove(os.fsencode(result.archive))


@step("snapshot {path}", check=_is_there, undo=_put_back)
def _take(path: Place, to: Place | None, keep: bool) -> Snapshot:
    from holdfast.integrations.directories import guard, keeping

    place = guard.place_of(path)
    is_step = is_in_step()
    if is_step:
        _forget_former(saved())
    if not os.path.lexists(place):
        guard.refuse_unwritable(place)
        return Snapshot(Path(os.fsdecode(place)), None, "absent", 0, 0, "")
    folder = os.path.dirname(place) if to is None else os.fsencode(os.path.abspath(to))
    stem = os.path.join(os.fsdecode(folder), *([FOLDER] if to is None else []), _own_name())
    if is_step:
        save(stem)
    kept = keeping.keep(place, os.fsencode(stem), progress if is_step else lambda done, of: None)
    taken = Snapshot(
        Path(os.fsdecode(place)),
        Path(os.fsdecode(kept.archive)),
        kept.method,
        kept.size_bytes,
        kept.files,
        kept.digest,
    )
    if is_step:
        save(taken)
    return taken


def _own_name() -> str:
    """Return a name that no other step, and no other attempt of this one, ever has: one that was
    stopped for long must not touch what the next one makes."""
    own, found = secrets.token_hex(4), FRAME.get()
    if found is None or found.step is None:
        return f"no-run-{own}"
    return f"{found.life.run}-{digest([found.step.key])[:KEY_DIGITS]}-{own}"


def _forget_former(found: object) -> None:
    """Remove what an attempt of this step that did not end has left."""
    from holdfast.integrations.directories import keeping, system

    if isinstance(found, str):
        keeping.forget(os.fsencode(found))
    elif isinstance(found, Snapshot) and found.archive is not None:
        system.remove(os.fsencode(found.archive))


def _kept(taken: Snapshot) -> Kept:
    from holdfast.integrations.directories.keeping import Kept

    assert taken.archive is not None and taken.method != "absent"
    archive = os.fsencode(taken.archive)
    return Kept(archive, taken.method, taken.size_bytes, taken.files, taken.digest)
