"""What steps print and log reaches their log, and nothing else changes."""

from __future__ import annotations

import asyncio
import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast.runtime.capture import Capture, Redactor, current_step


@contextmanager
def step(key: str, attempt: int = 1) -> Iterator[None]:
    token = current_step.set((key, attempt))
    try:
        yield
    finally:
        current_step.reset(token)


@pytest.fixture
def heard() -> list[tuple[str, int, str, str]]:
    return []


@contextmanager
def life(heard: list[tuple[str, int, str, str]]) -> Iterator[Capture]:
    """Give a live capture over streams of its own; pytest swaps its own between fixtures."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        with Capture(lambda *line: heard.append(line)) as live:
            yield live
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """Give the root logger as a script finds it: WARNING, and without pytest's handlers."""
    root = logging.getLogger()
    before = root.handlers, root.level
    root.handlers, root.level = [], logging.WARNING
    root.manager._clear_cache()
    try:
        yield root
    finally:
        root.handlers, root.level = before
        root.manager._clear_cache()


def test_a_step_prints_into_its_log(heard):
    """Whole lines go to the step that prints them, by stream."""
    with life(heard):
        with step("a"):
            print("one\ntwo")
            print("oops", file=sys.stderr)
        with step("b", 2):
            print("three")

        expected = [
            ("a", 1, "out", "one"),
            ("a", 1, "out", "two"),
            ("a", 1, "err", "oops"),
            ("b", 2, "out", "three"),
        ]
        assert expected == heard


def test_outside_of_steps_nothing_changes(heard):
    """What is printed between the steps goes where it always went."""
    with life(heard):
        print("between")

        assert "between\n" == sys.stdout.getvalue()
        assert [] == heard


def test_an_unfinished_line_is_kept_until_the_flush(heard):
    """A line is heard whole, or at the end of its attempt."""
    with life(heard) as capture:
        with step("a"):
            print("per", end="")
            print("cent", end="")
        with step("b"):
            print("other", end="")
        assert [] == heard
        capture.flush("a", 1)

        assert [("a", 1, "out", "percent")] == heard


def test_the_end_of_a_life_flushes_everything(heard):
    """Nothing that was printed is lost when the capture ends."""
    with Capture(lambda *line: heard.append(line)), step("a"):
        print("last words", end="")

    assert [("a", 1, "out", "last words")] == heard


def test_streams_behave_like_the_originals():
    """Encoding, descriptors and the binary buffer are those of the stream behind."""
    with open("/dev/null", "w", encoding="latin-1") as original:
        before, sys.stdout = sys.stdout, original
        try:
            with Capture(lambda *line: None):
                seen = sys.stdout.encoding, sys.stdout.fileno(), sys.stdout.buffer
                assert not sys.stdout.isatty()
        finally:
            sys.stdout = before

        assert ("latin-1", original.fileno(), original.buffer) == seen


def test_the_streams_come_back_whatever_the_script_did(heard):
    """The end restores what was there, and a stream kept from the life still works."""
    before = sys.stdout, sys.stderr
    original = sys.stdout = io.StringIO()
    with Capture(lambda *line: heard.append(line)):
        kept = sys.stdout
        sys.stdout = io.StringIO()
    restored, sys.stdout = sys.stdout, before[0]
    with step("a"):
        kept.write("after\n")

    assert original is restored
    assert before[1] is sys.stderr
    assert "after\n" == original.getvalue()
    assert [] == heard


def test_a_capture_in_a_capture_takes_over(heard):
    """The innermost life hears its steps; afterwards the outer one does."""
    with life(heard):
        inner = []
        with Capture(lambda *line: inner.append(line)), step("in"):
            print("x")
            logging.getLogger("app").warning("y")
        with step("out"):
            print("z")

        assert [("in", 1, "out", "x"), ("in", 1, "log", "WARNING app: y")] == inner
        assert [("out", 1, "out", "z")] == heard


def test_threads_do_not_tear_each_others_lines(heard):
    """Lines of several threads in one step stay whole."""
    with life(heard):
        start = threading.Barrier(4)

        def body(letter: str) -> None:
            with step("a"):
                start.wait()
                for _ in range(200):
                    print(letter * 3, letter * 3)

        threads = [threading.Thread(target=body, args=(letter,)) for letter in "wxyz"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {f"{c * 3} {c * 3}" for c in "wxyz"} == {line for *_, line in heard}
        assert 800 == len(heard)


def test_tasks_and_their_threads_keep_their_step(heard):
    """asyncio carries the step into its tasks, and into to_thread."""
    with life(heard):

        async def one(key: str) -> None:
            with step(key):
                await asyncio.to_thread(print, f"from {key}")

        async def both() -> None:
            await asyncio.gather(one("a"), one("b"))

        asyncio.run(both())

        assert {("a", 1, "out", "from a"), ("b", 1, "out", "from b")} == set(heard)


def test_a_sink_may_print(heard):
    """What the sink itself prints goes to the original stream, not back into the sink."""
    with life(heard) as capture:
        capture._sink = lambda *line: print("sunk", line[-1])
        with step("a"):
            print("x")

        assert "sunk x\n" == sys.stdout.getvalue()


def test_records_of_a_step_reach_its_log_once(heard):
    """Without any configuration a warning is in the step's log, and not on stderr as well."""
    with life(heard), bare_root():
        with step("a"):
            logging.getLogger("app").warning("disk %s", "full")
            logging.getLogger("app").info("not asked for")

        assert [("a", 1, "log", "WARNING app: disk full")] == heard
        assert "" == sys.stderr.getvalue()


def test_a_traceback_is_logged_line_by_line(heard):
    """Each line of a logged exception is a line of the log."""
    with life(heard), bare_root():
        with step("a"):
            try:
                raise ValueError("no")
            except ValueError:
                logging.exception("failed")

        lines = [line for *_, line in heard]
        assert ["ERROR root: failed", "Traceback (most recent call last):"] == lines[:2]
        assert "ValueError: no" == lines[-1]


def test_a_wrong_format_does_not_fail_the_step(heard):
    """A record whose arguments do not fit is shown as it is, as logging itself forgives it."""
    with life(heard), bare_root():
        with step("a"):
            logging.warning("%d", "x")

        assert heard[0][-1].startswith("WARNING root: '%d' ('x',)")


def test_the_scripts_logging_stays_its_own(heard):
    """basicConfig inside a life works; its handler writes to the original stream."""
    with life(heard), bare_root():
        logging.basicConfig(format="mine %(message)s", level=logging.INFO)
        logging.info("outside")
        with step("a"):
            logging.info("inside")

        assert "mine outside\nmine inside\n" == sys.stderr.getvalue()
        assert [("a", 1, "log", "INFO root: inside")] == heard


def test_a_secret_that_a_step_logs_is_covered_for_the_scripts_handlers():
    """In the message and in the traceback; a record without one is theirs as it is."""
    cover, seen = Redactor(), list[logging.LogRecord]()
    cover.add("s3cr3t", "TOKEN")
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.addFilter(lambda record: seen.append(record) is None)
    with Capture(lambda *line: None, cover), bare_root() as root:
        root.addHandler(handler)
        logging.warning("%s between", "s3cr3t")
        with step("a"):
            logging.warning("plain %s", "text")
            logging.warning("token %s", "s3cr3t")
            try:
                raise ValueError("bad s3cr3t")
            except ValueError:
                logging.exception("oops")

    assert (
        "s3cr3t between\nplain text\ntoken [secret TOKEN]\noops\nTraceback"
        == (stream.getvalue().partition(" (most")[0])
    )
    assert stream.getvalue().endswith("ValueError: bad [secret TOKEN]\n")
    assert ("text",) == seen[1].args


def test_logging_is_as_before_afterwards():
    """A life leaves no trace in logging."""
    before = logging.Logger.callHandlers
    with bare_root() as root:
        with Capture(lambda *line: None):
            assert before is not logging.Logger.callHandlers

        assert before is logging.Logger.callHandlers
        assert [] == root.handlers


def test_logging_is_noticed_and_never_imported():
    """A script that does not log never pays for logging; one that starts to is heard."""
    code = """
import sys
from holdfast.runtime.capture import Capture, current_step
heard = []
with Capture(lambda *line: heard.append(line)) as capture:
    assert "logging" not in sys.modules
    import logging
    capture.notice_logging()
    current_step.set(("a", 1))
    logging.warning("late")
print(heard)
"""
    out = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert "[('a', 1, 'log', 'WARNING root: late')]\n" == out


def test_secrets_are_covered_longest_first():
    """The longer of two overlapping secrets is named, and names are not covered again."""
    redact = Redactor()
    redact.add("abc", "SHORT")
    redact.add("abcdef", "LONG")
    redact.add("LONG", "NAME")

    assert "[secret LONG] [secret SHORT]d [secret NAME]" == redact("abcdef abcd LONG")


def test_a_secret_of_several_lines_is_covered_line_by_line():
    """A key file does not leak because it is logged line by line; its short lines stay."""
    redact = Redactor()
    redact.add("-----BEGIN-----\nMIIEpAIBAAKC\n=\n", "KEY")

    assert ["[secret KEY]", "a=b"] == [redact("MIIEpAIBAAKC"), redact("a=b")]
    assert "x [secret KEY] y" == redact("x -----BEGIN-----\nMIIEpAIBAAKC\n= y")


def test_without_secrets_text_is_untouched():
    """An empty secret covers nothing."""
    redact = Redactor()
    redact.add("", "EMPTY")
    redact.add("\n", "NEWLINE")

    assert "any\ntext" == redact("any\ntext")
