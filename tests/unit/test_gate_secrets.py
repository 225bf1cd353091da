"""What a probe knows as a secret is in no fact: not in its query, its link, or its error."""

from __future__ import annotations

import pytest
from tests.unit.runs import Runs

from holdfast import gate, secret, step, workflow
from holdfast.stores.rows import dump


def test_a_secret_in_a_query_is_covered(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the run has read it."""
    monkeypatch.setenv("TOKEN", "hunter2-hunter2")

    @step
    def login() -> None:
        secret("TOKEN")

    def probe() -> float:
        raise OSError("401 for hunter2-hunter2")

    probe.query = "up?token=hunter2-hunter2"  # type: ignore[attr-defined]
    probe.link = "https://dash/?token=hunter2-hunter2"  # type: ignore[attr-defined]

    @workflow
    def flow() -> None:
        login()
        gate("up", probe, below=1, timeout=0)

    runs.start(flow)
    texts = [dump(fact)[1] for fact in runs.facts()]

    assert "on_hold" == runs.row.status
    assert [] == [text for text in texts if "hunter2" in text]
