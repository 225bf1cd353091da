"""Notices of real runs: nothing that a receiver does, or that kills a driver, costs either."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.receivers import DEADLINE_S, CommandReceiver
from tests.crash.lives import Site

from holdfast.model.facts import Fact, HoldOpened
from holdfast.stores.sqlite import SqliteStore

NOTIFIED = str(Path(__file__).with_name("notified.py"))


class Notified(Site):
    """A site whose runs notify a command."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.receiver = CommandReceiver(folder / "receiver")
        self.env["GATE"] = str(folder / "gate")
        os.mkfifo(self.env["GATE"])
        self.folder = self.store.with_name(self.store.name + ".notices")

    def words(self, workflow: str, moment: str = "never") -> list[str]:
        return [sys.executable, NOTIFIED, workflow, moment, "--", *self.receiver.command]

    def run(self, workflow: str, moment: str = "never") -> tuple[int, str]:
        """Live one life; return how it ended and what it said."""
        with self.process(*self.words(workflow, moment)) as life:
            return life.end(), life.text

    def fact(self, seq: int) -> Fact:
        """Return the fact at this place of the journal."""
        with closing(SqliteStore(self.store, read_only=True)) as store:
            return next(stored.fact for stored in store.read("r", seq - 1))

    def waiting(self) -> list[str]:
        """Return the notices that are in the folder."""
        return [path.name for path in self.folder.glob("*.json")]

    def deliverers(self) -> list[int]:
        """Return the deliverers of this site's notices: they hold one of its files open."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            if any(str(self.folder) in link for link in open_files(int(entry))):
                found.append(int(entry))
        return found


def open_files(pid: int) -> list[str]:
    """Return what a process has open, by name."""
    found = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    except OSError:
        pass
    return found


def wait_for_end(pids: list[int]) -> None:
    """Return when these processes, none of them a child, are gone. Fails after DEADLINE_S."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([handle], [], [], DEADLINE_S)[0], f"{pid} does not end"
        os.close(handle)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Notified]:
    site = Notified(tmp_path)
    yield site
    site.receiver.work()
    site.receiver.close()


def test_a_run_that_parks_tells_what_it_asks(site):
    """Without anybody there the run ends with 3, and the notice has the command that answers."""
    code, _ = site.run("asks")
    (notice,) = site.receiver.notices(1)

    assert 3 == code
    assert ("hold", "drop it?", "h1") == (
        notice["event"], notice["hold"]["question"], notice["hold"]["id"],
    )  # fmt: skip
    approve = f"holdfast --store {site.store} approve r --hold h1"
    assert approve in [way["command"] for way in notice["next"]]


def test_the_end_of_a_run_is_told(site):
    """A success and a failure are told, each with what there is to say."""
    assert 1 == site.run("fails")[0]
    (failed,) = site.receiver.notices(1)

    assert ("failed", ["break"], "StepFailed") == (
        failed["event"], failed["steps"], failed["error"]["type"],
    )  # fmt: skip


def test_a_hanging_command_delays_nothing(site):
    """The driver records, exits and is gone while its notice's command hangs; nothing of it,
    no pipe, lock or terminal, is kept open, and the command gets its time afterwards."""
    site.receiver.hang()
    with site.process(*site.words("works")) as life:
        code = life.end()
        site.receiver.wait_for_begun()

        assert 0 == code
        assert life.leaves_nobody()
    (deliverer,) = site.deliverers()
    held = [link for link in open_files(deliverer) if link.startswith("/")]
    assert {"/dev/null", *(str(site.folder / name) for name in site.waiting())} == set(held)
    assert os.getsid(deliverer) not in (os.getsid(0), deliverer)
    site.receiver.work()
    assert ["SUCCEEDED r: 1 step"] == [title.partition(",")[0] for title in site.receiver.titles(1)]
    wait_for_end([deliverer])
    assert [] == site.waiting()


def test_a_signal_is_obeyed_beside_a_hanging_command(site):
    """SIGTERM ends a run in order while the command that was told of it hangs."""
    site.receiver.hang()
    with site.process(*site.words("is_silent")) as life:
        site.receiver.wait_for_begun()
        life.signal(signal.SIGTERM)
        life.wait_for("leaving after the step in hand")
        Path(site.env["GATE"]).write_text("open")

        assert 143 == life.end()


def test_a_driver_killed_after_handing_over_loses_no_notice(site):
    """SIGKILL right after the notice was taken over: it is delivered all the same."""
    code, _ = site.run("asks", "after")

    assert -signal.SIGKILL == code
    assert ["ON HOLD r: drop it?"] == site.receiver.titles(1)


def test_a_driver_killed_while_handing_over_is_made_up_for(site):
    """What lies in the folder, and nobody was woken for, is delivered by the next life."""
    assert -signal.SIGKILL == site.run("works", "kept")[0]
    assert 1 == len(site.waiting())
    assert site.receiver.is_quiet()
    site.run("works")

    assert ["SUCCEEDED r: 1 step"] == [title.partition(",")[0] for title in site.receiver.titles(1)]


def test_a_hold_that_was_told_to_nobody_is_told_by_the_next_life(site):
    """SIGKILL between the fact and the notice: the next life tells it, under the fact's id."""
    assert -signal.SIGKILL == site.run("asks", "before")[0]
    assert [] == site.waiting()
    assert 3 == site.run("asks")[0]
    (notice,) = site.receiver.notices(1)

    assert isinstance(site.fact(3), HoldOpened)
    assert "r:3:hold" == notice["id"]


def test_a_killed_deliverer_is_made_up_for(site):
    """The notice that a killed deliverer had is still there, and the next life delivers it."""
    site.receiver.hang()
    site.run("works")
    site.receiver.wait_for_begun()
    (deliverer,) = site.deliverers()
    os.kill(deliverer, signal.SIGKILL)
    wait_for_end([deliverer])
    site.receiver.work()
    site.receiver.titles(1)  # its command was on the way
    assert 1 == len(site.waiting())
    site.run("works")

    assert ["SUCCEEDED r: 1 step"] == [title.partition(",")[0] for title in site.receiver.titles(1)]


def test_a_script_that_waits_for_children_meets_none_of_ours(site):
    """The deliverer is nobody's child: `os.wait` of a script does not see it, while it works."""
    site.receiver.hang()
    code, text = site.run("asks")
    site.receiver.wait_for_begun()

    assert 3 == code
    assert "no child is left" in text


def test_silence_is_told_once(site):
    """A step that says nothing for too long is told of, once, and goes on as if nothing were."""
    with site.process(*site.words("is_silent")) as life:
        (stalled,) = site.receiver.notices(1)
        Path(site.env["GATE"]).write_text("open")
        assert 0 == life.end()
    (succeeded,) = site.receiver.notices(1)

    assert ("stalled", ["nap"]) == (stalled["event"], stalled["steps"])
    assert "succeeded" == succeeded["event"]


def test_a_folder_that_cannot_be_written_costs_the_run_nothing(site):
    """Where no notice can be kept, the run says so once, and succeeds."""
    site.folder.parent.mkdir(exist_ok=True)
    site.folder.write_text("in the way")
    code, text = site.run("works")

    assert 0 == code, text
    assert 1 == text.count("a notice could not be handed over")
