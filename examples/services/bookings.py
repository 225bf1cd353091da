"""A service that sells a thing: PUT books, DELETE cancels, GET says whether it is booked.

python3 examples/services/bookings.py 7001 7002 7003        # three services, for saga.py
python3 examples/services/bookings.py 7001 7002 7003 full   # the last one is booked out

Whoever repeats a call says the same ID again, and it has no effect a second time.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Bookings(HTTPServer):
    """A service on a port of this machine; `effects` is what it did, `books` what stands.

    It answers one call after the other: whoever asks is told what an earlier call has done.
    """

    def __init__(self, port=0, is_full=False):
        super().__init__(("127.0.0.1", port), Desk)
        self.is_full, self.effects, self.books = is_full, [], set()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Desk(BaseHTTPRequestHandler):
    """Answers one call."""

    def do_GET(self):
        self.answer(200 if self.path in self.server.books else 404)

    def do_PUT(self):
        if self.path in self.server.books:
            self.answer(200)
        elif self.server.is_full:
            self.answer(409)
        else:
            self.server.books.add(self.path)
            self.server.effects.append(("book", self.path))
            self.answer(201)

    def do_DELETE(self):
        if self.path in self.server.books:
            self.server.books.remove(self.path)
            self.server.effects.append(("cancel", self.path))
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        print(self.server.server_port, *words[1:2], flush=True)


if __name__ == "__main__":
    ports = [int(word) for word in sys.argv[1:] if word != "full"]
    services = [Bookings(port, "full" in sys.argv and port == ports[-1]) for port in ports]
    for service in services:
        threading.Thread(target=service.serve_forever).start()
