"""One event of a run as one line: for `log`, and for `watch` where nothing can be redrawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdfast.app.sentences import sentence
from holdfast.app.timeline import Event
from holdfast.cli.life_words import shown
from holdfast.cli.paper import Paper
from holdfast.cli.text import safe, safe_lines

NARROW_COLUMNS: Final = 80
"""Below, an event's line has the time of day without the date."""


def event_lines(event: Event, paper: Paper) -> Iterator[str]:
    """Yield an event: its time, a glyph, what happened. Output may be of several lines."""
    at = str(event["at"])
    is_narrow = paper.columns is not None and paper.columns < NARROW_COLUMNS
    stamp = paper.paint(at[11:19] if is_narrow else f"{at[:10]} {at[11:19]}", "bright_black")
    if event["kind"] == "Output":
        for line in safe_lines(str(event["text"])):
            yield f"{stamp}   {_key(event)}| {line}"
        return
    glyph, text = sentence(event)
    sign = "" if paper.is_plain else f"{paper.glyph(glyph) if glyph else ' '} "
    yield f"{stamp} {sign}{safe(text)}"


def _key(event: Event) -> str:
    return f"{shown(str(event['key']))} " if event.get("key") else ""
