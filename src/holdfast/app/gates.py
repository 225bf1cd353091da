"""A gate that holds, in words: what it saw as a small table, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from holdfast.app.gate_sentences import number_text, values_text
from holdfast.app.next_ways import Next, about
from holdfast.app.wording import Field
from holdfast.errors import UsageError
from holdfast.model.codec import decode
from holdfast.model.facts import Answer, HoldOpened, SampleTaken
from holdfast.model.json import Json

MARKS: Final = {"pass": "✔", "fail": "✖", "inconclusive": "?", "error": "!"}
BLOCKS: Final = "▁▂▃▄▅▆▇█"
NO_VALUE: Final = "·"
SERIES_SHOWN_MAX: Final = 8
VALUES_SHOWN_MAX: Final = 6


def foreseen(sample: SampleTaken) -> str:
    """Return what a probe said when a plan asked it."""
    values = values_text(dict(sample.values))
    if sample.verdict == "inconclusive":
        return f"says nothing now: {sample.why}"
    if sample.verdict == "error":
        return f"cannot be asked now: {sample.why}"
    return f"now {values}" if sample.verdict == "pass" else f"would fail now: {sample.why}"


def is_silent(sample: SampleTaken) -> bool:
    """Whether a plan that asked a probe could learn nothing: no answer, or no series at all."""
    return sample.verdict == "error" or (sample.verdict == "inconclusive" and not sample.series)


def warnings_of(
    key: str, silent: str, doubts: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, str]]:
    """Yield what a plan warns of at a gate: what its probe doubts of itself, else its silence."""
    for text in doubts.get(key) or filter(None, [silent]):
        yield key, text


def sparkline(values: Sequence[Json]) -> str:
    """Return one character a value, the higher the greater; a point where there was none."""
    found = [_finite(value) for value in values]
    known = [value for value in found if value is not None]
    if not known:
        return NO_VALUE * len(found)
    low, span = min(known), max(known) - min(known)
    return "".join(NO_VALUE if value is None else _block(value, low, span) for value in found)


def _block(value: float, low: float, span: float) -> str:
    place = 0.5 if span <= 0 else (value - low) / span
    return BLOCKS[round(place * (len(BLOCKS) - 1))]


def _finite(value: Json) -> float | None:
    number = decode(value)
    if not isinstance(number, int | float) or number != number or abs(number) == float("inf"):
        return None
    return float(number)


def gate_fields(seen: dict[str, Json]) -> Iterator[Field]:
    """Yield what a gate saw, and where a person can look at the same."""
    limit = _text(seen.get("limit"))
    counts = seen.get("counts")
    if isinstance(counts, dict):
        parts = [f"{count} {_word(word)}" for word, count in counts.items()]
        span = _text(seen.get("span"))
        yield "samples", ", ".join(parts) + (f" in {span}" if span else "")
    yield "limit", limit + _allowed(seen.get("limits"))
    yield from _table(seen)
    yield "said", _text(seen.get("said"))
    yield "query", _text(seen.get("query"))
    yield "link", _text(seen.get("link"))
    yield "at", _text(seen.get("location"))
    yield "left", _text(seen.get("state"))


def _table(seen: dict[str, Json]) -> Iterator[Field]:
    """Yield the marks of the samples in a row, and under them each series: its line, its last
    values."""
    marks, series = seen.get("marks"), seen.get("series")
    if isinstance(marks, list) and marks:
        more = seen.get("more")
        before = f"… {more} before, " if isinstance(more, int) and more else ""
        yield "seen", before + "".join(MARKS.get(str(mark), "?") for mark in marks)
    if not isinstance(series, dict):
        return
    for name, values in list(series.items())[:SERIES_SHOWN_MAX]:
        if isinstance(values, list):
            yield "" if name else "values", _series_line(name, values)
    if len(series) > SERIES_SHOWN_MAX:
        yield "series", f"and {len(series) - SERIES_SHOWN_MAX} more"


def _series_line(name: str, values: list[Json]) -> str:
    last = values[-VALUES_SHOWN_MAX:]
    more = "… " if len(values) > len(last) else ""
    line = f"{sparkline(values)}  {more}{' '.join(map(number_text, last))}"
    return f"{line}  {name}" if name else line


def _allowed(limits: Json) -> str:
    if not isinstance(limits, dict):
        return ""
    parts = [f"{count} {_word(word)}" for word, count in limits.items() if count]
    return f" (up to {', '.join(parts)})" if parts else ""


def _word(word: str) -> str:
    return {"pass": "passed", "fail": "failed", "error": "with an error"}.get(word, word)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


# --- what to do -------------------------------------------------------------------------------


def gate_ways(run: str, opened: HoldOpened, which: tuple[str, ...]) -> Iterator[Next]:
    """Yield the commands that decide a gate, each with what it does."""
    yield about("take the samples anew, and go on when they pass", "retry", run, opened.key)
    if not opened.evidence.get("measures"):
        yield Next(("approve", run, *which, "-m", "REASON"), "let it pass, this once; then resume")
    yield Next(("reject", run, *which, "-m", "REASON"), "say no: the run has failed")


def check_gate(opened: HoldOpened, given: Answer, comment: str) -> None:
    """Raise UsageError when a gate cannot be answered so."""
    if given != "approve":
        return
    if opened.evidence.get("measures"):
        raise UsageError(
            f"hold {opened.id}: there is no number to go on with; measure again with `retry`"
        )
    if not comment:
        raise UsageError("to let a gate pass all the same needs a reason: add -m REASON")
