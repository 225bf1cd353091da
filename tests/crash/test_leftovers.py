"""A program whose driver and watchdog were both killed does not live beside the next life."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.shells import Script, descendants, is_gone, kill
from tests.crash.lives import Life, Site, leased, script, take_over

WORK = """
setsid sleep 60 >/dev/null 2>&1 & echo "$!" >>"$DAEMONS"
if [ -e "$FIRST" ]; then
    ! grep -q . "/proc/$(cat "$FIRST")/cmdline" || echo beside >>"$EFFECTS"
    echo done >>"$EFFECTS"
else
    echo "$$" >"$FIRST"
    printf . >"/dev/fd/$WITNESS"
    exec sleep 60
fi
"""
"""Begins a daemon, then lasts for ever, or, the second time, looks whether the first still does."""
LIVES = {
    "python": "",
    "shell": 'set -e\neval "$(holdfast begin work --id r)"\nholdfast step work -- sh "$WORK"\n',
    "one life": 'eval "$(holdfast begin work --id r)"\n'
    'holdfast step work -- sh "$WORK"\nholdfast step work -- sh "$WORK"\n',
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a store with a script on its path, and end what a test has left on purpose."""
    shell = Script(tmp_path, "")
    site = Site(tmp_path)
    site.cwd = tmp_path
    names = ("work", "first", "daemons", "left")
    site.env |= {"PATH": shell.env()["PATH"], **{n.upper(): str(tmp_path / n) for n in names}}
    (tmp_path / "work").write_text(WORK)
    yield site
    for pid in (*pids(site, "DAEMONS"), *pids(site, "LEFT"), *pids(site, "FIRST")):
        kill(pid)


def pids(site: Site, name: str) -> list[int]:
    """Return the processes that are named in a file of the site."""
    path = Path(site.env[name])
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def words_of(site: Site, way: str) -> list[str]:
    """Return the command of a life, and of the next one."""
    if way == "python":
        return [sys.executable, "-m", "holdfast", "run", script("lingers:lingers"), "--id", "r"]
    (site.effects.parent / "script.sh").write_text(LIVES[way])
    return ["sh", "script.sh"]


def kill_all_but_the_program(life: Life, *, spares_shell: bool) -> None:
    """Kill the watchdog first, so that it kills nobody, then what it would have told of. A shell is
    stopped before: a driver that finds its shell gone kills its program, too."""
    assert spares_shell or life.stop()
    below = descendants(life.pid)
    words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in below}
    watchdog = next(pid for pid in below if b"holdfast-watchdog" in words[pid])
    drivers = [pid for pid in below if b"step" in words[pid]]
    for pid in (watchdog, *drivers, *(() if spares_shell else (life.pid,))):
        kill(pid)


@pytest.mark.kills
@pytest.mark.parametrize("way", LIVES)
def test_no_program_lives_beside_the_next_attempt(way: str, site: Site) -> None:
    """Whether a Python step or a shell's began it, and also where the script lives on and calls the
    step again. What asked to outlive its driver, or its program's own end, is let go."""
    words = words_of(site, way)
    with site.process(*words) as life:
        assert life.has_effects(1)
        kill_all_but_the_program(life, spares_shell=way == "one life")
        if way == "one life":
            assert 0 == life.end(), life.text
    if way != "one life":
        (first,) = pids(site, "FIRST")
        assert not is_gone(first)
        with site.process(*words) as life:
            assert 0 == life.end(), life.text

    assert {"done": 1} == site.counted()
    assert 2 == len([pid for pid in pids(site, "DAEMONS") if not is_gone(pid)])
    assert [] == [pid for pid in pids(site, "LEFT") if is_gone(pid)]


@pytest.mark.kills
def test_programs_of_a_stopped_owner_end_when_it_is_displaced(site: Site) -> None:
    """It lost its run, but not its watchdog: what it had begun is not done twice at once."""
    words = leased(0.5, "lingers:lingers")
    with site.process(*words) as life:
        assert life.has_effects(1)
        assert life.stop()
        take_over(site, words)
        life.signal(signal.SIGCONT)
        assert 5 == life.end(), life.text

    assert {"done": 1} == site.counted()
