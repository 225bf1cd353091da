"""The unit on the page about systemd is one that systemd takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs/how-to/run-from-cron-and-systemd.md"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_unit_of_the_page(tmp_path: Path) -> None:
    """Also the one of Debian 12, which refuses some settings beside `Type=oneshot`."""
    (unit,) = re.findall(r"(?ms)^```ini\n(.*?)^```", PAGE.read_text("utf-8"))
    program = re.search(r"(?m)^ExecStart=(\S+)", unit)
    assert program is not None
    path = tmp_path / "import.service"
    path.write_text(unit.replace(program[1], "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60
    )

    assert (0, "") == (done.returncode, done.stderr)
