"""Book a trip at three services; when one of them refuses, cancel what the others sold.

python3 examples/services/bookings.py 7001 7002 7003 &  # with `full` behind it: no car is left
holdfast run examples/saga.py --id trip
holdfast resume trip    # after a kill -9 anywhere, or when there may be a car again
holdfast rollback trip  # cancel everything, the last booking first
"""

from urllib.error import HTTPError
from urllib.request import Request, urlopen

from holdfast import Check, NotDone, Retry, flight, step, token, workflow


def call(method, url):
    """Return the status of the answer."""
    try:
        with urlopen(Request(url, method=method), timeout=10) as answer:
            return answer.status
    except HTTPError as refused:
        return refused.code


def is_booked(url):
    """Ask the service; only it knows, when this process died before the answer came."""
    status = call("GET", f"{url}/{token()}")
    return {200: Check.done(token()), 404: Check.ABSENT}.get(status, Check.UNKNOWN)


def cancel(url, result):
    status = call("DELETE", f"{url}/{result}")
    if status != 204:
        raise OSError(f"not cancelled: {url} says {status}")


@step("book the {thing}", check=is_booked, undo=cancel, retry=Retry(3, on=(OSError,)))
def book(thing, url):
    """Return the booking's number. It is the same in each attempt: no call books twice."""
    number = token()
    status = call("PUT", f"{url}/{number}")
    if status == 409:
        raise NotDone(f"no {thing} is left")
    if status not in (200, 201):
        raise OSError(f"{url} says {status}")
    return number


@workflow
def trip(
    flights: str = "http://127.0.0.1:7001",
    hotels: str = "http://127.0.0.1:7002",
    cars: str = "http://127.0.0.1:7003",
):
    """Book a flight, a hotel and a car: all or none."""
    with flight():
        return {
            "flight": book("flight", flights),
            "hotel": book("hotel", hotels),
            "car": book("car", cars),
        }
