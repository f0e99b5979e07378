"""The door for Prometheus: `GET /metrics`, in its text format or as OpenMetrics.

Who reads is told by `Authorization: Basic`, user and secret as in any call.  What is told to whom is not decided here.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from trifid.doors.http import BASIC, Application, Receive, Refused, Scope, Send, basic_session, header, peer, send_text
from trifid.errors import NotAuthenticated, TrifidError
from trifid.methods.metrics import Distribution, Family, Reader

PATH = "/metrics"
KEPT_S = 1.0
"""So long an answer is given again to whoever asks: however many do, it costs one look a second."""


def with_metrics(rest: Application, read: Reader, clock: Callable[[], float] = time.monotonic) -> Application:
    """Return the application that tells figures at /metrics, and leaves all other paths to `rest`."""
    door = _Door(read, clock)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (door if scope["path"] == PATH else rest)(scope, receive, send)

    return answer


class _Door:
    def __init__(self, read: Reader, clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._process = _process()
        self._kept: dict[tuple[bool, bool], tuple[float, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open_metrics = b"application/openmetrics-text" in header(scope, b"accept")
        try:
            if scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, "figures are read with GET", (b"allow", b"GET, HEAD"))
            data = await self._answered(scope, is_open_metrics)
        except Refused as refused:
            await send_text(send, refused.status, refused.text, *refused.headers, has_body=scope["method"] != "HEAD")
            return
        kind = openmetrics.CONTENT_TYPE_LATEST if is_open_metrics else CONTENT_TYPE_LATEST
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data if scope["method"] == "GET" else b""})

    async def _answered(self, scope: Scope, is_open_metrics: bool) -> bytes:
        session = basic_session(scope) if header(scope, b"authorization") else None
        try:
            tell = await self._read(session, peer(scope))
        except NotAuthenticated as nobody:
            raise Refused(401, nobody.message, BASIC) from None
        except TrifidError as refused:
            raise Refused(403, refused.message) from None
        key = (session is None, is_open_metrics)
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept[0] < KEPT_S:
            return kept[1]
        data = await asyncio.to_thread(self._rendered, tell(), is_open_metrics)
        self._kept[key] = (self._clock(), data)
        return data

    def _rendered(self, families: list[Family], is_open_metrics: bool) -> bytes:
        registry = CollectorRegistry()
        registry.register(_Given([_metric(family) for family in families], self._process))
        encode = openmetrics.generate_latest if is_open_metrics else generate_latest
        return bytes(encode(registry))


def _process() -> ProcessCollector:
    """Return what tells CPU, memory and open files of this process."""
    return ProcessCollector(registry=CollectorRegistry())


class _Given(Collector):
    """Hands out what was gathered already."""

    def __init__(self, metrics: list[Metric], process: ProcessCollector) -> None:
        self._metrics = metrics
        self._process = process

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        return [*self._metrics, *self._process.collect()]


def _metric(family: Family) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.about, labels=family.labels)
        for key, value in family.values.items():
            if isinstance(value, Distribution):
                buckets = [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in value.cumulated]
                histogram.add_metric(key, buckets, value.sum_s)
        return histogram
    of_kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = of_kind(family.name, family.about, labels=family.labels)
    for key, value in family.values.items():
        if not isinstance(value, Distribution):
            metric.add_metric(key, value)
    return metric
