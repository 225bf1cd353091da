"""Notices to URLs and to a command, delivered by a process of its own.

*Why a process.* A webhook may be slow, a command may hang, a host may be gone: the run, its
signals and its exit must not notice. So the driver only writes the notice to a folder (`spool`)
and wakes a deliverer (`deliver`), which nobody waits for. It is nobody's child: the script may
wait for children of its own, and meets none of ours. It has a session of its own and none of our
descriptors, so no lock, terminal or pipe stays open for it.

*What dies with whom.* A killed driver loses nothing that it has handed over. A killed deliverer
leaves the notices in the folder; the next life that is told to notify the same receivers starts
another one for them. What cannot be delivered in time is one line in `failed.ndjson`, which
`holdfast doctor` speaks of.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from holdfast.integrations.errand import Errand, Limits, program_of
from holdfast.integrations.spool import Spool
from holdfast.locks import Lock
from holdfast.model.notice import Notify
from holdfast.model.notices import Notice

SHELL: Final = "/bin/sh"
_DETACH: Final = 'exec 3<&0; "$@" <&3 3<&- &'
"""The shell ends at once, and whoever reaps orphans reaps the deliverer. Its stdin goes through
another descriptor, because a command in the background gets an empty one."""
_DONT_WAIT: Final = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)
"""No signal: a script may have given SIGPIPE back its deadly default."""


def open_notifier(
    notify: Notify, folder: Path, tell: Callable[[str], None], limits: Limits | None = None
) -> DetachedNotifier | None:
    """Return what delivers notices as `notify` says, keeping them in `folder` meanwhile.

    None when they would go nowhere; `tell` hears it when that is for want of apprise.
    """
    urls = notify.urls
    if urls and find_spec("apprise") is None:
        tell("notices to URLs are not sent, because apprise is missing: install holdfast[notify]")
        urls = ()
    if not (urls or notify.command):
        return None
    errand = Errand(folder.absolute(), urls, notify.command, _cwd(), limits or Limits())
    return DetachedNotifier(errand, notify.on, tell)


class DetachedNotifier:
    """A `ports.notifier.Notifier` that hands notices to a deliverer, started when there is one."""

    def __init__(self, errand: Errand, on: tuple[str, ...], tell: Callable[[str], None]) -> None:
        self._errand, self._on, self._tell = errand, on, tell
        self._spool = Spool(errand.folder, errand.address)
        self._lock = Lock()
        self._deliverer: socket.socket | None = None
        self._told = False
        if not self._spool.is_empty():
            # A deliverer was killed, or works on them still: then this one finds nothing to do.
            self._hand_over(None)

    def notify(self, notice: Notice) -> None:
        if notice.event in self._on:
            self._hand_over(notice)

    def close(self) -> None:
        with self._lock:
            if self._deliverer is not None:
                self._deliverer.close()
                self._deliverer = None

    def _hand_over(self, notice: Notice | None) -> None:
        try:
            with self._lock:
                if notice is not None:
                    self._spool.put(json.dumps(notice.as_json()))
                self._wake()
        except (OSError, ValueError, subprocess.SubprocessError) as problem:
            if not self._told:
                self._told = True
                self._tell(f"a notice could not be handed over: {problem}")

    def _wake(self) -> None:
        """Have a deliverer look into the folder, after this call if not before."""
        if self._deliverer is not None:
            try:
                self._deliverer.send(b"\n", _DONT_WAIT)
                return
            except BlockingIOError:
                return  # It has wakes enough that it did not read yet.
            except OSError:
                self._deliverer.close()
                self._deliverer = None
        self._deliverer = _sent_out(self._errand)


def _sent_out(errand: Errand) -> socket.socket:
    """Start a deliverer and return our end of its stdin. Raises OSError, ValueError and
    SubprocessError."""
    line = errand.dump()
    words = program_of("holdfast.integrations.deliver")
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            ours.sendall(line)
            subprocess.run(
                [SHELL, "-c", _DETACH, "holdfast-notify", *words],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, check=True,
            )  # fmt: skip
    except BaseException:
        ours.close()
        raise
    return ours


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"
