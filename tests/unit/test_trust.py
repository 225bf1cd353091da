"""What a step has earned, as a pure function of its trials."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.terms import Terms
from holdfast.model.trials import Outcome, Trial
from holdfast.model.trust import Streak, earned, history, settled, streak

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EARNED = Terms("earned", "earned: --mode", successes=3)
CLEAN = Trial("upgrade", "drain {node}", "code", "a", "drain 1", "db-1", NOW, "clean")
FAILED = replace(CLEAN, run="x", target="db-2", outcome="failed", note="OSError: no route")

trials = st.lists(
    st.builds(
        Trial,
        st.just("upgrade"),
        st.just("drain {node}"),
        st.sampled_from(["code", "other", ""]),
        st.sampled_from(["a", "b", "c"]),
        st.just("drain 1"),
        st.sampled_from(["db-1", "db-2", None]),
        st.builds(lambda hours: NOW - timedelta(hours=hours), st.integers(-5, 10_000)),
        st.sampled_from(get_args(Outcome)),
    ),
    max_size=12,
)
terms = st.builds(
    Terms,
    st.just("earned"),
    st.just("earned: --mode"),
    is_guarded=st.booleans(),
    risk=st.sampled_from(["", "low", "high", "critical"]),
    successes=st.one_of(st.none(), st.integers(-1, 6)),
    within_s=st.floats(0, 1e8),
)


@given(trials, terms, st.sampled_from(["code", "other", ""]))
def test_nothing_is_earned_after_a_bad_outcome(known: list[Trial], on: Terms, code: str) -> None:
    """Whatever came before, and on whatever target: only what was clean last goes on by itself."""
    ruling = earned(streak(known, code), on, NOW)

    assert ruling.asks or (known[0].outcome, known[0].code) == ("clean", code)


@given(trials, terms, st.sampled_from(["code", "other", ""]))
def test_what_is_earned_was_clean_often_enough(known: list[Trial], on: Terms, code: str) -> None:
    """The newest ones, as many as are asked for, of that code, in time; and only then."""
    needed = None if on.successes is None else max(1, on.successes)
    newest = known[:needed]
    is_in_time = bool(known) and abs((NOW - known[0].at).total_seconds()) <= on.within_s
    is_earned = (
        needed is not None
        and not on.is_guarded
        and code != ""
        and len(newest) == needed
        and all((trial.outcome, trial.code) == ("clean", code) for trial in newest)
        and is_in_time
    )

    assert is_earned is not earned(streak(known, code), on, NOW).asks


@given(trials, st.sets(st.sampled_from(["a", "b", "c"])))
def test_what_only_began_counts_when_its_process_is_gone(
    known: list[Trial], living: set[str]
) -> None:
    """It was interrupted, and stands before all that ended; what still runs says nothing."""
    judged = settled(known, living.__contains__)

    gone = [t for t in known if t.outcome == "began" and t.run not in living]
    ended = [t for t in known if t.outcome != "began"]
    assert [*(replace(trial, outcome="interrupted") for trial in gone), *ended] == list(judged)
    assert not gone or earned(streak(judged, "code"), EARNED, NOW).asks


def test_the_rule_says_why() -> None:
    """How many of how many, or what took it back, where and when."""
    day = timedelta(days=1)
    old = replace(CLEAN, at=NOW - 91 * day)
    edited = replace(CLEAN, code="other")
    bad = replace(FAILED, at=NOW - timedelta(hours=2))
    revoked = replace(FAILED, run="", target=None, outcome="revoked")
    found = {
        "3 of 3 clean in a row, the last 2d ago": [replace(CLEAN, at=NOW - 2 * day)] + [CLEAN] * 4,
        "0 of 3 clean in a row": [],
        "1 of 3 clean in a row": [CLEAN, FAILED, CLEAN, CLEAN],
        "2 of 3 clean in a row": [CLEAN, CLEAN, edited],
        "started over, failed on db-2 (run x) 2h ago": [bad, CLEAN, CLEAN, CLEAN],
        "started over, revoked 0s ago": [revoked, CLEAN, CLEAN, CLEAN],
        "started over, its code is not what ran before": [edited, CLEAN, CLEAN, CLEAN],
        "the last clean one is not within 90d": [old] * 3,
    }

    for rule, known in found.items():
        assert f"earned: {rule}" == earned(streak(known, "code"), EARNED, NOW).rule


def test_some_targets_never_let_anything_be_earned() -> None:
    """By their risk, and where they name their approvers."""
    best = Streak((CLEAN,) * 9)
    critical = replace(EARNED, risk="critical", successes=None)
    guarded = replace(EARNED, is_guarded=True)

    assert "earned: never on a critical target" == earned(best, critical, NOW).rule
    assert "earned: never" == earned(best, replace(critical, risk=""), NOW).rule
    assert "names its approvers" in earned(best, guarded, NOW).rule
    assert earned(best, critical, NOW).asks
    assert earned(best, guarded, NOW).asks
    assert not earned(best, EARNED, NOW).asks


def test_the_history_of_a_step_is_short() -> None:
    """The newest clean ones by run and target, and what ended the count."""
    assert "" == history(Streak())
    assert "failed on db-2 (run x) 2026-11-21 12:00" == history(Streak((), FAILED))
    assert (
        "clean on db-1 (run a) 2026-11-21 12:00; "
        "before that clean on db-1 (run a) 2026-11-21 12:00 with other code"
    ) == history(Streak((CLEAN,), CLEAN))
    assert history(Streak((CLEAN,) * 9)).endswith("; and more clean ones")
