"""A finished run as it is told again, and scripts that are found where they were."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.acceptance.shell import Shell


class Modules(Shell):
    """A folder whose modules are called by name."""

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", *words]


RECORDS = """
import os
from dataclasses import dataclass
from pathlib import Path
from holdfast import step, workflow

os.chdir(Path(__file__).parent / "else")

@dataclass
class Size:
    bytes: int

@step
def measure():
    return Size(3)

@workflow
def sized():
    return measure()
"""


def test_a_finished_run_is_reported_whatever_its_result_is_made_of(tmp_path: Path):
    """Its classes are the script's, which may be elsewhere by now: then that is said."""
    (tmp_path / "else").mkdir()
    shell = Shell(tmp_path, RECORDS)
    first = shell("run", "script.py", "--id", "r")
    again = [shell("run", "script.py", "--id", "r"), shell("resume", "r")]
    (tmp_path / "script.py").rename(tmp_path / "moved.py")
    lost, found = shell("resume", "r"), shell("resume", "r", "moved.py")

    assert 0 == first.code
    assert [(0, first.out)] * 2 == [(said.code, said.out) for said in again]
    assert [2, 0] == [lost.code, found.code]
    assert first.out.replace("script:Size", "moved:Size") == found.out
    assert "its script cannot be loaded" in lost.err


def test_a_script_that_goes_elsewhere_leaves_the_store_where_it_was_named(tmp_path: Path):
    """A relative path begins where the command was typed, also before the store is opened."""
    (tmp_path / "else").mkdir()
    shell = Shell(tmp_path, RECORDS)
    said = shell("--store", "rel.db", "run", "script.py", "--id", "r")
    named = shell("run", "script.py", "--id", "s", HOLDFAST_STORE="sqlite:rel.db")

    assert [0, 0] == [said.code, named.code], named.err
    assert [tmp_path / "rel.db"] == list(tmp_path.rglob("rel.db"))
    assert 0 == shell("--store", "rel.db", "resume", "s").code


def test_a_module_of_a_package_is_resumed_as_it_was_begun(tmp_path: Path):
    """What it imports from beside itself is found, though `resume` knows its file alone."""
    package = tmp_path / "pk"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "names.py").write_text('NAME = "ana"\n')
    (package / "flow.py").write_text(
        "from pathlib import Path\nfrom holdfast import main, step, workflow\n"
        "from .names import NAME\n\n@step\ndef greet():\n"
        '    assert Path("ready").exists()\n    return NAME\n\n'
        "@workflow\ndef hello():\n    return greet()\n\n"
        'if __name__ == "__main__":\n    main(hello)\n'
    )
    modules = Modules(tmp_path, "")
    failed = modules("pk.flow", "--id", "r")
    (tmp_path / "ready").touch()
    done = modules("holdfast", "resume", "r")

    assert [1, 0] == [failed.code, done.code], done.err
    assert '"ana"\n' == done.out
