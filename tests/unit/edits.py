"""Scripts that are edited between two lives of their run, and the question that raises."""

from __future__ import annotations

from typing import Any

from tests.unit.runs import CALLS, Script

FLOW = """
    from tests.unit.runs import fail_until

    @workflow
    def flow():
        {body}
        do("stumble", fail_until, {fails})
"""


def flow(*lines: str, fails: int = 2, head: str = "") -> str:
    """Return a script with these lines, which fails in its last step until the n-th try."""
    body = "\n        ".join(lines) or "pass"
    return head + FLOW.format(body=body, fails=fails)


def do(*names: str) -> list[str]:
    return [f'do("{name}", touch, "{name}")' for name in names]


def begun(script: Script, *lines: str, fails: int = 2) -> Script:
    """Run a first life of the script, which ends in a failure."""
    assert "failed" == script.edit(flow(*lines, fails=fails)).start().status
    CALLS.clear()
    CALLS["try"] = 1
    return script


def held(script: Script) -> dict[str, Any]:
    """Resume, and return the report of the drift that the run holds on."""
    outcome = script.resume()
    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    opened = script.runs.hold().opened
    assert "drift" == opened.kind
    return opened.evidence


def keys(report: dict[str, Any]) -> list[str]:
    return [gone["key"] for gone in report["gone"]]
