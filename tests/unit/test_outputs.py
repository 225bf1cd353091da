"""Files of results: what a line holds, what is refused, and what a torn file becomes."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import RunLocked, StoreCorrupt, StoreError, UsageError
from holdfast.model.encoding import Unrecordable
from holdfast.outputs import Csv, JsonLines

ROWS = [{"n": 1, "text": 'two\nlines, "quoted"'}, {"n": 2, "text": "né\u2028"}]
KINDS = {"jsonl": JsonLines, "csv": Csv}


class Color(Enum):
    RED = "red"


@dataclass
class Paper:
    doi: str
    year: int


@pytest.fixture(params=sorted(KINDS))
def make(request: pytest.FixtureRequest) -> Callable[..., JsonLines | Csv]:
    kind: Callable[..., JsonLines | Csv] = KINDS[request.param]
    return kind


def written(out: JsonLines | Csv, *values: object) -> bytes:
    """Write these alone, and return what the file holds."""
    with out:
        for value in values:
            out.write(value)
    return Path(out.path).read_bytes()


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_a_value_is_a_line(tmp_path: Path) -> None:
    """Plain data is plain JSON, a newline in it breaks no line, other values are tagged."""
    values = [*ROWS, None, [1, 2.5], "a\nb\r\n", float("nan"), datetime(2026, 1, 2, tzinfo=UTC)]
    lines = written(JsonLines(tmp_path / "out"), *values).decode().split("\n")

    assert [ROWS[0], ROWS[1], None, [1, 2.5], "a\nb\r\n"] == [json.loads(x) for x in lines[:5]]
    assert ["float", "datetime", ""] == [*(json.loads(x)["$"] for x in lines[5:7]), lines[7]]


def test_a_row_stands_under_one_header(tmp_path: Path) -> None:
    """Dicts, dataclasses and sequences are rows; a second opening writes no second header."""
    path = tmp_path / "out.csv"
    written(Csv(path), {"doi": "10/a", "year": 2001}, Paper("10/b", 2002))
    content = written(Csv(path), ("10/c", 2003), {"year": 2004, "doi": "10/d\ne"})

    assert [
        ["doi", "year"], ["10/a", "2001"], ["10/b", "2002"], ["10/c", "2003"], ["10/d\ne", "2004"],
    ] == rows_of(content)  # fmt: skip


def test_cells_are_single_values(tmp_path: Path) -> None:
    """None is empty, a date is ISO 8601, an Enum its value; a list is refused by its column."""
    out = Csv(tmp_path / "out.csv", ["a", "b"])
    content = written(out, (None, date(2026, 1, 2)), (Color.RED, True), ("", "\0"))

    assert [["a", "b"], ["", "2026-01-02"], ["red", "True"], ["", "\0"]] == rows_of(content)
    with pytest.raises(Unrecordable, match="the row's 'b': a list is no single value"):
        written(out, {"a": 1, "b": [1]})


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"a": 1}, "it lacks the fields 'b'; the columns are 'a', 'b'"),
        ({"a": 1, "b": 2, "c": 3}, "it has the unknown fields 'c'"),
        ({"a": 1, "c": 3}, "the unknown fields 'c' and it lacks the fields 'b'"),
        ((1, 2, 3), "it has 3 cells for 2 columns"),
        (Paper("x", 1), "the unknown fields 'doi', 'year'"),
        ("ab", "str is no dict"),
        (7, "int is no dict"),
        ({"a": "\ud800", "b": 1}, "cannot be written as CSV"),
        ({"a": 10**5_000, "b": 1}, "cannot be written as CSV: Exceeds the limit"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, row: Any, why: str) -> None:
    """What is unknown and what is missing; nothing of it is written, and the next row is."""
    out = Csv(tmp_path / "out.csv")
    with out:
        out.write({"a": 1, "b": 2})
        with pytest.raises(Unrecordable, match=why):
            out.write(row)
        out.write({"a": 3, "b": 4})

    assert b"a,b\n1,2\n3,4\n" == Path(out.path).read_bytes()


@pytest.mark.parametrize("fields", ["ab", [], ["a", "a"], ["a", 1]])
def test_fields_that_are_no_header_are_refused(fields: Any) -> None:
    """When the output is made, before anything runs."""
    with pytest.raises(UsageError, match="Csv: "):
        Csv("out.csv", fields)


def test_fields_that_a_file_lacks_are_refused(tmp_path: Path) -> None:
    """A file with other columns is left alone; both lists are named. Its line ends are kept."""
    path = tmp_path / "out.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    with pytest.raises(UsageError, match="has the columns 'a', 'b', and fields= says 'b', 'a'"):
        written(Csv(path, ["b", "a"]), (1, 2))

    assert b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\r\n" == written(Csv(path, ("a", "b")), (3, 4))


def test_a_value_without_a_form_writes_nothing(make: Any, tmp_path: Path) -> None:
    """It is refused before the file is touched, also as the first."""
    out = make(tmp_path / "out")
    with out:
        with pytest.raises(Unrecordable):
            out.write({"n": object()})
        out.write({"n": 1})

    assert b"object" not in Path(out.path).read_bytes()


def test_what_is_cut_off_is_kept_beside(make: Any, tmp_path: Path) -> None:
    """A last line without its newline, perhaps of another program, is not destroyed."""
    path = tmp_path / "out"
    whole = written(make(path), {"n": 1})
    path.write_bytes(whole + b'{"n": 2}')
    out = make(path)
    written(out)

    assert (8, whole) == (out.cut_bytes, path.read_bytes())
    assert b'{"n": 2}\n' == (tmp_path / "out.cut").read_bytes()


def test_an_output_is_opened_by_its_block(make: Any, tmp_path: Path) -> None:
    """Writing before or after it is refused with the line to write; opening twice is too."""
    out = make(tmp_path / "out")
    with pytest.raises(UsageError, match=r"write inside `with"):
        out.write({"n": 1})
    with out, pytest.raises(UsageError, match="open already"):
        out.open(None)
    out.close()

    with pytest.raises(UsageError, match="not open"):
        out.sync()


def test_only_one_writes(make: Any, tmp_path: Path) -> None:
    """A second writer is refused, by the exit code of a lock, until the first one has closed."""
    path = tmp_path / "out"
    with make(path) as out:
        out.write({"n": 1})
        with pytest.raises(RunLocked, match=r"another process writes to .*out") as refused:
            make(path).open(None)

    assert 5 == refused.value.exit_code
    assert written(make(path), {"n": 2}).count(b"2") == 1


def test_a_forked_child_keeps_no_lock(make: Any, tmp_path: Path) -> None:
    """It cannot write into its parent's file, and outlives the lock of a dead one."""
    out = make(tmp_path / "out")
    out.open(None)
    ready, told = os.pipe()
    go, let = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            out.write({"n": 1})
        except StoreError as error:
            os.write(told, b"refused" if "forked from" in str(error) else b"wrong")
        os.read(go, 1)
        os._exit(0)
    said = os.read(ready, 9)
    out.close()
    content = written(make(tmp_path / "out"), {"n": 2})
    os.write(let, b"!")
    os.waitpid(child, 0)
    for pipe in (ready, told, go, let):
        os.close(pipe)

    assert (b"refused", 1) == (said, content.count(b"2"))


def test_a_link_leads_to_the_file(make: Any, tmp_path: Path) -> None:
    """Results may stand on another disk, by a link; the link stays one."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "real")
    content = written(make(tmp_path / "out"), {"n": 1})

    assert content == (tmp_path / "disk" / "real").read_bytes()
    assert (tmp_path / "out").is_symlink()


def test_what_is_no_file_is_refused(make: Any, tmp_path: Path) -> None:
    """A pipe, a directory, a path into nowhere: a sentence, and no waiting."""
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("pipe", "not a regular"), ("", "directory"), ("x/y", "mkdir -p")):
        with pytest.raises(UsageError, match=why):
            make(tmp_path / name).open(None)
    with pytest.raises(UsageError, match="no path"):
        make("")


# --- as part of a checkpoint ------------------------------------------------------------------


def test_a_first_life_wants_a_file_of_its_own(make: Any, tmp_path: Path) -> None:
    """A file with something in it is refused, unless it is to be appended to."""
    path = tmp_path / "out"
    before = written(make(path), {"n": 1})
    with pytest.raises(UsageError, match=f"holds {len(before)} bytes .*append=True"):
        make(path).open(None)
    path.write_bytes(before + b"torn")
    out = make(path, append=True)
    assert len(before) == out.open(None)
    out.write({"n": 2})
    out.close()

    assert before in path.read_bytes() and b"torn" not in path.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"short\n"])
def test_a_file_that_lost_lines_is_refused(
    make: Any, tmp_path: Path, content: bytes | None
) -> None:
    """Both lengths are named, and what to do; nothing is made or changed."""
    path = tmp_path / "out"
    if content is not None:
        path.write_bytes(content)
    found = len(content or b"")
    with pytest.raises(StoreCorrupt, match=f"is {found} bytes long, but 100 .*rewind") as refused:
        make(path).open(100)

    assert 74 == refused.value.exit_code
    assert content == (path.read_bytes() if path.exists() else None)


def test_another_file_is_refused(make: Any, tmp_path: Path) -> None:
    """Where a recorded line ends, a line must end."""
    (tmp_path / "out").write_bytes(b"x" * 200)

    with pytest.raises(StoreCorrupt, match="no line ends at byte 100"):
        make(tmp_path / "out").open(100)


# --- a disk that refuses ----------------------------------------------------------------------


def refusing(monkeypatch: pytest.MonkeyPatch, call: str, *answers: Any) -> None:
    """Make a system call of `os` give these answers first."""
    real, left = getattr(os, call), list(answers)

    def faulty(fd: int, *rest: Any) -> Any:
        answer = left.pop(0) if left else None
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, int):
            return real(fd, rest[0][:answer], *rest[1:])
        return real(fd, *rest)

    monkeypatch.setattr(os, call, faulty)


def test_a_short_write_goes_on(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take a part of a line at a time."""
    expected = written(make(tmp_path / "a"), *ROWS)
    refusing(monkeypatch, "pwrite", 1, 2, 3)

    assert expected == written(make(tmp_path / "b"), *ROWS)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_part_of_a_line_is_cut_off_again(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The error says so, and with room again the same output goes on."""
    expected = written(make(tmp_path / "a"), *ROWS)
    out = make(tmp_path / "b")
    with out:
        out.write(ROWS[0])
        refusing(monkeypatch, "pwrite", 3, OSError(code, "refused"))
        with pytest.raises(StoreError, match="nothing of this line was kept"):
            out.write(ROWS[1])
        out.write(ROWS[1])

    assert expected == Path(out.path).read_bytes()


def test_a_part_that_stays_ends_the_writing(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it cannot be cut off either, nothing follows it; the next opening cuts it."""
    path = tmp_path / "out"
    out = make(path)
    out.open(None)
    length = out.write(ROWS[0])
    refusing(monkeypatch, "pwrite", 3, OSError(errno.EIO, "refused"))
    refusing(monkeypatch, "ftruncate", OSError(errno.EIO, "refused"))
    for _ in range(2):
        with pytest.raises(StoreError, match=f"ends within a line, after byte {length}"):
            out.write(ROWS[1])
    out.close()
    assert length + 3 == path.stat().st_size
    written(make(path))

    assert length == path.stat().st_size


def test_an_interrupted_write_leaves_no_part(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between two parts of a line: it is not there."""
    out = make(tmp_path / "out")
    with out:
        length = out.write(ROWS[0])
        refusing(monkeypatch, "pwrite", 3, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            out.write(ROWS[1])

        assert length == os.stat(out.path).st_size


def test_a_failed_sync_is_final(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page cache proves nothing from then on: nothing more is written until it is reopened."""
    out = make(tmp_path / "out")
    out.open(None)
    out.write(ROWS[0])
    refusing(monkeypatch, "fsync", OSError(errno.EIO, "refused"))
    with pytest.raises(StoreError, match="since the last sync is unknown"):
        out.sync()
    with pytest.raises(StoreError, match="until it is opened anew"):
        out.write(ROWS[1])
    out.close()


def test_a_stranger_in_the_file_is_noticed(make: Any, tmp_path: Path) -> None:
    """A program that takes no lock and writes too is found at the next sync."""
    out = make(tmp_path / "out")
    out.open(None)
    out.write(ROWS[0])
    with Path(out.path).open("ab") as file:
        file.write(b"mine\n")
    with pytest.raises(StoreError, match="another program wrote to it or cut it"):
        out.sync()
    out.close()
