"""`stop --all`: every unfinished run, the living first, and one that cannot be asked."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.runs import Runs, Says, fail_until, touch

from holdfast import confirm, do, workflow
from holdfast.app.halting import Halt, stop_all
from holdfast.errors import StoreCorrupt
from holdfast.model.facts import StopRequested
from holdfast.testing.crash import TESTER


@workflow(name="flow")
def asking() -> None:
    do("a", touch, "a")
    confirm("go on?")


@workflow(name="flow")
def failing() -> int:
    return do("bad", fail_until, 99)


def halts(runs: Runs, **options: Any) -> dict[str, Halt]:
    return {halt.run: halt for halt in stop_all(runs.store, runs.clock, TESTER, **options)}


def test_every_unfinished_run_is_asked(runs: Runs) -> None:
    """Also one that rests: nobody but a person takes it up again. A finished one is left alone."""
    runs.start(asking, id="held")
    runs.start(failing, id="failed")
    runs.start(asking, id="over", person=Says("approve"))
    found = halts(runs)

    assert {"held", "failed"} == set(found)
    assert {"asked to stop; no process works on it"} == {halt.text for halt in found.values()}
    assert 3 == runs.start(failing, id="failed").exit_code


def test_it_is_asked_once(runs: Runs) -> None:
    """A stop and a pause stand as they are; only a harder stop adds something."""
    runs.start(asking, id="r")
    runs.stop(pause=True)

    assert "asked to pause already; no process works on it" == halts(runs)["r"].text
    halts(runs, now=True)
    assert [(False, True), (True, True)] == [
        (fact.now, fact.pause) for fact in runs.facts(StopRequested)
    ]


def test_what_a_living_run_has_in_hand_is_told(runs: Runs) -> None:
    """The process and the step; nothing follows that step."""
    told: list[Halt] = []

    @workflow(name="flow")
    def busy() -> None:
        do("lift", lambda: told.extend(stop_all(runs.store, runs.clock, TESTER)))
        do("next", touch, "next")

    outcome = runs.start(busy)

    assert ("stopped", 3) == (outcome.status, outcome.exit_code)
    (halt,) = told
    assert halt.owner is not None
    assert halt.text.startswith("asked to stop; in hand in pid ")
    assert halt.text.endswith(": lift")


def test_one_that_cannot_be_asked_keeps_none_from_it(runs: Runs) -> None:
    """It is told beside the others."""
    runs.start(asking, id="good")
    runs.start(asking, id="bad")
    read = runs.store.read

    def broken(run: str, after: int = 0) -> Any:
        if run == "bad":
            raise StoreCorrupt("fact 2 is not what was written")
        return read(run, after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs.store, "read", broken)
        found = halts(runs)

    assert found["good"].text.startswith("asked to stop")
    assert isinstance(found["bad"].error, StoreCorrupt)
