"""The run of a golden journal that a shell script owns."""

from __future__ import annotations

from tests.golden.scene import ADA, AT, RUN, Scene

from holdfast.model.facts import (
    Commands,
    LifeStarted,
    Owed,
    Owner,
    PlaceReached,
    RunCreated,
    RunFailed,
    ScopeClosed,
    ScopeEntered,
    StepRearmed,
    StepStarted,
    StepSucceeded,
)

SHELL = Owner("host", 100, "5", "boot", "ada")
STEP = Owner("host", 101, "6", "boot", "ada")


def shell(scene: Scene) -> None:
    """Two lives of a script: a stage, what gives back, an output that is no text, a failure."""
    scene.store.create(RUN, RunCreated(AT, "shell", "", {"to": "prod"}, "digest", ADA, shell=True))
    _life(scene, 1)
    lend = Commands(("touch", "lock"), "/srv", "test -e lock", "rm lock", "rm -f lock")
    scene.add(
        ScopeEntered(AT, "pre", "stage", True),
        PlaceReached(AT, "pre", "stage", STEP),
        PlaceReached(AT, "pre/lock", "step", STEP),
        StepStarted(
            AT, "pre/lock", 1, "lock", "inputs", "touch lock", undoes=True,
            owes=Owed("sh", "rm -f lock", (), "digest"), commands=lend,
        ),
        StepSucceeded(AT, "pre/lock"),
        ScopeClosed(AT, "pre", "stage"),
        PlaceReached(AT, "pre", "end", STEP),
        PlaceReached(AT, "read", by=STEP),
        StepStarted(AT, "read", 1, "read", commands=Commands(("cat", "a b"), "/srv")),
        RunFailed(AT, "ExitStatus", "the script ended with exit status 1"),
    )  # fmt: skip
    _life(scene, 2)
    scene.add(
        PlaceReached(AT, "read", by=STEP),
        StepRearmed(AT, "read", ADA, "called again"),
        StepStarted(AT, "read", 2, "read", commands=Commands(("cat", "a b"), "/srv")),
        StepSucceeded(AT, "read", {"$": "bytes", "v": "/wA="}),
        RunFailed(AT, "ExitStatus", "the script ended with exit status 7"),
    )


def _life(scene: Scene, epoch: int) -> None:
    commands = Commands(("bash", "deploy.sh", "prod"), "/srv")
    fact = LifeStarted(AT, epoch, SHELL, ADA, "0.1.0", file="/srv/deploy.sh", commands=commands)
    row = scene.store.row(RUN)
    after = sum(1 for _ in scene.store.read(RUN))
    assert row is not None
    assert scene.store.claim(RUN, fact, after=after, expected_epoch=row.epoch) is not None
