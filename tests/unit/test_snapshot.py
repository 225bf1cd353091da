"""The step `snapshot`: recorded, undone by rollbacks and by stages, in plain and async scripts."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.unit.portraits import fill, names, portrait, spoil
from tests.unit.runs import Runs

from holdfast import StepFailed, UsageError, aio, do, preflight, step, workflow
from holdfast.model.facts import CursorSaved, StepFoundDone, StepSucceeded
from holdfast.ops import Snapshot, snapshot
from holdfast.ops import aio as ops_aio
from holdfast.ops.snapshot import FOLDER, restore
from holdfast.ops.snapshot import snapshot as same
from holdfast.runtime import codehash
from holdfast.runtime.codehash import code_hash


@pytest.fixture
def place(tmp_path: Path) -> Path:
    fill(tmp_path / "d")
    return tmp_path / "d"


TAKEN: list[Snapshot] = []


@workflow
def change(place: str, keep: bool = False) -> None:
    TAKEN[:] = [snapshot(place, keep=keep)]
    do("spoil", spoil, Path(place))
    do("fail", boom)


def boom() -> None:
    raise OSError("boom")


def test_the_result_says_what_was_kept(runs: Runs, place: Path) -> None:
    """Where it is, how it was made and what is in it; the same on replay; the key is the path."""
    runs.start(change, {"place": str(place)})
    (taken,) = TAKEN
    runs.resume(change)

    assert [taken] == TAKEN
    assert isinstance(taken, Snapshot) and taken.archive is not None
    assert (place, 8, place.parent / FOLDER) == (taken.path, taken.files, taken.archive.parent)
    assert taken.archive.name.startswith("r-") and taken.method in ("reflink", "zstd", "gzip")
    assert taken.size_bytes > 0 and taken.digest.startswith("sha256:")
    assert f"snapshot {place}".replace("/", "%2F") in runs.state.steps
    assert 0o700 == (place.parent / FOLDER).stat().st_mode & 0o777
    assert snapshot is same


@pytest.mark.parametrize("keep", [False, True])
def test_a_rollback_puts_it_back(runs: Runs, place: Path, keep: bool) -> None:
    """Exactly; the archive goes with it, unless it is to be kept."""
    before = portrait(place)
    runs.start(change, {"place": str(place), "keep": keep})
    (taken,) = TAKEN
    assert before != portrait(place) and taken.archive is not None

    assert "rolled_back" == runs.rollback(change).status
    assert before == portrait(place)
    assert {"d", FOLDER} == names(place.parent)
    assert keep == taken.archive.exists()


def test_a_failed_preflight_puts_it_back(runs: Runs, place: Path) -> None:
    """A stage that undoes itself undoes this too."""
    before = portrait(place)

    @workflow
    def flow() -> None:
        with preflight():
            snapshot(place)
            do("spoil", spoil, place)
            do("fail", lambda: 1 / 0)

    assert "failed" == runs.start(flow).status
    assert before == portrait(place)


def test_a_directory_that_was_not_there_is_removed_again(runs: Runs, tmp_path: Path) -> None:
    """There is no archive; what the run made in its place is gone after the rollback."""
    place = tmp_path / "new"

    @workflow
    def flow() -> None:
        TAKEN[:] = [snapshot(place)]
        do("make", fill, place)
        do("fail", boom)

    runs.start(flow)
    assert [Snapshot(place, None, "absent", 0, 0, "")] == TAKEN
    assert place.is_dir()
    runs.rollback(flow)
    assert set() == names(tmp_path)


def test_each_snapshot_has_an_archive_of_its_own(runs: Runs, place: Path, tmp_path: Path) -> None:
    """Two of one path, one elsewhere: each undo goes to its own, in reverse order."""
    to, seen = tmp_path / "to" / "here", list[Any]()

    @workflow
    def flow() -> None:
        first = snapshot(place)
        do("one", (place / "a").write_text, "one")
        second = snapshot(place, label="a second time", to=to)
        do("two", (place / "a").write_text, "two")
        third = snapshot(place)
        TAKEN[:] = [first, second, third]
        do("fail", boom)

    runs.start(flow)

    archives = [each.archive for each in TAKEN if each.archive is not None]
    assert [FOLDER, "here", FOLDER] == [archive.parent.name for archive in archives]
    assert 3 == len({*archives}) and "a second time" in runs.state.steps
    for each in reversed(TAKEN):
        restore(each)
        seen.append((place / "a").read_text())
    assert ["two", "one", "hello"] == seen
    runs.rollback(flow)
    assert "hello" == (place / "a").read_text()


def test_what_cannot_be_kept_fails_the_step(runs: Runs, place: Path) -> None:
    """With its reason, and nothing changed or left."""
    before = portrait(place)

    @workflow
    def flow(to: str) -> None:
        snapshot(place, to=to)

    outcome = runs.start(flow, {"to": str(place / "sub")})
    assert "failed" == outcome.status and "inside of what it holds" in outcome.reason
    assert before == portrait(place) and {"d"} == names(place.parent)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_beside_any_effect_leaves_one_archive(tmp_path: Path, when: str) -> None:
    """Wherever a life ended, the one archive in the end is the one that is recorded, it holds
    the directory as it was, and no archive is left after the rollback."""
    for at in count(1):
        place = tmp_path / str(at) / "d"
        fill(place)
        before, runs = portrait(place), Runs()

        @workflow
        def flow() -> None:
            TAKEN[:] = [snapshot(place)]
            do("spoil", (place / "a").write_text, "spoiled")
            do("fail", boom)

        if not runs.is_crashed(flow, at, when):
            break
        runs.start(flow)
        (taken,) = TAKEN
        assert taken.archive is not None
        assert {taken.archive.name} == names(place.parent / FOLDER), at
        runs.rollback(flow)
        assert before == portrait(place), at
        assert (set(), {"d", FOLDER}) == (names(place.parent / FOLDER), names(place.parent)), at
    assert at > 10


def test_a_whole_archive_of_an_attempt_that_died_is_taken(tmp_path: Path) -> None:
    """It died with the result in its hands: the next one finds it, and it has its undo."""
    for at in count(1):
        place, runs = tmp_path / str(at) / "d", Runs()
        fill(place)

        @workflow
        def flow() -> None:
            TAKEN[:] = [snapshot(place)]
            do("spoil", spoil, place)
            do("fail", boom)

        assert runs.is_crashed(flow, at, "after")
        if len(runs.facts(CursorSaved)) == 2 and not runs.facts(StepSucceeded):
            break
    before = portrait(place)
    archive = names(place.parent / FOLDER)
    runs.start(flow)

    (_,) = runs.facts(StepFoundDone)
    assert 1 == len(archive) and archive == names(place.parent / FOLDER)
    assert before != portrait(place)
    runs.rollback(flow)
    assert before == portrait(place)


def test_async_workflows_await_it(runs: Runs, place: Path) -> None:
    """The same step, in a thread, with the same undo."""
    before = portrait(place)

    @aio.workflow
    async def flow() -> None:
        TAKEN[:] = [await ops_aio.snapshot(place, label="keep it")]
        await aio.do("spoil", spoil, place)
        await aio.do("fail", boom)

    runs.start(flow)
    assert isinstance(TAKEN[0], Snapshot)
    assert "keep it" in runs.state.steps and before != portrait(place)
    assert "rolled_back" == runs.rollback(flow).status
    assert before == portrait(place)


def test_inside_a_step_it_is_refused(runs: Runs, place: Path) -> None:
    """It would not be recorded there, and never undone."""

    @step
    def whole() -> None:
        snapshot(place)

    @workflow
    def flow() -> None:
        whole()

    outcome = runs.start(flow)
    assert "failed" == outcome.status and "call it from the workflow" in outcome.reason


def test_outside_any_run_it_is_just_the_function(place: Path, tmp_path: Path) -> None:
    """Whoever tests a script of their own can call it, and put the directory back."""
    before = portrait(place)
    taken = snapshot(place, to=tmp_path / "to")
    spoil(place)
    restore(taken)

    assert before == portrait(place)
    assert taken.archive is not None and taken.archive.exists()


def test_a_step_marked_as_done_by_hand_has_nothing_to_put_back(runs: Runs, place: Path) -> None:
    """The rollback says so, instead of guessing."""

    @workflow
    def flow() -> None:
        snapshot(place, label="keep", to=place / "sub")
        do("fail", boom)

    runs.start(flow)
    runs.done("keep")
    runs.resume(flow)
    outcome = runs.rollback(flow)

    assert outcome.exit_code == 1 and "marked as done by hand" in outcome.reason, outcome


def test_a_label_with_odd_bytes_is_no_obstacle(runs: Runs, tmp_path: Path) -> None:
    """A path that is no text is kept and put back as any other."""
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff\n{x}"))
    fill(place)
    before = portrait(place)

    @workflow
    def flow() -> None:
        snapshot(place)
        do("spoil", spoil, place)
        do("fail", boom)

    assert "failed" == runs.start(flow).status and before != portrait(place)
    assert "rolled_back" == runs.rollback(flow).status
    assert before == portrait(place)


def test_the_code_of_a_ready_made_step_is_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that changes nothing of what it does edits nobody's script."""
    first = code_hash(same.__globals__["_take"])
    assert first and first == code_hash(restore)
    monkeypatch.setattr(sys.modules["holdfast.ops.snapshot"], "VERSION", "2")
    codehash._texts.clear()
    assert first != code_hash(same.__globals__["_take"])
    codehash._texts.clear()


def test_a_run_that_fails_says_why_for_a_handler(runs: Runs, tmp_path: Path) -> None:
    """The script may catch it as any failed step."""

    @workflow
    def flow() -> str:
        try:
            snapshot("/")
        except StepFailed as failed:
            return failed.type
        return ""

    assert UsageError.__name__ == runs.start(flow).result
