"""What may have been meant by a word that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def guess(word: object, known: Iterable[str]) -> str:
    """Return what may have been meant, as `; did you mean 'high'?`, or nothing."""
    from difflib import get_close_matches  # Here alone: what is right needs no guess.

    near = get_close_matches(str(word), list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
