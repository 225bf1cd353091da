"""Starting a run, and going on with one: what `--id` and `resume` promise."""

from __future__ import annotations

from dataclasses import replace
from types import FunctionType

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch
from tests.unit.wrappers import Timed

import holdfast
from holdfast import Outcome, RunLocked, UsageError, do, workflow
from holdfast.app.starting import start
from holdfast.model.codec import Undecodable
from holdfast.model.facts import LifeStarted, Who
from holdfast.model.keys import check_run_id
from holdfast.runtime.ownership import this_process
from holdfast.testing.samples import run_created


@workflow(name="flow")
def simple(number: int = 1) -> str:
    return do("one", touch, "one")


@workflow(name="flow")
def stumbling(number: int = 1) -> int:
    do("one", touch, "one")
    return do("stumble", fail_until, 2)


def test_the_same_id_never_starts_twice(runs: Runs) -> None:
    """A finished run reports its result; an unfinished one goes on."""
    assert ("failed", 1) == (runs.start(stumbling).status, CALLS["one"])
    assert ("succeeded", 2) == (runs.start(stumbling).status, CALLS["try"])
    again = runs.start(stumbling)

    assert Outcome("succeeded", 2, "r") == again
    assert 1 == CALLS["one"]
    assert 2 == len(runs.facts(LifeStarted))


def test_other_parameters_are_refused(runs: Runs) -> None:
    """The message names them, and nothing is recorded."""
    runs.start(stumbling)
    before = len(runs.facts())

    with pytest.raises(UsageError, match="number"):
        runs.start(stumbling, {"number": 2})
    assert before == len(runs.facts())


def test_a_default_given_explicitly_is_the_same(runs: Runs) -> None:
    """What is compared is the complete set of values."""
    runs.start(stumbling)

    assert "succeeded" == runs.start(stumbling, {"number": 1}).status


def test_another_workflow_is_refused(runs: Runs) -> None:
    """One id, one workflow."""

    @workflow
    def other(number: int = 1) -> None: ...

    runs.start(stumbling)

    with pytest.raises(UsageError, match="flow"):
        runs.start(other)


def test_another_target_is_refused(runs: Runs) -> None:
    """A run acts on the target it was started for."""
    runs.start(stumbling, target="a")

    with pytest.raises(UsageError, match="target"):
        runs.start(stumbling, target="b")


@pytest.mark.parametrize("params", [{"number": "x"}, {"other": 1}])
def test_wrong_parameters_record_nothing(runs: Runs, params: dict) -> None:
    """They are refused before the run exists."""
    with pytest.raises(UsageError):
        runs.start(simple, params)
    assert runs.store.row("r") is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([1, object()], "parameter given[1] cannot be recorded: a builtins.object"),
        # A class of a file that the script does not import: a resume would not find it.
        (Timed(3), "parameter given cannot be recorded: no later life could read"),
    ],
)
def test_a_parameter_that_no_resume_could_read_is_refused(runs: Runs, value, why: str) -> None:
    """By its name, before the run exists, and by what could be written instead."""

    def flow(given=None) -> None:
        do("one", touch, "one")

    away = {"__name__": "away", "do": do, "touch": touch}
    apart = workflow(FunctionType(flow.__code__, away, "flow", flow.__defaults__))

    with pytest.raises(UsageError) as refusal:
        runs.start(apart, {"given": value})
    assert why in str(refusal.value)
    assert runs.store.row("r") is None


@pytest.mark.parametrize("id", ["", "a b", "ü", "x" * 65, "a/b"])
def test_an_id_is_checked(runs: Runs, id: str) -> None:
    """1 to 64 letters, digits, dots, underscores, colons or hyphens."""
    with pytest.raises(UsageError):
        runs.start(simple, id=id)


def test_a_run_without_an_id_gets_a_short_one(runs: Runs) -> None:
    """Each start is a run of its own, named after its workflow."""
    first, second = (runs.start(simple, id=None).run_id for _ in range(2))

    assert first != second
    assert first.startswith("flow-") and len(first) <= 10


@pytest.mark.parametrize(
    ("name", "stem"),
    [("nightly backup", "nightly-backup"), ("--yes", "yes"), ("升级", "run"), ("..", "run")],
)
def test_a_made_id_can_be_typed_behind_any_command(runs: Runs, name: str, stem: str) -> None:
    """Whatever the workflow is called, no id looks like an option, and `--id` would take it."""

    @workflow(name=name)
    def named() -> None: ...

    run = runs.start(named, id=None).run_id

    assert (stem, 4) == (run[:-5], len(run.rpartition("-")[2]))
    assert run == check_run_id(run)


def test_a_required_target_is_required(runs: Runs) -> None:
    """It is refused before anything is recorded."""

    @workflow(target="required")
    def flow() -> None: ...

    with pytest.raises(UsageError, match="target"):
        runs.start(flow)
    assert runs.store.row("r") is None


def test_a_workflow_that_knows_no_mode_is_refused(runs: Runs) -> None:
    """The message lists the modes."""
    with pytest.raises(UsageError, match="confirm"):
        runs.start(simple, mode="quick")


@pytest.mark.parametrize("stop", [{}, {"pause": True}])
def test_the_same_id_never_lifts_a_persons_stop(runs: Runs, stop: dict) -> None:
    """It reports; only `resume` goes on."""
    runs.start(stumbling)
    runs.stop(**stop)
    before = len(runs.facts())
    outcome = runs.start(stumbling)

    assert ("paused" if stop else "stopped", 3) == (outcome.status, outcome.exit_code)
    assert "holdfast resume r" in outcome.reason
    assert before == len(runs.facts())
    assert "succeeded" == runs.resume(stumbling).status


def test_a_finished_run_is_not_resumed(runs: Runs) -> None:
    """Resume reports it."""
    runs.start(simple)

    assert Outcome("succeeded", "one", "r") == runs.resume(simple)
    assert 1 == CALLS["one"]


def test_a_second_life_is_refused(runs: Runs) -> None:
    """It names the owner: pid, host, user, and since when; nothing is changed."""
    runs.start(stumbling)
    runs.owned_by_a_living_process()
    before = len(runs.facts())
    owner = this_process()

    with pytest.raises(RunLocked) as refusal:
        runs.start(stumbling)
    text = str(refusal.value)
    assert [] == [w for w in (str(owner.pid), owner.host, owner.user, "since 20") if w not in text]
    assert before == len(runs.facts())
    assert 5 == refusal.value.exit_code


def test_a_parameter_that_no_longer_fits_is_refused(runs: Runs) -> None:
    """Before the run is taken up: nothing is recorded, nobody owns it, and with another value it
    goes on."""
    gone = {"$": "obj", "t": "old:Node", "v": {}}
    runs.store.create("r", run_created("flow", params={"number": gone}))
    with pytest.raises(Undecodable):
        runs.resume(simple)
    row = runs.row

    assert (None, 0) == (row.owner, row.epoch)
    assert "succeeded" == runs.resume(simple, pairs=["number=2"]).status


def test_a_run_that_could_not_be_begun_is_given_back(runs: Runs) -> None:
    """What a front-end raises when it hears of the run is no reason to keep it."""

    def fails(run: str, state: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(replace(runs.setting, begins=fails), simple, {}, id="r")
    assert runs.row.owner is None

    assert Outcome("succeeded", "one", "r") == runs.start(simple)


def test_a_life_that_lost_its_run_records_nothing_more(runs: Runs) -> None:
    """Its next write is refused, it exits 5, and the new owner's journal is untouched."""

    @workflow
    def flow() -> None:
        do("one", runs.owned_by_a_living_process)
        do("two", touch, "two")

    outcome = runs.start(flow)

    assert 5 == outcome.exit_code
    assert LifeStarted is type(runs.facts()[-1])
    assert 0 == CALLS["two"]


def test_a_life_says_who_it_is(runs: Runs) -> None:
    """Owner, person, and the file the workflow is in."""
    runs.start(simple, by=Who("ana", "here"))
    (life,) = runs.facts(LifeStarted)

    assert ("ana", this_process(), __file__) == (life.by.user, life.owner, life.file)


def test_run_is_the_front_door(runs: Runs) -> None:
    """`holdfast.run` starts, resumes and reports, on any store."""
    first = holdfast.run(stumbling, {"number": 3}, id="r", store=runs.store)
    second = holdfast.run(stumbling, {"number": 3}, id="r", store=runs.store)

    assert ("failed", None, 1) == (first.status, first.result, first.exit_code)
    assert Outcome("succeeded", 2, "r") == second
