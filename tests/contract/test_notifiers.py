"""Commands and URLs keep every promise of a notifier."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.receivers import CommandReceiver, WebReceiver

from holdfast.integrations.errand import Limits
from holdfast.integrations.notify import open_notifier
from holdfast.model.notice import Notify
from holdfast.ports.notifier import Notifier
from holdfast.testing import NotifierSuite

LIMITS = Limits(pauses_s=(0.1,) * 100, attempt_s=20.0, total_s=25.0, idle_s=5.0)


class TestCommand(NotifierSuite):
    """A command that reads the notice as JSON."""

    def open(self, place: Path) -> tuple[Notifier, CommandReceiver]:
        receiver = CommandReceiver(place / "receiver")
        notify = Notify(command=receiver.command)
        notifier = open_notifier(notify, place / "notices", pytest.fail, LIMITS)
        assert notifier is not None
        return notifier, receiver


@pytest.mark.slow
class TestUrl(NotifierSuite):
    """A URL, through apprise."""

    @pytest.fixture(autouse=True)
    def _without_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def open(self, place: Path) -> tuple[Notifier, WebReceiver]:
        pytest.importorskip("apprise")
        receiver = WebReceiver()
        notify = Notify(urls=(receiver.url,))
        notifier = open_notifier(notify, place / "notices", pytest.fail, LIMITS)
        assert notifier is not None
        return notifier, receiver
