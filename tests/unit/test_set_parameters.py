"""`--set`: another value for a parameter, in the same run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import RunLocked, Secret, UsageError, confirm, do, here, workflow
from holdfast.app.decisions import decisions
from holdfast.app.rewinding import rewind
from holdfast.app.views import show_run
from holdfast.model.facts import LifeStarted, ParameterSet
from holdfast.testing.crash import TESTER


@workflow(name="flow")
def flow(n: int, name: str = "x") -> list[Any]:
    return [n, name, here().params["n"], do("end", fail_until, 2)]


def test_the_run_goes_on_with_the_new_value(runs: Runs) -> None:
    """The workflow gets it, `here()` and `show` have it, and it is kept for the lives after."""
    runs.start(flow, {"n": 1})
    outcome = runs.resume(flow, pairs=["n=5"])

    assert [5, "x", 5, 2] == outcome.result
    shown = show_run(runs.store, "r")["run"]
    assert isinstance(shown, dict)
    assert {"n": 5, "name": "x"} == shown["params"]
    assert "set n" in runs.notes
    assert "tester@testing set n=5" in [d.what for d in decisions(runs.store, "r")]


def test_the_same_id_has_the_new_parameters(runs: Runs) -> None:
    """Started again with them it is the same run; with the old ones it is not."""
    runs.start(flow, {"n": 1})
    CALLS["try"] = -5
    runs.resume(flow, pairs=["n=5"])
    CALLS["try"] = 5

    with pytest.raises(UsageError, match="other parameters"):
        runs.start(flow, {"n": 1})
    assert "succeeded" == runs.start(flow, {"n": 5}).status


def test_what_does_not_fit_is_refused_before_anything_is_recorded(runs: Runs) -> None:
    """A wrong type, an unknown name, a name given twice: the journal is as it was."""
    runs.start(flow, {"n": 1})
    before = len(runs.facts())

    for pairs in (["n=many"], ["m=1"], ["n=1", "n=2"], ["n"]):
        with pytest.raises(UsageError, match=r"--set|parameter"):
            runs.resume(flow, pairs=pairs)
    assert before == len(runs.facts())


def test_the_value_that_it_had_is_no_change(runs: Runs) -> None:
    """It is said, and not recorded."""
    runs.start(flow, {"n": 1})
    runs.resume(flow, pairs=["n=1"])

    assert [] == runs.facts(ParameterSet)
    assert "n had that value already" in runs.notes


def test_a_run_that_a_process_owns_keeps_its_parameters(runs: Runs) -> None:
    """What it goes by is not changed under it."""
    runs.start(flow, {"n": 1})
    runs.owned_by_a_living_process()

    with pytest.raises(RunLocked):
        runs.resume(flow, pairs=["n=5"])
    assert [] == runs.facts(ParameterSet)


def test_it_is_the_first_thing_that_the_new_owner_records(runs: Runs) -> None:
    """So no other process can have begun with the old value."""
    runs.start(flow, {"n": 1})
    runs.resume(flow, pairs=["n=5"])
    kinds = [type(fact) for fact in runs.facts()]

    assert LifeStarted is kinds[kinds.index(ParameterSet) - 1]


def test_an_answer_that_was_not_heeded_is_void(runs: Runs) -> None:
    """It was given to what the run said with the old value; what was heeded stands."""

    @workflow(name="flow")
    def asking(n: int) -> int:
        confirm("first?")
        confirm("second?")
        return n

    runs.start(asking, {"n": 1})
    runs.answer("approve")
    runs.start(asking, {"n": 1})
    runs.answer("approve")
    outcome = runs.resume(asking, pairs=["n=2"])

    assert "on_hold" == outcome.status
    assert ["approved", "void", "open"] == [h.status for h in runs.state.holds.values()]


def test_a_yes_to_all_the_rest_ends(runs: Runs) -> None:
    """It was a yes to the rest of the run as it was."""

    @workflow(name="flow")
    def steps(n: int) -> None:
        for name in "abc":
            do(name, touch, name)

    runs.start(steps, {"n": 1}, mode="confirm")
    runs.answer("approve", auto_rest=True)
    runs.resume(steps, pairs=["n=2"])
    assert "a" == runs.hold().opened.key
    runs.answer("approve")
    runs.start(steps, {"n": 2})

    assert "b" == runs.hold().opened.key


def test_a_finished_step_with_other_inputs_is_asked_about(runs: Runs) -> None:
    """The recorded result was made with the old value: it is drift, as when the script changed."""

    @workflow(name="flow")
    def copying(size: int) -> object:
        do("copy", touch, size)
        return do("end", fail_until, 2)

    runs.start(copying, {"size": 1})

    assert "on_hold" == runs.resume(copying, pairs=["size=2"]).status
    assert "drift" == runs.hold().opened.kind
    assert "copy: runs again" == runs.rearm("copy")
    assert 2 == runs.resume(copying).result


def test_together_with_an_accepted_drift(runs: Runs) -> None:
    """The difference that was accepted is the very one that is found: it is not asked again."""

    @workflow(name="flow")
    def before(n: int) -> None:
        do("a", touch, "a")
        do("end", fail_until, 9)

    @workflow(name="flow")
    def after(n: int) -> int:
        do("new", touch, "new")
        do("a", touch, "a")
        return n

    runs.start(before, {"n": 1})
    runs.resume(after)

    assert 2 == runs.resume(after, accept_drift=True, pairs=["n=2"]).result


def test_a_secret_is_set_by_reference(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is nowhere in the journal."""
    monkeypatch.setenv("FIRST", "hush one")
    monkeypatch.setenv("SECOND", "hush two")

    @workflow(name="flow")
    def login(token: Secret) -> int:
        return len(token.reveal()) if do("end", fail_until, 2) else 0

    runs.start(login, {"token": "@env:FIRST"})
    with pytest.raises(UsageError, match="not shown"):
        runs.resume(login, pairs=["token=hush two"])
    runs.resume(login, pairs=["token=@env:SECOND"])

    (fact,) = runs.facts(ParameterSet)
    assert "SECOND" in json.dumps(fact.params)
    assert "hush" not in str(runs.facts())


def test_with_a_rewind_the_step_runs_with_it(runs: Runs) -> None:
    """Go back, and go on with another value: nothing of the old one is asked about."""

    @workflow(name="flow")
    def copying(size: int) -> list[object]:
        return [do("copy", touch, "copy", size), do("end", fail_until, 2)]

    runs.start(copying, {"size": 1})
    rewind(runs.store, "r", "copy", runs.clock, TESTER)

    assert [3, 2] == runs.resume(copying, pairs=["size=3"]).result
