"""The saga example against three real servers, with its driver killed in the middle of calls."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.acceptance.services import Service, serving
from tests.acceptance.shell import Shell

SAGA = str(Path(__file__).parent.parent.parent / "examples" / "saga.py")
STOPS = ("PUT before", "PUT after", "DELETE before", "DELETE after")
FAILED, ROLLED_BACK = 1, 0


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "")


@pytest.fixture
def stop_at() -> str:
    return ""


@pytest.fixture
def services(stop_at: str) -> Iterator[list[Service]]:
    """Flights, hotels that stop at a moment, and cars, of which none is left."""
    with ExitStack() as open_:
        yield [
            open_.enter_context(serving()),
            open_.enter_context(serving(stop_at=stop_at)),
            open_.enter_context(serving(is_full=True)),
        ]


def run(services: list[Service]) -> list[str]:
    urls = zip(("flights", "hotels", "cars"), services, strict=True)
    places = [word for name, service in urls for word in ("-p", f"{name}={service.url}")]
    return ["run", SAGA, "--id", "trip", *places]


def kill_in_the_middle(shell: Shell, service: Service, *words: str) -> None:
    """Kill the driver while the service has its call in hand; the service then goes on."""
    life = shell.begin(*words)
    service.wait_until_reached()
    life.signal(signal.SIGKILL)
    assert -signal.SIGKILL == life.end().code
    service.let_go()


def test_when_the_third_service_refuses_the_others_are_cancelled(
    shell: Shell, services: list[Service]
):
    """The refusal is named; after the rollback the books are empty, the last booking having been
    cancelled first."""
    said = shell(*run(services))
    assert FAILED == said.code
    assert "no car is left" in said.err
    assert [1, 1, 0] == [len(service.books) for service in services]
    said = shell("rollback", "trip")

    assert ROLLED_BACK == said.code, said.err
    assert [set(), set(), set()] == [service.books for service in services]
    assert said.err.index("undone flight/book the hotel") < said.err.index("book the flight#undo")


@pytest.mark.parametrize("stop_at", STOPS)
def test_a_driver_killed_in_the_middle_of_a_call_leaves_empty_books(
    shell: Shell, services: list[Service], stop_at: str
):
    """Killed before or after the hotel's service did its part, on the way forward or back: in the
    end the books are empty, and no booking and no cancellation took effect twice."""
    flights, hotels, cars = services
    if stop_at.startswith("PUT"):
        kill_in_the_middle(shell, hotels, *run(services))
        assert FAILED == shell("resume", "trip").code
        said = shell("rollback", "trip")
    else:
        assert FAILED == shell(*run(services)).code
        kill_in_the_middle(shell, hotels, "rollback", "trip")
        said = shell("resume", "trip")

    assert ROLLED_BACK == said.code, said.err
    assert [set(), set(), set()] == [service.books for service in services]
    assert [] == cars.effects
    for service in (flights, hotels):
        assert ["book", "cancel"] == [what for what, _ in service.effects]
        assert {1} == set(Counter(service.effects).values())


@pytest.mark.parametrize("stop_at", ["PUT before", "PUT after"])
def test_a_rollback_may_follow_the_kill_at_once(
    shell: Shell, services: list[Service], stop_at: str
):
    """Nobody resumes first: the check asks the service what became of the call in hand, and
    nobody has to be asked."""
    flights, hotels, cars = services
    kill_in_the_middle(shell, hotels, *run(services))
    said = shell("rollback", "trip")

    assert ROLLED_BACK == said.code, said.err
    assert [set(), set(), set()] == [service.books for service in services]
    assert [2, 2, 0] == [len(service.effects) for service in (flights, hotels, cars)]


def test_when_there_is_a_car_again_the_trip_is_booked_once(shell: Shell, services: list[Service]):
    """A resume tries the third service again and nothing else; a second run is another trip."""
    assert FAILED == shell(*run(services)).code
    services[2].is_full = False

    assert 0 == shell("resume", "trip").code
    assert [1, 1, 1] == [len(service.effects) for service in services]
    assert 0 == shell(*["other" if word == "trip" else word for word in run(services)]).code
    assert [2, 2, 2] == [len(service.books) for service in services]
