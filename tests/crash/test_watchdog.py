"""A driver that is killed leaves no program behind: real processes, real SIGKILL."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DEATH_S = 1.0
DEADLINE_S = 20.0
KILLS = 50
KILL_WITHIN_S = 0.006
"""The first program starts 1 to 3 ms after the driver's first line."""

DRIVER = """
import os, signal, subprocess, sys, threading
from holdfast.runtime import processes
from holdfast.runtime.processes import Groups, run_program
from holdfast.runtime.watchdog import watchdog

def run(script):
    hear = lambda stream, text: print(text, flush=True)
    return run_program(["sh", "-c", script], sink=hear, group=Groups())

def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

print("alive", flush=True)
"""
FAMILY = "sh -c 'echo child; sleep 60 & wait' & (trap '' TERM HUP; echo deaf; sleep 60) & wait"
QUIET_FAMILY = "sleep 60 & sleep 60"
"""Writes nothing, so that no broken pipe ends it where the watchdog should."""


class Driver:
    """A process that runs some code after DRIVER.

    It inherits the write end of a pipe, as does every process below it, its watchdog included:
    the pipe ends when the last of them is dead. They also carry a mark in their environment.
    """

    def __init__(self, code: str, mark: str) -> None:
        self.mark = f"HOLDFAST_TEST_MARK={mark}"
        self.witness, held = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER + code],
            stdout=subprocess.PIPE,
            env={**os.environ, "HOLDFAST_TEST_MARK": mark, "WITNESS": str(held)},
            pass_fds=[held],
            text=True,
        )
        os.close(held)

    def hear(self, lines: int) -> list[str]:
        """Return the next lines of the driver, in the order of the alphabet."""
        return sorted(self.process.stdout.readline().strip() for _ in range(lines))

    def all_die(self, within_s: float) -> bool:
        """Return whether nobody holds the pipe any more; waits for it at most so long."""
        return bool(select.select([self.witness], [], [], within_s)[0])

    def kill(self) -> None:
        """Kill the driver alone, and only it."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def living(self) -> list[int]:
        """Return the processes that carry the mark; a zombie carries nothing."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if self.mark.encode() in Path("/proc", entry, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry))
            except OSError:
                continue
        return found

    def clear(self) -> None:
        """Leave nothing behind, whatever the test found."""
        self.kill()
        for pid in self.living():
            os.kill(pid, signal.SIGKILL)
        self.process.stdout.close()
        os.close(self.witness)


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[type[Driver]]:
    """Give a function that starts drivers, and clear up after them."""
    drivers = []

    def start(code: str) -> Driver:
        drivers.append(Driver(code, f"{tmp_path}/{len(drivers)}"))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.clear()


def test_grandchildren_die_with_the_driver(drive):
    """Within a second of the driver's SIGKILL its program is dead, with all its children."""
    driver = drive(f"run({FAMILY!r})")
    assert ["alive", "child", "deaf"] == driver.hear(3)
    driver.kill()

    assert driver.all_die(DEATH_S)
    assert [] == driver.living()


def test_programs_of_all_threads_die_with_the_driver(drive):
    """The watchdog knows every program that runs, not only the last."""
    code = f"for _ in range(8): threading.Thread(target=run, args=({FAMILY!r},)).start()"
    driver = drive(code)
    driver.hear(17)
    driver.kill()

    assert driver.all_die(DEATH_S)
    assert [] == driver.living()


@pytest.mark.parametrize(
    "moment",
    [
        "watchdog.guard = die",
        "guard = watchdog.guard; watchdog.guard = lambda group: die(guard(group))",
        "spawn = processes.spawn; processes.spawn = lambda *a: die(spawn(*a))",
        "watchdog._begin = die",
        "processes._feed = die",
        "feed = processes._feed; processes._feed = lambda *a: die(feed(*a))",
    ],
)
def test_no_moment_of_a_start_is_unguarded(drive, moment):
    """A driver that dies between any two steps of starting a program leaves none running."""
    driver = drive(f"{moment}\nrun({QUIET_FAMILY!r})")

    assert -signal.SIGKILL == driver.process.wait(DEADLINE_S)
    assert driver.all_die(DEATH_S)
    assert [] == driver.living()


@pytest.mark.slow
def test_fifty_early_kills_leave_nobody(drive):
    """Killed at a random moment around its first program's start, a driver leaves nobody."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for number in range(KILLS):
        driver = drive(f"run({QUIET_FAMILY!r})")
        driver.hear(1)
        driver.all_die(chance.uniform(0, KILL_WITHIN_S))  # a wait that nobody cuts short
        driver.kill()

        assert driver.all_die(DEATH_S), f"seed {seed}, kill {number}: {driver.living()}"
        assert [] == driver.living(), f"seed {seed}, kill {number}"


def test_a_daemon_lives_on(drive):
    """A process that called setsid asked to outlive us, as a database started by a step does."""
    driver = drive("""run("setsid sh -c 'echo $$; exec sleep 60 >/dev/null 2>&1' & wait")""")
    driver.hear(1)
    daemon = int(driver.process.stdout.readline())
    driver.kill()

    assert not driver.all_die(0.2)
    assert [daemon] == driver.living()


@pytest.mark.parametrize("waits", ["os.WNOWAIT", "0"])
def test_a_killed_watchdog_is_replaced(drive, waits):
    """When the watchdog itself is killed, the next program's start brings a new one; also where
    the script has waited for all its children, and so for the watchdog."""
    code = f"""
run("true")
os.kill(watchdog._pid, signal.SIGKILL)
os.waitid(os.P_PID, watchdog._pid, os.WEXITED | {waits})
run({FAMILY!r})
"""
    driver = drive(code)
    assert ["alive", "child", "deaf"] == driver.hear(3)
    driver.kill()

    assert driver.all_die(DEATH_S)


def test_a_forked_worker_does_not_hide_the_death(drive):
    """A process that the script forked may outlive the driver; the programs still die."""
    code = f"""
run("true")
if os.fork() == 0:
    os.close(int(os.environ["WITNESS"]))
    signal.pause()
run({FAMILY!r})
"""
    driver = drive(code)
    driver.hear(3)
    driver.kill()

    assert driver.all_die(DEATH_S)
    assert 1 == len(driver.living())


def test_an_ordinary_end_takes_abandoned_programs_along(drive):
    """A driver that exits while a timed-out step still runs a program ends that program too."""
    driver = drive(f"""
heard = threading.Semaphore(0)
print = lambda text, flush: heard.release()
threading.Thread(target=run, args=({FAMILY!r},), daemon=True).start()
heard.acquire(), heard.acquire()
sys.exit(1)
""")

    assert driver.all_die(DEADLINE_S)
    assert [] == driver.living()
