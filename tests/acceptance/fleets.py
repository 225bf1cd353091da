"""A folder with an inventory of clusters, and a script that upgrades one: for tests of fleets."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.shell import Said, Shell

SCRIPT = """
from pathlib import Path
from holdfast import here, step, workflow

HERE = Path(__file__).parent

@step("upgrade {target}")
def upgrade(target):
    with open(HERE / "log", "a") as log:
        log.write(target + "\\n")
    if (HERE / f"{target}.broken").exists():
        raise OSError("image not found")

@workflow(target="required")
def up(image: str = "3.5"):
    upgrade(here().target)
    return image
"""
RISKS = ("high", "low", "medium", "low")


class Fleet(Shell):
    """A folder with an inventory of so many clusters."""

    def __init__(self, folder: Path, count: int, more: str = "") -> None:
        super().__init__(folder, SCRIPT)
        targets = [
            f'[targets."c{n:02}"]\nrisk = "{RISKS[n % 4]}"\nmode = "auto"\n'
            f'labels = {{ tier = "{"prod" if n % 2 else "stage"}" }}\n'
            for n in range(count)
        ]
        (folder / "holdfast.toml").write_text("\n".join(targets) + more)

    def roll(self, *words: str, id: str = "f", targets: str = "all") -> Said:
        return self("fleet", "run", "script.py", "--targets", targets, "--id", id, *words)

    def status(self) -> dict[str, str]:
        found = json.loads(self("fleet", "status", "f", "--json").out)
        units = [unit for wave in found["rollouts"][0]["waves"] for unit in wave]
        return {unit["unit"]: unit["status"] for unit in units}

    def log(self) -> list[str]:
        file = self.folder / "log"
        return file.read_text().split() if file.exists() else []


ZONES = '[targets.{name}]\nmode = "{mode}"\nrisk = "low"\nlabels = {{ zone = "{zone}" }}\n'


def asking(folder: Path, *targets: str) -> Fleet:
    """Return a fleet of these targets: NAME:ZONE, where a `?` means that it asks."""
    lines = []
    for target in targets:
        name, _, zone = target.partition(":")
        mode = "confirm" if zone.endswith("?") else "auto"
        lines.append(ZONES.format(name=name, mode=mode, zone=zone.rstrip("?")))
    return Fleet(folder, 0, "\n".join(lines))
