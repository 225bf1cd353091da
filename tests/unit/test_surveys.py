"""What `plan` tells of a batch: what is new, changed, gone and done; it changes nothing."""

from __future__ import annotations

from pathlib import Path

from tests.unit.runs import Runs

from holdfast.app.planning import plan
from holdfast.flow.batches import each
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.runtime.batches import surveying
from holdfast.runtime.batches.surveying import Survey, survey_text
from holdfast.sources import csv_rows


def papers(items, *, ledger="papers", bad=(), **options):
    def fetch(paper):
        if paper[0] in bad:
            raise ValueError("bad")

    @workflow(name="work")
    def main():
        each(items, fetch, key=lambda paper: paper[0], ledger=ledger, **options)

    return main


def planned(runs: Runs, flow, *, run=None) -> Survey:
    store = runs.store if run is not None else None
    found = plan(flow, {}, runs.clock, store=store, run=run, ledgers=lambda: runs.store)
    assert not found.fails, found.fails
    (line,) = found.steps
    assert line.items is not None
    return line.items


def test_a_ledger_tells_what_is_new_changed_and_gone(runs: Runs):
    """Against what earlier runs did, before anything runs, and nothing is written."""
    runs.start(papers([(n, "old") for n in range(10)]))
    commits = runs.store.changes()

    found = planned(runs, papers([(n, "new" if n == 3 else "old") for n in range(2, 13)]))

    assert (11, 3, 1, 2, 7) == (found.total, found.new, found.changed, found.gone, found.done)
    assert commits == runs.store.changes()


def test_what_is_planned_is_what_is_done(runs: Runs):
    """The plan reads by the code that runs: the numbers are those of the run that follows."""
    items = [(n % 7, "old") for n in range(10)]
    found = planned(runs, papers(items))
    runs.start(papers(items))

    result = runs.step("fetch").result
    assert (result["total"], result["duplicates"]) == (found.new, found.duplicates)


def test_a_batch_that_has_begun_is_compared_with_itself(runs: Runs):
    """Without any ledger: what is done of it, what failed, and what was never met."""
    runs.start(papers([(n, "old") for n in range(10)], ledger=None, bad={4}, budget=0))

    found = planned(runs, papers([(n, "old") for n in range(12)], ledger=None), run="r")

    assert (4, 1, 7) == (found.done, found.dead, found.new + found.unfinished)


def test_a_batch_that_is_compared_with_nothing_is_counted(runs: Runs):
    """Its length when the source has one; the source itself is not read."""
    read = []

    def source():
        read.append(1)
        yield 1

    @workflow(name="work")
    def main():
        each([1, 2, 3], print, name="list")
        each(source(), print, name="generator")

    found = plan(main, {}, runs.clock)

    assert [3, None] == [line.items and line.items.total for line in found.steps]
    assert not read


def test_a_long_source_is_read_to_a_bound(runs: Runs, monkeypatch):
    """And the plan says how far: what lies beyond is neither new nor gone."""
    runs.start(papers([(n, "old") for n in range(10)]))
    monkeypatch.setattr(surveying, "ITEMS_MAX", 5)

    found = planned(runs, papers((n, "old") for n in range(100)))

    assert (False, 5, 5, None) == (found.is_whole, found.read, found.done, found.gone)
    assert "the first 5; the rest was not looked at" in survey_text(found)


def test_a_source_that_depends_on_a_result_is_not_read(runs: Runs):
    """What an earlier step would return is not known in a plan; that ends nothing."""

    @workflow(name="work")
    def main():
        each(do("ids", lambda: [1, 2]), print, name="batch", ledger="papers")

    found = plan(main, {}, runs.clock, ledgers=lambda: runs.store)

    assert [None, None] == [line.items for line in found.steps]


def test_a_source_that_cannot_be_read_is_told(runs: Runs):
    """The run would stop there today, and the plan says so."""

    def source():
        raise OSError("no such table")
        yield

    @workflow(name="work")
    def main():
        each(source(), print, name="batch", ledger="papers")

    found = plan(main, {}, runs.clock, ledgers=lambda: runs.store)

    assert "no such table" in found.fails


def test_what_cannot_be_read_is_counted(runs: Runs, tmp_path: Path):
    """Broken rows stop no run, and no plan: it says how many will fail."""
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n3\n4,5\n6,7,8\n")

    @workflow(name="work")
    def main():
        each(csv_rows(path), print, name="batch", ledger="rows", budget=2)

    found = planned(runs, main)

    assert (4, 2, 2) == (found.total, found.unreadable, found.new)
    assert "2 that cannot be read, 2 new" in survey_text(found)
    assert 0 == runs.start(main).exit_code
