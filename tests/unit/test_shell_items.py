"""The words of an item's command, the items of a shell, and how a command failed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from holdfast.errors import UsageError
from holdfast.flow.shell_items import failure_of
from holdfast.flow.shell_template import Template
from holdfast.model.signature import signature
from holdfast.ports.sources import NOT_YET
from holdfast.runtime.batches.wrote import MEMORY_BYTES_MAX, Kept
from holdfast.sources.words import InFile, InPipe, raw_of, words


@pytest.mark.parametrize(
    ("argv", "item", "expected"),
    [
        (["echo"], "a b", ["echo", "a b"]),
        (["echo", "{}", "x{}y{}"], "a", ["echo", "a", "xaya"]),
        (["echo", "{#}"], "a", ["echo", "7"]),
        (["mv", "{}", "{.}.bak"], "d.e/a.tar.gz", ["mv", "d.e/a.tar.gz", "d.e/a.tar.bak"]),
        (["echo", "{.}", "{/}", "{//}", "{/.}"], "x/a.gz", ["echo", "x/a", "a.gz", "x", "a"]),
        (["echo", "{.}", "{/}", "{//}", "{/.}"], "d.e/f", ["echo", "d.e/f", "f", "d.e", "f"]),
        (["echo", "{.}", "{//}"], "plain", ["echo", "plain", "."]),
        (["echo", "{}"], "{#}{.}", ["echo", "{#}{.}"]),
        (["awk", "{print}", "{ }"], "f", ["awk", "{print}", "{ }", "f"]),
        (["{}", "-v"], "./tool", ["./tool", "-v"]),
    ],
)
def test_the_places_of_an_item(argv: list[str], item: str, expected: list[str]) -> None:
    """They are GNU parallel's; what an item holds is not read once more."""
    assert expected == Template(argv).words(item, 7)


NASTY = "a  b/$(echo ran);`echo ran`'*\"\\ $HOME\n#{}é"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("printf %s", NASTY),
        ("printf %s {}", NASTY),
        ('printf %s "{}"', NASTY),
        ('printf %s "<{}>"', f"<{NASTY}>"),
        ("printf %s '<{}>'", f"<{NASTY}>"),
        ("printf %s --x={}y", f"--x={NASTY}y"),
        ('printf %s "$(printf %s {})"', NASTY),
        ('printf %s "`printf %s {}`"', NASTY),
        ('printf %s "it\'s \\"{}\\" $(echo ")" | cat)"', f'it\'s "{NASTY}" )'),
        ("# it's\nprintf %s {} # \"", NASTY),
        ("x='#'{}; (printf %s \"$x\")", f"#{NASTY}"),
        ("printf %s {#}$(( {#} + 1 )){//}", f"78{NASTY.rpartition('/')[0]}"),
    ],
)
def test_a_shell_never_reads_an_item(code: str, expected: str) -> None:
    """It is one word, whatever it holds, in quotes of the command or out of them."""
    argv = Template(code.split(" "), is_shell=True).words(NASTY, 7)

    assert expected == subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("code", "err", "expected"),
    [
        (3, b"", "CommandExited: exit status 3"),
        (3, b"one\nno such host\n\n", "CommandExited: exit status 3: no such host"),
        (126, b"", "CommandExited: exit status 126 (it cannot be executed)"),
        (127, b"sh: 1: x: not found\n", "CommandExited: exit status 127 (no such command): sh: 1: "
         "x: not found"),
        (137, b"", "CommandExited: exit status 137 (as after SIGKILL)"),
        (255, b"", "CommandExited: exit status 255"),
        (-11, b"", "CommandKilled: killed by SIGSEGV"),
        (-9, b"\xff\n", "CommandKilled: killed by SIGKILL: \\xff"),
    ],
)  # fmt: skip
def test_how_a_command_failed(code: int, err: bytes, expected: str) -> None:
    """Its code or signal by name, and the last line that it wrote to standard error."""
    failure = failure_of(code, err)

    assert expected == f"{type(failure).__name__}: {failure}"


def test_exit_codes_are_kinds_of_failure() -> None:
    """Two codes are two groups; two items that failed alike are one."""
    found = {signature("CommandExited", f"exit status {n}: row {n}{n} is bad") for n in (1, 12, 1)}

    assert 2 == len(found)
    assert "CommandExited: exit status 12: row # is bad" in found


# --- items ------------------------------------------------------------------------------------


def test_the_items_of_a_file(tmp_path: Path) -> None:
    """Lines without their ends; numbers, odd bytes and long lines are told apart from text."""
    path = tmp_path / "items"
    path.write_bytes(b"a b\n\n7\n007\r\nna\xefve\n" + b"x" * 1_001 + b"\nlast")
    found = list(words(str(path)))

    assert ["a b", 7, "007", (b"na\xefve",), (b"x" * 1_001,), "last"] == found
    assert [b"a b", b"7", b"007", b"na\xefve", b"x" * 1_001, b"last"] == [*map(raw_of, found)]
    assert 6 == len(InFile(str(path), b"\n"))


def test_items_that_end_with_nul(tmp_path: Path) -> None:
    """A newline is part of an item then, and the last one needs no end."""
    path = tmp_path / "items"
    path.write_bytes(b"a\nb\0\0c\0d")

    assert ["a\nb", "c", "d"] == list(words(str(path), null=True))


def test_a_pipe_is_never_waited_for() -> None:
    """Where nothing is there yet the source says so, and goes on when something is."""
    reads, writes = os.pipe()
    pipe = InPipe(reads, "pipe", b"\n")
    source = iter(pipe)
    found = [next(source)]
    os.write(writes, b"a\nb")
    found += [next(source), next(source)]
    os.write(writes, b"c\n")
    os.close(writes)
    found += list(source)

    assert [NOT_YET, "a", NOT_YET, "bc"] == found
    assert ["a", "bc"] == list(pipe), "a second reading has them all"


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_items_may_begin_and_end_in_any_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, null: bool, size: int
) -> None:
    """Read a few bytes at a time, also where a `\\r` is cut from its `\\n`."""
    monkeypatch.setattr("holdfast.sources.words.READ_BYTES", size)
    content = b"one\0\0three\0x\0last" if null else b"one\r\n\nthree\nx\r\nlast"
    path = tmp_path / "items"
    path.write_bytes(content)
    reads, writes = os.pipe()
    os.write(writes, content)
    os.close(writes)
    piped = [one for one in InPipe(reads, "pipe", b"\0" if null else b"\n") if one != NOT_YET]

    assert ["one", "three", "x", "last"] == list(words(str(path), null=null)) == piped


def test_a_file_without_ends_is_no_list_of_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before it fills the memory, whatever would end an item."""
    monkeypatch.setattr("holdfast.sources.words.WORD_BYTES_MAX", 100_000)
    path = tmp_path / "items"
    path.write_bytes(b"short\n" + b"x" * 200_000)

    for null in (False, True):
        with pytest.raises(UsageError, match="items: an item is longer than"):
            list(words(str(path), null=null))


def test_a_long_item_costs_no_more_than_its_length(tmp_path: Path) -> None:
    """Sixty-four megabytes without an end take about as long as the same in short pieces."""
    spent = []
    for piece in (b"x" * 1_000_000 + b"\0", b"x" * 1_000_000):
        path = tmp_path / "items"
        path.write_bytes(piece * 64)
        began = time.process_time()
        list(words(str(path), null=True))
        spent.append(time.process_time() - began)

    assert spent[1] < 20 * spent[0]


def test_no_such_file(tmp_path: Path) -> None:
    """It is said before any item is begun."""
    with pytest.raises(UsageError, match="no such file"):
        words(str(tmp_path / "absent"))


def test_endless_output_is_not_kept_in_memory() -> None:
    """What is beyond a bound goes to a file, and comes back whole."""
    kept, chunk = Kept(), b"0123456789" * 100_000
    for _ in range(2 * MEMORY_BYTES_MAX // len(chunk)):
        kept.add(chunk)
    kept.add(b"end")

    found = kept.head(4), kept.tail()[-6:], sum(map(len, kept.chunks()))
    kept.close()

    assert (b"0123", b"789end", kept.size) == found
    assert kept.size > MEMORY_BYTES_MAX
