"""The promises about trials: what counts for trust is kept with the facts it comes from."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

from holdfast.errors import LostOwnership
from holdfast.model.trials import KEPT_MAX, Outcome, Trial
from holdfast.testing.samples import AT, life_started
from holdfast.testing.store_opening import STOP, Opens, owned, raised, started, succeeded

STEP = ("upgrade", "drain {node}")


def trial(outcome: Outcome = "clean", key: str = "k", **changed: Any) -> Trial:
    """Return a trial of the step `STEP` in run r."""
    made = Trial(*STEP, "code", "r", key, "db1", AT, outcome, "é note")
    return dataclasses.replace(made, **changed)


class Trials(Opens):
    """What became of each step, over all runs."""

    def test_trials_are_kept_with_their_facts(self, tmp_path: Path) -> None:
        """One unit: there after reopening when the facts are, and in no other case."""
        store = owned(self.open(tmp_path))
        other = self.open(tmp_path)
        other.append("r", [STOP], after=2, epoch=None)
        missed = store.append(
            "r", [started(1)], after=2, epoch=1, only_if_current=True, trials=[trial("failed")]
        )
        raised(
            LostOwnership,
            lambda: store.append("r", [started(1)], after=3, epoch=7, trials=[trial("failed")]),
        )
        store.append("r", [started(1)], after=3, epoch=1, trials=[trial("began", note="")])
        store.append("r", [succeeded(1)], after=4, epoch=1, trials=[trial()])
        store.close()
        store = self.open(tmp_path)

        assert not missed.written
        assert [trial()] == store.trials(*STEP)
        store.close()
        other.close()

    def test_a_claim_keeps_trials(self, tmp_path: Path) -> None:
        """With its fact, and not when somebody else was faster."""
        store = owned(self.open(tmp_path))
        late = store.claim(
            "r", life_started(2), after=2, expected_epoch=0, trials=[trial("interrupted")]
        )
        before = store.trials(*STEP)
        store.claim("r", life_started(2), after=2, expected_epoch=1, trials=[trial("in_doubt")])

        assert late is None
        assert [] == before
        assert [trial("in_doubt")] == store.trials(*STEP)
        store.close()

    def test_what_began_stands_first_until_it_ends(self, tmp_path: Path) -> None:
        """By its run and key, whatever ends it; a step that left says nothing."""
        store = self.open(tmp_path)
        begun = [trial("began", key, note="") for key in ("a", "b", "c")]
        store.keep_trials(begun)
        store.keep_trials([trial("clean", "a"), trial("left", "b"), trial("failed", "other")])

        expected = [begun[2], trial("failed", "other"), trial("clean", "a")]
        assert expected == store.trials(*STEP)
        assert expected[:2] == store.trials(*STEP, limit=1)
        store.close()

    def test_steps_are_told_apart(self, tmp_path: Path) -> None:
        """By workflow and name; both are listed once, in order, also when they only began."""
        store = self.open(tmp_path)
        store.keep_trials(
            [
                trial(workflow="b"),
                trial("began", "z", step="z", note=""),
                trial(step="a"),
                trial(step="a", target=None, run=""),
            ]
        )

        assert [("b", STEP[1]), ("upgrade", "a"), ("upgrade", "z")] == list(store.tried())
        assert [trial(step="a", target=None, run=""), trial(step="a")] == store.trials(
            "upgrade", "a"
        )
        assert [] == store.trials("upgrade", "b")
        store.close()

    def test_the_oldest_trials_go_first(self, tmp_path: Path) -> None:
        """Of each step the newest are kept, and all that have only begun; so what went wrong
        last never goes before what went well."""
        store = self.open(tmp_path)
        begun = trial("began", "begun", note="")
        store.keep_trials([begun, trial("failed", "0"), trial(step="other")])
        store.keep_trials([trial(key=f"{n}") for n in range(1, KEPT_MAX)])
        full = store.trials(*STEP, limit=2 * KEPT_MAX)
        store.keep_trials([trial(key="last")])

        assert [begun, trial("failed", "0")] == [full[0], full[-1]]
        assert [begun, trial(key="last"), *full[1:-1]] == store.trials(*STEP, limit=2 * KEPT_MAX)
        assert [trial(step="other")] == store.trials(STEP[0], "other")
        store.close()

    def test_steps_are_forgotten_whole(self, tmp_path: Path) -> None:
        """Only those of which nothing is newer, and nothing has begun."""
        store = self.open(tmp_path)
        later = AT + timedelta(days=1)
        store.keep_trials(
            [
                trial(step="old"),
                trial(step="old", at=AT - timedelta(days=1)),
                trial("failed"),
                trial(at=later),
                trial(step="begun"),
                trial("began", step="begun", note=""),
            ]
        )

        assert 1 == store.forget_trials(later)
        assert [("upgrade", "begun"), STEP] == list(store.tried())
        assert [trial(at=later), trial("failed")] == store.trials(*STEP)
        store.close()

    def test_a_part_of_a_second_is_later_than_the_second(self, tmp_path: Path) -> None:
        """A step is forgotten when its newest trial was before the moment, to the microsecond."""
        store, whole = self.open(tmp_path), AT.replace(microsecond=0)
        half = whole + timedelta(milliseconds=500)
        store.keep_trials([trial(step="half", at=half), trial(step="whole", at=whole)])

        assert 0 == store.forget_trials(whole)
        assert 1 == store.forget_trials(half)
        assert ["half"] == [step for _, step in store.tried()]
        store.keep_trials([trial(step="half", at=whole)])
        assert 0 == store.forget_trials(half)
        store.close()

    def test_trials_outlive_their_run(self, tmp_path: Path) -> None:
        """One that had only begun in a removed run was interrupted: nobody will ever say more."""
        store = owned(owned(self.open(tmp_path), "r"), "s")
        begun = [trial("began", note=""), trial("began", note="", run="s")]
        store.keep_trials([trial("failed", "old"), *begun])
        store.remove("r")

        expected = [begun[1], trial("interrupted", note=""), trial("failed", "old")]
        assert expected == store.trials(*STEP)
        store.close()
