"""Where a run tells people who are not there."""

from __future__ import annotations

from typing import Protocol

from holdfast.model.notices import Notice


class Notifier(Protocol):
    """Takes notices over, to deliver them on its own.

    An implementation must pass `holdfast.testing.NotifierSuite`: that suite is the contract.
    """

    def notify(self, notice: Notice) -> None:
        """Take `notice` over. What it tells of is durable already.

        Returns at once, from any thread, whatever the receiver does: it may be slow, gone, or
        never answer. Never raises. On return the notice survives the death of this process,
        unless it could not be taken over at all, which is told to a person and costs the run
        nothing. The same notice may be given again, and a receiver may get one more than once:
        its id tells.
        """

    def close(self) -> None:
        """Say that no more notices come. Returns at once; what was taken over is delivered all
        the same. Safe to call twice."""
