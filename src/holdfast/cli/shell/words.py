"""What the commands of shell scripts take: one table, read by click for people, by hand for speed.

A step is a process of its own, thousands of times in a script, and click costs more than the rest
of it. So well-formed words are read here; everything else (help, a mistake, the options of the
store) is left to click, which explains it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdfast.model.making import dataclass, field


@dataclass(frozen=True, slots=True)
class Option:
    """One option: with a `metavar` it takes a value, else it is a flag."""

    name: str
    help: str
    metavar: str = ""
    called: str = ""

    @property
    def key(self) -> str:
        """The option without its dashes, or what it is called."""
        return self.called or self.name.lstrip("-").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a command was given: its words, its options by key, and what stands after `--`; `store`
    is the one that was named, when it was."""

    command: str
    words: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    store: str | None = None

    def get(self, key: str) -> str | None:
        """Return an option's value; an empty text of a flag that is given; None without it."""
        return self.values.get(key)

    def has(self, key: str) -> bool:
        """Whether the option was given."""
        return key in self.values


@dataclass(frozen=True, slots=True)
class Shape:
    """The words of one command: how many, its options, and whether a command line follows."""

    name: str
    words: tuple[str, ...]
    options: tuple[Option, ...] = ()
    has_command: bool = False
    fewest: int = 1


_ACCEPT: Final = Option("--accept-drift", "Go on with the edited script.")
STEP: Final = Shape(
    "step",
    ("NAME",),
    (
        Option("--once", "Run it at most once: what is not known to be done is asked about."),
        Option("--check", "Is it so already? 0 yes, 1 no, else unknown.", "CMD"),
        Option("--undo", "What undoes it.", "CMD"),
        Option("--owes", "What gives back the temporary state it makes.", "CMD"),
        Option("--retry", "How many attempts it has.", "N"),
        Option("--timeout", "How long an attempt may take (90s, 5m).", "D"),
        Option("--confirm", "Always ask a person first."),
        _ACCEPT,
    ),
    has_command=True,
)
STAGE: Final = Shape(
    "stage",
    ("NAME",),
    (
        Option("--end", "End the innermost stage."),
        Option("--on-failure", "What a failure in it does: stop or undo.", "WHAT"),
        _ACCEPT,
    ),
    fewest=0,
)
CONFIRM: Final = Shape("confirm", ("TEXT",), (_ACCEPT,))
ASK: Final = Shape(
    "ask",
    ("TEXT",),
    (
        Option("--choices", "What may be answered, separated by commas.", "A,B"),
        Option("--default", "What is offered; never taken by itself.", "VALUE"),
        _ACCEPT,
    ),
)
GATE: Final = Shape(
    "gate",
    ("NAME",),
    (
        Option("--every", "How often it is tried (30s).", "D"),
        Option("--timeout", "When a person is asked whether to wait longer.", "D"),
        _ACCEPT,
    ),
    has_command=True,
)
EACH: Final = Shape(
    "each",
    ("NAME",),
    (
        Option("--items", "The file with the items, one a line; - is standard input.", "FILE"),
        Option("-0", "The items end with NUL, as `find -print0` writes them.", called="null"),
        Option("-j", "How many run at once (1).", "N"),
        Option("--retry", "How many attempts an item has.", "N"),
        Option("--timeout", "How long an attempt may take (90s, 5m).", "D"),
        Option("--budget", "How many items may fail (5, 1%) before a person is asked.", "N"),
        Option("--rate", "How many may begin in a time (20/s, 100/m).", "R"),
        Option("--for", "Begin no item that does not fit into this time; exit 75.", "D"),
        Option("--keep-order", "Pass on what the items write in the order of the items."),
        Option("--out", "Write a line of JSON for each item there, exactly once.", "FILE"),
        Option("--shell", "Let a shell read the command, but never an item."),
        Option("--id", "The id of a run of its own; the same again goes on with it.", "ID"),
        Option("--target", "What a run of its own acts on.", "T"),
        _ACCEPT,
    ),
    has_command=True,
)
END: Final = Shape("end", ("STATUS",), (_ACCEPT,), fewest=0)
SHAPES: Final = {shape.name: shape for shape in (STEP, EACH, STAGE, CONFIRM, ASK, GATE, END)}


def read(args: Sequence[str]) -> Taken | None:
    """Return what well-formed words say; None for all others."""
    shape = SHAPES.get(args[0]) if args else None
    if shape is None or (shape.has_command and "--" not in args):
        return None
    left, argv = list(args[1:]), tuple[str, ...]()
    if shape.has_command:
        at = left.index("--")
        left, argv = left[:at], tuple(left[at + 1 :])
    parted = _parted(shape, left)
    if parted is None or (shape.has_command and not argv):
        return None
    words, values = parted
    if not shape.fewest <= len(words) <= len(shape.words):
        return None
    return Taken(shape.name, tuple(words), values, argv)


def _parted(shape: Shape, left: list[str]) -> tuple[list[str], dict[str, str]] | None:
    """Return the words and the options by key; None for what is not well-formed."""
    options = {option.name: option for option in shape.options}
    words, values = list[str](), dict[str, str]()
    while left:
        word = left.pop(0)
        name, sign, value = word.partition("=")
        option = options.get(name)
        if option is None and not word.startswith("-"):
            words.append(word)
        elif option is not None and bool(option.metavar) is bool(sign):
            values[option.key] = value
        elif option is not None and option.metavar and left and not left[0].startswith("--"):
            values[option.key] = left.pop(0)
        else:
            return None
    return words, values
