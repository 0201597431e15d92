"""The API's metrics about itself, for Prometheus. How a gauge adds up over several workers is chosen for each below.

Every series of which it is known that it will come is there from the start, with 0: of a counter that begins with its
first failure, Prometheus does not see that failure.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client import Counter, Gauge, Histogram

from switchboard.model import State
from switchboard.serving.refusals import REASONS
from switchboard.serving.writer import CUTS
from switchboard.view.view import View

REQUESTS = Counter(
    "switchboard_api_requests_total",
    "Requests answered, by endpoint and status",
    ["endpoint", "status"],
)


class _Histogram(Histogram):
    """A histogram that takes many observations at once."""

    def observe_many(self, counts: Sequence[int], seconds: float) -> None:
        """Add ``counts[i]`` observations to bucket i, and their sum."""
        self._sum.inc(seconds)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


_REQUEST_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
REQUEST_SECONDS = _Histogram(
    "switchboard_api_request_duration_seconds",
    "Time from a request's headers to the last byte handed to the socket, of the endpoints of telemetry",
    ["endpoint"],
    buckets=_REQUEST_BUCKETS,
)


class Count:
    """Requests of one endpoint with one status, as plain integers: 0.2 µs per request instead of 4 µs."""

    __slots__ = ("buckets", "requests", "seconds")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew; whoever counts keeps the object."""
        self.requests = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(_REQUEST_BUCKETS) + 1)

    def count(self, seconds: float) -> None:
        """Count one request."""
        self.requests += 1
        self.seconds += seconds
        self.buckets[0 if seconds <= _REQUEST_BUCKETS[0] else bisect_left(_REQUEST_BUCKETS, seconds)] += 1


class Tally:
    """Counts requests by the label of their endpoint; the counts go to the metrics every second."""

    def __init__(self) -> None:
        self.ready = 0
        """Requests that were answered from the table of ready answers."""
        self._counts: dict[tuple[str, int], Count] = {}
        self._timed: set[str] = set()

    def expect(self, label: str, statuses: Iterable[int], *, timed: bool) -> None:
        """Make the series of an endpoint. ``timed``: whether it has durations, which are many series."""
        for status in statuses:
            REQUESTS.labels(label, str(status))
        if timed:
            self._timed.add(label)
            REQUEST_SECONDS.labels(label)

    def of(self, label: str, status: int) -> Count:
        """The count of one endpoint and status."""
        key = label, status
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = Count()
        return count

    def flush(self) -> None:
        """Hand the counts to the metrics. Like counting, only to be done on the event loop's thread."""
        READY_ANSWERS.inc(self.ready)
        self.ready = 0
        for (label, status), count in self._counts.items():
            if count.requests:
                REQUESTS.labels(label, str(status)).inc(count.requests)
                if label in self._timed:
                    REQUEST_SECONDS.labels(label).observe_many(count.buckets, count.seconds)
                count.reset()


TALLY = Tally()
STREAMS_CUT = Counter(
    "switchboard_api_streams_cut_total",
    "Long answers that did not come to their end, most often because the client was slow or gone",
    ["reason"],
)
READY_ANSWERS = Counter("switchboard_api_ready_answers_total", "Requests answered with the bytes of an earlier answer")
REFUSED = Counter(
    "switchboard_api_requests_refused_total",
    "Requests that reached no endpoint: too slow, too long, malformed, or too many; and connections given up",
    ["reason"],
)
LOADS = Counter("switchboard_api_view_loads_total", "Snapshots loaded into the view, by outcome", ["source", "outcome"])
LOAD_SECONDS = Histogram(
    "switchboard_api_view_load_duration_seconds",
    "Time to load one snapshot",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
POINTERS_REFUSED = Counter(
    "switchboard_api_pointers_refused_total", "Pointers not followed, because they named an older snapshot", ["source"]
)
STORE_FAILURES = Counter("switchboard_api_store_failures_total", "Polls of the store that failed")
for _cut in CUTS:
    STREAMS_CUT.labels(_cut)
for _reason in REASONS:
    REFUSED.labels(_reason)
# Of several live workers the worst value is shown.
STORE_UP = Gauge("switchboard_api_store_up", "1 if the last poll of the store succeeded", multiprocess_mode="livemin")
STORE_MAY_EVICT = Gauge(
    "switchboard_api_store_may_evict",
    "1 if the maxmemory-policy of Redis is known and is not noeviction: keys of a snapshot may be lost",
    multiprocess_mode="livemax",
)
SNAPSHOT_AGE = Gauge(
    "switchboard_api_snapshot_age_seconds",
    "Time since a scrape last confirmed the snapshot in the view",
    ["source"],
    multiprocess_mode="livemax",
)
DATA_AGE = Gauge(
    "switchboard_api_data_age_seconds",
    "Age of the newest row of the snapshot in the view, by the source's own clock",
    ["source"],
    multiprocess_mode="livemax",
)
DATA_TIME = Gauge(
    "switchboard_api_snapshot_data_timestamp_seconds",
    "Newest time among the rows of the snapshot in the view",
    ["source"],
    multiprocess_mode="livemin",
)
# Workers hold the same snapshots except at the moment of a swap, so the value that was written last is right.
ROWS = Gauge("switchboard_api_view_rows", "Rows in the view", ["source"], multiprocess_mode="livemostrecent")
SWITCHES = Gauge(
    "switchboard_api_view_switches", "Switches in the view", ["source"], multiprocess_mode="livemostrecent"
)
INTERVAL = Gauge(
    "switchboard_api_source_interval_seconds",
    "Time between two scrapes of the source",
    ["source"],
    multiprocess_mode="livemostrecent",
)
TTL = Gauge(
    "switchboard_api_source_ttl_seconds",
    "Time for which a confirmed snapshot of the source answers",
    ["source"],
    multiprocess_mode="livemostrecent",
)
# The number of live workers that see the source in this state.
SOURCE_STATE = Gauge(
    "switchboard_api_source_state",
    "API processes that see the source in this state",
    ["source", "state"],
    multiprocess_mode="livesum",
)


def observe_view(view: View, now: float) -> None:
    """Set the gauges to what a view shows at ``now``."""
    STORE_UP.set(0 if view.store_trouble else 1)
    STORE_MAY_EVICT.set(1 if view.store_warning else 0)
    for source in view.sources:
        manifest = None if source.loaded is None else source.loaded.snapshot.manifest
        ROWS.labels(source.name).set(manifest.rows if manifest else 0)
        SWITCHES.labels(source.name).set(manifest.switches if manifest else 0)
        if manifest is not None:
            DATA_TIME.labels(source.name).set(manifest.data_max_us / 1e6)
            INTERVAL.labels(source.name).set(manifest.interval_ms / 1000)
            TTL.labels(source.name).set(manifest.ttl_ms / 1000)
        if source.confirmed_at > float("-inf"):
            # Set after the snapshot has expired, too: that is when an alert needs it.
            SNAPSHOT_AGE.labels(source.name).set(now - source.confirmed_at)
        if source.loaded is not None:
            data_age = source.data_age(now)
            DATA_AGE.labels(source.name).set(math.nan if data_age is None else data_age)
        _set_state(source.name, source.state(now) or _NONE)
        expect_source(source.name)


def expect_source(name: str) -> None:
    """Make the series of a source that count."""
    POINTERS_REFUSED.labels(name)
    for outcome in ("ok", "failed"):
        LOADS.labels(name, outcome)


def forget_source(name: str) -> None:
    """Set the gauges of a source that is gone to zero: a series cannot be removed where processes share a directory."""
    for gauge in (ROWS, SWITCHES, DATA_TIME, DATA_AGE, SNAPSHOT_AGE, INTERVAL, TTL):
        gauge.labels(name).set(0)
    _set_state(name, "")


def _set_state(source: str, state: str) -> None:
    for each in _STATES:
        SOURCE_STATE.labels(source, each).set(1 if each == state else 0)


_NONE = "none"
_STATES = (State.FRESH, State.LATE, State.STALE, _NONE)
