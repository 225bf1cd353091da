"""Nodes that steps cordon and owe back: what tests of debts share."""

from __future__ import annotations

from tests.unit.runs import Runs, touch

from holdfast.flow.decorator import step

CORDONED: set[str] = set()


@step("uncordon {node}")
def uncordon(node: str) -> None:
    touch(f"uncordon {node}")
    CORDONED.discard(node)


@step("cordon {node}", check=lambda node: node in CORDONED, owes=uncordon)
def cordon(node: str, why: str = "") -> None:
    touch(f"cordon {node}")
    CORDONED.add(node)


def owed(runs: Runs) -> list[str]:
    """Return what is owed by the journal, which is what the store lists, too."""
    labels = [debt.owed.label for debt in runs.state.ledger.open_debts]
    assert sorted(labels) == sorted(row.label for row in runs.store.debts())
    return labels
