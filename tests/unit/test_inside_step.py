"""What a step's function may call: its cursor, its token, its log, secrets and programs."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import (
    Here,
    StepFailed,
    aio,
    attempt,
    do,
    here,
    progress,
    save,
    saved,
    secret,
    sh,
    token,
    workflow,
)
from holdfast.model import types
from holdfast.model.facts import CursorSaved, RunStopped, StepLeft, StepStarted
from holdfast.runtime.listening import Quiet


@dataclass(frozen=True)
class Place:
    line: int


def test_here_says_where_the_code_is(runs: Runs) -> None:
    """Run, workflow, target, parameters and mode, in the workflow and in its steps."""
    inside: list[Here] = []

    @workflow(name="upgrade")
    def flow(place: Place) -> list[object]:
        found = here()
        do("inside", lambda: inside.append(here()))
        return [found.run_id, found.workflow, found.target, found.params, found.mode]

    outcome = runs.start(flow, {"place": Place(3)}, target="prod", mode="auto")

    assert ["r", "upgrade", "prod", {"place": Place(3)}, "auto"] == outcome.result
    assert ["r"] == [place.run_id for place in inside]


def test_parameters_are_typed_in_a_later_process(runs: Runs, monkeypatch) -> None:
    """`here().params` has the same values in every life."""

    @workflow
    def flow(place: Place) -> int:
        do("stumble", fail_until, 2)
        return here().params["place"].line

    runs.start(flow, {"place": Place(3)})
    monkeypatch.setattr(types, "_met", {})

    assert 3 == runs.start(flow, {"place": Place(3)}).result


def test_a_token_is_one_for_all_attempts(runs: Runs) -> None:
    """The same over attempts and lives, another for each step and run; programs find it too."""
    tokens: list[str] = []

    def body(n: int, name: str) -> int:
        tokens.append(token())
        assert token() == sh("sh", "-c", 'echo "$HOLDFAST_TOKEN"').out
        return fail_until(n, name)

    @workflow
    def flow() -> None:
        do("a", body, 3, "a", retry=2)
        do("b", body, 1, "b")

    runs.start(flow)
    runs.start(flow)
    runs.start(flow, id="other")

    assert 4 == len(set(tokens))
    assert 1 == len(set(tokens[:3]))


def test_an_attempt_knows_its_number(runs: Runs) -> None:
    """From 1, over all lives."""
    numbers: list[int] = []

    def body() -> int:
        numbers.append(attempt())
        return fail_until(4)

    @workflow
    def flow() -> None:
        do("a", body, retry=2)

    runs.start(flow)
    runs.start(flow)

    assert [1, 2, 3, 4] == numbers


def test_saved_gives_the_cursor_or_the_default(runs: Runs, monkeypatch) -> None:
    """A value of any recordable class, in a later process too."""

    def body() -> int:
        place: Place = saved(Place(0))
        save(Place(place.line + 1))
        return fail_until(3) and place.line

    @workflow
    def flow() -> int:
        return do("a", body)

    runs.start(flow)
    runs.start(flow)
    monkeypatch.setattr(types, "_met", {})

    assert 2 == runs.start(flow).result


def test_a_large_cursor_comes_back(runs: Runs) -> None:
    """It is spilled like a result."""

    def body() -> int:
        before = saved("")
        save("x" * 100_000)
        return fail_until(2) and len(before)

    @workflow
    def flow() -> int:
        return do("a", body)

    runs.start(flow)

    assert 100_000 == runs.start(flow).result


def test_what_is_printed_and_logged_is_the_steps(runs: Runs, capsys) -> None:
    """Each line with its key, attempt and stream; what the workflow prints is not captured."""

    def body() -> None:
        print("hello")
        logging.getLogger("app").warning("careful")
        print("unfinished", end="")
        fail_until(2)

    @workflow
    def flow() -> None:
        print("between")
        do("a", body, retry=2)

    runs.start(flow)
    lines = [(o.key, o.attempt, o.stream, o.text) for o in runs.output()]

    assert [
        ("a", n, stream, text)
        for n in (1, 2)
        for stream, text in (
            ("out", "hello"), ("log", "WARNING app: careful"), ("out", "unfinished"),
        )
    ] == lines  # fmt: skip
    assert "between" in capsys.readouterr().out


def test_a_program_prints_into_the_log(runs: Runs) -> None:
    """`sh` streams there, and returns what it said."""

    @workflow
    def flow() -> str:
        return do("a", lambda: sh("echo", "hello").out)

    assert "hello" == runs.start(flow).result.strip()
    assert ["hello"] == [output.text for output in runs.output()]


def test_a_failed_program_fails_its_step(runs: Runs) -> None:
    """With its last lines and exit code in the message."""

    @workflow
    def flow() -> None:
        do("a", lambda: sh("sh", "-c", "echo trouble >&2; exit 7"))

    outcome = runs.start(flow)

    assert "CommandFailed" in outcome.reason
    assert "exit 7" in outcome.reason and "trouble" in outcome.reason


@pytest.mark.parametrize("word", [None, True, b"x", ["x"], object()])
def test_what_is_no_word_is_not_made_one(runs: Runs, word: object) -> None:
    """A program would take "None" for a name like any other."""

    @workflow
    def flow() -> None:
        sh("echo", word)  # type: ignore[arg-type]

    outcome = runs.start(flow)

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert outcome.reason.startswith("sh: argument 1 is ")


def test_numbers_and_paths_are_words(runs: Runs, tmp_path: Path) -> None:
    """They are written as text."""

    @workflow
    def flow() -> str:
        return sh("echo", 1, 2.5, tmp_path).out

    assert f"1 2.5 {tmp_path}" == runs.start(flow).result


def test_a_line_is_no_program(runs: Runs) -> None:
    """Who writes a whole line is shown how its words are given."""

    @workflow
    def flow() -> None:
        sh("ls -la")

    assert "sh('ls', '-la'); a shell's: sh('sh', '-c', …)" in runs.start(flow).reason


def test_a_secret_is_covered_wherever_it_shows(runs: Runs, monkeypatch) -> None:
    """In output, in a step's error, in the run's error: never in the journal."""
    monkeypatch.setenv("API_KEY", "hunter2hunter2")
    caught: list[str] = []

    def body() -> None:
        print("key", secret("API_KEY"))
        raise OSError(f"refused: {secret('API_KEY')}")

    @workflow
    def flow() -> None:
        try:
            do("a", body)
        except StepFailed as failure:
            caught.append(str(failure))
            raise

    outcome = runs.start(flow)
    everything = [*caught, outcome.reason, str(runs.facts()), str(runs.output())]

    assert [] == [text for text in everything if "hunter2" in text]
    assert "[secret API_KEY]" in runs.step("a").error


def test_a_secret_in_an_error_of_the_script_is_covered(runs: Runs, monkeypatch) -> None:
    """Also in what the run says of itself when plain code raises."""
    monkeypatch.setenv("API_KEY", "hunter2hunter2")

    @workflow
    def flow() -> None:
        raise ValueError(secret("API_KEY"))

    outcome = runs.start(flow)

    assert "hunter2" not in outcome.reason
    assert "hunter2" not in str(runs.facts())


class Ear(Quiet):
    """Keeps what it hears of a step's progress, and the notes."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.notes: list[str] = []

    def note(self, text) -> None:
        self.notes.append(text)

    def progress(self, key, done, total, note) -> None:
        self.heard.append((key, done, total, note))


def test_progress_is_shown_and_not_recorded(runs: Runs) -> None:
    """A listener hears it; the journal does not grow."""
    ear = Ear()

    @workflow
    def flow() -> None:
        do("a", lambda: progress(3, 10, "copying"))

    runs.start(flow, listeners=[ear])

    assert [("a", 3, 10, "copying")] == ear.heard


def test_a_secret_in_a_progress_note_is_covered(runs: Runs, monkeypatch) -> None:
    """What is shown of a step's progress goes to terminals and their logs."""
    monkeypatch.setenv("API_KEY", "hunter2")
    ear = Ear()

    @workflow
    def flow() -> None:
        do("a", lambda: progress(3, 10, f"with {secret('API_KEY')}"))

    runs.start(flow, listeners=[ear])

    assert [("a", 3, 10, "with [secret API_KEY]")] == ear.heard


@pytest.mark.parametrize("verb", [attempt, token, saved, lambda: save(1), lambda: progress(1)])
def test_between_steps_there_is_no_step(runs: Runs, verb) -> None:
    """What belongs into a step is refused in the workflow itself."""

    @workflow
    def flow() -> None:
        verb()

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "inside a step" in outcome.reason


class SignalsTwice(Quiet):
    """Types Ctrl-C twice while the journal tells of a cursor that it has just taken in."""

    def fact(self, fact: object, state: object) -> None:
        if isinstance(fact, CursorSaved):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            touch("told to its end")


def test_a_second_signal_does_not_interrupt_what_a_body_records(runs: Runs) -> None:
    """The cursor is taken in and told of to its end, and the step is left in order."""

    def copy() -> None:
        save(1)
        touch("went on")

    @workflow
    def flow() -> None:
        do("copy", copy)

    outcome = runs.start(flow, listeners=(SignalsTwice(),))

    assert (130, {"told to its end": 1}) == (outcome.exit_code, dict(CALLS))
    kinds = [type(fact) for fact in runs.facts()]
    assert [StepStarted, CursorSaved, StepLeft, RunStopped] == kinds[-4:]
    assert ("waiting", 1) == (runs.step("copy").status, runs.step("copy").saved)


@pytest.mark.parametrize("is_awaited", [False, True])
def test_an_argument_that_was_changed_in_place_is_told(runs: Runs, is_awaited: bool) -> None:
    """A resumed run gets the result without the body, and its argument as it was."""
    ear = Ear()

    def collect(found: list[str], quiet: list[str], name: str) -> None:
        found.append(name)

    def flow() -> None:
        do("collect", collect, [], [], "a")
        do("look", lambda found: len(found), ["a"])

    async def awaited() -> None:
        await aio.do("collect", collect, [], [], "a")
        await aio.do("look", lambda found: len(found), ["a"])

    runs.start(aio.workflow(awaited) if is_awaited else workflow(flow), listeners=[ear])

    assert [
        "collect: it changed its argument found or quiet in place, which a resumed run will not "
        "see; let it return what it found"
    ] == ear.notes
