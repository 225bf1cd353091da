"""Kill whoever goes back, and whoever goes on after it; have several people go back at once."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.crash.lives import Site, script

from holdfast import confirm, do, parallel, stage, workflow
from holdfast.app.rewinding import rewind
from holdfast.errors import UsageError
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import ParameterSet, Rewound
from holdfast.model.keys import last, scope_of
from holdfast.model.standing import StepState
from holdfast.ports.store import Store
from holdfast.runtime.journal import Journal
from holdfast.stores.memory import MemoryStore
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import MOMENTS, TESTER, Crash, Mortal, live_once

LIVES_MAX = 20
RACES = 4
DONE: Counter[str] = Counter()


def touch(name: str) -> str:
    DONE[name] += 1
    return name


def node(name: str) -> str:
    do("drain", touch, f"drain {name}")
    return do("image", touch, f"image {name}")


@workflow
def fleet() -> list[str]:
    do("before", touch, "before")
    with stage("flight"):
        nodes = parallel(("n1", node, "n1"), ("n2", node, "n2"), at_once=1)
        confirm("go on?")
    do("after", touch, "after")
    return nodes


def finished(store: Store) -> list[StepState]:
    return [s for s in Journal(store, "r").refresh().steps.values() if s.is_finished]


def name_of(step: StepState) -> str:
    """Return by which name a step is counted."""
    scope = scope_of(step.key)
    return f"{last(step.key)} {last(scope)}" if scope_of(scope) else last(step.key)


def ended(flow: Workflow[..., object], store: Store) -> object:
    """Let the run come to its end, and return its result."""
    for _ in range(LIVES_MAX):
        outcome, _ = live_once(flow, store)
        if outcome is not None and outcome.status == "succeeded":
            return outcome.result
    raise AssertionError("the run does not end")


def test_a_run_killed_anywhere_can_be_taken_back() -> None:
    """Whatever had begun: from the place on everything runs once more, what was before it does
    not, and the run ends as it would have."""
    _, effects = live_once(fleet, MemoryStore())
    assert effects > 20
    for place in ("before", "flight/n1", "flight/n2/image", "flight"):
        for at in range(1, effects):
            for when in MOMENTS:
                store = MemoryStore()
                DONE.clear()
                outcome, _ = live_once(fleet, store, fuse_at=at, when=when)
                if outcome is not None or store.row("r") is None:
                    continue
                try:
                    rewind(store, "r", place, JumpClock(), TESTER)
                except UsageError as refused:
                    assert "was reached" in str(refused)
                    continue
                kept = {name_of(step) for step in finished(store)}
                was = Counter(DONE)

                assert ["image n1", "image n2"] == ended(fleet, store)
                again = DONE - was
                assert (set(), {1}) == (kept & set(again), set(again.values())), (place, at, when)


@pytest.mark.parametrize("when", MOMENTS)
def test_whoever_dies_going_back_leaves_all_of_it_or_nothing(when: str) -> None:
    """One transaction: the journal either says it, and the epoch is raised, or it does not."""
    DONE.clear()
    store = MemoryStore()
    live_once(fleet, store, fuse_at=30)
    before = store.row("r")
    assert before is not None
    mortal = Mortal(store)
    claim = store.claim

    def dying(*args: object, **options: object) -> object:
        seq = claim(*args, **options) if when == "after" else None  # type: ignore[arg-type]
        mortal.is_dead = True
        if when == "before":
            raise Crash
        mortal.row("r")
        return seq

    mortal.claim = dying  # type: ignore[attr-defined]
    with pytest.raises(Crash):
        rewind(mortal, "r", "flight/n1", JumpClock(), TESTER)  # type: ignore[arg-type]
    after = store.row("r")
    assert after is not None
    facts = [s.fact for s in store.read("r") if isinstance(s.fact, Rewound)]

    assert (len(facts), after.epoch - before.epoch) == ((1, 1) if when == "after" else (0, 0))
    assert ["image n1", "image n2"] == ended(fleet, store)


# --- in processes ---


def begun(site: Site) -> None:
    assert 1 == site.holdfast("run", script("rewinds:line"), "--id", "r", "--plain")[0]
    Path(f"{site.effects}.mended").touch()


def test_a_kill_between_going_back_and_going_on_costs_nothing(tmp_path: Path) -> None:
    """The resume that is killed at once, and again, has lost nothing of the way back."""
    site = Site(tmp_path)
    begun(site)
    assert 0 == site.holdfast("rewind", "r", "--to", "plain 2")[0]
    for _ in range(3):
        with site.life("resume", "r", "--plain") as life:
            life.kill()
    code, text = site.holdfast("resume", "r", "--plain")

    assert (0, []) == (code, site.wrong()), text
    counted = site.counted()
    assert (1, 1) == (counted["plain 0"], counted["plain 1"])
    again = {key for key, count in counted.items() if count > 1}
    assert {"plain 2", "plain 3", "drain n1", "image n1"} <= again


def test_a_life_that_is_killed_is_taken_back_at_once(tmp_path: Path) -> None:
    """Its process is dead: nobody need resume it first. One that lives refuses it."""
    site = Site(tmp_path)
    site.env["GATE"] = str(tmp_path / "gate")
    (tmp_path / "gate").touch()
    with site.life("run", script("waits:sleeper"), "--id", "r", "--plain") as life:
        life.wait_for("sleep 1h")
        refused = site.holdfast("rewind", "r", "--to", "plain 0")
        life.kill()
        taken = site.holdfast("rewind", "r", "--to", "plain 0")

    assert 5 == refused[0] and f"pid {life.pid}" in refused[1]
    assert (0, 2) == (taken[0], site.state().epoch)
    assert {} == site.state().steps


@pytest.mark.slow
def test_of_several_people_at_once_each_sees_what_the_others_did(tmp_path: Path) -> None:
    """The chain is whole, each verb says what it did, and the run goes on from the earliest."""
    for race in range(RACES):
        site = Site(tmp_path / str(race))
        begun(site)
        places = ("plain 1", "plain 3", "n2", "mended")
        with ExitStack() as stack:
            lives = [
                stack.enter_context(site.life("rewind", "r", "--to", place)) for place in places
            ]
            codes = [life.end() for life in lives]
        texts = [life.text for life in lives]
        with closing(SqliteStore(site.store, read_only=True)) as store:
            facts = [s.fact for s in store.read("r") if isinstance(s.fact, Rewound)]

        assert set(codes) <= {0, 2} and codes[0] == 0, texts
        assert codes.count(0) == len(facts)
        assert [2 + n for n in range(len(facts))] == [fact.epoch for fact in facts]
        assert all("was reached" in t for c, t in zip(codes, texts, strict=True) if c == 2)
        assert (0, []) == (site.holdfast("resume", "r", "--plain")[0], site.wrong())
        assert (1, 2) == (site.counted()["plain 0"], site.counted()["plain 1"])


@pytest.mark.slow
def test_a_parameter_is_set_by_one_life_only(tmp_path: Path) -> None:
    """Two resumes with different values at once: one of them owns the run, and it alone sets."""
    for race in range(RACES):
        site = Site(tmp_path / str(race))
        begun(site)
        with ExitStack() as stack:
            lives = [
                stack.enter_context(site.life("resume", "r", "--set", f"steps={n}", "--plain"))
                for n in (5, 6)
            ]
            codes = [life.end() for life in lives]
        with closing(SqliteStore(site.store, read_only=True)) as store:
            facts = [s.fact for s in store.read("r") if isinstance(s.fact, ParameterSet)]

        assert set(codes) <= {0, 3, 5}, [life.text for life in lives]
        assert 1 <= len(facts) <= 2
        assert site.state().params["steps"] == facts[-1].params["steps"]
        assert [] == site.wrong()
