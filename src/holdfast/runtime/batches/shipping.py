"""Take a chunk of items to another process, and bring back what came of it.

The function travels by its name, as pickle does it; that it was defined in the workflow's file,
which no other process can import, is why the name of that file travels with it. Pickles cross a
pipe here and are never on a disk. Every outcome comes back as a value: an error that the pool
itself raises therefore says that the process is gone.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import reduce
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import FunctionType
from typing import Any, Final, cast

from holdfast.errors import UsageError
from holdfast.model.making import dataclass
from holdfast.model.retry import Retry
from holdfast.ports.slots import LAYOUT, VACANT, packed
from holdfast.runtime.batches.transactions import BELONGING, Belonging
from holdfast.runtime.batches.work import Body, Landing, Work, do_item, failure_of
from holdfast.runtime.capture import current_step
from holdfast.runtime.context import FRAME, LIVES
from holdfast.runtime.loader import ScriptLoader
from holdfast.runtime.signals import answer_as_worker

PARENT_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk is noted, and whose worker does it: `slots` is the file of slots, `driver` the
    process without which the worker is not to live, 0 for none."""

    slot: int
    slots: str | None
    driver: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A chunk on its way. `content` is the pickled function, retry rules and items; `modules`
    are the scripts by whose names it may refer to things, `pid` is the process it comes from."""

    content: bytes
    modules: tuple[tuple[str, str], ...]
    place: Place
    belonging: Belonging | None
    pid: int


class ByName:
    """A function that is sent as its name, because what has that name in its module is a step
    made of it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, item: object) -> object:
        found = reduce(getattr, self.name.split("."), cast(Any, sys.modules[self.module]))
        return found.body(item)


def parcel(body: Body, retry: Retry, chunk: Sequence[Work], place: Place) -> Parcel:
    """Pack a chunk. Raises UsageError for a function or an item that cannot be sent."""
    content = io.BytesIO()
    pickler = _Noting(content)
    try:
        pickler.dump((_named(body), retry, tuple(chunk)))
    except Exception as error:  # pickle raises whatever an object's own reduction raises.
        raise UsageError(
            f"an item or the function cannot be sent to another process: {error}; give each() a "
            "function of the script's own module, and items of plain values"
        ) from error
    return Parcel(content.getvalue(), _files(pickler.modules), place, BELONGING.get(), os.getpid())


class _Noting(pickle.Pickler):
    """Pickles, and notes the modules whose functions and classes it refers to by their names."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, ByName):
            self.modules.add(value.module)
        elif isinstance(value, type | FunctionType):
            self.modules.add(value.__module__)
        return NotImplemented


def _named(body: Any) -> Body:
    module, name = getattr(body, "__module__", ""), getattr(body, "__qualname__", "")
    found = getattr(sys.modules.get(module), name, None)
    is_step = found is not body and getattr(found, "body", None) is body
    return ByName(module, name) if is_step else cast(Body, body)


def _files(modules: set[str]) -> tuple[tuple[str, str], ...]:
    """Return the files of modules, which another process may not find by their names."""
    files = ((name, getattr(sys.modules.get(name), "__file__", None)) for name in sorted(modules))
    return tuple((name, os.path.abspath(file)) for name, file in files if file is not None)


def do_parcel(sent: Parcel) -> tuple[Landing, ...]:
    """Do a chunk in this process, and return what came of each item.

    Each item is noted in the file of slots before it begins: whoever finds this process gone
    reads there what it was at. After a rate limit the rest of the chunk is not begun: what comes
    back is shorter then. Raises UsageError, and has begun nothing, for what cannot be loaded here.
    """
    place = sent.place
    if place.driver:
        die_with(place.driver)
    body, retry, chunk = _unpack(sent)
    pid, at = os.getpid(), place.slot * LAYOUT.size
    fd = None if place.slots is None else _open(place.slots)
    try:
        landings = []
        for work in chunk:
            if fd is not None:
                os.pwrite(fd, packed(work.ordinal, pid), at)
            landings.append(_portable(do_item(body, work, retry), retry))
            if landings[-1].is_limited:
                break
        if fd is not None:
            os.pwrite(fd, VACANT, at)
        return tuple(landings)
    finally:
        if fd is not None:
            os.close(fd)


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    except OSError:
        return None  # Another machine: what was in flight there are all suspects.


def _portable(landing: Landing, retry: Retry) -> Landing:
    """Return a landing that can be sent back; one whose value cannot is a failure."""
    if landing.failure is not None:
        return landing
    try:
        # Some go in and never come out: the pool would take that for a death.
        pickle.loads(pickle.dumps(landing.value))
    except Exception as error:
        failure = failure_of(error, retry)
        return Landing(landing.work, None, failure, None, landing.seconds)
    return landing


def _unpack(sent: Parcel) -> tuple[Body, Retry, tuple[Work, ...]]:
    BELONGING.set(sent.belonging)
    current_step.set(None)  # A forked process has no step whose log it could write.
    if os.getpid() != sent.pid:
        # Nor has it a run: what it inherited is its parent's. A step is a plain call there.
        FRAME.set(None)
        LIVES.clear()
    try:
        for name, file in sent.modules:
            if name not in sys.modules:
                _load(name, file)
        unpacked: tuple[Body, Retry, tuple[Work, ...]] = pickle.loads(sent.content)
    except Exception as error:  # A module raises whatever it likes.
        raise UsageError(
            "an item or the function cannot be loaded in another process: "
            f"{type(error).__name__}: {error}; none of its chunk was begun there"
        ) from error
    return unpacked


def _load(name: str, file: str) -> None:
    """Import a module; when its name means nothing here, or another file, execute its own file
    under the name that it has in the driver."""
    with suppress(ImportError, ValueError):
        found = find_spec(name)
        if found is not None and found.origin == file:
            import_module(name)
            return
    folder = os.path.dirname(file)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = spec_from_file_location(name, file, loader=ScriptLoader(name, file))
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)


# --- no worker outlives its driver ---


def die_with(driver: int) -> None:
    """See to it that this process ends with the driver's, whatever ends that, and when it is told
    to; Ctrl-C, which goes to all of a terminal's processes, is the driver's. Once is enough."""
    global _bound
    if _bound == os.getpid() or driver == os.getpid():
        return
    _bound = os.getpid()
    answer_as_worker()
    threading.Thread(target=_watch, args=(driver,), name="holdfast driver", daemon=True).start()


def begin_worker(
    driver: int, initializer: Callable[..., object] | None, initargs: Sequence[object]
) -> None:
    """What a worker of a process pool does first: see to it that it dies with the driver, and then
    what the pool was told."""
    die_with(driver)
    if initializer is not None:
        initializer(*initargs)


_bound = 0
"""The process in which somebody watches already; a forked child inherits the number, not the
thread."""


def _watch(driver: int) -> None:
    """Kill this process when the driver is gone. Its parent may be another (a fork server), so
    the driver itself is looked at, by a handle that no later process of its number has."""
    try:
        handle = os.pidfd_open(driver)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)
        return
    except (OSError, AttributeError):
        _poll_parent()
        return
    import select

    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _poll_parent() -> None:
    parent, event = os.getppid(), threading.Event()
    while os.getppid() == parent:
        event.wait(PARENT_POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)
