"""What other people say to a run in the middle of a step, and what signals do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from tests.crash.lives import Life, Site, script

from holdfast.model.facts import HoldAnswered, StepSucceeded, TimerSet
from holdfast.model.state import RunState
from holdfast.stores.sqlite import SqliteStore

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
BEFORE_GATE = {"plain 0": 1, "gated": 1}
ALL_ONCE = {"plain 0": 1, "gated": 1, "plain 1": 1}
RACES = 5
LOOKS_MAX, LOOK_EVERY_S = 1_000, 0.02


def run(workflow: str, *options: str) -> tuple[str, ...]:
    return ("run", script(f"waits:{workflow}"), "--id", "r", "--plain", *options)


def open_gate(site: Site) -> None:
    """Let the step that stands at the gate go on, in this life and in later ones."""
    Path(site.env["GATE"]).write_text("open\n")
    site.env["GATE"] = os.devnull


@contextmanager
def at_the_gate(site: Site, *command: str, **options: object) -> Iterator[Life]:
    with site.life(*command, **options) as life:
        life.wait_for("at the gate")
        yield life


def facts(site: Site, kind: type) -> list[object]:
    with closing(SqliteStore(site.store, read_only=True)) as store:
        return [stored.fact for stored in store.read("r") if isinstance(stored.fact, kind)]


def wait_for_heartbeat(site: Site, life: Life) -> None:
    """Wait until a life is under way: from then on it handles signals."""
    for _ in range(LOOKS_MAX):
        if site.store.exists() and site.state().lives:
            with closing(SqliteStore(site.store, read_only=True)) as store:
                row = store.row("r")
            assert row is not None
            if row.beat_at and row.owner and row.owner.pid == life.pid:
                return
        assert life.lasts(LOOK_EVERY_S), life.text
    raise AssertionError(f"no heartbeat: {life.text}")


def wait_for_timer(site: Site, life: Life) -> None:
    for _ in range(LOOKS_MAX):
        if facts(site, TimerSet):
            return
        assert life.lasts(LOOK_EVERY_S), life.text
    raise AssertionError(f"no timer: {life.text}")


# --- what other people say ---


@pytest.mark.parametrize("verb", ["stop", "pause"])
def test_a_stop_in_the_middle_of_a_step_costs_nothing_of_it(site: Site, verb: str) -> None:
    """The step ends and is recorded, the run leaves with 3, and only a resume goes on."""
    with at_the_gate(site, *run("gate")) as life:
        assert 0 == site.holdfast(verb, "r")[0]
        open_gate(site)

        assert 3 == life.end()
    assert "succeeded" == site.state().steps["gated"].status
    assert (BEFORE_GATE, 3) == (site.counted(), site.holdfast(*run("gate"))[0])
    assert (0, ALL_ONCE) == (site.holdfast("resume", "r")[0], site.counted())


def test_a_cancel_in_the_middle_of_a_step_keeps_its_result(site: Site) -> None:
    """What was done is recorded; nothing follows."""
    with at_the_gate(site, *run("gate")) as life:
        assert 0 == site.holdfast("cancel", "r", "-m", "no more")[0]
        open_gate(site)

        assert 3 == life.end()
    state = site.state()
    assert ("succeeded", "cancelled") == (state.steps["gated"].status, state.status)
    assert BEFORE_GATE == site.counted()


def test_an_answer_in_the_middle_of_a_step_costs_nothing_of_it(site: Site) -> None:
    """One branch asks while another works: both the answer and the work are kept."""
    with site.life(*run("asks_beside_a_step", "--wait")) as life:
        life.wait_for("at the gate")
        life.wait_for("hold opened")
        assert 0 == site.holdfast("approve", "r")[0]
        life.wait_for("hold h1 approved")
        open_gate(site)

        assert 0 == life.end(), life.text
    assert {"gated": 1, "plain 1": 1} == site.counted()


def test_of_two_answers_at_once_the_first_wins(site: Site) -> None:
    """One yes and one no from two processes: one is recorded, the other one is told by whom it
    was answered, and the run stands as the first one says."""
    for n in range(RACES):
        site = Site(site.store.parent / str(n))
        assert 3 == site.holdfast(*run("holder"))[0]
        with ExitStack() as stack:
            yes = stack.enter_context(site.life("approve", "r"))
            no = stack.enter_context(site.life("reject", "r", "-m", "not today"))
            codes = [yes.end(), no.end()]
        answers = facts(site, HoldAnswered)
        late = no if codes[0] == 0 else yes

        assert [0, 2] == sorted(codes), (yes.text, no.text)
        assert 1 == len(answers) and isinstance(answers[0], HoldAnswered)
        assert ("approve" if codes[0] == 0 else "reject") == answers[0].answer
        assert "was already" in late.text
        # A no to a parked run fails it there and then; whoever resumes it is asked again.
        assert late is no or "failed" == site.state().status
        assert (0 if late is no else 3) == site.holdfast("resume", "r")[0]


# --- signals ---


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_after_the_step_in_hand(site: Site, number: int) -> None:
    """The exit code is the signal's, the step's result is kept, the same command goes on."""
    with at_the_gate(site, *run("gate")) as life:
        life.signal(number)
        life.wait_for("leaving after the step in hand")
        open_gate(site)

        assert SIGNALS[signal.Signals(number)] == life.end()
    assert ("stopped", BEFORE_GATE) == (site.state().status, site.counted())
    assert (0, ALL_ONCE) == (site.holdfast(*run("gate"))[0], site.counted())


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_ends_at_once(site: Site, number: int, threads: bool) -> None:
    """The step in hand has no result: the journal says that it began, and it runs again. Also
    where the system has no thread left."""
    site.env["NO_THREADS"] = "" if threads else "1"
    with at_the_gate(site, *run("gate")) as life:
        life.signal(number)
        life.wait_for("leaving after the step in hand")
        life.signal(number)

        assert SIGNALS[signal.Signals(number)] == life.end()
    state = site.state()
    assert ("stopped", "running") == (state.status, state.steps["gated"].status)
    site.env["GATE"] = os.devnull
    assert 0 == site.holdfast(*run("gate"))[0]
    assert {"plain 0": 1, "gated": 2, "plain 1": 1} == site.counted()


def test_nohup_is_respected(site: Site) -> None:
    """A run that was started with SIGHUP ignored outlives its terminal."""
    command = ("sh", "-c", 'trap "" HUP; exec "$@"', "sh")
    with site.life(*run("gate")) as example:
        words = [str(word) for word in example.process.args]  # type: ignore[union-attr]
        example.wait_for("at the gate")
        example.kill()
    with site.process(*command, *words) as life:
        life.wait_for("at the gate")
        life.signal(signal.SIGHUP)
        open_gate(site)

        assert 0 == life.end(), life.text


def test_a_signal_ends_a_sleep_and_keeps_its_moment(site: Site) -> None:
    """The timer was set once; the next life waits for the same moment."""
    for _ in range(2):
        with site.life(*run("sleeper")) as life:
            wait_for_heartbeat(site, life)
            wait_for_timer(site, life)
            life.signal(signal.SIGTERM)
            assert 143 == life.end()

    timers = facts(site, TimerSet)
    assert (1, {"plain 0": 1}) == (len(timers), site.counted())
    assert "waiting" == next(s.status for s in site.state().steps.values() if s.next_at)


def test_a_signal_ends_the_wait_for_a_person(site: Site) -> None:
    """The hold stays open; answered later, it is not asked again."""
    with site.life(*run("holder", "--wait")) as life:
        life.wait_for("hold opened")
        life.signal(signal.SIGINT)

        assert 130 == life.end()
    assert ["open"] == [hold.status for hold in site.state().holds.values()]
    assert 0 == site.holdfast("approve", "r")[0]
    assert 0 == site.holdfast("resume", "r")[0]
    assert {"plain 0": 1, "plain 1": 1} == site.counted()


def test_the_first_signal_lets_a_program_end(site: Site) -> None:
    """It runs in a session of its own: a Ctrl-C at the terminal does not reach it."""
    with site.life(*run("program"), start_new_session=True) as life:
        life.wait_for("program: begun")
        os.killpg(life.pid, signal.SIGINT)
        life.wait_for("leaving after the step in hand")
        open_gate(site)

        assert 130 == life.end()
    assert "begun\nopen" == site.state().steps["program"].result
    assert {"plain 0": 1, "program": 1} == site.counted()


def test_the_second_signal_ends_a_program_too(site: Site) -> None:
    """Nobody of it is left when the process is gone."""
    with site.life(*run("program")) as life:
        life.wait_for("program: begun")
        life.signal(signal.SIGTERM)
        life.wait_for("leaving after the step in hand")
        life.signal(signal.SIGTERM)

        assert 143 == life.end()
        assert life.leaves_nobody()
    state: RunState = site.state()
    assert "succeeded" != state.steps["program"].status
    assert [] == [f for f in facts(site, StepSucceeded) if getattr(f, "key", "") == "program"]


def test_a_signal_in_a_long_step_ends_it_at_its_next_save(site: Site) -> None:
    """It costs no attempt, and the next life goes on from the cursor."""
    with at_the_gate(site, *run("counter")) as life:
        life.signal(signal.SIGTERM)
        life.wait_for("leaving after the step in hand")
        open_gate(site)

        assert 143 == life.end()
    step = site.state().steps["counting"]
    assert ("waiting", 2, 1) == (step.status, step.saved, step.forgiven)
    assert 0 == site.holdfast(*run("counter"))[0]
    assert {"counting:0": 1, "counting:1": 1, "counting:2": 1} == site.counted()
