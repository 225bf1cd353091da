"""The words that a step of a shell script is given, read by hand and by click alike."""

from __future__ import annotations

import signal
import subprocess
import sys

import click
import pytest

from holdfast.cli import each as eaching
from holdfast.cli.shell import commands, traps, words
from holdfast.cli.shell.words import SHAPES, Taken, read
from holdfast.flow.shell_words import as_bytes, as_value, owed_by, settled_by, shown_words
from holdfast.model.codec import encode
from holdfast.model.facts import LifeStarted, Owner, RunCreated, StepStarted
from holdfast.model.state import RunState
from holdfast.testing.samples import AT, WHO

WELL_FORMED = [
    ["step", "x", "--", "true"],
    ["step", "--once", "--check", "test -e x", "a name", "--", "ls", "--", "-l"],
    ["step", "x", "--retry=3", "--timeout", "5m", "--undo", "rm -f x", "--confirm", "--", "-odd"],
    ["step", "x", "--check=a=b", "--owes", "-v", "--accept-drift", "--", ""],
    ["each", "x", "--items", "f", "-0", "-j", "2", "--keep-order", "--for", "5m", "--", "a", "{}"],
    ["each", "x", "--items", "-", "--budget", "1%", "--out=o", "--shell", "--", "a | b"],
    ["stage", "pre flight", "--on-failure", "undo"],
    ["stage", "--end"],
    ["gate", "up", "--every", "1s", "--", "curl", "-f", "url"],
    ["confirm", "really?"],
    ["ask", "how many?", "--choices", "1,2", "--default", "2"],
    ["end"],
    ["end", "7"],
]


@pytest.mark.parametrize("args", WELL_FORMED, ids=" ".join)
def test_both_read_the_same(args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read by hand is what click reads: the quick way has no meaning of its own."""
    seen: list[Taken] = []

    def note(taken: Taken, do: object = None) -> int:
        return seen.append(taken) or 0

    monkeypatch.setattr("holdfast.cli.shell.calling.perform", note)
    monkeypatch.setattr("holdfast.cli.each.perform", note)
    command: click.Command = getattr(eaching if args[0] == "each" else commands, args[0])
    ended = command.main(args[1:], standalone_mode=False)

    assert 0 == ended
    assert [read(args)] == seen


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["run", "x"],
        ["step", "x", "true"],
        ["step", "--", "true"],
        ["step", "x", "--"],
        ["step", "x", "y", "--", "true"],
        ["step", "x", "--nosuch", "--", "true"],
        ["step", "x", "--help"],
        ["step", "x", "--once=1", "--", "true"],
        ["step", "x", "--check", "--", "true"],
        ["stage", "a", "b"],
        ["end", "--store", "x"],
    ],
    ids=" ".join,
)
def test_everything_else_is_left_to_click(args: list[str]) -> None:
    """Help, mistakes and the options of the store are for the command line to explain."""
    assert read(args) is None


def test_a_step_begins_without_the_command_line() -> None:
    """Neither click nor what walks scripts in Python or does batches is loaded for it."""
    ask = (
        "import sys; import holdfast.cli.shell.calling, holdfast.stores.sqlite; "
        "print(sorted({'click', 'rich', 'inspect', 'ast', 'dataclasses', 'asyncio', 'logging', "
        "'subprocess', 'holdfast.flow.steps', 'holdfast.app.starting', "
        "'holdfast.stores.sqlite_batches', 'holdfast.model.batches', 'holdfast.ports.batches'} "
        "& set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    # Since 3.14 every NamedTuple loads what walks annotations, and that walks code.
    assert ("['ast']\n" if sys.version_info >= (3, 14) else "[]\n") == found.stdout


@pytest.mark.parametrize("words", ["step a -- true", "begin --take f s 1", "list"])
def test_interrupted_before_it_began(words: str) -> None:
    """Ctrl-C while modules are loaded ends it as any program, without a traceback."""
    code = (
        "import sys\n"
        "class Late:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'holdfast.errors': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Late())\n"
        f"sys.argv[1:] = {words.split()}\n"
        "from holdfast.cli import main; sys.exit(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (-signal.SIGINT, "") == (ended.returncode, ended.stderr)


def test_every_command_has_a_shape_and_help() -> None:
    """The table is complete, and each option says what it does."""
    for name, shape in SHAPES.items():
        home = eaching if name == "each" else commands
        assert isinstance(getattr(home, name), click.Command)
        assert all(option.help.endswith(".") for option in shape.options), name
    assert words.STEP.options[0].key == "once"


# --- what begin prints ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("", ""),
        ("trap -- 'echo hi' EXIT\n", "echo hi"),
        ("trap -- '' INT\ntrap -- 'a'\\''b\nc' EXIT\n", "a'b\nc"),
        ("trap -- 'x'\"'\"'y' EXIT\ntrap -- 'no' TERM\n", "x'y"),
        ("trap -- $'echo \"it\\'s\"\\necho \\\\n' EXIT\n", 'echo "it\'s"\necho \\n'),
        ("trap -- rc=$'$?; echo \"it\\'s\"' EXIT\n", 'rc=$?; echo "it\'s"'),
        ("trap -- $'echo \"it\\047s \\303\\251\"' EXIT\n", 'echo "it\'s \udcc3\udca9"'),
        ('TRAPEXIT () {\n\techo "it\'s"\n}\n', '() {\n\techo "it\'s"\n} 0'),
        ("trap -- 'exit' 0\n", "exit"),
        ("trap -- 'only' INT\n", ""),
        ("trap -- 'unclosed EXIT\n", ""),
    ],
)
def test_the_trap_of_each_shell_is_understood(listing: str, expected: str) -> None:
    """Shells list it in four ways of quoting, and zsh as a function, too."""
    found = traps.trapped(listing)

    assert expected == found.get("EXIT", found.get("0", ""))


def test_our_own_trap_is_not_wrapped_again() -> None:
    """A second run in the same shell keeps what the first one kept, once."""
    first, *_ = traps.traps("trap -- 'echo mine' EXIT\n")
    again, *_ = traps.traps(f"{first}\n")

    assert first == again
    assert 1 == first.count(" end ") and "echo mine" in first


def test_what_others_trapped_is_theirs() -> None:
    """A signal that is trapped, or ignored, stays so; every other one that ends bash is trapped."""
    lines = [*traps.traps("trap -- 'echo t' SIGTERM\ntrap -- '' INT\nTRAPQUIT () {\n\t:\n}\n")]
    text = "\n".join(lines)

    assert "TERM" not in text.replace("VTALRM", "") and " INT" not in text and " QUIT" not in text
    assert lines.index("case $- in *i*) ;; *)") == 2 and "trap 'exit 129' HUP" in lines[1]
    assert "trap 'exit 141' PIPE" in text


# --- values and debts -------------------------------------------------------------------------


BEGUN = 'trap early EXIT\neval "$(holdfast begin x)"\n'


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (BEGUN + "trap 'rm -f \"$t\"' EXIT\n", 3),
        (BEGUN + "set -e; trap finish INT 0  # for all\n", 3),
        (BEGUN + "trap - EXIT; :\n", 3),
        (
            BEGUN + "trap 'exit 0' INT\n( trap x EXIT; y )\n# trap x EXIT\necho 'trap x EXIT'\n",
            None,
        ),
        (BEGUN + 'trap \'s=$?; rm f; holdfast end "$s" || exit "$?"\' EXIT\n', None),
        ('trap x EXIT; eval "$(holdfast begin x)"\n', None),
        ("trap x EXIT\n", None),
        (BEGUN + "set -e; . ./lib.sh; trap x EXIT\n", 3),
        (BEGUN + "  source ends.sh\ntrap x EXIT\n", None),
        (BEGUN + '. "$(dirname "$0")/lib.sh"\ntrap x EXIT\n', None),
    ],
)
def test_a_trap_in_the_place_of_ours_is_seen(script: str, expected: int | None) -> None:
    """As far as the text tells: one that is set before, or calls what ends the run, is none; and
    where a file that is read may do that, nothing is said."""
    files = {"./lib.sh;": "x() { :; }", "ends.sh": 'x() { holdfast end "$?"; }'}

    assert expected == traps.replaced_at(script, is_around=False, read=files.get)


def test_a_trap_of_a_script_that_a_run_is_begun_around() -> None:
    """There every one comes later."""
    assert 1 == traps.replaced_at("trap x EXIT\n", is_around=True, read=lambda word: None)


@pytest.mark.parametrize("out", [b"", b"\n", b"text\n\n", "naïve".encode(), b"\xff\x00", b"a\0b"])
def test_output_comes_back_as_it_was(out: bytes) -> None:
    """Byte for byte, whether it is text or not."""
    assert out == as_bytes(encode(as_value(out)))


def test_a_value_given_by_hand_is_a_line() -> None:
    """What is no text becomes one, as `echo` would write it."""
    assert b"7\n" == as_bytes(7)


def test_a_debt_is_settled_by_the_same_words() -> None:
    """However they are quoted, and also as a command line of `sh -c`; by no others."""
    state = RunState()
    owner = Owner("host", 1, "1", "boot", "ada")
    state.apply(RunCreated(AT, "w", "", {}, "digest", WHO, shell=True))
    state.apply(LifeStarted(AT, 1, owner, WHO, "1"))
    state.apply(StepStarted(AT, "lend", 1, owes=owed_by("rm 'a b'")))

    assert ("lend",) == settled_by(("rm", "a b"), state)
    assert ("lend",) == settled_by(("sh", "-c", "rm  'a b'"), state)
    assert () == settled_by(("rm", "a", "b"), state)


def test_a_long_command_is_cut_where_it_is_shown() -> None:
    """What a person sees stays a line."""
    assert "echo 'a b'" == shown_words(("echo", "a b"))
    assert shown_words(("echo", "x" * 1000)).endswith("…")
