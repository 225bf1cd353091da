"""`retry`: a step, all that failed in a scope, and a wait that is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import Retry, UsageError, confirm, do, parallel, sleep, workflow
from holdfast.app import commands
from holdfast.model.facts import StepRearmed
from holdfast.testing.crash import TESTER


def bad(node: str) -> None:
    do("drain", touch, "drain")
    do("image", fail_until, 2, node)


@workflow(name="flow")
def nodes() -> object:
    try:
        parallel(("n1", bad, "n1"), ("n2", bad, "n2"), at_once=1)
    except Exception:
        do("caught", touch, "caught")
    return do("end", fail_until, 2, "end")


def test_a_scope_is_all_that_failed_in_it(runs: Runs) -> None:
    """Its finished steps, and the failed ones of other scopes, are left alone."""
    runs.start(nodes)

    assert "n1/image: runs again" == runs.rearm("n1")
    assert ["n1/image"] == [fact.key for fact in runs.facts(StepRearmed)]
    runs.start(nodes)
    assert (2, 1) == (CALLS["n1"], CALLS["n2"])


def test_a_scope_without_a_failure_is_refused(runs: Runs) -> None:
    """What is in doubt in it is named: it is decided by its own name."""

    @workflow(name="flow")
    def flow() -> object:
        return parallel(
            ("n2", lambda: do("a", touch, "a")),
            ("n1", lambda: do("pay", fail_until, 2, once=True)),
            at_once=1,
        )

    runs.start(flow)
    with pytest.raises(UsageError, match=r"no step in 'n2' has failed$"):
        runs.rearm("n2")
    with pytest.raises(UsageError, match="unfinished in it: n1/pay"):
        runs.rearm("n1")
    runs.rearm("n1/pay")

    assert ["a", 2] == runs.start(flow).result


def test_done_and_skip_are_about_one_step(runs: Runs) -> None:
    """A scope is refused, with the steps in it."""
    runs.start(nodes)

    with pytest.raises(UsageError, match=r"is a scope, and done .*: n1/drain, n1/image"):
        runs.done("n1")
    with pytest.raises(UsageError, match=r"is a scope, and skip .*: n1/drain, n1/image"):
        commands.skip(runs.store, "r", "n1", runs.clock, TESTER, "no")


def test_a_scope_of_one_step_is_no_step(runs: Runs) -> None:
    """What is said of the one is not said of whatever the other will hold."""

    @workflow(name="flow")
    def flow() -> object:
        return parallel(("n1", lambda: do("only", fail_until, 2)))

    runs.start(flow)

    with pytest.raises(UsageError, match="'n1' is a scope"):
        runs.done("n1")


def test_a_wait_for_the_next_attempt_is_ended(runs: Runs) -> None:
    """The step runs at once in the next life, with all its attempts."""

    @workflow(name="flow")
    def flow() -> object:
        return do("flaky", fail_until, 3, retry=Retry(attempts=2, first="1h", most="1h", jitter=0))

    runs.start(flow, budget_s=60.0)
    assert "waiting" == runs.step("flaky").status
    runs.rearm("flaky")
    before = runs.clock.now()

    assert 3 == runs.start(flow).result
    assert runs.clock.now() - before < timedelta(hours=2)
    assert runs.step("flaky").forgiven == 1


def test_a_sleep_is_ended(runs: Runs) -> None:
    """A person need not wait for a moment that does not matter any more."""

    @workflow(name="flow")
    def flow() -> str:
        sleep("30d")
        return "awake"

    runs.start(flow, budget_s=60.0)
    runs.rearm("sleep 30d")
    before = runs.clock.now()

    assert "awake" == runs.start(flow).result
    assert runs.clock.now() - before < timedelta(days=1)


def test_what_has_not_begun_is_named_with_what_it_asks(runs: Runs) -> None:
    """Only what was reached can be decided; a question has verbs of its own."""

    @workflow(name="flow")
    def flow() -> None:
        do("a", touch, "a")
        confirm("go on?")

    runs.start(flow)

    with pytest.raises(UsageError, match=r"it asks \(h1\); answer that"):
        runs.done("confirm go on?")
    with pytest.raises(UsageError, match="it has a: only what was reached can be decided"):
        runs.done("b")
