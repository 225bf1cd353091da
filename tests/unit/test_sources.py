"""Items of files and directories: what is one, and what is said of a bad line."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import StoreError, UsageError
from holdfast.outputs import Csv, JsonLines
from holdfast.sources import csv_rows, directory, jsonl, lines
from holdfast.sources.reading import Reader

FAST = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def holding(folder: Path, content: str | bytes, name: str = "items") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_lines_are_items_without_their_ends(tmp_path: Path) -> None:
    """Both kinds of ends; an empty line is no item, one of spaces is; the last may have no end."""
    path = holding(tmp_path, "\ufeffone\n\r\n\n  \ntwo\r\nthree\rstill\nlast")

    assert ["one", "  ", "two", "three\rstill", "last"] == list(lines(path))


def test_a_cursor_holds_until_the_file_is_written_to(tmp_path: Path) -> None:
    """Also when as many bytes are there as before; a reading that begins there is refused."""
    file = tmp_path / "items"
    file.write_bytes(b"one\ntwo\n")
    (_, (cursor, _)) = lines(file).resume(None)
    assert lines(file).holds(cursor)
    file.write_bytes(b"six\nten\n")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))  # clocks of old kernels tick slowly

    assert not lines(file).holds(cursor)
    assert not lines(tmp_path / "none").holds(cursor)
    assert not lines(file).holds([4, 2])
    with pytest.raises(UsageError, match="was written to since line 2"):
        next(lines(file).resume(cursor))


def test_an_empty_file_has_no_items(tmp_path: Path) -> None:
    """Neither lines nor rows nor values, compressed or not."""
    for name, content in (("a", b""), ("a.gz", gzip.compress(b"", mtime=0))):
        path = holding(tmp_path, content, name)
        assert [[], [], []] == [list(source(path)) for source in (lines, csv_rows, jsonl)]


def test_rows_are_dicts(tmp_path: Path) -> None:
    """By the header, or by given fields; with another delimiter and encoding."""
    path = holding(tmp_path, "a;b\n1;né\n".encode("latin-1"))

    assert [{"a": "1", "b": "né"}] == list(csv_rows(path, delimiter=";", encoding="latin-1"))
    assert [{"x": "a", "y": "b"}, {"x": "1", "y": "né"}] == list(
        csv_rows(path, fields=["x", "y"], delimiter=";", encoding="latin-1")
    )


@pytest.mark.parametrize(
    ("source", "content", "why"),
    [
        (lines, b"ok\nbad \xff\n", r"items:2: byte 5 of the line, 0xff, is not utf-8"),
        (jsonl, b'1\n\n{"a":\n3\n', r"items:3: not JSON: Expecting value.*char 6\)$"),
        (jsonl, b'1\n{"a":', r"items:2: not JSON: .*was the line torn\?"),
        (jsonl, b"[" * 100_000, r"items:1: not JSON"),
        (csv_rows, b"a,b\n\n1,2\n3\n", r"items:4: the row has 1 cells, and there are 2 col"),
        (csv_rows, b'a\n1\n"2\n3\n', r"items:3: not CSV, in the row .* here: unexpected end"),
        (csv_rows, b'a,b\n1,"x"y\n', r"items:2: not CSV"),
        (csv_rows, b"a,a\n1,2\n", r"items:1: the header names a column twice: 'a'"),
        (csv_rows, b"a\n" + b"x" * 140_000, r"items:2: .*field larger than field limit"),
    ],
)  # fmt: skip
def test_bad_input_has_a_line(tmp_path: Path, source: Any, content: bytes, why: str) -> None:
    """The error names the file and the line, and what is wrong with it."""
    with pytest.raises(UsageError, match=why):
        list(source(holding(tmp_path, content)))


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"line\n" * 9, mtime=0)[:-10], b"\x1f\x8b\x08"]
)
def test_a_bad_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """Not gzip, or not whole: a sentence that names the file."""
    with pytest.raises(UsageError, match=r"items.gz:\d+: .*(gzip|whole)"):
        list(lines(holding(tmp_path, content, "items.gz")))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    """Missing or a directory: the script is wrong. A disk that fails: storage."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="cannot be read: "):
            list(lines(path))
    path = holding(tmp_path, "a\n")

    def failing(*args: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    reader = Reader(str(path), "utf-8")
    reader.close()
    monkeypatch.setattr(reader, "_file", type("Disk", (), {"readline": failing})())
    with pytest.raises(StoreError, match="input/output error"):
        list(reader.lines())


@pytest.mark.parametrize("encoding", ["utf-16", "no-such", "hex", 7])
def test_an_encoding_without_plain_newlines_is_refused(encoding: Any) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match="encoding is"):
        lines("items", encoding=encoding)


@pytest.mark.parametrize(
    "wrong", [{"fields": "ab"}, {"fields": []}, {"fields": ["a", "a"]}, {"delimiter": ""}]
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError):
        csv_rows("items", **wrong)


@FAST
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=6))
def test_what_outputs_write_sources_read(tmp_path: Path, texts: list[str]) -> None:
    """Whatever a text holds, it comes back from JSON lines and from CSV, at every place."""
    for name in ("out.jsonl", "out.csv"):
        (tmp_path / name).unlink(missing_ok=True)
    rows = [{"n": str(n), "text": text} for n, text in enumerate(texts)]
    with JsonLines(tmp_path / "out.jsonl") as one, Csv(tmp_path / "out.csv") as two:
        for row in rows:
            one.write(row)
            two.write(row)

    for source in (jsonl(tmp_path / "out.jsonl"), csv_rows(tmp_path / "out.csv")):
        pairs = list(source.resume(None))
        assert rows == [item for _, item in pairs]
        for place, (cursor, _) in enumerate(pairs):
            assert pairs[place:] == list(source.resume(cursor))


@pytest.mark.parametrize(
    ("begins", "how"),
    [
        (gzip.compress(b"line\n", mtime=0), "let its name end in .gz"),
        (bz2.compress(b"line\n"), "`bzip2 -dk {path}`"),
        (lzma.compress(b"line\n"), "`xz -dk {path}`"),
        (b"\x28\xb5\x2f\xfd\x04", "`zstd -d {path}`"),
        (b"PK\x03\x04\x14", "`unzip {path}`"),
    ],
)
def test_what_is_packed_is_not_taken_for_text(tmp_path: Path, begins: bytes, how: str) -> None:
    """Some encodings would find letters in it; what unpacks it is told."""
    path = holding(tmp_path, begins)
    for source in (lines(path, encoding="latin-1"), csv_rows(path), jsonl(path)):
        with pytest.raises(UsageError, match="is no text but packed") as refused:
            list(source)

        assert how.format(path=path) in str(refused.value)


# --- directories ------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "a/z.txt", "a/y.csv", "a.d/x.txt", ".hidden", ".git/c.txt"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "tree" / "linked").symlink_to(tmp_path / "tree" / "a")
    (tmp_path / "tree" / "link.txt").symlink_to("a.txt")
    os.mkfifo(tmp_path / "tree" / "pipe.txt")
    return tmp_path / "tree"


def test_files_of_a_directory_are_items(tree: Path) -> None:
    """Sorted, by pattern; no directory, pipe or hidden file, but a link to a file."""
    assert ["a.txt", "b.txt", "link.txt"] == list(directory(tree))
    assert [".hidden"] == list(directory(tree, ".*"))


def test_a_tree_is_walked_in_the_order_of_paths(tree: Path) -> None:
    """As if all paths were sorted; hidden directories and links to some are not entered."""
    found = list(directory(tree, "*.txt", recursive=True))

    assert ["a.d/x.txt", "a.txt", "a/z.txt", "b.txt", "link.txt"] == found
    assert sorted(found) == found


def test_a_reading_goes_on_where_a_file_was(tree: Path) -> None:
    """Also when that file has gone; new ones behind it are found, those before it are not."""
    source = directory(tree, recursive=True)
    cursor = next(cursor for cursor, path in source.resume(None) if path == "a.txt")
    (tree / "a.txt").unlink()
    for name in ("a/new", "a.d/late"):
        (tree / name).write_text("")

    assert ["a/new", "a/y.csv", "a/z.txt", "b.txt"] == [p for _, p in source.resume(cursor)]


def test_links_that_lead_to_no_file_are_no_items(tree: Path) -> None:
    """To what is gone, to themselves and to each other."""
    for name, target in {"gone": "nothing", "self": "self", "a/to": "fro", "a/fro": "to"}.items():
        (tree / f"{name}.txt").symlink_to(f"{target}.txt")

    assert ["a.txt", "b.txt", "link.txt"] == list(directory(tree, "*.txt"))
    assert ["a/z.txt"] == [p for p in directory(tree, "*.txt", recursive=True) if p > "a/"][:1]


def test_a_directory_that_vanishes_is_empty(tree: Path) -> None:
    """Only the given one must be there."""
    found = iter(directory(tree, recursive=True))
    first = next(found)
    for path in (tree / "a").iterdir():
        path.unlink()
    (tree / "a").rmdir()

    assert "a.d/x.txt" == first
    assert ["a.txt", "b.txt", "link.txt"] == list(found)


def test_a_directory_that_cannot_be_listed_is_named(tree: Path) -> None:
    """It is missing, or a file, or the pattern is one of paths."""
    with pytest.raises(UsageError, match="there is no such directory"):
        list(directory(tree / "none"))
    with pytest.raises(UsageError, match="cannot be listed: not a directory"):
        list(directory(tree / "a.txt"))
    with pytest.raises(UsageError, match="recursive=True"):
        directory(tree, "a/*.txt")
