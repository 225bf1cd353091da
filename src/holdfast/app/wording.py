"""How a run or a step stands, in words that follow its name."""

from __future__ import annotations


def stands(status: str) -> str:
    """Return `has succeeded`, `was skipped`, `is on hold`, …"""
    match status:
        case "succeeded" | "failed":
            return f"has {status}"
        case "already_done":
            return "was done"
        case "skipped" | "cancelled" | "superseded" | "undone" | "rolled_back":
            return f"was {status.replace('_', ' ')}"
        case _:
            return f"is {status.replace('_', ' ')}"
