"""Progress: what each listener shows of a run's facts, and what it must never cost."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.acceptance.shell import ESCAPES, plain

from holdfast.cli.lines import Lines
from holdfast.cli.live import Progress, progress_on
from holdfast.cli.screen import Screen
from holdfast.model import facts as f
from holdfast.model.state import RunState
from holdfast.ports.store import Output
from holdfast.testing.samples import OWNER, WHO, every_fact, run_created

AT = datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC)
RATIO_MAX = 2


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Told:
    """A run whose facts are folded and told to a listener, as a journal does."""

    def __init__(self, progress: Progress, stream: io.StringIO) -> None:
        self.progress, self.stream, self.state = progress, stream, RunState()
        self.state.apply(run_created(target="db1"))
        self.state.apply(f.LifeStarted(AT, 1, OWNER, WHO, "0"))

    def __call__(self, *facts: f.Fact) -> str:
        """Return what is shown after these facts, plainly."""
        for fact in facts:
            self.state.apply(fact)
            self.progress.fact(fact, self.state)
        self.progress.close()
        return plain(self.stream.getvalue())


@pytest.fixture
def lines() -> Told:
    stream = io.StringIO()
    return Told(Lines(stream), stream)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Tty()
    told = Told(Screen(stream), stream)
    yield told
    told.progress.close()


def started(key: str, attempt: int = 1) -> f.StepStarted:
    return f.StepStarted(AT, key, attempt, key)


def succeeded(key: str, after_s: float = 1.2) -> f.StepSucceeded:
    return f.StepSucceeded(AT + timedelta(seconds=after_s), key)


def failed(key: str) -> f.AttemptFailed:
    return f.AttemptFailed(AT, key, 1, "ValueError", "no", None)


# --- which listener ---


@pytest.mark.parametrize(
    ("env", "plain_asked", "kind"),
    [
        ({"TERM": "xterm"}, False, Screen),
        ({"TERM": "xterm"}, True, Lines),
        ({"TERM": "dumb"}, False, Lines),
        ({"TERM": ""}, False, Lines),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, Screen),
    ],
)
def test_a_terminal_moves_only_when_it_may(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], plain_asked: bool, kind: type
):
    """A dumb terminal and --plain get one line per event; NO_COLOR takes away colour only."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    assert kind is type(progress_on(Tty(), plain=plain_asked))


def test_a_file_gets_lines(monkeypatch: pytest.MonkeyPatch):
    """What is no terminal gets one line per event."""
    monkeypatch.setenv("TERM", "xterm")

    assert Lines is type(progress_on(io.StringIO()))


# --- one line per event ---


def test_a_line_has_time_event_key_and_duration(lines: Told):
    """The line of a finished step is made to be searched for."""
    text = lines(started("flight/drain n7"), succeeded("flight/drain n7"))

    assert "2026-11-21T05:00:01Z step succeeded flight/drain n7 (1.2s)" == text.splitlines()[-1]


def test_a_failure_and_its_retry_are_told_apart(lines: Told):
    """A failed attempt says when the next one follows; the last one only why."""
    due = AT + timedelta(seconds=4)
    text = lines(
        started("a"),
        f.AttemptFailed(AT, "a", 1, "OSError", "no route", due),
        started("a", 2),
        f.AttemptFailed(AT, "a", 2, "OSError", "no route"),
    )

    assert "step waiting a: OSError: no route; retry in 4s (attempt 2)" in text
    assert "step failed a (0s): OSError: no route" in text


def test_output_is_one_escaped_line(lines: Told):
    """Control and bidirectional characters of a step's output are escaped."""
    lines.progress.output(Output(AT, "a", 1, "out", "x\x1b[31m\u202ey\r"))

    assert "step output a: x\\x1b[31m\\u202ey\\r\n" in lines.stream.getvalue()


def test_progress_is_told_now_and_then(lines: Told):
    """A step that reports its progress all the time is shown once in a while."""
    for done in range(1000):
        lines.progress.progress("a", done, 1000, "")

    assert 1 == len(lines().splitlines())


def test_resuming_is_one_line(lines: Told):
    """A resumed run says who started it, what is done, and what it goes on with."""
    lines(started("a"), succeeded("a"), started("b"))
    lines.state.apply(f.LifeStarted(AT, 2, OWNER, WHO, "0", resumed=True))
    lines.progress.begin("r-1", lines.state)

    last = lines.stream.getvalue().splitlines()[-1]
    assert "resuming r-1 on db1 (started by Ada Lovelace " in last
    assert last.endswith("ago): 1 step done, going on with b")


@pytest.mark.parametrize(
    ("before", "at"),
    [
        ([failed("pg%2F1/x"), started("pg%2F2/y")], "pg/2/y"),
        ([failed("a"), succeeded("b"), failed("c")], "c"),
    ],
)
def test_what_was_caught_is_not_gone_on_with(lines: Told, before: list[f.Fact], at: str):
    """The step in hand is named, or the failure that ended the run, as live lines call it."""
    for fact in before:
        if not isinstance(fact, f.StepStarted):
            lines(started(fact.key))
        lines(fact)
    lines.state.apply(f.LifeStarted(AT, 2, OWNER, WHO, "0", resumed=True))
    lines.progress.begin("r-1", lines.state)

    assert lines.stream.getvalue().splitlines()[-1].endswith(f"going on with {at}")


@pytest.mark.parametrize("kind", ["lines", "screen"])
def test_a_reader_that_has_gone_costs_nothing(kind: str, monkeypatch: pytest.MonkeyPatch):
    """A closed pipe silences the progress; the run goes on."""
    monkeypatch.setenv("TERM", "xterm")
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as stream:
        told = Told(Lines(stream) if kind == "lines" else Screen(stream), io.StringIO())
        told(started("a"), succeeded("a"))

        assert "succeeded" == told.state.steps["a"].status


@pytest.mark.parametrize("kind", ["lines", "screen"])
def test_a_bug_in_the_progress_is_no_bug_of_the_run(kind: str, request: pytest.FixtureRequest):
    """A fact that cannot be shown ends the progress with a word, and raises nothing."""
    told: Told = request.getfixturevalue(kind)
    told.progress.fact(succeeded("never started"), RunState())
    told(started("a"), succeeded("a"))

    assert 1 == told.stream.getvalue().count("cannot be shown")


def test_every_fact_can_be_shown(lines: Told, screen: Told):
    """No kind of fact breaks a listener."""
    for fact in every_fact():
        for told in (lines, screen):
            told(started("flight/drain"), fact)

    assert "cannot be shown" not in lines() + screen()


def test_a_step_costs_little(tmp_path):
    """The lines of a step take at most a few times what formatting and writing them alone does.

    At thousands of steps a second the bar is 20 microseconds a step; a ratio holds on a busy
    machine too.
    """
    pairs = [(started(f"flight/n{n}"), succeeded(f"flight/n{n}")) for n in range(3000)]
    ratios = []
    for _ in range(5):
        with open(tmp_path / "log", "w") as stream:
            told = Told(Lines(stream), io.StringIO())
            spent = written = 0.0
            for pair in pairs:
                for fact in pair:
                    told.state.apply(fact)
                    begin = time.thread_time()
                    told.progress.fact(fact, told.state)
                    middle = time.thread_time()
                    stream.write(f"{fact.at:%Y-%m-%dT%H:%M:%SZ} step {fact.key} (1.2s)\n")
                    stream.flush()
                    written += time.thread_time() - middle
                    spent += middle - begin
        ratios.append(spent / written)

    assert min(ratios) < RATIO_MAX


# --- on a screen ---


def test_a_finished_step_stays(screen: Told):
    """Stages are headers; below them each finished step is one line."""
    text = screen(f.ScopeEntered(AT, "flight", "stage"), started("flight/a"), succeeded("flight/a"))

    assert ["flight", " ✔ a"] == [line.partition("  ")[0] for line in text.splitlines()]
    assert "1.2s" in text.splitlines()[-1]


def test_a_stage_is_named_when_lines_come_back_to_it(screen: Told):
    """A step's line never stands below the header of another stage."""
    for stage in ("one", "two"):
        screen.state.apply(f.ScopeEntered(AT, stage, "stage"))
    text = screen(*(x for k in ("one/a", "two/b", "one/c") for x in (started(k), succeeded(k))))

    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert ["one", "two", "one"] == heads


def test_each_ending_has_its_glyph(screen: Told):
    """Done, already done, failed, in doubt and skipped are told apart at a glance."""
    text = screen(
        started("a"), succeeded("a"),
        f.StepFoundDone(AT, "b"),
        started("c"), f.AttemptFailed(AT, "c", 1, "ValueError", "bad\nlast line"),
        started("d"), f.StepDoubted(AT, "d", 1, "nobody knows"),
        f.StepSkipped(AT, "e", WHO, "not needed"),
    )  # fmt: skip

    glyphs = [line[0] for line in text.splitlines() if not line.startswith(" ")]
    assert list("✔–✖?–") == glyphs
    assert "ValueError: bad" in text and "last line" in text


def test_the_last_lines_of_output_stay(screen: Told):
    """Of what a step printed the last lines stay, with how many came before them."""
    screen.state.apply(started("a"))
    screen.progress.fact(started("a"), screen.state)
    for number in range(10):
        screen.progress.output(Output(AT, "a", 1, "out", f"line {number}"))
    text = screen(succeeded("a"))

    assert ["… 7 lines before", "line 7", "line 8", "line 9"] == [
        line.strip() for line in text.splitlines() if line.startswith("    ")
    ]


def test_nothing_moves_between_steps(screen: Told):
    """Once a step ended the moving part is erased at once: the script may print there."""
    drawn = threading.Event()
    write = screen.stream.write

    def watched(text: str) -> int:
        count = write(text)
        if "◌" in text:
            drawn.set()
        return count

    screen.stream.write = watched  # type: ignore[method-assign]
    screen.state.apply(started("a"))
    screen.progress.fact(started("a"), screen.state)
    assert drawn.wait(10)
    screen.state.apply(succeeded("a"))
    screen.progress.fact(succeeded("a"), screen.state)

    assert "\r\x1b[J" in screen.stream.getvalue()
    assert ESCAPES.sub("", screen.stream.getvalue()).endswith("1.2s\n")


def test_a_prompt_has_the_terminal_to_itself(screen: Told):
    """A prompt begins on an empty line; what happened while it was open follows it."""
    screen.state.apply(started("other"))
    screen.progress.fact(started("other"), screen.state)
    screen.progress.begin("r-1", screen.state)
    screen.progress.pause("h1", "b")
    before = screen.stream.getvalue()
    for fact in (started("a"), succeeded("a")):
        screen.state.apply(fact)
        screen.progress.fact(fact, screen.state)
    held = screen.stream.getvalue()
    screen.progress.go_on()

    assert before.endswith(("\n", "\x1b[J"))
    assert before == held
    assert "✔ a" in plain(screen.stream.getvalue())


def test_an_answer_from_elsewhere_gives_the_terminal_back(screen: Told):
    """When an open prompt's hold is answered by somebody else, the drawing goes on by itself."""
    screen.progress.pause("h1", "b")
    text = screen(
        f.HoldOpened(AT, "h1", "confirm", "b", "b?", "", {}),
        f.HoldAnswered(AT, "h1", WHO, "approve"),
    )

    assert text.startswith("\n")
    assert "h1 approved by Ada Lovelace" in text


def test_many_threads_may_tell(screen: Told):
    """Branches tell the same screen at the same time, and no line is lost."""
    facts = [(started(f"s{n}"), succeeded(f"s{n}")) for n in range(200)]
    for pair in facts:
        for fact in pair:
            screen.state.apply(fact)

    def tell(part: int) -> None:
        for pair in facts[part::4]:
            for fact in pair:
                screen.progress.fact(fact, screen.state)

    threads = [threading.Thread(target=tell, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 200 == screen().count("✔")
