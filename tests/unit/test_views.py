"""What runs look like: hand-made facts, folded from a store in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from holdfast.app.export import export_json
from holdfast.app.reasons import why
from holdfast.app.report import export_markdown
from holdfast.app.sentences import sentence
from holdfast.app.timeline import Timeline, fact_event, log_entries
from holdfast.app.upkeep import gc, verify_run
from holdfast.app.views import list_runs, show_run, view_run
from holdfast.cli.paper import Paper
from holdfast.cli.showing import list_lines
from holdfast.errors import StoreCorrupt, UsageError
from holdfast.model import facts as f
from holdfast.model.facts import KINDS
from holdfast.ports.store import Output, Stored
from holdfast.runtime.ownership import this_process
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.samples import AT, WHO, every_fact, life_started, run_created

DEAD = replace(this_process(), started="0")
"""This process's pid, as an earlier process had it."""


class World:
    """A store with one run; facts are a second apart."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.seconds = 0
        self.epoch = 0
        self.store.create("r1", run_created())

    def at(self):
        self.seconds += 1
        return AT + timedelta(seconds=self.seconds)

    def live(self, owner=DEAD, **changed) -> World:
        after = self.seq()
        fact = life_started(self.epoch + 1, at=self.at(), owner=owner, **changed)
        self.store.claim("r1", fact, after=after, expected_epoch=self.epoch)
        self.epoch += 1
        return self

    def add(self, kind, *rest, **more) -> World:
        self.store.append(
            "r1", [kind(self.at(), *rest, **more)], after=self.seq(), epoch=self.epoch
        )
        return self

    def leave(self) -> World:
        self.store.release("r1", self.epoch)
        return self

    def seq(self) -> int:
        return len(list(self.store.read("r1")))

    def step(self, key: str, result=None) -> World:
        return self.add(f.StepStarted, key, 1, key).add(f.StepSucceeded, key, result)

    def steps(self) -> dict:
        return {step["key"]: step for step in show_run(self.store, "r1")["steps"]}


@pytest.fixture
def world() -> World:
    return World()


def test_show_has_the_promised_shape(world):
    """The keys of `show --json` are those of the documented shape, and no others."""
    world.live().step("a", 1).add(f.HoldOpened, "h1", "confirm", "b", "b?", "d", {})
    world.add(f.HoldAnswered, "h1", WHO, "approve", None, "fine", "d")

    shown = show_run(world.store, "r1")

    assert ["version", "run", "steps", "holds", "debts", "batches", "rollouts"] == list(shown)
    assert (
        "id workflow target status mode params result error started_at ended_at started_by owner "
        "due_at"
    ).split() == list(shown["run"])
    assert (
        "key label stage status attempts result error started_at ended_at decided_by"
    ).split() == list(shown["steps"][0])
    assert "id kind key question status answers".split() == list(shown["holds"][0])
    answer = shown["holds"][0]["answers"][0]
    assert {"by", "at", "from", "answer", "comment", "digest"} <= set(answer)


def test_a_run_whose_owner_is_dead_is_interrupted(world):
    """A row that says running is believed only while its owner lives."""
    world.live(DEAD)

    assert "interrupted" == show_run(world.store, "r1")["run"]["status"]
    assert ["r1"] == [run["id"] for run in list_runs(world.store, status="interrupted")["runs"]]
    assert [] == list_runs(world.store, status="running")["runs"]


def test_a_run_whose_owner_lives_is_running(world):
    """A living owner's run, and the step in its hand, are running."""
    world.live(this_process()).add(f.StepStarted, "pay", 1, "pay", once=True)

    assert "running" == show_run(world.store, "r1")["run"]["status"]
    assert "running" == world.steps()["pay"]["status"]
    assert [] == list_runs(world.store, status="interrupted")["runs"]


def test_a_once_step_of_a_dead_owner_is_in_doubt(world):
    """Only a step that must not be repeated is in doubt; any other just runs again."""
    world.live(DEAD).add(f.StepStarted, "pay", 1, "pay", once=True)
    world.add(f.StepStarted, "copy", 1, "copy")

    steps = world.steps()
    assert ("in_doubt", "running") == (steps["pay"]["status"], steps["copy"]["status"])


def test_a_step_of_an_earlier_life_is_not_taken_for_running(world):
    """While a new life has not come to it, what its predecessor left stays in doubt."""
    world.live(DEAD).add(f.StepStarted, "pay", 1, "pay", once=True).live(this_process())

    assert "in_doubt" == world.steps()["pay"]["status"]


def test_what_a_succeeded_run_never_finished_does_not_run_again(world):
    """A step that its script cancelled, or has no more, is neither running nor waiting."""
    world.live().add(f.StepStarted, "cancelled", 1, "cancelled")
    world.add(f.StepStarted, "edited away", 1, "edited away")
    world.add(f.AttemptFailed, "edited away", 1, "E", "m")
    world.add(f.RunFailed, "E", "m", ("edited away",))
    world.live(resumed=True).add(f.RunSucceeded, None)

    assert {"superseded"} == {step["status"] for step in world.steps().values()}


def test_each_key_is_shown_once(world):
    """A superseded step that ran again is shown as it is now; one that did not, as superseded."""
    world.live().step("again").step("gone")
    world.add(f.RunFailed, "E", "m", (), ("again", "gone")).live(resumed=True).step("again")

    assert ["again", "gone"] == [step["key"] for step in show_run(world.store, "r1")["steps"]]
    assert "superseded" == world.steps()["gone"]["status"]


def test_a_step_names_its_outermost_stage(world):
    """Steps in branches and units belong to the stage around them; others to none."""
    world.live().add(f.ScopeEntered, "flight", "stage").add(f.ScopeEntered, "flight/n1", "unit")
    world.step("flight/n1/drain").step("after")

    assert "flight" == world.steps()["flight/n1/drain"]["stage"]
    assert world.steps()["after"]["stage"] is None


def test_results_too_large_for_their_row_are_shown_whole(world):
    """A spilled result is loaded for `show --json`."""
    large = "x" * 100_000
    world.live().step("a", large)

    assert large == world.steps()["a"]["result"]


def test_why_names_the_process_of_the_doubt(world):
    """An interrupted run says which step is in doubt, in which process, on which host."""
    world.live(DEAD).add(f.StepStarted, "pay", 1, "pay", once=True)

    found = why(world.store, "r1")
    doubt = next(reason for reason in found.reasons if reason.kind == "in_doubt")
    assert ("pay", DEAD) == (doubt.key, doubt.owner)
    assert ("done", "r1", "pay", "-m", "REASON") in [way.argv for way in found.next]


def test_why_says_where_it_failed(world):
    """A failure comes with its text and the file and line of it."""
    world.live().add(f.StepStarted, "a", 1, "a")
    world.add(f.AttemptFailed, "a", 1, "ValueError", "boom", None, "s.py:7")
    world.add(f.RunFailed, "StepFailed", "…", ("a",), (), "s.py:20").leave()

    found = why(world.store, "r1")
    assert "failed" == found.status
    assert ("failure", "s.py:7") == (found.reasons[0].kind, found.reasons[0].location)
    assert "ValueError: boom" in found.reasons[0].text
    assert ("resume", "r1") == found.next[0].argv


def test_why_names_who_stopped_it(world):
    """A stop by a person is told with the person."""
    world.live().add(f.StopRequested, WHO).add(f.RunStopped, "verb", "stopped by Ada", 3).leave()

    assert "stopped by Ada Lovelace (ada@host)" == why(world.store, "r1").summary


def test_several_holds_are_answered_by_id(world):
    """A printed command can be typed as it is: with two open holds it says which."""
    world.live()
    for name in ("h1", "h2"):
        world.add(f.HoldOpened, name, "confirm", name, "go?", "d", {})
    world.add(f.RunStopped, "park", "waits", 3).leave()

    ways = [way.line() for way in why(world.store, "r1").next]
    assert "holdfast approve r1 --hold h2" in ways


def test_a_command_is_quoted_for_the_shell():
    """Keys with spaces, and the store that was chosen, can be pasted into a shell."""
    world = World().live(DEAD).add(f.StepStarted, "flight/pay bill", 1, "", once=True)

    line = why(world.store, "r1").next[0].line("--store", "sqlite:///a b")
    assert "holdfast --store 'sqlite:///a b' done r1 'flight/pay bill' -m REASON" == line


def test_log_merges_facts_and_output_by_time(world):
    """What a step wrote stands between its start and its end."""
    world.live().add(f.StepStarted, "a", 1, "a")
    world.store.write_output("r1", [Output(world.at(), "a", 1, "out", "hello\n")])
    world.add(f.StepSucceeded, "a")

    kinds = [event["kind"] for event in log_entries(world.store, "r1")]
    assert ["StepStarted", "Output", "StepSucceeded"] == kinds[-3:]


def test_log_hides_what_was_superseded(world):
    """Facts and output of a superseded step are told only when all is asked for."""
    world.live().add(f.StepStarted, "a", 1, "a")
    world.store.write_output("r1", [Output(world.at(), "a", 1, "out", "old\n")])
    world.add(f.StepSucceeded, "a", "old").add(f.RunFailed, "E", "m", (), ("a",))
    world.live(resumed=True).step("a", "new")

    some = list(log_entries(world.store, "r1", "a"))
    every = list(log_entries(world.store, "r1", "a", all=True))
    assert (["StepStarted", "StepSucceeded"], 5) == ([e["kind"] for e in some], len(every))
    assert "new" == some[-1]["result"]


def test_log_of_a_scope_takes_in_later_steps(world):
    """Following a scope shows the steps that come into it afterwards, and no others."""
    world.live().step("flight/n1/drain")
    timeline = Timeline(world.store, "r1", "n1")
    timeline.skip()
    world.step("flight/n1/boot").step("flight/n2/drain")

    assert {"flight/n1/boot"} == {event["key"] for event in timeline.entries()}


def test_log_of_a_step_has_the_answers_about_it(world):
    """An answer names only its hold; it belongs to the step that the hold is about."""
    world.live().add(f.HoldOpened, "h1", "confirm", "a", "a?", "d", {})
    world.add(f.HoldAnswered, "h1", WHO, "approve").step("a")

    assert "HoldAnswered" in [event["kind"] for event in log_entries(world.store, "r1", "a")]


def test_log_of_an_unknown_step_is_refused(world):
    """A mistyped step is said to be unknown, with what there is."""
    world.live().step("drain")

    with pytest.raises(UsageError, match="drain"):
        Timeline(world.store, "r1", "drian")


def test_times_sort_as_text(world):
    """Every time has the same form, so that a log sorts by it."""
    world.live().step("a")

    times = [event["at"] for event in log_entries(world.store, "r1")]
    assert all(len(a) == len(b) and a <= b for a, b in pairwise(times))


@pytest.mark.parametrize("fact", list(every_fact()), ids=lambda fact: type(fact).__name__)
def test_every_fact_has_a_sentence(fact):
    """No fact, however full or bare, is without its own words or stops a log."""
    event = fact_event(Stored(1, 1, fact, b""), getattr(fact, "key", ""))
    _, text = sentence(event)

    assert text and not text.startswith(tuple(KINDS))
    assert json.dumps(event)


def test_export_holds_facts_chain_and_values(world):
    """The document has every fact with its link, the head, and values kept outside rows."""
    world.live().step("a", "x" * 100_000).add(f.RunSucceeded, 1).leave()

    document = export_json(world.store, "r1")
    assert [1, 2, 3, 4, 5] == [fact["seq"] for fact in document["facts"]]
    assert document["head"] == document["facts"][-1]["chain"]
    assert ["x" * 100_000] == list(document["spilled"].values())
    assert json.dumps(document)


def test_a_report_tells_the_story(world):
    """The Markdown names the people, the answer with its comment, the error, and the output."""
    world.live().add(f.HoldOpened, "h1", "confirm", "a", "go | on?", "d", {})
    world.add(f.HoldAnswered, "h1", WHO, "approve", None, "checked by hand")
    world.add(f.StepStarted, "a", 1, "a")
    world.store.write_output("r1", [Output(world.at(), "a", 1, "out", "```\n")])
    world.add(f.AttemptFailed, "a", 1, "ValueError", "boom", None, "s.py:7")
    world.add(f.RunFailed, "StepFailed", "boom", ("a",)).leave()

    text = export_markdown(world.store, "r1")
    wanted = ("Ada Lovelace", "checked by hand", "go \\| on?", "ValueError: boom", "````text")
    assert [] == [words for words in wanted if words not in text]


def test_gc_removes_only_old_finished_runs():
    """A failed run is never removed, nor a finished one that is younger than asked."""
    store = MemoryStore()
    _finished(store, "old", AT)
    _finished(store, "young", AT + timedelta(days=9))
    store.create("failed", run_created())
    store.append("failed", [f.RunFailed(AT, "E", "m")], after=1, epoch=None)

    removed = gc(store, JumpClock(AT + timedelta(days=10)), older_than=timedelta(days=5))

    assert ["old"] == [run.run for run in removed]
    assert ["failed", "young"] == [row.id for row in store.rows()]


def test_gc_keeps_the_newest_of_each_workflow():
    """`--keep 1` leaves the newest finished run of every workflow."""
    store = MemoryStore()
    for name, workflow in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        _finished(store, name, AT, workflow)

    assert ["a1"] == [run.run for run in gc(store, JumpClock(AT), keep_last=1)]


def test_gc_leaves_a_run_that_is_another_by_now():
    """Its id may be used again while the others are removed: that one runs, and stays."""
    store = MemoryStore()
    for name in ("first", "nightly"):
        _finished(store, name, AT)
    removing = gc(store, JumpClock(AT + timedelta(days=9)))
    assert "first" == next(removing).run
    store.remove("nightly")
    store.create("nightly", run_created())

    assert [] == list(removing)
    assert ["nightly"] == [row.id for row in store.rows()]


def test_a_dry_gc_removes_nothing():
    """With `--dry-run` the list is the same, and the runs stay."""
    store = MemoryStore()
    _finished(store, "old", AT)

    assert ["old"] == [run.run for run in gc(store, JumpClock(AT), dry_run=True)]
    assert store.row("old") is not None


def test_verify_returns_the_head(world):
    """The head digest is the link of the last fact."""
    world.live().step("a", "x" * 100_000)

    found = verify_run(world.store, "r1")
    assert (4, 1) == (found.facts, found.values)
    assert found.head == list(world.store.read("r1"))[-1].chain


def test_verify_refuses_a_changed_fact(world):
    """A fact that is not what was written is named."""
    world.live().step("a", 1)
    row = world.store.disk.runs["r1"].journal[3]
    row.body = row.body.replace("1", "2")

    with pytest.raises(StoreCorrupt, match="fact 4"):
        verify_run(world.store, "r1")


def test_an_unknown_run_is_refused(world):
    """Nothing is guessed about a run that is not there."""
    with pytest.raises(UsageError, match="no run 'nope'"):
        view_run(world.store, "nope")


def _finished(store, name, at, workflow="upgrade"):
    store.create(name, run_created(workflow, at=at))
    store.append(name, [f.RunSucceeded(at)], after=1, epoch=0)


@pytest.mark.parametrize(("columns", "is_below"), [(60, True), (80, False), (None, False)])
def test_what_has_no_room_beside_long_ids_stands_below(columns: int | None, is_below: bool):
    """Ids stay whole, and no line of the list is wider than the terminal."""
    store, long = MemoryStore(), "upgrade-of-the-cluster-in-the-north-2026-11"
    for id in (long, "short"):
        store.create(id, run_created())
    sheet = Paper(columns, has_colour=False, can_redraw=False, is_plain=False)
    rows = [store.row(long), store.row("short")]
    lines = list(list_lines([row for row in rows if row is not None], sheet, AT))

    assert (6 if is_below else 3) == len(lines)
    assert [] == [line for line in lines if len(line) > (columns or 200)]
    assert is_below == (long in lines) and any(line.startswith(long) for line in lines)
    assert "STATUS" in lines[is_below] and "WORKFLOW" in lines[is_below]
