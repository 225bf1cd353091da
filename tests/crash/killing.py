"""Kill a run at random moments until it is done, and count what that cost."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.lives import Life, Site, script

EXIT_IN_DOUBT = 6
START_S = 0.2
"""A life that is killed by the clock alone dies within this time of its start."""
JITTER_S = 0.004
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
    run: str = "r",
) -> Tally:
    """Run a workflow, killing it `kills` times, to its end; return what happened.

    A life dies some time after its start, or a little after so many effects. Steps in doubt are
    decided by what is in the file of effects.
    """
    dice, tally = random.Random(str(seed)), Tally(seed)
    words = ("run", script(workflow), "--id", run, "-p", f"steps={steps}", "--plain")
    effects_most = max(3, 2 * steps // kills)
    while tally.lives < LIVES_MAX:
        tally.lives += 1
        with site.life(*words) as life:
            if tally.kills < kills and _outlived(life, dice, effects_most):
                life.kill()
                tally.kills += 1
                _judge_kill(site, life, tally, in_hand_most, run)
                continue
            code = life.end()
        if code == EXIT_IN_DOUBT:
            if not site.decide(run):
                tally.blame("exit 6, but no step is in doubt")
                break
            tally.decisions += 1
        elif code == 0:
            _judge_end(site, tally, run)
            break
        else:
            tally.blame(f"exit {code}: {life.text[-500:]}")
            break
    return tally


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
    began = [step for step in state.steps.values() if step.status == "running"]
    owners = {step.key: state.life_of(step) for step in began}
    in_hand = [
        key for key, owner in owners.items() if owner is not None and owner.owner.pid == life.pid
    ]
    if len(in_hand) > in_hand_most:
        tally.blame(f"{len(in_hand)} steps in hand: {in_hand}")
    for key, owner in owners.items():
        if owner is None or owner.owner.host != os.uname().nodename:
            tally.blame(f"{key} is in hand of nobody known")
    if not life.leaves_nobody():
        tally.blame("a program outlived the kill")
    tally.allowed.update(in_hand)


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
