"""What a PromQL query says without being asked: the past it covers, and the series it needs.

Not a parser: names, strings, brackets and ranges are told apart, and that is enough. What is no
PromQL is left to the server, which says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from holdfast.errors import UsageError
from holdfast.model.making import dataclass

_UNITS_S: Final = {
    "y": 365 * 86_400.0,
    "w": 7 * 86_400.0,
    "d": 86_400.0,
    "h": 3_600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 0.001,
}
_DURATION: Final = re.compile(r"(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?")
_PART: Final = re.compile(r"(\d+)(ms|[ywdhms])")
_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
      |(?P<range>\[[^\]]*\])
      |(?P<name>[A-Za-z_:][\w:]*)
      |(?P<number>\d[\w.]*(?:[eE][+-]?\d+)?)
      |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_GROUPING: Final = frozenset(("by", "without", "on", "ignoring", "group_left", "group_right"))
_WORDS: Final = frozenset(("and", "or", "unless", "bool", "atan2", "inf", "nan", "offset"))


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of series as it stands in a query, without its range. `is_past` when it is moved
    there by `offset` or `@`: how old it is says nothing then."""

    text: str
    is_past: bool


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def duration_s(text: str) -> float:
    """Return a PromQL duration (`5m`, `1h30m`, `500ms`, a bare number of seconds) in seconds.
    Raises UsageError."""
    text = text.strip()
    if text and _DURATION.fullmatch(text):
        return sum(int(count) * _UNITS_S[unit] for count, unit in _PART.findall(text))
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text!r} is no duration of PromQL: write 30s, 5m or 1h30m") from None


def window_s(query: str) -> float:
    """Return how much of the past a value of the query covers: the longest of its ranges, with
    those of subqueries around it. Raises UsageError for a range that is none."""
    outer: list[float] = []
    most = closed = 0.0
    for token in _tokens(query):
        if token.text in ("(", "{"):
            outer.append(most)
            most = closed = 0.0
        elif token.text in (")", "}"):
            closed = most
            most = max(most, outer.pop() if outer else 0.0)
        elif token.kind == "range":
            span, colon, _ = token.text[1:-1].partition(":")
            closed = duration_s(span) + (closed if colon else 0.0)
            most = max(most, closed)
        else:
            closed = 0.0
    return max([most, *outer])


def selectors(query: str) -> tuple[Selector, ...]:
    """Return the selectors of a query, each once."""
    return tuple(dict.fromkeys(_selectors(list(_tokens(query)))))


def _selectors(tokens: list[_Token]) -> Iterator[Selector]:
    at = 0
    while at < len(tokens):
        token, after = tokens[at], _text(tokens, at + 1)
        if token.kind == "name" and token.text.lower() in _GROUPING:
            at = _closing(tokens, at + 1, "(") + 1 if after == "(" else at + 1
        elif token.text == "{" or (token.kind == "name" and _is_metric(token.text, after)):
            end = at if token.text != "{" and after != "{" else _closing(tokens, at, "{")
            text = "".join(each.text for each in tokens[at : end + 1])
            yield Selector(text, _is_moved(tokens, end + 1))
            at = end + 1
        else:
            at += 1


def _is_metric(name: str, after: str) -> bool:
    """Whether a name is one of a metric: no word of the language, no function, no aggregation."""
    return name.lower() not in _WORDS and after != "(" and after.lower() not in ("by", "without")


def _closing(tokens: list[_Token], at: int, opening: str) -> int:
    """Return where what is opened at or after `at` is closed, or the end."""
    closing = {"(": ")", "{": "}"}[opening]
    return next((n for n in range(at, len(tokens)) if tokens[n].text == closing), len(tokens) - 1)


def _is_moved(tokens: list[_Token], at: int) -> bool:
    if at < len(tokens) and tokens[at].kind == "range":
        at += 1
    return _text(tokens, at).lower() in ("offset", "@")


def _text(tokens: list[_Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) and tokens[at].kind != "text" else ""


def _tokens(query: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(query):
        if match.lastgroup != "skip":
            yield _Token(str(match.lastgroup), match.group())
