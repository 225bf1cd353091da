"""Files torn at every byte: what comes back is the whole records before it, whatever they hold."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.outputs import Csv, JsonLines
from holdfast.outputs.tails import last_line_end, last_row_end

TEXTS = st.text(st.sampled_from("ab\",\n\r' é"), max_size=6)
TABLES = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(TEXTS, min_size=width, max_size=width), max_size=6)
)
EVERY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def table(rows: list[list[str]], end: str) -> tuple[bytes, list[int]]:
    """Return rows as CSV, and where each of them ends."""
    text, ends = io.StringIO(newline=""), [0]
    for row in rows:
        csv.writer(text, lineterminator=end).writerow(row)
        ends.append(len(text.getvalue().encode()))
    return text.getvalue().encode(), ends


@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.integers(1, 9))
def test_the_last_whole_row_is_found(rows: list[list[str]], end: str, chunk_bytes: int) -> None:
    """Wherever CSV is cut, and however the file is read in chunks: newlines in quotes are none."""
    content, ends = table(rows, end)

    for length in range(len(content) + 1):
        found = last_row_end(io.BytesIO(content[:length]), chunk_bytes)
        assert max(e for e in ends if e <= length) == found


@given(st.lists(st.text(st.sampled_from('ab",\n'), max_size=8), max_size=6), st.integers(1, 9))
def test_strange_text_is_read_as_the_module_reads_it(parts: list[str], chunk_bytes: int) -> None:
    """Quotes where no writer puts them: rows end where the `csv` module's reader ends them."""
    text = "".join(parts)
    lines = text.splitlines(keepends=True)
    taken: list[str] = []
    reader = csv.reader(taken.append(line) or line for line in lines)
    end = 0
    for _ in reader:
        so_far = "".join(taken)
        # An end of the file also ends a row for the reader, and not for us.
        end = len(so_far) if so_far.endswith("\n") else end
    if _is_open(text):
        end = last_row_end(io.BytesIO(text.encode()), 1 << 20)

    assert end == last_row_end(io.BytesIO(text.encode()), chunk_bytes)


def _is_open(text: str) -> bool:
    """Whether the text ends inside quotes: one more line is part of its last row."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    more = list(csv.reader(io.StringIO(text + "\nz,z,z,z\n", newline="")))
    return len(more) == len(rows)


@given(st.binary(max_size=40), st.integers(1, 9))
def test_the_last_line_is_found(content: bytes, chunk_bytes: int) -> None:
    """After the last newline, however the file is read in chunks."""
    assert content.rfind(b"\n") + 1 == last_line_end(io.BytesIO(content), chunk_bytes)


@EVERY
@given(TABLES.filter(bool))
def test_a_torn_csv_goes_on(tmp_path: Path, rows: list[list[str]]) -> None:
    """Cut at every byte and opened again, it holds whole rows under one header, and the new row."""
    path, names = tmp_path / "out.csv", [f"c{n}" for n in range(len(rows[0]))]
    path.unlink(missing_ok=True)
    with Csv(path, names) as out:
        for row in rows:
            out.write(row)
    content, new = path.read_bytes(), ["new\n"] * len(names)
    ends = table([names, *rows], "\r\n")[1]
    ends = [end - place for place, end in enumerate(ends)]  # Our lines end with one character.
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        with Csv(path, names) as out:
            out.write(new)
        whole = sum(end <= length for end in ends[2:])

        with path.open(newline="", encoding="utf-8") as file:
            assert [names, *rows[:whole], new] == list(csv.reader(file))


@EVERY
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_torn_json_lines_go_on(tmp_path: Path, values: list[str]) -> None:
    """Cut at every byte and opened again, it holds the whole lines, and the new one."""
    path = tmp_path / "out.jsonl"
    path.unlink(missing_ok=True)
    with JsonLines(path) as out:
        ends = [out.write(value) for value in values]
    content = path.read_bytes()
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        with JsonLines(path) as out:
            out.write("new")

        kept = max([0, *(end for end in ends if end <= length)])
        assert content[:kept] + b'"new"\n' == path.read_bytes()


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_mark_of_encoding_is_no_text(start: bytes) -> None:
    """A quote after it opens a field."""
    assert 0 == last_row_end(io.BytesIO(start + b'"a\nb'))
