"""Items that are there and cannot be read: rows with a cell too few, lines that are no JSON."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.unit.batching import Seen, item, over
from tests.unit.runs import CALLS, Runs

from holdfast import Budget, JsonLines, csv_rows, directory, jsonl, lines
from holdfast.app.item_verbs import decide_item
from holdfast.app.items import item_named
from holdfast.errors import UsageError
from holdfast.ports.sources import Unreadable
from holdfast.testing.crash import TESTER

ROWS = b"n,text\n0,a\n1\n2,c\n3,d,e\n4,f\n"


@pytest.fixture
def runs() -> Runs:
    """A run on a store in memory."""
    CALLS.clear()
    return Runs()


def dead(runs: Runs) -> dict[str, str]:
    """Return what the items failed with that nobody is to do, by their keys."""
    rows = runs.store.batches.items("r", "item", statuses=("failed",), limit=100)
    assert {"Unreadable"} == {row.error_type for row in rows}
    return {row.key: row.error for row in rows}


def holding(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "rows"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {}, {"key": "position"}, {"key": lambda row: row["n"], "ledger": "rows"}, {"at_once": 3},
        {"chunk": 10}, {"once": True}, {"rate": "1000/s", "retry": 3},
    ],
)  # fmt: skip
def test_the_others_are_done(runs: Runs, tmp_path: Path, options: dict[str, Any]) -> None:
    """Each is a dead letter, called by its line; no function of the script ever sees it."""
    path = holding(tmp_path, ROWS)
    outcome = runs.start(over(csv_rows(path), lambda row: item(row["n"]), name="item", **options))

    assert (1, Counter("024")) == (outcome.exit_code, CALLS)
    assert {
        "rows:3": f"{path}:3: the row has 1 cells, and there are 2 columns: n, text",
        "rows:5": f"{path}:5: the row has 3 cells, and there are 2 columns: n, text",
    } == dead(runs)


@pytest.mark.parametrize(
    ("source", "content", "bad"),
    [
        (lines, b"a\nb\xff\n\nc", {"rows:2": "byte 2 of the line, 0xff, is not utf-8"}),
        (jsonl, b'1\n{"a":\n2\n[3', {"rows:2": "not JSON", "rows:4": "was the line torn?"}),
        (csv_rows, b"a\n1\n\"2\n3\n", {"rows:3": "it ends in line 4: is a quote missing?"}),
        (csv_rows, b'a,b\n1,"x\n2,y\n3,"z"\n4,w\n', {"rows:2": "it ends in line 4"}),
        (csv_rows, b"a\n1\nb\xff\n2\n", {"rows:3": "byte 2 of the line, 0xff"}),
        (csv_rows, b'a\n1\n"x\nb\xff"\n2\n', {"rows:4": "byte 2 of the line, 0xff"}),
        (csv_rows, b"a\n1\n" + b"x" * 140_000 + b"\n2\n", {"rows:3": "field larger than"}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(
    runs: Runs, tmp_path: Path, source: Any, content: bytes, bad: dict[str, str]
) -> None:
    """In all kinds of files, with the line, and with the last one where others are in it too."""
    runs.start(over(source(holding(tmp_path, content)), name="item"))

    found = dead(runs)
    assert bad.keys() == found.keys()
    assert all(text in found[key] for key, text in bad.items())


def test_a_reading_of_ones_own_ends_there(tmp_path: Path) -> None:
    """Outside a batch nobody would count them: the reading raises, as it always did."""
    rows = csv_rows(holding(tmp_path, ROWS))

    with pytest.raises(UsageError, match="rows:3: the row has 1 cells"):
        list(rows)
    assert [False, True, False, True, False] == [
        isinstance(found, Unreadable) for _, found in rows.resume(None)
    ]


def test_mended_rows_are_done_and_nothing_else(runs: Runs, tmp_path: Path) -> None:
    """The next life reads the corrected file; it says what became of the ones that are no more."""
    path, written = holding(tmp_path, ROWS), tmp_path / "out"

    def batch() -> Any:
        return over(
            csv_rows(path), lambda row: item(row["n"]), name="item", order="input",
            out=JsonLines(written),
        )  # fmt: skip

    runs.start(batch())
    path.write_bytes(ROWS.replace(b"1\n", b"1,b\n").replace(b"3,d,e", b"3,d"))
    seen = Seen()
    outcome = runs.start(batch(), listeners=[seen])

    assert {"total": 5, "done": 5, "failed": 0} == outcome.result
    assert Counter("01234") == CALLS
    assert Counter(['"0"', '"1"', '"2"', '"3"', '"4"']) == Counter(written.read_text().split())
    assert "2 of those because they could not be read" in " ".join(seen.notes)


def test_one_that_was_skipped_stays_so_wherever_it_moves(runs: Runs, tmp_path: Path) -> None:
    """It is known by its content, as other items are, and not by its line."""
    path = holding(tmp_path, b"1\n{\n2\n")
    runs.start(over(jsonl(path), name="item"))
    torn = item_named(runs.store, "r", runs.state, "rows:2")
    assert torn is not None
    decide_item(runs.store, runs.row, runs.clock, TESTER, torn, "skipped", "torn")
    path.write_bytes(b"0\n[\n1\n{\n2\n")
    outcome = runs.resume(over(jsonl(path), name="item"))

    assert (1, {"rows:2": f"{path}:2"}) == (
        outcome.exit_code, {key: text[: len(f"{path}:2")] for key, text in dead(runs).items()},
    )  # fmt: skip
    assert Counter("012") == CALLS


def test_a_budget_holds_before_a_wrong_file_is_read_to_its_end(runs: Runs, tmp_path: Path) -> None:
    """Within it they let the batch succeed; a file of another kind is given up early."""
    path = holding(tmp_path, b"1\n{\n2\n")
    fine = runs.start(over(jsonl(path), name="item", budget=1))
    path.write_bytes(b"no JSON\n" + b"".join(b"{%d\n" % n for n in range(5_000)))
    held = runs.start(over(jsonl(path), name="item", budget=Budget(count=9)), id="wrong")
    path.write_bytes(b"3\n{\n4\n")
    early = runs.start(over(jsonl(path), name="item", budget=0, chunk=3), id="chunk")

    assert {"total": 3, "done": 2, "failed": 1} == fine.result
    assert (4, 4, Counter("12")) == (held.exit_code, early.exit_code, CALLS)
    assert 10 == len(runs.store.batches.items("wrong", "item", statuses=("failed",), limit=100))


def test_a_folder_that_may_not_be_entered_fails_alone(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files around it are done; once it may be entered, those in it are, too."""
    for name in ("a/1", "b/2", "b/c/3", "d/4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    scandir, closed = os.scandir, str(tmp_path / "b")

    def refusing(path: str) -> Any:
        if path.startswith(closed):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    with monkeypatch.context() as refused:
        refused.setattr(os, "scandir", refusing)
        failed = runs.start(over(directory(tmp_path, recursive=True), name="item"))
        with pytest.raises(UsageError, match="b/ cannot be listed: permission denied"):
            list(directory(tmp_path, recursive=True))
    found = dead(runs)
    ended = runs.start(over(directory(tmp_path, recursive=True), name="item"))

    assert (1, {"b/"}) == (failed.exit_code, found.keys())
    assert {"total": 4, "done": 4, "failed": 0} == ended.result
    assert Counter(["a/1", "b/2", "b/c/3", "d/4"]) == CALLS


# --- items whose key nobody can tell ----------------------------------------------------------


RECORDS = [{"id": 1}, {"id": 2}, {"name": "c"}, {"id": 4}, {"id": None}, {"id": "x" * 1_001}]


def by_id(record: dict[str, Any]) -> Any:
    return record["id"]


@pytest.mark.parametrize("options", [{}, {"chunk": 10}, {"at_once": 3}])
def test_a_record_without_a_key_fails_alone(runs: Runs, options: dict[str, Any]) -> None:
    """It is called by the digest of its content; once the script tells it, it is done."""

    def batch(key: Any) -> Any:
        return over(RECORDS, lambda one: item(repr(one)[:9]), name="item", key=key, **options)

    failed = runs.start(batch(by_id))
    reasons = sorted(dead(runs).values())
    ended = runs.resume(batch(lambda one: str(one)[:50]))

    assert (1, 0) == (failed.exit_code, ended.exit_code)
    assert "an item's key has more than 1000 characters" in reasons[0]
    assert ["it has no key: KeyError: 'id'", "key= returned None for an item"] == [
        reason.partition(";")[0] for reason in reasons[1:]
    ]
    assert {"{'id': 1}", "{'id': 2}", "{'name': ", "{'id': 4}", "{'id': No", "{'id': 'x"} == {
        *CALLS
    }


def test_a_record_of_a_file_is_called_by_its_line(runs: Runs, tmp_path: Path) -> None:
    """Nobody finds a record by the digest of its content."""
    path = holding(tmp_path, b'{"id":1}\n\n{"name":"c"}\n{"id":4}\n')
    runs.start(over(jsonl(path), by_id, name="item", key=by_id))

    assert {"rows:3": "it has no key: KeyError: 'id'"} == dead(runs)


@pytest.mark.parametrize("options", [{"key": lambda one: one["ID"]},
                                     {"fingerprint": lambda one: one["at"]}])  # fmt: skip
def test_a_function_that_fits_no_item_ends_the_reading_at_once(
    runs: Runs, options: dict[str, Any]
) -> None:
    """A slip of the script is found at the first item, and is not laid to millions of them."""
    outcome = runs.start(over(RECORDS, name="item", **options))

    assert (1, Counter()) == (outcome.exit_code, CALLS)
    assert "KeyError" == runs.step("item").error_type
    assert [] == runs.store.batches.items("r", "item", limit=10)


def test_an_item_that_has_no_content_either_ends_the_reading(runs: Runs) -> None:
    """Nothing would tell it from others in the next life."""
    outcome = runs.start(over([1, object()], name="item"))

    assert (2, Counter("1")) == (outcome.exit_code, CALLS)
    assert "has no recorded form" in runs.step("item").error


def test_a_long_text_is_known_by_its_digest(runs: Runs) -> None:
    """As what is no text or number is: one long line among many ends no night."""
    texts = ["a", "x" * 5_000, "x" * 5_001, "b", "x" * 5_000]
    outcome = runs.start(over(texts, name="item"))

    assert {"total": 4, "done": 4, "failed": 0} == outcome.result
    assert Counter(texts[:4]) == CALLS
