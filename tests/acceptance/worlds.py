"""A recorded world in a JSON file, and the command line beside it.

The world is the cluster that scripts of processes change.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from tests.acceptance.shell import Said, Shell

SCRIPT = str(Path(__file__).with_name("scripts") / "cluster.py")
IN_DOUBT = 6
MEMBERS = ("etcd-0", "etcd-1", "etcd-2")
AT_FIRST = {
    "members": dict.fromkeys(MEMBERS, "3.4"),
    "cluster_version": "3.4",
    "cordoned": dict.fromkeys(MEMBERS, False),
    "paused": ["somebody else's backup"],
    "reserved": [],
    "snapshots": {"yesterday": "3.4"},
    "settings": {"learners": True, "upgraded": False},
}


class World:
    """The file, and what a person types about it."""

    def __init__(self, folder: Path) -> None:
        self.shell, self.file = Shell(folder, ""), folder / "world.json"
        self.file.write_text(json.dumps(AT_FIRST, indent=1))
        self.at_first = self.file.read_bytes()
        self.asked: list[str] = []

    def __call__(self, *words: str, fail: str = "", kill: str = "") -> Said:
        """Run a command; it raises, or kills itself, when it comes to these moments."""
        return self.shell(*words, WORLD=str(self.file), FAIL=fail, KILL=kill)

    def run(self, workflow: str, *, fail: str = "", kill: str = "") -> Said:
        return self("run", f"{SCRIPT}:{workflow}", "--id", "r", fail=fail, kill=kill)

    def gone_on_with(self, *, is_undone: bool, fail: str = "") -> Said:
        """Resume. When it asks whether the undo that was in hand took effect, type what `why` says
        for that, as a person who has looked; `asked` keeps the key."""
        said = self("resume", "r", fail=fail)
        if said.code != IN_DOUBT:
            return said
        ways = json.loads(self("why", "r", "--json").out)["next"]
        typed = {words[1]: words[1:] for words in (shlex.split(way["command"]) for way in ways)}
        verb, run, key, *rest = typed["done" if is_undone else "retry"]
        self.asked.append(key)
        said = self(verb, run, key, *rest, fail=fail)
        return self("resume", "r", fail=fail) if is_undone else said

    @property
    def now(self) -> Any:
        return json.loads(self.file.read_text())

    @property
    def is_as_it_was(self) -> bool:
        return self.file.read_bytes() == self.at_first

    def effects(self) -> Counter[str]:
        """Return how often the world was changed, by what."""
        file = self.file.with_suffix(".effects")
        return Counter(file.read_text().splitlines() if file.exists() else ())
