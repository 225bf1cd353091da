"""The promises about journals, and about everybody who appends to them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

from holdfast.errors import LostOwnership, StoreError, UsageError
from holdfast.model.facts import Fact
from holdfast.ports.store import Appended, Store
from holdfast.testing.samples import (
    AT,
    OWNER,
    every_fact,
    life_started,
    rewound,
    run_created,
)
from holdfast.testing.store_opening import (
    STOP,
    Opens,
    facts,
    in_threads,
    owned,
    raised,
    started,
    succeeded,
)


class Journals(Opens):
    """One writer, one journal."""

    def test_a_run_is_created_once(self, tmp_path: Path) -> None:
        """The first fact makes the run; a second run of this id is refused, and nothing moves."""
        store = self.open(tmp_path)

        assert store.create("r", run_created())
        assert not store.create("r", run_created("other"))
        assert [run_created()] == facts(store)
        store.close()

    def test_a_run_is_created_only_after_the_newest_that_was_seen(self, tmp_path: Path) -> None:
        """Of its workflow: who saw another one, or none, has to look again."""
        store = self.open(tmp_path)
        of_other = run_created("other")

        assert not store.create("a", run_created(), newest="x")
        assert store.create("a", run_created(), newest="")
        assert store.create("o", of_other, newest="")
        assert [False, False] == [
            store.create("b", run_created(), newest=seen) for seen in ("", "o")
        ]
        assert store.create("b", run_created(), newest="a")
        assert ["b", "o", "a"] == [row.id for row in store.rows()]
        store.close()

    def test_facts_are_read_in_the_order_of_appending(self, tmp_path: Path) -> None:
        """Numbers have no gaps, and units of several facts stay together."""
        store = owned(self.open(tmp_path))
        first = store.append("r", [started(1)], after=2, epoch=1, durable=False)
        second = store.append("r", [succeeded(1), started(2)], after=3, epoch=1)

        assert [Appended(True, 3), Appended(True, 5)] == [first, second]
        assert [1, 2, 3, 4, 5] == [stored.seq for stored in store.read("r")]
        assert [started(1), succeeded(1), started(2)] == facts(store, after=2)
        assert [0, 1, 1, 1, 1] == [stored.epoch for stored in store.read("r")]
        store.close()

    def test_what_was_appended_is_there_after_reopening(self, tmp_path: Path) -> None:
        """Closing loses nothing, durable or not."""
        store = owned(self.open(tmp_path))
        store.append("r", [started(1)], after=2, epoch=1, durable=False)
        written = list(store.read("r"))
        store.close()
        store = self.open(tmp_path)

        assert written == list(store.read("r"))
        store.close()

    def test_every_kind_of_fact_round_trips(self, tmp_path: Path) -> None:
        """With every field set, and with the required ones alone, a fact is read as written."""
        store = owned(self.open(tmp_path))
        written = list(every_fact())
        store.append("r", written, after=2, epoch=1)

        assert written == facts(store, after=2)
        store.close()

    def test_a_long_journal_is_read_whole(self, tmp_path: Path) -> None:
        """However many facts there are, and from wherever one reads."""
        store = owned(self.open(tmp_path))
        written = [succeeded(n) for n in range(2500)]
        store.append("r", written, after=2, epoch=1, durable=False)

        assert written == facts(store, after=2)
        assert written[1999:] == facts(store, after=2001)
        assert [] == facts(store, after=2502)
        store.close()

    def test_the_chain_covers_what_lies_before(self, tmp_path: Path) -> None:
        """One fact after different ones has another link, and so has the same run elsewhere."""
        store = owned(owned(self.open(tmp_path), "r"), "s")
        store.append("r", [started(1), STOP], after=2, epoch=1)
        store.append("s", [started(2), STOP], after=2, epoch=1)
        chains = [stored.chain for run in "rs" for stored in store.read(run)]

        assert len(chains) == len(set(chains))
        assert {32} == {len(bytes.fromhex(chain)) * 2 for chain in chains}
        store.close()

    def test_the_chain_does_not_depend_on_how_facts_were_grouped(self, tmp_path: Path) -> None:
        """Appended one by one or as a unit, the same journal has the same links."""
        one, two = owned(self.open(tmp_path / "1")), owned(self.open(tmp_path / "2"))
        one.append("r", [started(1), succeeded(1)], after=2, epoch=1)
        two.append("r", [started(1)], after=2, epoch=1)
        two.append("r", [succeeded(1)], after=3, epoch=1)

        assert list(one.read("r")) == list(two.read("r"))
        one.close()
        two.close()

    def test_an_unknown_run_is_told_from_an_empty_one(self, tmp_path: Path) -> None:
        """Reading finds nothing; appending is the caller's mistake."""
        store = self.open(tmp_path)

        assert not list(store.read("no"))
        assert not list(store.read_output("no"))
        assert store.row("no") is None
        assert not store.beat("no", 1, 1.0, AT)
        raised(UsageError, lambda: store.append("no", [STOP], after=0, epoch=None))
        raised(UsageError, lambda: store.append("no", [STOP], after=0, epoch=1))
        life = life_started(1)
        raised(UsageError, lambda: store.claim("no", life, after=0, expected_epoch=0))
        store.release("no", 1)
        store.remove("no")
        store.close()

    def test_a_journal_that_lost_facts_is_not_written_over(self, tmp_path: Path) -> None:
        """Who has read more than there is gets an error instead of a second truth."""
        store = owned(self.open(tmp_path))

        raised(StoreError, lambda: store.append("r", [started(9)], after=9, epoch=1))
        assert 2 == len(facts(store))
        store.close()

    def test_nothing_is_appended_by_appending_nothing(self, tmp_path: Path) -> None:
        """An append without facts tells what others wrote."""
        store = owned(self.open(tmp_path))
        store.append("r", [STOP], after=2, epoch=None)

        assert Appended(True, 3, (STOP,)) == store.append("r", [], after=2, epoch=1)
        assert 3 == len(facts(store))
        store.close()


class Others(Opens):
    """Several writers of one journal, and who owns it."""

    def test_what_others_appended_is_handed_to_the_owner(self, tmp_path: Path) -> None:
        """A control fact in between never refuses a finished step: it is folded before it."""
        store, other = owned(self.open(tmp_path)), self.open(tmp_path)
        store.append("r", [started(1)], after=2, epoch=1)
        other.append("r", [STOP], after=3, epoch=None)
        done = store.append("r", [succeeded(1)], after=3, epoch=1)

        assert Appended(True, 5, (STOP,)) == done
        assert [started(1), STOP, succeeded(1)] == facts(store, after=2)
        assert Appended(True, 6) == store.append("r", [started(2)], after=5, epoch=1)
        store.close()
        other.close()

    def test_an_owner_may_ask_not_to_write_after_others(self, tmp_path: Path) -> None:
        """With `only_if_current` the others' facts come back and nothing is written."""
        store, other = owned(self.open(tmp_path)), self.open(tmp_path)
        other.append("r", [STOP], after=2, epoch=None)
        done = store.append("r", [started(1)], after=2, epoch=1, only_if_current=True)

        assert Appended(False, 3, (STOP,)) == done
        assert [STOP] == facts(store, after=2)
        again = store.append("r", [started(1)], after=3, epoch=1, only_if_current=True)
        assert Appended(True, 4) == again
        store.close()
        other.close()

    def test_others_are_refused_when_the_journal_moved(self, tmp_path: Path) -> None:
        """Without an epoch a fact is written only after what its writer has seen."""
        store, other = owned(self.open(tmp_path)), self.open(tmp_path)
        store.append("r", [started(1)], after=2, epoch=1)
        done = other.append("r", [STOP], after=2, epoch=None)

        assert Appended(False, 3, (started(1),)) == done
        assert Appended(True, 4) == other.append("r", [STOP], after=3, epoch=None)
        store.close()
        other.close()

    def test_a_displaced_owner_writes_nothing(self, tmp_path: Path) -> None:
        """Once the epoch moved, every write of the old owner raises LostOwnership."""
        old, new = owned(self.open(tmp_path)), self.open(tmp_path)
        old.append("r", [started(1)], after=2, epoch=1)
        assert 4 == new.claim("r", life_started(2), after=3, expected_epoch=1)

        raised(LostOwnership, lambda: old.append("r", [succeeded(1)], after=3, epoch=1))
        raised(LostOwnership, lambda: old.append("r", [succeeded(1)], after=4, epoch=1))
        raised(LostOwnership, lambda: old.append("r", [], after=4, epoch=1))
        assert not old.beat("r", 1, 1.0, AT)
        assert [started(1), life_started(2)] == facts(new, after=2)
        assert Appended(True, 5) == new.append("r", [started(1)], after=4, epoch=2)
        old.close()
        new.close()

    def test_a_claim_is_refused_when_anything_moved(self, tmp_path: Path) -> None:
        """Another epoch or a longer journal than was looked at: None, and nothing is written."""
        store = owned(self.open(tmp_path))

        assert store.claim("r", life_started(2), after=2, expected_epoch=0) is None
        assert store.claim("r", life_started(2), after=1, expected_epoch=1) is None
        assert 2 == len(facts(store))
        assert 3 == store.claim("r", life_started(2), after=2, expected_epoch=1)
        store.close()

    def test_a_claim_makes_the_owner_known(self, tmp_path: Path) -> None:
        """The row names the new owner and its epoch, without the old one's heartbeat."""
        store = owned(self.open(tmp_path))
        assert store.beat("r", 1, 12.5, AT)
        new = dataclasses.replace(OWNER, pid=4343)
        store.claim("r", life_started(2, owner=new, file="moved.py"), after=2, expected_epoch=1)
        row = store.row("r")

        assert row is not None
        assert (new, 2, None, None) == (row.owner, row.epoch, row.beat_monotonic, row.beat_at)
        assert ("running", "moved.py") == (row.status, row.file)
        store.close()

    def test_a_run_can_be_rewritten_for_nobody(self, tmp_path: Path) -> None:
        """The epoch moves and no process owns the run: the one that did is refused, the next one
        claims above it; looked at too early, nothing is written."""
        old, new = owned(self.open(tmp_path)), self.open(tmp_path)

        assert new.claim("r", rewound(2), after=1, expected_epoch=1) is None
        assert new.claim("r", rewound(2), after=2, expected_epoch=0) is None
        assert 3 == new.claim("r", rewound(2), after=2, expected_epoch=1)
        row = new.row("r")
        assert row is not None
        assert (None, 2, "stopped", AT) == (row.owner, row.epoch, row.status, row.ended_at)
        raised(LostOwnership, lambda: old.append("r", [started(1)], after=2, epoch=1))
        assert [rewound(2)] == facts(new, after=2)
        assert 4 == new.claim("r", life_started(3), after=3, expected_epoch=2)
        old.close()
        new.close()

    def test_one_of_many_claims_wins(self, tmp_path: Path) -> None:
        """Of threads with stores of their own, exactly one becomes the owner."""
        first = self.open(tmp_path)
        first.create("r", run_created())
        stores = [self.open(tmp_path) for _ in range(6)]
        together, won = threading.Barrier(len(stores)), []

        def claim(store: Store) -> None:
            together.wait()
            won.append(store.claim("r", life_started(1), after=1, expected_epoch=0))

        in_threads(*(lambda store=store: claim(store) for store in stores))

        assert [2] == [seq for seq in won if seq is not None]
        assert [run_created(), life_started(1)] == facts(first)
        for store in (first, *stores):
            store.close()

    def test_threads_may_share_a_store(self, tmp_path: Path) -> None:
        """Appends of many threads to runs of their own all arrive, each chain whole."""
        store = self.open(tmp_path)

        def work(run: str) -> None:
            owned(store, run)
            for n in range(20):
                store.append(run, [succeeded(n)], after=2 + n, epoch=1, durable=False)

        in_threads(*(lambda run=run: work(run) for run in "abcd"))

        for run in "abcd":
            assert [succeeded(n) for n in range(20)] == facts(store, run, after=2)
        store.close()

    def test_threads_may_append_to_one_run(self, tmp_path: Path) -> None:
        """An owner and somebody who only says stop share a store: all that was acknowledged is
        there once, in one order, and the owner is told of each stop before it begins a step."""
        store, said = owned(self.open(tmp_path)), [0]
        told: list[Fact] = [run_created(), life_started(1)]
        is_over = threading.Event()

        def append(fact: Fact, *, is_intent: bool) -> None:
            done = Appended(False, 0)
            while not done.written:
                done = store.append(
                    "r", [fact], after=len(told), epoch=1,
                    durable=not is_intent, only_if_current=is_intent,
                )  # fmt: skip
                told.extend(done.others)
            told.append(fact)

        def own() -> None:
            for number in range(50):
                append(started(number), is_intent=True)
                append(succeeded(number), is_intent=False)
            is_over.set()

        def stop() -> None:
            after = 2
            while not is_over.is_set():
                done = store.append("r", [STOP], after=after, epoch=None)
                after, said[0] = done.seq, said[0] + done.written

        in_threads(own, stop)
        written = facts(store)

        assert told == written[: len(told)]
        assert said[0] == written.count(STOP)
        store.close()

    def test_a_released_run_keeps_its_epoch(self, tmp_path: Path) -> None:
        """Only the present epoch releases; the next claim goes above it."""
        store = owned(self.open(tmp_path))
        store.release("r", 0)
        kept = store.row("r")
        store.release("r", 1)
        row = store.row("r")

        assert kept is not None and kept.owner == OWNER
        assert row is not None and (None, 1) == (row.owner, row.epoch)
        assert 3 == store.claim("r", life_started(2), after=2, expected_epoch=1)
        store.close()

    def test_a_heartbeat_is_in_the_row(self, tmp_path: Path) -> None:
        """It is no fact; only the owner's epoch can leave one."""
        store = owned(self.open(tmp_path))

        assert store.beat("r", 1, 12.5, AT)
        assert not store.beat("r", 0, 99.0, AT)
        row = store.row("r")
        assert row is not None and (12.5, AT) == (row.beat_monotonic, row.beat_at)
        assert store.beat("r", 1, None, AT)
        row = store.row("r")
        assert row is not None and (None, AT) == (row.beat_monotonic, row.beat_at)
        assert 2 == len(facts(store))
        store.close()

    def test_changes_are_noticed(self, tmp_path: Path) -> None:
        """It differs after every commit, ours and others', and not otherwise."""
        store, other = owned(self.open(tmp_path)), self.open(tmp_path)
        for by in (other, store):
            for commit in self.commits(by):
                before = store.changes()
                assert before == store.changes()
                commit()
                assert before != store.changes()
                assert store.row("r") and store.rows() and store.changes() == store.changes()

        store.close()
        other.close()

    def commits(self, by: Store) -> list[Callable[[], object]]:
        """Return one commit of each kind, to be made in this order."""
        return [
            lambda: by.append("r", [STOP], after=len(facts(by)), epoch=None),
            lambda: by.append("r", [started(1)], after=len(facts(by)), epoch=1),
            lambda: by.create("s", run_created()),
            lambda: by.claim("s", life_started(1), after=1, expected_epoch=0),
            lambda: by.beat("s", 1, 12.5, AT),
            lambda: by.release("s", 1),
            lambda: by.remove("s"),
        ]
