"""Run a small workflow whose notices go to a command, and be killed at a chosen moment.

python notified.py WORKFLOW MOMENT COMMAND…    the run's id is "r"; MOMENT is one of MOMENTS
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path

import click

import holdfast
from holdfast.app.starting import start
from holdfast.cli.living import Presence, live_through
from holdfast.cli.options import Common
from holdfast.integrations.notify import DetachedNotifier
from holdfast.model.inventory import Inventory
from holdfast.model.notice import Notify

WATCHED_S = {"is_silent": 0.2}
"""After how long silence is told; of the others never, however slow the machine is."""


def die(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


MOMENTS = {
    "never": lambda: None,
    "before": lambda: setattr(DetachedNotifier, "notify", die),
    "kept": lambda: setattr(DetachedNotifier, "_wake", die),
    "after": lambda: setattr(DetachedNotifier, "notify", then_die(DetachedNotifier.notify)),
}
"""What kills this process: before the notifier is told, when the notice is kept and nobody was
woken, and right after it was handed over."""


def then_die(method):
    return lambda *args: die(method(*args))


@holdfast.workflow
def asks() -> str:
    return holdfast.confirm("drop it?").comment


@holdfast.workflow
def works() -> str:
    return holdfast.do("work", lambda: "done")


@holdfast.workflow
def fails() -> None:
    holdfast.do("break", os.stat, "/nonexistent/file")


@holdfast.workflow
def is_silent() -> None:
    holdfast.do("nap", lambda: Path(os.environ["GATE"]).read_text())


def count_children() -> None:
    """Wait for any child, as a script of its own may, and say whether there is one."""
    try:
        os.wait()
    except ChildProcessError:
        print("no child is left", file=sys.stderr)


@click.command()
@click.argument("workflow")
@click.argument("moment")
@click.argument("command", nargs=-1)
def main(workflow: str, moment: str, command: tuple[str, ...]) -> None:
    MOMENTS[moment]()
    atexit.register(count_children)
    common = Common()
    notify = Notify(command=command, stalled_after_s=WATCHED_S.get(workflow, 3600.0))
    vars(common)["inventory"] = Inventory(notify=notify)
    live_through(
        common,
        Presence(no_input=True),
        lambda setting: start(setting, globals()[workflow], {}, id="r"),
        begins=True,
    )


if __name__ == "__main__":
    main()
