"""Fetch pages side by side from a rate-limited server, which this script starts itself.

holdfast run examples/async_fetch.py -p pages=8
holdfast resume RUN    # after a kill -9 anywhere: what was read is not asked for again
"""

import asyncio
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

from holdfast import Retry
from holdfast.aio import parallel, stage, step, workflow


class Page(BaseHTTPRequestHandler):
    """Answers every path with itself."""

    def do_GET(self):
        body = f"this is {self.path}".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@contextmanager
def served():
    """Give the address of a server that lives as long as the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@step("read page {page}", retry=Retry(3, on=(OSError,)), timeout="10s")
async def read(page: int) -> str:
    answer = await asyncio.to_thread(urlopen, f"{ADDRESS['now']}/{page}")
    return answer.read().decode()


ADDRESS: dict[str, str] = {}  # Not an argument of the step: it differs in every life.


@workflow
async def fetch(pages: int = 6):
    """Read all pages, three at a time."""
    with served() as ADDRESS["now"]:
        async with stage("reading"):
            calls = [(f"page {page}", read, page) for page in range(1, pages + 1)]
            texts = await parallel(*calls, at_once=3)
    return {"pages": len(texts), "last": texts[-1]}
