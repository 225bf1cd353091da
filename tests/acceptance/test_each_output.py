"""`holdfast each` and what its commands write: from the background, and without room for it."""

from __future__ import annotations

import subprocess

from tests.acceptance.shells import DEADLINE_S, Script, alone


def test_what_an_item_leaves_behind_may_write_on(script: Script) -> None:
    """Its pipe may be empty again when its turn comes: no item is lost by that, none fails."""
    code = "(for n in 1 2 3 4 5 6 7 8 9; do echo $n; done; exec sleep 0.05) &"
    done = alone(
        script, "x", "-j", "8", "--", "sh", "-c", code, items="".join(f"{n}\n" for n in range(400))
    )

    assert 0 == done.code, done


def test_what_an_item_leaves_behind_is_heard_while_it_writes(script: Script) -> None:
    """As of a step: a second without a word ends it, and not a second in all."""
    code = "(for n in 1 2 3 4 5 6 7 8; do sleep 0.2; echo $n; done; exec sleep 60) &"
    done = alone(script, "x", "--", "sh", "-c", code, items="one\n")

    assert (0, [*b"12345678"]) == (done.code, [*b"".join(done.out.split())]), done


def test_what_there_is_no_room_for_ends_the_batch_in_order(script: Script) -> None:
    """It says nothing of the item; what is in hand beside it still lands."""
    wide = "while test ! -e other; do :; done; head -c 9000000 /dev/zero; sleep 60"
    code = f'if test "$1" = 1; then {wide}; else touch other; sleep 0.5; touch landed; fi'
    words = f"ulimit -f 12000; exec bin/holdfast each x --items items -j 2 -- sh -c '{code}' sh"
    (script.folder / "items").write_text("1\n2\n")
    full = subprocess.run(
        ["sh", "-c", words], cwd=script.folder, env=script.env(), capture_output=True,
        timeout=DEADLINE_S,
    )  # fmt: skip
    (run,) = script.runs

    assert 1 == full.returncode and b"File too large" in full.stderr, full
    assert (script.folder / "landed").exists()
    assert "1 of 2" in script.type("show", run).text
