"""A delivery by git and a pull request, its driver killed inside each step: nothing is twice."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell
from tests.unit.forges import NAME, TOKEN, Forge, serving

SCRIPT = """
from holdfast import workflow
from holdfast.ops import git, pulls

@workflow
def deliver(url: str):
    place = git.repository("clone")
    forge = pulls.github("NAME", token="FORGE_TOKEN", url=url)
    git.branch(place, "new")
    git.commit(place, "new", "Set it to 4.1", ("values.yaml",))
    git.push(place, "new")
    pull = pulls.open_pull(forge, "new", "main", "Set it to 4.1")
    pulls.wait_for_checks(forge, pull, every="50ms")
    return pulls.merge_pull(forge, pull).number
""".replace("NAME", NAME)
WAITS = "#!/bin/sh\n[ -e '{go}' ] && exit 0\n{when}touch '{there}'\nexec sleep 60\n"
IDENTITY = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "Ana"), ("EMAIL", "ana@example.com"))
}


class Delivery(Shell):
    """A clone of a bare repository, a forge, and the script that delivers a change."""

    def __init__(self, folder: Path, forge: Forge) -> None:
        super().__init__(folder, SCRIPT)
        self.forge, self.bare, self.clone = forge, folder / "bare.git", folder / "clone"
        self.go, self.there = folder / "go", folder / "there"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        self.git("clone", "--quiet", str(self.bare), str(self.clone))
        self.git("-C", str(self.clone), "commit", "--quiet", "--allow-empty", "-m", "Begin")
        self.git("-C", str(self.clone), "push", "--quiet", "origin", "HEAD:main")
        (self.clone / "values.yaml").write_text("version: 4.1\n")

    def env(self, **more: str) -> dict[str, str]:
        return super().env(**{"FORGE_TOKEN": TOKEN, **IDENTITY, **more})

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ("git", *words), env={**os.environ, **IDENTITY}, check=True, capture_output=True,
            text=True, timeout=30,
        )  # fmt: skip
        return done.stdout.strip()

    def hook(self, where: Path, name: str, when: str = "") -> None:
        """Have git stop in a hook until it is killed, the first time."""
        file = where / "hooks" / name
        file.write_text(WAITS.format(go=self.go, there=self.there, when=when))
        file.chmod(0o700)

    def words(self) -> tuple[str, ...]:
        return ("run", "script.py", "--id", "d", "--no-input", "-p", f"url={self.forge.url}")

    def stop_in(self, where: str) -> None:
        """Have git, or the forge, hold the answer of one step back until its caller is dead."""
        moved = '[ "$1" = committed ] || exit 0\ngrep -q refs/heads/new || exit 0\n'
        two = f"[ $(git -C '{self.clone}' rev-list --count new) = 2 ] || exit 0\n"
        match where:
            case "branch":
                self.hook(self.clone / ".git", "reference-transaction", moved)
            case "commit":
                self.hook(self.clone / ".git", "reference-transaction", moved + two)
            case "push before":
                self.hook(self.bare, "pre-receive")
            case "push after":
                self.hook(self.bare, "post-receive")
            case "open":
                self.forge.gate.clear()

    def subjects(self) -> list[str]:
        return self.git("-C", str(self.bare), "log", "--format=%s", "new").splitlines()


@pytest.fixture
def delivery(tmp_path: Path) -> Iterator[Delivery]:
    with serving("github") as forge:
        forge.checks = deque([{"ci": "pending"}, {"ci": "success"}])
        yield Delivery(tmp_path, forge)


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize(
    "where", ["branch", "commit", "push before", "push after", "open", "merge"]
)
def test_killed_inside_a_step_it_goes_on_and_nothing_is_there_twice(
    delivery: Delivery, where: str
) -> None:
    """One commit, one pull request, one merge, whether the dead step had taken effect or not; the
    token is nowhere in the store."""
    forge = delivery.forge
    delivery.stop_in(where)
    life = delivery.begin(*delivery.words())
    if where == "merge":
        life.until("step started checks of pull request 1|timer|checks of")
        forge.gate.clear()
    while not (delivery.there.exists() or forge.reached.is_set()):
        pass
    life.signal(signal.SIGKILL)
    assert -signal.SIGKILL == life.end().code
    forge.gate.set()
    delivery.go.touch()
    said = delivery(*delivery.words())

    assert 0 == said.code, said.err
    assert "1" == said.out.strip()
    assert ["Set it to 4.1", "Begin"] == delivery.subjects()
    assert 1 == len(forge.pulls) and forge.pulls[0]["merged"]
    assert [1, 1] == [forge.count("POST", "/pulls"), forge.count("PUT", "/merge")]
    kept = [file for file in delivery.store.parent.rglob("*") if file.is_file()]
    assert kept and not any(TOKEN.encode() in file.read_bytes() for file in kept)
    assert TOKEN not in said.err
