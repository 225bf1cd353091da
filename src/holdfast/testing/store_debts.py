"""The promises about the list of what runs owe."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

from holdfast.model.facts import (
    DebtAccepted,
    DebtSettled,
    Fact,
    RunCancelled,
    StepRenamed,
    StepSkipped,
    StepStarted,
)
from holdfast.model.undo_facts import Owed
from holdfast.model.undoing import OWED
from holdfast.ports.store import Store
from holdfast.testing.samples import AT, WHO
from holdfast.testing.store_opening import Opens, owned, started


def borrowed(key: str, label: str = "", minutes: int = 0) -> StepStarted:
    """Return the fact that a step began which owes something."""
    at = AT + timedelta(minutes=minutes)
    return StepStarted(at, key, 1, owes=Owed("give_back", label or f"return {key}"))


class Debts(Opens):
    """What is owed, over all runs."""

    def owing(self, store: Store, *facts: Fact, run: str = "r", after: int = 2) -> list[str]:
        """Append facts one by one, as an owner does, and return the keys of what is owed."""
        for seq, fact in enumerate(facts, after):
            store.append(run, [fact], after=seq, epoch=1)
        return [row.key for row in store.debts()]

    def test_a_debt_is_listed_from_the_start_of_its_step_on(self, tmp_path: Path) -> None:
        """With its run, label and time; a plain step owes nothing."""
        store = owned(self.open(tmp_path))
        assert ["a"] == self.owing(store, started(1), borrowed("a", "give back é日"))
        (row,) = store.debts()

        assert ("r", "a", "give back é日", AT) == row
        store.close()

    def test_each_way_to_end_a_debt_ends_it(self, tmp_path: Path) -> None:
        """Settled, accepted, left out by a person; a cancelled run owes nothing more."""
        store = owned(self.open(tmp_path))
        ways: list[Fact] = [borrowed(key) for key in "abcde"]
        assert list("abcde") == self.owing(store, *ways)
        ends: list[Fact] = [
            DebtSettled(AT, "a"), DebtAccepted(AT, "b", WHO, "why"),
            StepSkipped(AT, f"c{OWED}", WHO, "why"), StepSkipped(AT, "d", WHO, "why"),
        ]  # fmt: skip
        assert ["d", "e"] == self.owing(store, *ends, after=7)

        assert [] == self.owing(store, RunCancelled(AT, WHO, "over", True), after=11)
        store.close()

    def test_a_debt_that_is_begun_again_is_as_old_as_it_was(self, tmp_path: Path) -> None:
        """A second attempt owes the same; once settled, it is a new debt."""
        store = owned(self.open(tmp_path))
        self.owing(store, borrowed("a", "one", 1), borrowed("a", "two", 2))
        assert [("two", AT + timedelta(minutes=1))] == [row[2:] for row in store.debts()]
        self.owing(store, DebtSettled(AT, "a"), borrowed("a", "three", 3), after=4)

        assert [("three", AT + timedelta(minutes=3))] == [row[2:] for row in store.debts()]
        store.close()

    def test_a_renamed_step_owes_under_its_new_name(self, tmp_path: Path) -> None:
        """And is settled under that."""
        store = owned(self.open(tmp_path))
        assert ["new"] == self.owing(store, borrowed("old"), StepRenamed(AT, "new", "old"))

        assert [] == self.owing(store, DebtSettled(AT, "new"), after=4)
        store.close()

    def test_debts_of_all_runs_are_listed_oldest_first(self, tmp_path: Path) -> None:
        """At most as many as are asked for; those of a removed run are gone."""
        store = owned(owned(self.open(tmp_path), "r"), "s")
        self.owing(store, borrowed("late", minutes=2), borrowed("first"), run="r")
        self.owing(store, borrowed("middle", minutes=1), run="s")
        assert [("r", "first"), ("s", "middle"), ("r", "late")] == [r[:2] for r in store.debts()]
        assert ["first"] == [row.key for row in store.debts(limit=1)]
        store.remove("r")

        assert ["middle"] == [row.key for row in store.debts()]
        store.close()

    def test_debts_of_one_second_are_listed_oldest_first(self, tmp_path: Path) -> None:
        """A whole second comes before any part of the next one."""
        store, whole = owned(self.open(tmp_path)), AT.replace(microsecond=0)
        parts = [timedelta(milliseconds=n) for n in (500, 0, 1, 999, 50)]
        begun = [
            dataclasses.replace(borrowed(f"{part.microseconds}"), at=whole + part) for part in parts
        ]
        self.owing(store, *begun)

        expected = ["0", "1000", "50000", "500000", "999000"]
        assert expected == [row.key for row in store.debts()]
        store.close()

    def test_debts_survive_the_store_that_listed_them(self, tmp_path: Path) -> None:
        """They are as durable as the facts they come from."""
        store = owned(self.open(tmp_path))
        self.owing(store, borrowed("a"))
        store.close()

        again = self.open(tmp_path)
        assert ["a"] == [row.key for row in again.debts()]
        again.close()
