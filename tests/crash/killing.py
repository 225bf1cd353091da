"""Kill a run at random moments until it is done, and count what that cost."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tests.crash.lives import Life, Site, script
from tests.crash.soaking import dice_for, struck

Blow: TypeAlias = Literal["kill", "term", "twice", "stop"]
"""SIGKILL; SIGTERM once or twice; SIGSTOP, and SIGCONT after a second process was refused."""
EXIT_LOCKED, EXIT_IN_DOUBT, EXIT_STORAGE, EXIT_TERM = 5, 6, 74, 143
START_S = 0.2
"""A life that is killed by the clock alone dies within this time of its start."""
JITTER_S = 0.004
BLOCKED_S = 3.0
LIVES_MAX = 2_000


@dataclass(slots=True)
class Tally:
    """What happened to one run. `allowed` are the repeats that the kills excuse, by effect."""

    seed: object
    kills: int = 0
    lives: int = 0
    decisions: int = 0
    allowed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    repeated: int = 0
    lost: int = 0

    def blame(self, text: str) -> None:
        self.wrong.append(f"seed {self.seed}, life {self.lives}: {text}")


def kill_until_done(
    site: Site,
    workflow: str,
    *,
    steps: int,
    kills: int,
    seed: object,
    in_hand_most: int = 1,
    blows: Sequence[Blow] = ("kill",),
    run: str = "r",
) -> Tally:
    """Run a workflow, killing it `kills` times, to its end; return what happened.

    A life dies some time after its start, or a little after so many effects. Steps in doubt are
    decided by what is in the file of effects.
    """
    dice, tally = dice_for(seed), Tally(seed)
    words = ("run", script(workflow), "--id", run, "-p", f"steps={steps}", "--plain")
    effects_most = max(3, 2 * steps // kills)
    while tally.lives < LIVES_MAX:
        tally.lives += 1
        with site.life(*words) as life:
            blow: Blow | None = None
            if tally.kills < kills and _outlived(life, dice, effects_most):
                blow = dice.choice(blows)
                tally.kills += 1
                _strike(site, life, blow, words, tally)
            code = life.end()
            if blow in ("kill", "twice"):
                _judge_kill(site, life, tally, in_hand_most, run)
        if blow == "kill" and code == -signal.SIGKILL:
            continue
        if blow in ("term", "twice") and code in (EXIT_TERM, -signal.SIGTERM):
            continue  # by its handler, or before there was one, or after the end
        if blow == "stop" and code in (-signal.SIGKILL, EXIT_LOCKED):
            continue  # it stood still with the store's lock for a lease, and made room
        if not _goes_on(site, tally, code, life.text, run):
            break
    return tally


def fail_until_done(
    site: Site, workflow: str, *, steps: int, seed: object, run: str = "r"
) -> Tally:
    """Run a workflow on a disk that fails or fills up at a random moment, mend it, go on."""
    dice, tally = dice_for(seed), Tally(seed)
    words = ("run", script(workflow), "--id", run, "-p", f"steps={steps}", "--plain")
    error = dice.choice(("fdatasync:error=EIO", "pwrite64:error=ENOSPC", "pwrite64:error=EIO"))
    most = 3 * steps if error.startswith("fdatasync") else 12 * steps
    life = traced(site, f"{error}:when={dice.randrange(1, most)}+", words)
    tally.lives, tally.kills, code = 1, 1, life.process.returncode
    if code == EXIT_STORAGE:
        site.holdfast("doctor")
        # The life is strace; what it traced has another pid.
        tally.allowed.update(s.key for s in site.state(run).steps.values() if s.status == "running")
    elif code not in (0, EXIT_IN_DOUBT):
        tally.blame(f"{error}: exit {code}: {life.text[-500:]}")
    if "Traceback" in life.text:
        tally.blame(f"{error}: {life.text[-1500:]}")
    while tally.lives < LIVES_MAX:
        tally.lives += 1
        code, text = site.holdfast(*words)
        if not _goes_on(site, tally, code, text, run):
            break
    return tally


def traced(site: Site, inject: str, words: Sequence[str]) -> Life:
    """Run `holdfast WORDS` while strace tampers with a system call; return the life, ended."""
    call, _, fault = inject.partition(":")
    struck(f"{call} {fault.partition(':')[0]}")
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    command = [*strace, "-e", f"inject={inject}", sys.executable, "-m", "holdfast", *words]
    with site.process(*command) as life:
        life.end()
        return life


def _goes_on(site: Site, tally: Tally, code: int, text: str, run: str) -> bool:
    """Judge how a life ended by itself; whether another one follows."""
    if code == EXIT_IN_DOUBT and site.decide(run):
        tally.decisions += 1
        return True
    if code == 0:
        _judge_end(site, tally, run)
    else:
        tally.blame(f"exit {code}: {text[-500:]}")
    return False


def _strike(site: Site, life: Life, blow: Blow, words: Sequence[str], tally: Tally) -> None:
    if blow == "kill":
        life.signal(signal.SIGKILL)
    elif blow == "stop":
        if life.stop():
            running = _running(site, "r", life.pid)
            with site.life(*words) as second:
                # Longer, when the stopped one holds the store's lock: then it gets no answer.
                blocked = second.lasts(BLOCKED_S)
                code, text = (EXIT_LOCKED, "") if blocked else (second.end(), second.text)
            # Not yet the owner, or stopped with the lock for a lease: the second one has won.
            if code in (EXIT_IN_DOUBT, 0):
                tally.allowed.update(running)
            elif code != EXIT_LOCKED:
                tally.blame(f"beside a stopped owner: exit {code}: {text[-300:]}")
            life.signal(signal.SIGCONT)
    else:
        life.signal(signal.SIGTERM)
        if blow == "twice" and life.says("leaving after the step in hand"):
            life.signal(signal.SIGTERM)


def _outlived(life: Life, dice: random.Random, effects_most: int) -> bool:
    """Wait for a random moment; whether the life is still there then."""
    if dice.random() < 0.2:
        return life.lasts(dice.uniform(0, START_S))
    if not life.has_effects(dice.randrange(1, effects_most)):
        return False
    return life.lasts(dice.uniform(0, JITTER_S))


def _judge_kill(site: Site, life: Life, tally: Tally, in_hand_most: int, run: str) -> None:
    """The journal names what was in hand: at most so many steps, this process, this host."""
    state = site.state(run)
    in_hand = _running(site, run, life.pid)
    owners = {s.key: state.life_of(s) for s in state.steps.values() if s.status == "running"}
    if len(in_hand) > in_hand_most:
        tally.blame(f"{len(in_hand)} steps in hand: {in_hand}")
    for key, owner in owners.items():
        if owner is None or owner.owner.host != os.uname().nodename:
            tally.blame(f"{key} is in hand of nobody known")
    if not life.leaves_nobody():
        tally.blame("a program outlived the kill")
    tally.allowed.update(in_hand)


def _running(site: Site, run: str, pid: int) -> list[str]:
    """Return the steps that the journal says a process has in hand."""
    state = site.state(run)
    owners = {s.key: state.life_of(s) for s in state.steps.values() if s.status == "running"}
    return [key for key, life in owners.items() if life is not None and life.owner.pid == pid]


def _judge_end(site: Site, tally: Tally, run: str) -> None:
    counted, state = site.counted(), site.state(run)
    per_step: Counter[str] = Counter()
    for effect, count in counted.items():
        key = effect.partition(":")[0]
        per_step[key] += count - 1
        if state.steps[key].once and count != 1:
            tally.blame(f"{key} must happen once and happened {count} times")
    for key, repeats in per_step.items():
        tally.repeated += repeats
        if repeats > tally.allowed[key]:
            tally.blame(f"{key} was repeated {repeats} times for {tally.allowed[key]} kills in it")
    lost = [key for key in state.steps if key not in per_step]
    tally.lost += len(lost)
    if lost:
        tally.blame(f"recorded, but never happened: {lost}")
    for text in site.wrong():
        tally.blame(text)
