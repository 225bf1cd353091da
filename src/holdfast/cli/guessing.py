"""Which command a person may have meant who typed another word.

One that other tools have for the same, or one that is nearly right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from holdfast.model.guessing import guess as nearest

_WORDS: Final[Mapping[str, str]] = {
    "run": "start exec execute launch",
    "resume": "continue restart unpause recover go",
    "plan": "dry-run dryrun preview diff",
    "demo": "tutorial quickstart example",
    "each": "xargs parallel map foreach",
    "list": "ls ps runs jobs",
    "show": "status state info describe inspect get",
    "owed": "debts owes",
    "log": "history output tail events",
    "watch": "follow wait attach",
    "targets": "inventory hosts",
    "why": "explain reason",
    "failures": "errors failed",
    "export": "report dump",
    "approve": "yes accept ok confirmed",
    "reject": "no deny decline refuse",
    "answer": "reply",
    "retry": "rerun redo",
    "rewind": "goto back",
    "rollback": "undo revert",
    "stop": "kill abort terminate interrupt halt",
    "cancel": "delete abandon",
    "verify": "audit",
    "gc": "prune clean cleanup purge rm remove",
    "doctor": "health fsck repair diagnose",
}
"""By command the words for it that people know from elsewhere."""
MEANT: Final[Mapping[str, str]] = {
    word: name for name, words in _WORDS.items() for word in words.split()
}


def guess(typed: str, commands: Collection[str]) -> str:
    """Return what to say of a command that there is not, to be put behind that; perhaps nothing."""
    near = f"; did you mean {MEANT[typed]!r}?" if typed in MEANT else nearest(typed, commands)
    if near:
        return near
    if Path(typed.partition(":")[0]).is_file():
        return f"; did you mean `holdfast run {typed}`?"
    return ""
