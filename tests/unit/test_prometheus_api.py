"""What a Prometheus may answer: warnings, refusals and nonsense, from a server that says them."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.unit.runs import Runs

from holdfast import Reading, UsageError, gate, sleep, workflow
from holdfast.app.planning import plan
from holdfast.integrations.prometheus import PrometheusFailed
from holdfast.model.reading import failed_sample
from holdfast.ops import prometheus
from holdfast.ports.probe import Inconclusive, about, doubts
from holdfast.testing.clock import JumpClock

DEADLINE_S = 30.0


class Says(ThreadingHTTPServer):
    """Answers every query with the next of `answers`, and then the last again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[str] = []
        self.headers: list[Any] = []
        self.waits = threading.Event()
        self.waits.set()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever has given up does not read the answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def vector(self, *values: float, **more: object) -> None:
        """Answer with these series from now on; the time of their samples is now."""
        now = time.time()
        result = [{"metric": {"n": str(n)}, "value": [now, str(v)]} for n, v in enumerate(values)]
        self.say({"status": "success", "data": {"resultType": "vector", "result": result}, **more})

    def say(self, answer: object, code: int = 200) -> None:
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.answers.append((code, text))


class _Desk(BaseHTTPRequestHandler):
    server: Says

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.asked.append(parse_qs(body).get("query", [self.path])[0])
        self.server.headers.append(self.headers)
        assert self.server.waits.wait(DEADLINE_S)
        code, text = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.pop(0)
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def says() -> Iterator[Says]:
    server = Says()
    yield server
    server.waits.set()
    server.shutdown()
    server.server_close()


def query(says: Says, text: str = "vector(1)", **more: Any) -> prometheus.Query:
    return prometheus.query(text, server=says.url, **more)


def test_an_answer_with_a_warning_is_inconclusive(says: Says) -> None:
    """A store that did not answer may hide what would fail: the sample says so."""
    says.vector(1.0, warnings=["remote read: store x is unavailable"])

    with pytest.raises(Inconclusive, match="store x is unavailable") as caught:
        query(says)()
    sample = failed_sample(caught.value)
    assert ("inconclusive", True) == (sample.verdict, "may not have seen all" in sample.why)


REFUSALS = [
    (503, {"status": "error", "error": "starting"}, PrometheusFailed, "answered 503: starting"),
    (422, {"status": "error", "error": "many-to-many"}, PrometheusFailed, "422: many-to-many"),
    (401, b"who are you?", PrometheusFailed, "answered 401: who are you\\?"),
    (400, {"status": "error", "error": "1:5: parse error"}, UsageError, "1:5: parse error"),
    (200, b"<html>", PrometheusFailed, "is no Prometheus: '<html>'"),
    (200, {"status": "success", "data": {}}, PrometheusFailed, "without a result"),
    (200, {"status": "success", "data": {"resultType": "string", "result": [0, "x"]}}, UsageError,
     "gives a string"),
    (200, {"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {}, "histogram": [0, {}]}]}}, UsageError, "histogram_quantile"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "answer", "kind", "why"), REFUSALS)
def test_what_is_no_answer_is_an_error(
    says: Says, code: int, answer: object, kind: type[Exception], why: str
) -> None:
    """A query that can never be answered is the script's mistake; all else may pass."""
    says.say(answer, code)

    with pytest.raises(kind, match=why):
        query(says)()


class Raw(socketserver.ThreadingTCPServer):
    """Says the same bytes to whoever connects; with `drips`, a blank after them for ever."""

    daemon_threads = True

    def __init__(self, said: bytes, *, drips: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Speaker)
        self.said, self.drips, self.over = said, drips, threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever has given up does not read on."""

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.shutdown()
        super().__exit__(*error)


class _Speaker(socketserver.BaseRequestHandler):
    server: Raw

    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(self.server.said)
        while self.server.drips and not self.server.over.wait(0.02):
            self.request.sendall(b" ")


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    b"SSH-2.0-OpenSSH\r\n": "BadStatusLine",
    b"": "RemoteDisconnected",
    HEAD + b"Content-Length: 100\r\n\r\n{": "the answer ended after 1 of 100 bytes",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{": "IncompleteRead",
    b"HTTP/1.1 503 Away\r\nContent-Length: 100\r\n\r\n{": "ended after 1 of 100 bytes",
}


@pytest.mark.parametrize("said", BROKEN)
def test_what_is_no_http_and_what_breaks_off_is_no_answer(said: bytes) -> None:
    """Whatever else listens there, and wherever the connection ends: it is one kind of error."""
    with Raw(said) as server, pytest.raises(PrometheusFailed, match=BROKEN[said]):
        prometheus.query("vector(1)", server=server.url)()


def test_an_answer_that_never_ends_is_given_up() -> None:
    """Each byte of it comes in time, and the whole does not."""
    said = HEAD + b"Content-Length: 1000\r\n\r\n"
    with Raw(said, drips=True) as server:
        probe = prometheus.query("vector(1)", server=server.url, timeout="300ms")
        with pytest.raises(PrometheusFailed, match=r"no answer within 0\.3 s"):
            probe()


def test_a_token_is_not_carried_to_another_host(
    says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect is not followed; where it would lead is said, without what may be a secret."""
    monkeypatch.setenv("PROM_TOKEN", "s3cret")
    said = f"HTTP/1.1 302 Found\r\nLocation: {says.url}/login?state=x1y2\r\n\r\n"
    with Raw(said.encode()) as server:
        probe = prometheus.query("vector(1)", server=server.url, token="PROM_TOKEN")
        with pytest.raises(PrometheusFailed, match="sends us elsewhere") as caught:
            probe()

    assert says.url in str(caught.value) and "x1y2" not in str(caught.value)
    assert [] == says.headers


def test_a_server_that_hangs_is_given_up(says: Says) -> None:
    """After its timeout, with an error that says so."""
    says.vector(1.0)
    says.waits.clear()

    with pytest.raises(PrometheusFailed, match=r"does not answer: (no answer within|timed out)"):
        query(says, timeout="100ms")()


def test_what_a_probe_says_of_itself_is_read_from_the_query(says: Says) -> None:
    """The window of its ranges, unless it is given; and a link that a person can open."""
    told = about(query(says, "sum(rate(x[1h30m]))"))
    given = about(query(says, "rate(x[5m])", window="1m", fresh="2m", link="https://dash/x"))

    assert (5400.0, None) == (told.window_s, told.fresh_s)
    assert f"{says.url}/graph?g0.expr=sum%28rate%28x%5B1h30m%5D%29%29" in told.link
    assert (60.0, 120.0, "https://dash/x") == (given.window_s, given.fresh_s, given.link)


def test_where_it_is_comes_from_the_environment(
    says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PROMETHEUS_URL; without it, and with an address that is none, the error says what to do."""
    says.vector(1.0)
    monkeypatch.setenv("PROMETHEUS_URL", says.url)
    value = prometheus.query("vector(1)")()["n=0"].value
    monkeypatch.delenv("PROMETHEUS_URL")

    assert 1.0 == value
    with pytest.raises(UsageError, match="which Prometheus"):
        prometheus.query("vector(1)")()
    for address in ("localhost:9090", "ftp://x", "http://[::1", "http://h:x"):
        with pytest.raises(UsageError, match="is no address"):
            prometheus.query("vector(1)", server=address)()


@pytest.mark.parametrize("who", ["ana:hunter2", "hunter2"])
def test_an_address_with_a_password_is_recorded_nowhere(runs: Runs, who: str) -> None:
    """The gate is refused before its link to the graph would be in the journal."""

    @workflow
    def flow() -> None:
        gate("p99", prometheus.query("up", server=f"http://{who}@127.0.0.1:1"), below=1)

    outcome = runs.start(flow)

    assert "must not hold a password" in outcome.reason
    assert "hunter2" not in repr(runs.facts())


def test_a_token_is_sent_and_never_shown(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the name of a secret, which may end in the newline of a file."""
    says.vector(1.0)
    monkeypatch.setenv("PROM_TOKEN", "s3cret\n")
    probe = query(says, token="PROM_TOKEN")
    probe()

    assert "Bearer s3cret" == says.headers[0]["Authorization"]
    assert "s3cret" not in f"{probe!r} {vars(probe)} {probe.link}"
    monkeypatch.setenv("PROM_TOKEN", "s3cret\nand more")
    with pytest.raises(UsageError, match="'PROM_TOKEN' is no token") as caught:
        probe()
    assert "s3cret" not in str(caught.value)


def test_samples_behind_a_query_are_asked_for_in_one_question(says: Says) -> None:
    """Those of each selector that is not moved into the past; the oldest is the reading's time."""
    says.vector(1.0)
    says.vector(1_700_000_100.0, 1_700_000_000.0)
    (reading,) = query(says, 'rate(a[5m]) / b{x="y"} offset 1h + c')().values()

    assert 1_700_000_000.0 == reading.at.timestamp()
    assert 2 == len(says.asked)
    assert "max(timestamp(a))" in says.asked[1] and "max(timestamp(c))" in says.asked[1]
    assert "timestamp(b" not in says.asked[1]


def test_a_query_without_samples_behind_it_says_nothing(says: Says) -> None:
    """`or vector(0)` gives a number for ever."""
    says.vector(0.0)
    says.vector()

    with pytest.raises(Inconclusive, match="no sample stands behind it any more: a is gone"):
        query(says, "sum(rate(a[5m])) or vector(0)")()


def test_ranges_have_limits() -> None:
    """Too many values, and a way to take them that is none, are refused at once."""
    with pytest.raises(UsageError, match="at most 10000 values"):
        prometheus.range("x", over="30d", step="1s")
    with pytest.raises(UsageError, match="one of mean, max, min, last"):
        prometheus.range("x", over="1h", take="p99")  # type: ignore[arg-type]


class Doubtful:
    """A probe that has its doubts, or cannot be asked, or can never be."""

    def __init__(self, *texts: str, error: Exception | None = None) -> None:
        self.texts, self.error = texts, error

    def __call__(self) -> float:
        return 1.0

    def inspect(self) -> Iterator[str]:
        yield from self.texts
        if self.error is not None:
            raise self.error


def test_doubts_of_any_probe_are_warnings_of_a_plan(runs: Runs) -> None:
    """What it yields; that it cannot be asked; and of one without doubts, its silence."""

    @workflow(name="flow")
    def flow() -> None:
        gate("a", Doubtful("first", "second"), above=0)
        gate("b", Doubtful(error=OSError("away")), above=0)
        gate("c", dict[str, float], above=0)
        gate("d", lambda: 1.0, above=0)

    found = plan(flow, {}, JumpClock())

    assert [
        ("a", "first"), ("a", "second"), ("b", "cannot be asked now: away"),
        ("c", "says nothing now: no series: nothing matches"),
    ] == found.warnings  # fmt: skip
    assert "" == found.fails


def test_no_reading_is_old_because_a_plan_waited_before_it(runs: Runs) -> None:
    """A plan's clock is ahead by what the run will wait; what a probe says is of today."""
    clock = JumpClock()

    @workflow(name="flow")
    def flow() -> None:
        sleep("2h")
        gate("a", lambda: Reading(1.0, clock.now()), above=0)

    found = plan(flow, {}, clock)

    assert "now 1" == found.steps[-1].says


def test_a_probe_that_can_never_answer_fails_the_plan(runs: Runs) -> None:
    """As it will fail the run; what comes after it is not reached."""

    @workflow(name="flow")
    def flow() -> None:
        gate("a", Doubtful(error=UsageError("no such function")), above=0)
        gate("b", Doubtful("never reached"), above=0)

    found = plan(flow, {}, JumpClock())

    assert "UsageError: no such function" in found.fails
    assert [] == found.warnings
    with pytest.raises(UsageError):
        doubts(Doubtful(error=UsageError("x")))
