"""Probes for gates and measurements that ask a Prometheus.

    from holdfast import gate
    from holdfast.ops import prometheus

    p99 = prometheus.query("histogram_quantile(0.99, sum by (le) (rate(put_bucket[30s])))")
    gate("p99", p99, below=0.05, samples=6)

An instant query answers for up to five minutes with what it saw last, under the time of the
question. So every question comes with a second one: of when are the samples behind it? That is
the time of the reading, and what no sample stands behind is no reading.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

from holdfast.errors import UsageError
from holdfast.flow.inside import target_env
from holdfast.flow.steps import Duration
from holdfast.integrations import promql
from holdfast.integrations.prometheus import Answer, PrometheusFailed, Server, address
from holdfast.model.durations import seconds
from holdfast.model.reading import Reading
from holdfast.ops.tokens import token_of
from holdfast.ports.probe import Inconclusive
from holdfast.runtime.context import FRAME

__all__ = ["PrometheusFailed", "Query", "query", "range"]

VERSION = "1"
"""Part of the code hash of gates that use this: it changes when what it does does."""
SERVER: Final = "PROMETHEUS_URL"
TIMEOUT: Final = "10s"
POINTS_MAX: Final = 10_000
ALIKE_SHOWN_MAX: Final = 3
_SOURCE: Final = "holdfast_selector"

Readings: TypeAlias = dict[str, Reading]
Take: TypeAlias = Literal["mean", "max", "min", "last"]
_TAKES: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "mean": fmean,
    "max": max,
    "min": min,
    "last": lambda values: values[-1],
}


class Query:
    """A query as a probe: called, it asks now, and returns a `Reading` for each series.

    Its attributes are those of `holdfast.ports.probe.Probe`: `query`, `link` to the graph,
    `window` (the ranges in the query), `fresh`. `inspect` says what is doubtful about it.
    """

    def __init__(
        self,
        query: str,
        server: str | None,
        by: str | None,
        window_s: float,
        fresh: Duration | None,
        link: str | None,
        token: str | None,
        timeout_s: float,
    ) -> None:
        self.query, self.window, self.fresh = query, window_s, fresh
        self._url, self._by, self._link, self._token = server, by, link, token
        self._timeout_s = timeout_s

    def __call__(self) -> Readings:
        """Return the value of each series, with the time of the newest sample behind it.

        Raises Inconclusive when no sample stands behind it, or the server could not see all of
        its stores; PrometheusFailed when it does not answer; UsageError for what is no PromQL.
        """
        server = self._server()
        answer = server.query(self.query)
        _refuse_warned(answer)
        values = _values(answer)
        if not values:
            return {}
        at = self._newest(server) or _time_of(answer)
        names = self._names([labels for labels, _ in values])
        return {name: Reading(value, at) for name, (_, value) in zip(names, values, strict=True)}

    @property
    def link(self) -> str:
        """Where a person sees the query as a graph."""
        if self._link is not None:
            return self._link
        shown = {"g0.expr": self.query, "g0.tab": "0", "g0.range_input": "1h"}
        return f"{self._address().rstrip('/')}/graph?{urlencode(shown)}"

    def inspect(self) -> Iterator[str]:
        """Yield what is doubtful about the query today: a name that matches no series. Raises
        UsageError for what is no PromQL, and PrometheusFailed."""
        server = self._server()
        answer = server.query(self.query)
        yield from (f"the server warns: {text}" for text in answer.warnings)
        asked = [each for each in promql.selectors(self.query) if not each.is_past]
        missing = [each.text for each in asked if not _values(server.query(f"count({each.text})"))]
        names = server.names() if missing else []
        for text in missing:
            yield f"no series matches {text} now{_alike(text, names)}"
        if not missing and not answer.result:
            yield "the query gives no series now, although all that it names are there"

    def __repr__(self) -> str:
        return f"<query {self.query!r}>"

    # --- how it is asked ---

    def _address(self) -> str:
        if self._url is not None:
            return address(self._url)
        found = FRAME.get()
        given = {} if found is None else target_env(found.life)
        url = given.get(SERVER) or os.environ.get(SERVER)
        if not url:
            raise UsageError(
                f"which Prometheus? Give the query server=, or set {SERVER} in the environment or "
                "in the target's env of holdfast.toml"
            )
        return address(url)

    def _server(self) -> Server:
        headers = {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {token_of(self._token)}"
        return Server(self._address(), self._timeout_s, headers)

    def _newest(self, server: Server) -> datetime | None:
        """Return the time of the newest sample of the selector that is furthest behind; None for a
        query that selects nothing of today."""
        found = [each.text for each in promql.selectors(self.query) if not each.is_past]
        if not found:
            return None
        asked = [text for each in found for text in _of_one_metric(server, each)]
        parts = (
            f'label_replace(max(timestamp({text})), "{_SOURCE}", "{number}", "", "")'
            for number, text in enumerate(asked)
        )
        times = [value for _, value in _values(server.query(" or ".join(parts)))]
        if not times:
            shown = " and ".join(asked)
            raise Inconclusive(f"no sample stands behind it any more: {shown} is gone")
        return datetime.fromtimestamp(min(times), UTC)

    def _names(self, series: Sequence[Mapping[str, str]]) -> list[str]:
        """Return what each series is called. Raises UsageError when that is the same for two: one
        of them would not be judged."""
        if self._by is None:
            names = [_name(labels) for labels in series]
            return names if len(set(names)) == len(names) else [_whole_name(s) for s in series]
        names = [labels.get(self._by, "") for labels in series]
        for name, times in Counter(names).items():
            if times > 1:
                raise UsageError(
                    f"two series are called {name!r} by the label {self._by!r}: let the query "
                    f"give one for each, as in max by ({self._by}) (…)"
                )
        return names


class RangeQuery(Query):
    """A query over a span of time as a probe: each series is taken together into one value."""

    over_s: float
    step_s: float
    take: Take

    def __call__(self) -> Readings:
        """Return what was taken of each series, at the time of its last value, or of the newest
        sample behind it; see `Query`."""
        named: Readings = {}
        found = self.readings()
        newest = self._newest(self._server()) if found else None
        for name, readings in found.items():
            values = [each.value for each in readings if each.value is not None]
            well = [value for value in values if not math.isnan(value)]
            value = _TAKES[self.take](well) if well else math.nan
            last = readings[-1].at
            named[name] = Reading(value, last if newest is None else min(last, newest))
        return named

    def readings(self) -> dict[str, tuple[Reading, ...]]:
        """Return all values of each series, oldest first. Raises as `Query` does."""
        server, end = self._server(), datetime.now(UTC)  # noqa: TID251
        answer = server.query_range(
            self.query, end.timestamp() - self.over_s, end.timestamp(), self.step_s
        )
        _refuse_warned(answer)
        if answer.kind != "matrix":
            raise PrometheusFailed(f"Prometheus answered with a {answer.kind} and not a range")
        names = self._names([series["metric"] for series in answer.result])
        found = {
            name: tuple(Reading(float(text), _moment(at)) for at, text in series.get("values", ()))
            for name, series in zip(names, answer.result, strict=True)
        }
        return {name: points for name, points in found.items() if points}


def query(
    query: str,
    *,
    server: str | None = None,
    by: str | None = None,
    window: Duration | None = None,
    fresh: Duration | None = None,
    link: str | None = None,
    token: str | None = None,
    timeout: Duration = TIMEOUT,
) -> Query:
    """Return a probe that asks a Prometheus: for `gate`, `measure`, or to be called.

    `server` is its address, else PROMETHEUS_URL of the target's env or of the environment. `by` is
    the label that names the series, else all of their labels do. `window` is how much of the past
    a value covers, else the longest range in the query; `fresh` how old the newest sample may be,
    else what the gate says: set it where samples are taken less than every 30 s. `token` is the
    name of a secret that is sent as a bearer token. Raises UsageError for a range that is none.
    """
    window_s = promql.window_s(query) if window is None else seconds(window)
    return Query(query, server, by, window_s, fresh, link, token, seconds(timeout))


def range(  # its name is that of the API
    query: str,
    *,
    over: Duration,
    step: Duration = "15s",
    take: Take = "mean",
    server: str | None = None,
    by: str | None = None,
    fresh: Duration | None = None,
    link: str | None = None,
    token: str | None = None,
    timeout: Duration = TIMEOUT,
) -> RangeQuery:
    """Return a probe of the past: of each series the mean (or `take`) of its values over so long.

    Its `readings()` are all of the values. It covers `over` and the ranges in the query. The other
    arguments are those of `query`. Raises UsageError for more than 10,000 values.
    """
    over_s, step_s = seconds(over), seconds(step)
    if step_s <= 0 or over_s / step_s > POINTS_MAX:
        raise UsageError(f"range: over={over!r} in steps of {step!r}: at most {POINTS_MAX} values")
    if take not in _TAKES:
        raise UsageError(f"range: take={take!r}: one of {', '.join(_TAKES)}")
    covers_s = over_s + promql.window_s(query)
    made = RangeQuery(query, server, by, covers_s, fresh, link, token, seconds(timeout))
    made.over_s, made.step_s, made.take = over_s, step_s, take
    return made


def _of_one_metric(server: Server, selector: str) -> list[str]:
    """Return the selectors of each metric that a selector without a name finds: `timestamp` drops
    the name, and refuses series that are the same then."""
    if not selector.startswith("{"):
        return [selector]
    found = _values(server.query(f"count by (__name__) ({selector})"))
    names = [labels["__name__"] for labels, _ in found if "__name__" in labels]
    if len(names) < 2:
        return [selector]
    inner = selector[1:-1].rstrip(",")
    return [f"{{{inner},__name__={json.dumps(name)}}}" for name in names]


# --- what an answer says ----------------------------------------------------------------------


def _refuse_warned(answer: Answer) -> None:
    """A part of the answer may be missing: that is no reason to go on, nor to stop."""
    if answer.warnings:
        raise Inconclusive(f"Prometheus warns, and may not have seen all: {answer.warnings[0]}")


def _values(answer: Answer) -> list[tuple[Mapping[str, str], float]]:
    """Return labels and value of each series. Raises UsageError for what is no number."""
    if answer.kind == "scalar":
        return [({}, float(answer.result[1]))]
    if answer.kind != "vector":
        raise UsageError(f"the query gives a {answer.kind}, and a gate needs a number: use rate()")
    found = []
    for series in answer.result:
        if "value" not in series:
            raise UsageError("the query gives histograms: use histogram_quantile()")
        found.append((series["metric"], float(series["value"][1])))
    return found


def _time_of(answer: Answer) -> datetime:
    point: Any = answer.result if answer.kind == "scalar" else answer.result[0]["value"]
    return _moment(point[0])


def _moment(at: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(at))


def _name(labels: Mapping[str, str]) -> str:
    parts = [f"{name}={text}" for name, text in sorted(labels.items()) if name != "__name__"]
    return ", ".join(parts) or labels.get("__name__", "")


def _whole_name(labels: Mapping[str, str]) -> str:
    """Return the name of a series where those of several metrics have the same labels."""
    return f"{labels.get('__name__', '')}: {_name(labels)}"


def _alike(selector: str, names: Sequence[str]) -> str:
    """Return which metrics have a name like that of a selector, as a question."""
    from difflib import get_close_matches

    metric = selector.partition("{")[0]
    if not metric or metric in names:
        return "" if not metric else ": the metric is there, with other labels"
    near = get_close_matches(metric, names, ALIKE_SHOWN_MAX)
    return f": was it renamed? There is {', '.join(near)}" if near else ": was it renamed?"
