"""What keeps a driver that dies from leaving its programs behind.

*The promise.* When this process ends in any way, SIGKILL included, every process in the group of
every program it was running is killed. One watchdog keeps it: a POSIX shell in its own session,
started with the first program, that reads `+ group` and `- group` from a pipe whose only write
end is ours (closed on exec, closed in forked children). The end of that pipe is our death.

*No window.* A program starts as `sh -c 'read _ && exec "$@"'`: it waits at a gate, its own
standard input, until its group is known to the watchdog. Dying before that closes the gate, and
the shell ends without having started anything. A shell rather than `preexec_fn`, because that
needs `fork` instead of `vfork`, which is slow in a large driver and unsafe beside threads. A
group is struck off before its leader is reaped: while the leader is a zombie its number cannot
be given to a stranger.

*What we do not do.* PR_SET_PDEATHSIG fires when the starting *thread* ends and spares
grandchildren. A process that calls `setsid` leaves our group and lives on: this is how
`pg_ctl start` and ssh's ControlPersist ask to outlive us, and killing a database because its
driver died would be worse. What a program leaves in the background after its own end is let go,
as a shell does. If the watchdog itself is killed, it is replaced when the next program starts or
ends; a driver that is killed before that leaves its programs running, until the next life of
its run ends them (see `leftovers`).
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

from holdfast.locks import Lock

SHELL = "/bin/sh"
TOKEN = "HOLDFAST_TOKEN"
"""The variable with which a program is told for which step or item it runs, the same text for all
attempts."""
GROUP = "HOLDFAST_GROUP"
"""The variable with which a program is told, at its gate, the number of the group that it leads."""
_WATCH = """
trap '' HUP INT QUIT TERM
cd /
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -9 "-$group"; done
"""
# Python ignores these two; a program expects them as the system gives them.
_RESET_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


class Watchdog:
    """The one shell that kills our groups when we die."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._guarded: set[int] = set()
        self._pid = 0
        self._pipe = -1

    def guard(self, group: int) -> None:
        """Have `group` killed when this process ends; true from the return of this call on."""
        with self._lock:
            self._guarded.add(group)
            self._tell(f"+ {group}\n")

    def release(self, group: int) -> None:
        """Let `group` live on; call it before its leader is reaped."""
        with self._lock:
            if group in self._guarded:
                self._guarded.discard(group)
                self._tell(f"- {group}\n")

    def begin_anew(self) -> None:
        """In a forked child: let go of the parent's watchdog, which must see the parent's end."""
        if self._pipe >= 0:
            os.close(self._pipe)
        self._lock = Lock()  # another thread of the parent may have held it
        self._guarded.clear()
        self._pipe = -1

    def _tell(self, line: str) -> None:
        """Write one line; lines this short are written whole or not at all, even as we die."""
        if self._pipe >= 0:
            try:
                os.write(self._pipe, line.encode())
                return
            except BrokenPipeError:
                os.close(self._pipe)
                self._pipe = -1
                with suppress(ChildProcessError):  # The script has waited for all its children.
                    os.waitpid(self._pid, os.WNOHANG)
        if self._guarded:
            self._begin()

    def _begin(self) -> None:
        theirs, ours = pipe()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            argv = [SHELL, "-c", _WATCH, "holdfast-watchdog", str(os.getpid())]
            self._pid = spawn(argv, {}, theirs, null, null)
            for group in self._guarded:
                os.write(ours, f"+ {group}\n".encode())
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
            os.close(null)
        self._pipe = ours


def spawn(argv: list[str], env: Mapping[str, str], stdin: int, out: int, err: int) -> int:
    """Start a session leader and return its number; it has called exec by then.

    Descriptors that are not close-on-exec are inherited, as from a shell; Python makes none.
    """
    moves = [(os.POSIX_SPAWN_DUP2, end, to) for to, end in enumerate((stdin, out, err))]
    return os.posix_spawn(
        argv[0],
        argv,
        env,
        file_actions=moves,
        setsid=True,
        setsigmask=(),  # a thread that blocks SIGTERM must not make its programs deaf to it
        setsigdef=_RESET_SIGNALS,
    )


def pipe() -> tuple[int, int]:
    """Return a pipe with both ends above 2, so that moving one there buries no other."""
    ends = os.pipe()
    if min(ends) > 2:
        return ends
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends]
    close(ends)
    return moved[0], moved[1]


def close(ends: Iterable[int]) -> None:
    """Close descriptors."""
    for end in ends:
        os.close(end)


watchdog = Watchdog()
os.register_at_fork(after_in_child=watchdog.begin_anew)
