"""Metrics in the Prometheus form.

Calls are counted where they are made durable: `MeteredCallStore` stands before the store and sees
each call begin and end, so that no part of the call path knows of metrics. What can be read at any
moment (live calls, SIP counters) is read when somebody asks, and costs calls nothing.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from clicktodial.control.port import CallStore, FoundCall
from clicktodial.domain.call import Call
from clicktodial.domain.cause import Side
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.leg import CallQuality, SideQuality
from clicktodial.domain.minutes import Hold
from clicktodial.domain.quality_timeline import QualityTimeline

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds from begin to joined: two people pick up, rarely sooner than 2 s or later than 90 s.
_SETUP_BUCKETS_S = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120)
# ITU-T P.800: above 4 nobody complains, below 3 many do.
_MOS_BUCKETS = (2.0, 2.5, 3.0, 3.5, 4.0, 4.2, 4.4)
_JITTER_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_DURATION_BUCKETS_S = (5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)


class _SideSeries(NamedTuple):
    """What is counted of one side."""

    packets: Counter
    lost: Counter
    mos: Histogram
    jitter: Histogram


class Metrics:
    """All metrics of one node, in a registry of their own."""

    def __init__(self) -> None:
        # A second series for each one, which says when this process started.
        disable_created_metrics()  # type: ignore[no-untyped-call] # has no annotations
        self._registry = CollectorRegistry(auto_describe=True)
        self._begun = Counter(
            "clicktodial_calls_begun", "Calls that became durable.", registry=self._registry
        )
        self._ended = Counter(
            "clicktodial_calls_ended",
            "Calls that ended, by the specification's reason, how far they had come, and who.",
            ("reason", "stage", "by"),
            registry=self._registry,
        )
        self._setup = Histogram(
            "clicktodial_call_setup_seconds",
            "From begin until both parties were joined.",
            buckets=_SETUP_BUCKETS_S,
            registry=self._registry,
        )
        self._duration = Histogram(
            "clicktodial_call_duration_seconds",
            "From joined until the end; calls that were joined only.",
            buckets=_DURATION_BUCKETS_S,
            registry=self._registry,
        )
        self._recordings = Counter(
            "clicktodial_recordings",
            "Recordings asked for, of calls that ended, by result.",
            ("result",),
            registry=self._registry,
        )
        self._packets = Counter(
            "clicktodial_rtp_packets",
            "RTP packets that came in conversations that ended, by side.",
            ("side",),
            registry=self._registry,
        )
        self._lost = Counter(
            "clicktodial_rtp_packets_lost",
            "RTP packets that never came, by their sequence numbers.",
            ("side",),
            registry=self._registry,
        )
        self._mos = Histogram(
            "clicktodial_call_mos",
            "ITU-T G.107's estimate of how that side was heard, 1.0-4.5.",
            ("side",),
            buckets=_MOS_BUCKETS,
            registry=self._registry,
        )
        self._jitter = Histogram(
            "clicktodial_call_jitter_seconds",
            "RFC 3550's jitter of that side, on average over its conversation.",
            ("side",),
            buckets=_JITTER_BUCKETS_S,
            registry=self._registry,
        )

        # A series is looked up by its labels behind a lock, each time.
        self._ended_series: dict[tuple[str, str, str], Counter] = {}
        self._sides = {
            side: _SideSeries(
                self._packets.labels(side.value),
                self._lost.labels(side.value),
                self._mos.labels(side.value),
                self._jitter.labels(side.value),
            )
            for side in Side
        }

    def count_quality(self, quality: CallQuality) -> None:
        """A conversation is over, and this is what came from its sides."""
        self._count_side(self._sides[Side.CALLER], quality.caller)
        self._count_side(self._sides[Side.CALLEE], quality.callee)

    def _count_side(self, series: "_SideSeries", heard: SideQuality) -> None:
        if heard.packets:
            series.packets.inc(heard.packets)
        if heard.packets_lost:
            series.lost.inc(heard.packets_lost)
        if heard.mos is not None:
            series.mos.observe(heard.mos)
            series.jitter.observe(heard.jitter_ms / 1000)

    def count_begun(self) -> None:
        """A call is durable."""
        self._begun.inc()

    def count_ended(self, call: Call) -> None:
        """A call is over; its end is set."""
        end = call.end
        if end is None:
            return
        key = (str(end.reason), str(end.stage), str(end.by))
        ended = self._ended_series.get(key)
        if ended is None:
            ended = self._ended_series[key] = self._ended.labels(*key)
        ended.inc()
        if call.connected_at is not None:
            self._setup.observe((call.connected_at - call.begun_at).total_seconds())
            self._duration.observe(call.duration_s)
        if call.recording_result is not None:
            self._recordings.labels(call.recording_result.value).inc()

    def add_gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A value that `read` tells at any moment, on the loop, without waiting."""
        Gauge(name, about, registry=self._registry).set_function(read)

    def add_labelled_gauge(
        self, name: str, about: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Values that `read` tells in the same way, by what tells them apart."""
        self._registry.register(_ReadGauge(name, about, label, read))

    def add_counter(self, name: str, about: str, read: Callable[[], float]) -> None:
        """The same, of a value that only grows; `name` without its `_total`."""
        self._registry.register(_ReadCounter(name, about, read))

    def add_labelled_counter(
        self,
        name: str,
        about: str,
        labels: tuple[str, str],
        read: Callable[[], Mapping[tuple[str, str], float]],
    ) -> None:
        """Counters that `read` tells, told apart by two labels; `name` without its `_total`."""
        self._registry.register(_ReadCounters(name, about, labels, read))

    def render(self) -> bytes:
        """Everything, in the text form that Prometheus scrapes."""
        return generate_latest(self._registry)


class _ReadCounter(Collector):
    """A counter that something else keeps."""

    def __init__(self, name: str, about: str, read: Callable[[], float]) -> None:
        self._name = name
        self._about = about
        self._read = read

    def collect(self) -> list[CounterMetricFamily]:
        return [CounterMetricFamily(self._name, self._about, value=self._read())]


class _ReadCounters(Collector):
    """Counters that something else keeps, told apart by two labels."""

    def __init__(
        self,
        name: str,
        about: str,
        labels: tuple[str, str],
        read: Callable[[], Mapping[tuple[str, str], float]],
    ) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._read = read

    def collect(self) -> list[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for values, count in sorted(self._read().items()):
            family.add_metric(values, count)
        return [family]


class _ReadGauge(Collector):
    """Gauges that something else keeps, told apart by one label."""

    def __init__(
        self, name: str, about: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        self._name = name
        self._about = about
        self._label = label
        self._read = read

    def collect(self) -> list[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._about, labels=(self._label,))
        for name, value in self._read().items():
            family.add_metric((name,), value)
        return [family]


class MeteredCallStore:
    """Implements control.port.CallStore: counts what passes on its way to the store."""

    def __init__(self, store: CallStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def create(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """See control.port.CallStore."""
        created = self._store.create(call, events)
        created.add_done_callback(self._on_created)
        return created

    def update(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """See control.port.CallStore."""
        if events and events[-1].is_terminal:
            self._metrics.count_ended(call)
        return self._store.update(call, events)

    def extend(self, call: Call, more: Sequence[Hold]) -> asyncio.Future[None]:
        """See control.port.CallStore."""
        return self._store.extend(call, more)

    def keep_timeline(self, call_id: CallId, timeline: QualityTimeline) -> asyncio.Future[None]:
        """See control.port.CallStore."""
        return self._store.keep_timeline(call_id, timeline)

    async def is_known(self, call_id: CallId, app_id: AppId) -> bool:
        """See control.port.CallStore."""
        return await self._store.is_known(call_id, app_id)

    async def find_open(self, app_id: AppId, caller: str, callee: str) -> list[FoundCall]:
        """See control.port.CallStore."""
        return await self._store.find_open(app_id, caller, callee)

    def _on_created(self, created: asyncio.Future[None]) -> None:
        if not created.cancelled() and created.exception() is None:
            self._metrics.count_begun()
