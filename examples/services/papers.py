"""An API of papers that is as unpleasant as real ones: paged, rate limited, slow, and torn.

python3 examples/services/papers.py 7010          # 2,000 papers
python3 examples/services/papers.py 7010 tuesday  # the next day: 5 % new ones, 2 % changed

`/papers?cursor=N` lists a page of DOIs, some of them twice in all. `/papers/DOI` is a record. One
in 40 is torn at the first call, a few answer after everybody's patience, every 500th call opens a
window in which nobody is to call (429, Retry-After), and one record kills its parser.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PAGE, WAIT_S = 100, 2
POISON = "CRASHES THE PARSER"


class Papers(ThreadingHTTPServer):
    """The API on a port of this machine; `calls` is when which DOI was asked for, and with which
    outcome, and `windows` when nobody was to call."""

    daemon_threads, request_queue_size = True, 128

    def __init__(self, port=0, count=2000, *, is_tuesday=False, limit_every=500, poison=1234):
        super().__init__(("127.0.0.1", port), Desk)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.limit_every, self.poison = limit_every, poison
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.versions = {doi(number): 1 for number in range(count)}
        self.calls, self.windows, self.met = [], [], set()
        if is_tuesday:
            self.a_day_passes()

    def a_day_passes(self):
        """5 % of new papers come, 2 % change, and somebody mends the record that kills."""
        count = len(self.versions)
        self.poison = -1
        self.versions.update({doi(number): 2 for number in range(7, count, 50)})
        self.versions.update({doi(number): 1 for number in range(count, count + count // 20)})

    def listing(self):
        """Return what is listed, in order; every 100th paper comes again at the end."""
        papers = [{"doi": name, "version": version} for name, version in self.versions.items()]
        return papers + papers[::100]

    def outcome_of(self, name):
        """Return what the call for a record comes to: ok, torn, late or limited. The caller has the
        lock."""
        number, now = int(name.rpartition(".")[2]), time.time()
        is_first = name not in self.met
        self.met.add(name)
        outcome = "ok"
        if is_first and number % 40 == 3:
            outcome = "torn"
        elif is_first and number % 700 == 13:
            outcome = "late"
        elif len(self.calls) % self.limit_every == self.limit_every - 1:
            outcome = "limited"
            self.windows.append((now, WAIT_S))
        self.calls.append((now, name, outcome))
        return outcome

    def record(self, name):
        is_poison = name == doi(self.poison)
        abstract = POISON if is_poison else "We show what we show. " * 20
        return {"doi": name, "version": self.versions[name], "abstract": abstract}


class Desk(BaseHTTPRequestHandler):
    """Answers one call."""

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/papers":
            at, papers = int(parse_qs(url.query)["cursor"][0]), self.server.listing()
            behind = at + PAGE if at + PAGE < len(papers) else None
            self.answer({"papers": papers[at : at + PAGE], "next": behind})
            return
        name = unquote(url.path.removeprefix("/papers/"))
        with self.server.lock:  # nobody else is answered before a refusal is sent
            outcome = self.server.outcome_of(name)
            if outcome == "limited":
                self.send_response(429)
                self.send_header("Retry-After", str(WAIT_S))
                self.end_headers()
                return
        if outcome == "late":
            self.server.closing.wait(5)
        self.answer(self.server.record(name), is_torn=outcome == "torn")

    def answer(self, value, is_torn=False):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body[: len(body) // 2] if is_torn else body)
        except ConnectionError:  # whoever called was killed, or has lost patience
            self.close_connection = True

    def log_message(self, *words):
        """Say nothing."""


def doi(number):
    return f"10.5555/paper.{number}"


if __name__ == "__main__":
    Papers(int(sys.argv[1]), is_tuesday="tuesday" in sys.argv).serve_forever()
