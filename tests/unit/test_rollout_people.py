"""How much one yes covers in a rollout: a step, a unit, and what a prompt and a plan say of it."""

from __future__ import annotations

from tests.unit.runs import CALLS, Runs, Says, touch

from holdfast import do, flight, gate, measure, rollout, step, workflow
from holdfast.app.planning import plan
from holdfast.cli.asking import keys_of, scope_meant
from holdfast.flow.workflows import Workflow


@step("drain {node}")
def drain(node: str) -> None:
    touch(f"drain {node}")


@step("image {node}")
def image(node: str) -> None:
    touch(f"image {node}")


def one(node: str) -> None:
    drain(node)
    gate("calm", lambda: touch("probe", 1), below=2)
    image(node)


def fleet(**rules: object) -> Workflow[..., object]:
    @workflow(name="fleet", mode="confirm", ask="unit")
    def flow() -> None:
        with flight():
            rollout(["n1", "n2", "n3"], one, **rules)  # type: ignore[arg-type]

    return flow


def test_one_yes_covers_a_unit(runs: Runs) -> None:
    """Each unit is asked about once, with the steps in it; gates do not ask."""
    ana = Says("approve")
    outcome = runs.start(fleet(), person=ana)

    assert "succeeded" == outcome.status, outcome.reason
    assert [f"unit n{n}: run 2 steps?" for n in (1, 2, 3)] == ana.asked
    assert "approved by tester for flight/n2" == runs.step("flight/n2/image n2").decided_by


def test_one_yes_covers_what_a_unit_has_not_earned(runs: Runs) -> None:
    """In the mode earned too: three units are asked about whole, the fourth goes on by itself."""

    @workflow(name="fleet", mode="earned", ask="unit")
    def flow() -> None:
        with flight():
            rollout(["n1", "n2", "n3", "n4"], one)

    ana = Says("approve")
    outcome = runs.start(flow, person=ana)

    assert "succeeded" == outcome.status, outcome.reason
    assert [f"unit n{n}: run 2 steps?" for n in (1, 2, 3)] == ana.asked
    assert runs.step("flight/n4/image n4").decided_by.startswith("earned: 3 of 3")


def test_a_yes_to_one_unit_is_none_to_the_next(runs: Runs) -> None:
    """Parked in between, the next unit is not reached."""
    runs.start(fleet())
    runs.answer("approve")
    outcome = runs.resume(fleet())

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert "flight/n2" == runs.hold().opened.key
    assert {"drain n1": 1, "image n1": 1} == {k: n for k, n in CALLS.items() if k != "probe"}


def test_the_prompt_offers_the_whole_unit(runs: Runs) -> None:
    """Where each step asks for itself, `u` is about the unit around it, not the stage."""

    @workflow(name="fleet", mode="confirm")
    def flow() -> None:
        with flight():
            rollout(["n1"], one)

    runs.start(flow)
    opened = runs.hold().opened

    assert "unit: all of it" in [key.word for key in keys_of(opened, runs.state)]
    assert "flight/n1" == scope_meant(opened, runs.state)


def test_the_questions_ahead_ask_no_probe(runs: Runs) -> None:
    """The plan behind a unit's question names its steps, and leaves the world alone."""
    runs.start(fleet())

    assert 0 == CALLS["probe"]


def test_a_plan_walks_every_unit_and_asks_each_gate_s_probe(runs: Runs) -> None:
    """Also what depends on a measurement; nothing is done."""

    @workflow(name="fleet")
    def flow() -> None:
        base = measure("base", lambda: touch("base", 5), span="10s")
        with flight():
            rollout(["n1", "n2"], lambda node: body(node, base.mean), waves=[1, "rest"], soak="1h")

    def body(node: str, mean: float) -> None:
        do(f"change {node}", touch, node)
        gate("p99", lambda: touch("p99", 4), below=1.3 * mean)

    found = plan(flow, {}, runs.clock)
    lines = {line.key: line for line in found.steps}

    assert "" == found.fails == found.depends_on
    assert ["measure", "run", "gate"] == [
        lines[key].will for key in ("base", "flight/n2/change n2", "flight/n2/p99")
    ]
    assert "now 4" == lines["flight/n2/p99"].says
    assert {"base": 1, "p99": 2} == dict(CALLS)


@step("set {node}")
def set_image(node: str, tag: str) -> None:
    touch(f"set {node} {tag}")


@step("ready {node}")
def ready(node: str) -> None:
    if not CALLS["set n1 good"]:
        raise OSError("no such image")


@workflow(name="tagged")
def tagged(tag: str) -> None:
    def one(node: str) -> None:
        set_image(node, tag)
        ready(node)

    with flight():
        rollout(["n1", "n2"], one)


def test_a_step_that_is_set_right_takes_its_unit_up_again(runs: Runs) -> None:
    """With the parameter set right, `retry` of the step that had the wrong one also runs what
    failed for it, and the other units follow."""
    assert 4 == runs.start(tagged, {"tag": "bad"}).exit_code
    assert 3 == runs.resume(tagged, pairs=["tag=good"]).exit_code
    said = runs.rearm("flight/n1/set n1")
    outcome = runs.resume(tagged)

    assert "flight/n1/set n1, flight/n1/ready n1: run again" == said
    assert "succeeded" == outcome.status, outcome.reason
    assert {"set n1 bad": 1, "set n1 good": 1, "set n2 good": 1} == {
        what: times for what, times in CALLS.items() if what.startswith("set ")
    }
