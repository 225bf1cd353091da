"""Fetch papers from an API that is rate limited, slow and sometimes broken: each exactly once.

python3 examples/services/papers.py 7010 &          # a pretend API with 2,000 papers
holdfast run examples/papers.py --id monday
holdfast run examples/papers.py --id monday         # after a kill -9 anywhere: goes on
holdfast run examples/papers.py --id tuesday        # the next day: what is new or has changed

One of its records kills the parser, and with it this process. Type the same command again: a
record that was in hand at two deaths is done alone, and put aside when it kills once more. With
`-p processes=4` the parsers have processes of their own, and nobody has to type anything.
"""

import ctypes
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

from holdfast import Budget, RateLimited, Retry, each, workflow
from holdfast.outputs import JsonLines

PATIENCE_S = 1
AGAIN = Retry(5, first="0.2s", most="5s", on=(OSError, HTTPException))
"""A connection that fails, a body that is torn and an answer that does not come are worth another
attempt. What the API says of its limits is not counted as one."""


def get(url):
    """Return the body of an answer. Raises RateLimited when the API wants to be left alone."""
    try:
        with urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.read()
    except HTTPError as refused:
        if refused.code == 429:
            raise RateLimited(refused.headers["Retry-After"]) from None
        if refused.code < 500:
            raise LookupError(f"{url}: {refused.code} {refused.reason}") from None
        raise


def listed(api):
    """Yield the papers that the API lists, page after page."""
    cursor = 0
    while cursor is not None:
        page = json.loads(get(f"{api}/papers?cursor={cursor}"))
        yield from page["papers"]
        cursor = page["next"]


def parse(body):
    """Return what is kept of a record. It stands for a parser in C, which has a bug."""
    if b"CRASHES THE PARSER" in body:
        print("parsing", body[:40].decode())
        ctypes.string_at(0)
    record = json.loads(body)
    words = len(record["abstract"].split())
    return {"doi": record["doi"], "version": record["version"], "words": words}


def fetch(api, paper):
    return parse(get(f"{api}/papers/{paper['doi']}"))


@workflow
def papers(api: str = "http://127.0.0.1:7010", out: str = "papers.jsonl", processes: int = 0):
    """Append a line to `out` for each paper that is new, or not what it was in an earlier run."""
    done = each(
        listed(api),
        partial(fetch, api),
        key=lambda paper: paper["doi"],
        fingerprint=lambda paper: paper["version"],
        ledger="papers",
        out=JsonLines(out, append=True),
        executor=partial(ProcessPoolExecutor, processes) if processes else None,
        at_once=processes or 8,
        retry=AGAIN,
        budget=Budget(count=5),
    )
    return {
        "fetched": done.done - done.already,
        "unchanged": done.already,
        "put aside": done.failed + done.quarantined,
        "listed twice": done.duplicates,
    }
