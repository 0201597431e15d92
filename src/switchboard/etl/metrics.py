"""Metrics of the ETL, for Prometheus.

They follow the metrics of NVIDIA's telemetry consumer (TFS): bytes expected and received, response and processing time,
rows and values of the last message. Here they are per source and stage, with rejects by reason.

Every counter of a source is there from the start, with 0: of one that begins with its first failure, Prometheus does
not see that failure.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from switchboard.model import Outcome
from switchboard.reasons import REASONS

STAGES = ("response", "transform", "publish", "confirm", "total")
FAILURE_REASONS = (
    "bad_gzip", "bad_http", "bad_url", "charset", "clock", "connection", "content_type", "credentials", "dns",
    "duplicates", "empty", "encoding", "forbidden", "format", "gzip_ratio", "html", "http_1xx", "http_2xx",
    "http_4xx", "http_5xx", "internal", "lease", "line_too_long", "lone_cr", "misframed", "no_rows", "redirect",
    "refused", "regress", "row_collapse", "schema", "slow", "store", "superseded", "timeout", "tls", "too_large",
    "too_large_wire", "too_many_columns", "too_many_rejects", "too_many_rows", "too_many_switches", "torn",
    "truncated", "unasked_304", "unframed", "unterminated_quote",
)  # fmt: skip
"""Every reason for which an attempt fails or a body is held."""
LEASE_LOSSES = ("lost", "unreachable")
"""How a lease that was taken may be lost."""
_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

SCRAPES = Counter("switchboard_etl_scrapes_total", "Attempts to scrape a source, by outcome.", ["source", "outcome"])
FAILURES = Counter(
    "switchboard_etl_failures_total", "Attempts that failed or whose body is held, by reason.", ["source", "reason"]
)
ETAGS_REUSED = Counter("switchboard_etl_reused_etags_total", "Bodies with the strong ETag of another body.", ["source"])
SKIPPED = Counter("switchboard_etl_skipped_ticks_total", "Ticks that passed while a scrape was running.", ["source"])
ROWS = Counter("switchboard_etl_rows_total", "Rows accepted.", ["source"])
VALUES = Counter("switchboard_etl_values_total", "Values accepted.", ["source"])
REJECTS = Counter("switchboard_etl_rejects_total", "Rows and cells rejected, by reason.", ["source", "reason"])
BYTES = Counter("switchboard_etl_received_bytes_total", "Bytes of bodies received on the wire.", ["source"])
SECONDS = Histogram(
    "switchboard_etl_stage_seconds",
    "Time of a scrape, by stage: response (until the headers), transform (body, parsing, blocks), "
    "publish (index and pointer), confirm (after an unchanged answer), total.",
    ["source", "stage"],
    buckets=_STAGE_SECONDS,
)
LEASE_CHANGES = Counter("switchboard_etl_lease_changes_total", "Leases taken and lost.", ["source", "change"])

INTERVAL = Gauge(
    "switchboard_etl_source_interval_seconds",
    "Time between two scrapes of the source.",
    ["source"],
    multiprocess_mode="mostrecent",
)
TTL = Gauge(
    "switchboard_etl_source_ttl_seconds",
    "Time for which a confirmed snapshot of the source answers.",
    ["source"],
    multiprocess_mode="mostrecent",
)
LAST_SUCCESS = Gauge(
    "switchboard_etl_last_success_timestamp_seconds",
    "When a scrape last confirmed a snapshot (200 or 304).",
    ["source"],
    multiprocess_mode="mostrecent",
)
LAST_ROWS = Gauge(
    "switchboard_etl_last_rows", "Rows of the current snapshot.", ["source"], multiprocess_mode="mostrecent"
)
LAST_SWITCHES = Gauge(
    "switchboard_etl_last_switches", "Switches of the current snapshot.", ["source"], multiprocess_mode="mostrecent"
)
LAST_VALUES = Gauge(
    "switchboard_etl_last_values", "Values of the current snapshot.", ["source"], multiprocess_mode="mostrecent"
)
DATA_TIMESTAMP = Gauge(
    "switchboard_etl_data_timestamp_seconds",
    "Newest time among the rows of the current snapshot.",
    ["source"],
    multiprocess_mode="mostrecent",
)
DATA_AGE = Gauge(
    "switchboard_etl_data_age_seconds",
    "Age of the newest row when a scrape last confirmed the snapshot, by the source's own clock.",
    ["source"],
    multiprocess_mode="mostrecent",
)
SKEW = Gauge(
    "switchboard_etl_data_skew_seconds",
    "Newest time among the rows of the last body, less our own when it was asked for.",
    ["source"],
    multiprocess_mode="mostrecent",
)
BYTES_EXPECTED = Gauge(
    "switchboard_etl_last_expected_bytes",
    "Content-Length of the last body; 0 if it came in chunks.",
    ["source"],
    multiprocess_mode="mostrecent",
)
BYTES_RECEIVED = Gauge(
    "switchboard_etl_last_received_bytes",
    "Bytes of the last body on the wire.",
    ["source"],
    multiprocess_mode="mostrecent",
)
OWNED = Gauge(
    "switchboard_etl_source_owned",
    "1 while this process holds the lease of the source.",
    ["source"],
    multiprocess_mode="livemax",
)
MAY_EVICT = Gauge(
    "switchboard_etl_store_may_evict",
    "1 if the maxmemory-policy of Redis is known and is not noeviction: keys of a snapshot may be lost.",
    multiprocess_mode="livemax",
)


def expect(source: str, *, interval: float, ttl: float) -> None:
    """Make the series of a source."""
    INTERVAL.labels(source).set(interval)
    TTL.labels(source).set(ttl)
    OWNED.labels(source).set(0)
    for counter in (ETAGS_REUSED, SKIPPED, ROWS, VALUES, BYTES):
        counter.labels(source)
    for outcome in Outcome:
        SCRAPES.labels(source, outcome.value)
    for reason in FAILURE_REASONS:
        FAILURES.labels(source, reason)
    for reason in REASONS:
        REJECTS.labels(source, reason)
    for change in ("taken", *LEASE_LOSSES):
        LEASE_CHANGES.labels(source, change)
