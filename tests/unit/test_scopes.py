"""Where steps may be called: in workflows, stages and nested workflows, and nowhere else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import (
    UsageError,
    ask,
    attempt,
    confirm,
    do,
    flight,
    here,
    parallel,
    postflight,
    preflight,
    progress,
    require,
    save,
    saved,
    sleep,
    stage,
    step,
    token,
    wait_for,
    workflow,
)
from holdfast.model.facts import ScopeClosed, StepSucceeded


@step("inner {name}")
def inner(name: str) -> str:
    return touch(name)


# --- outside any run ---


def test_outside_any_run_a_step_is_its_function() -> None:
    """So that it can be unit-tested: no store, no journal, no copy of the result."""
    value = object()

    @step(once=True, check=lambda: True, retry=None)
    def plain(given: object) -> object:
        return given

    assert value is plain(value)
    assert "plain" == plain.__name__


def test_a_workflow_called_directly_is_refused() -> None:
    """The message says how to start one."""

    @workflow
    def flow() -> None: ...

    with pytest.raises(UsageError, match="holdfast run"):
        flow()


VERBS = [
    lambda: do("x", touch, "x"),
    lambda: require("x", touch, "x"),
    lambda: wait_for("x", touch, "x"),
    lambda: sleep("1s"),
    lambda: confirm("?"),
    lambda: ask("?"),
    lambda: parallel(("x", touch, "x")),
    lambda: stage("x").__enter__(),
]


@pytest.mark.parametrize("verb", [*VERBS, here, attempt, token, saved, lambda: save(1),
                                  lambda: progress(1)])  # fmt: skip
def test_a_verb_outside_a_run_is_refused(verb) -> None:
    """Nothing of it happens, and the message says so."""
    with pytest.raises(UsageError, match="outside a run"):
        verb()
    assert 0 == CALLS["x"]


# --- inside a step ---


def test_a_step_inside_a_step_is_a_plain_call(runs: Runs) -> None:
    """It leaves no trace in the journal, and runs again with the step around it."""

    @workflow
    def flow() -> str:
        return do("outer", lambda: inner("a") + inner("a"))

    assert "aa" == runs.start(flow).result
    assert ["outer"] == [fact.key for fact in runs.facts(StepSucceeded)]


OPTIONS = [
    {"once": True}, {"check": lambda: False}, {"undo": lambda: None}, {"owes": lambda: None},
    {"confirm": True},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
def test_a_promise_that_cannot_be_kept_is_refused(runs: Runs, options: dict) -> None:
    """Inside a step nothing of `once`, `check`, `undo`, `owes` or `confirm` would hold."""

    @step("special", **options)
    def special() -> None:
        touch("special")

    @workflow
    def flow() -> None:
        do("outer", special.__call__)

    outcome = runs.start(flow)

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert next(iter(options)) in outcome.reason and "outer" in outcome.reason
    assert 0 == CALLS["special"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_inside_a_step_is_refused(runs: Runs, verb) -> None:
    """A checkpoint within a checkpoint cannot be: exit 2."""

    @workflow
    def flow() -> None:
        do("outer", verb)

    assert 2 == runs.start(flow).exit_code
    assert 0 == CALLS["x"]


# --- threads ---


def test_a_step_from_a_pool_of_ones_own_is_refused(runs: Runs) -> None:
    """It would go unrecorded; the message names what to use instead."""

    @workflow
    def flow() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(inner, "a").result()

    outcome = runs.start(flow)

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert "parallel" in outcome.reason and "each" in outcome.reason
    assert 0 == CALLS["a"]


def test_a_thread_inside_a_step_is_refused_too(runs: Runs) -> None:
    """A plain thread does not carry the run's context, wherever it was started."""
    errors: list[Exception] = []

    def call() -> None:
        try:
            inner("a")
        except UsageError as error:
            errors.append(error)

    def body() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    @workflow
    def flow() -> None:
        do("outer", body)

    runs.start(flow)

    assert 1 == len(errors)


# --- stages ---


def test_stages_have_names_of_their_own(runs: Runs) -> None:
    """A key is the path of scopes; the same label may be used in each."""

    @workflow
    def flow() -> None:
        with preflight():
            inner("a")
        with flight():
            inner("a")
            inner("a")
            with stage("part 1/2"):
                inner("a")
        with postflight():
            inner("a")

    runs.start(flow)

    assert [
        "pre-flight/inner a", "flight/inner a", "flight/inner a#2", "flight/part 1%2F2/inner a",
        "post-flight/inner a",
    ] == [fact.key for fact in runs.facts(StepSucceeded)]  # fmt: skip


def test_return_inside_a_stage_completes_it(runs: Runs) -> None:
    """Its end is recorded before the workflow's."""

    @workflow
    def flow() -> str:
        with stage("flight"):
            return inner("a")

    assert "a" == runs.start(flow).result
    assert ["flight"] == [fact.key for fact in runs.facts(ScopeClosed)]


def test_a_failed_stage_stays_open(runs: Runs) -> None:
    """It is entered again and goes on where it failed."""

    @workflow
    def flow() -> None:
        with stage("flight"):
            inner("a")
            do("stumble", fail_until, 2)

    runs.start(flow)
    assert [] == runs.facts(ScopeClosed)
    runs.start(flow)

    assert 1 == CALLS["a"]
    assert ["flight"] == [fact.key for fact in runs.facts(ScopeClosed)]


def test_a_stage_in_a_generator_is_refused(runs: Runs) -> None:
    """It could be left and taken up out of order."""

    def nodes():
        with stage("flight"):
            yield 1

    @workflow
    def flow() -> None:
        for _ in nodes():
            pass

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "generator" in outcome.reason


# --- nested workflows ---


@workflow
def child(name: str) -> tuple[str, int]:
    return inner(name), 1


def test_a_nested_workflow_is_a_scope(runs: Runs) -> None:
    """It may be called often; what it returned is not worked out again."""

    @workflow
    def flow() -> list[object]:
        return [child("a"), child("b"), do("stumble", fail_until, 2)]

    runs.start(flow)
    outcome = runs.start(flow)

    assert [("a", 1), ("b", 1), 2] == outcome.result
    assert {"a": 1, "b": 1, "try": 2} == dict(CALLS)
    assert ["child/inner a", "child#2/inner b"] == [fact.key for fact in runs.facts(StepSucceeded)][
        :2
    ]


def test_a_nested_workflow_goes_on_where_it_was(runs: Runs) -> None:
    """One that failed is entered again, and its finished steps answer from the journal."""

    @workflow
    def stumbling() -> int:
        inner("a")
        return do("stumble", fail_until, 2)

    @workflow
    def flow() -> int:
        return stumbling()

    runs.start(flow)

    assert 2 == runs.start(flow).result
    assert 1 == CALLS["a"]


def test_keyword_arguments_are_as_python_has_them(runs: Runs) -> None:
    """Names, defaults and keyword-only parameters bind as in a plain call."""

    @step
    def job(a: int, b: int = 2, *rest: int, c: int = 3, **more: int) -> list[object]:
        return [a, b, list(rest), c, more]

    @step
    def strict(a: int, *, b: int) -> list[int]:
        return [a, b]

    @workflow
    def flow() -> list[object]:
        return [job(1), job(1, 5, 6, c=7, d=8), strict(1, b=2)]

    expected = [[1, 2, [], 3, {}], [1, 5, [6], 7, {"d": 8}], [1, 2]]
    assert expected == runs.start(flow).result


def test_a_wrong_call_is_an_error_of_the_script(runs: Runs) -> None:
    """A step takes what its function takes."""

    @step
    def strict(a: int, *, b: int) -> int:
        return a

    @workflow
    def flow() -> None:
        strict(1, 2)  # type: ignore[misc]

    assert "TypeError" in runs.start(flow).reason


@pytest.mark.parametrize("name", [" ", "x" * 201])
def test_a_scope_has_a_label_like_a_step(runs: Runs, name: str) -> None:
    """What cannot be typed or shown names nothing."""

    @workflow
    def flow() -> None:
        with stage(name):
            inner("a")

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "label" in outcome.reason
    assert not CALLS
