"""All settings, declared once: name, type, default, unit and meaning.

``cli.py`` derives the command-line flags and the reference from these structs; ``settings.py`` fills them from the
layers (defaults, file, environment, flags). A setting is added here and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from switchboard.config.declare import Discreet, setting
from switchboard.config.sources import SourceSettings

DEFAULT_REDIS_URL = "redis://localhost:6379/0"
"""Of an ingester that is not told another."""


class GeneratorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulator of switches. Two generators with equal settings serve equal bytes."""

    host: Annotated[str, setting("address to listen on")] = "127.0.0.1"
    port: Annotated[int, setting("port to listen on", ge=0, le=65535)] = 9001
    profile: Annotated[
        Literal["basic", "encoded", "ufm"],
        setting(
            "what is simulated: `basic` switches, values that encode slot, switch and metric (for tests), or the "
            "ports of a fabric as NVIDIA UFM Telemetry has them"
        ),
    ] = "basic"
    switches: Annotated[str, setting("how many switches (sw1, sw2, …), or their names with commas", min_length=1)] = (
        "100"
    )
    metrics: Annotated[
        str,
        setting("metrics and their ranges, NAME=LOW:HIGH with commas; decimals in LOW or HIGH make a decimal metric"),
    ] = "bandwidth_mbps=100.00:10000.00,latency_ms=0.10:5000.00,packet_errors=0:100"
    ports: Annotated[
        int,
        setting("profile `ufm`: ports per switch, beside the one of its aggregation node (65)", ge=1, le=65_000),
    ] = 64
    counters: Annotated[
        int,
        setting("profile `ufm`: numeric columns per set; 0: 30 in the primary, 120 in the secondary", ge=0, le=10_000),
    ] = 0
    seed: Annotated[int, setting("seed of all values", ge=0)] = 1
    hold: Annotated[float, setting("how long one snapshot is served", "s", gt=0)] = 10
    unasked_304: Annotated[
        bool, setting("answer 304 to every later GET within the hold, asked or not, as the original did")
    ] = False
    faults: Annotated[
        str,
        setting("faults to begin with, NAME[=SHARE[:AMOUNT]] with commas, like server_error=0.3:503,slow_drip"),
    ] = ""
    faults_api: Annotated[
        bool, setting("serve /faults, where anyone who can reach the generator sees and switches faults")
    ] = False


class Settings(Discreet, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. The file `switchboard.toml` has this shape."""

    redis_url: Annotated[
        str,
        setting(
            "Redis or Valkey, redis://, rediss:// or unix://; empty: `up` starts its own, `ingester` takes localhost",
            hides="url",
        ),
    ] = ""
    role: Annotated[Literal["all", "etl", "api"], setting("which half of the ingester runs")] = "all"
    etl_port: Annotated[int, setting("port for /health, /ready and /metrics with --role etl", ge=0, le=65535)] = 9102
    host: Annotated[str, setting("address on which the API listens", panel="API")] = "127.0.0.1"
    port: Annotated[int, setting("port of the API", panel="API", ge=0, le=65535)] = 8080
    workers: Annotated[int, setting("processes that answer the API", panel="API", ge=1, le=256)] = 1
    fast_door: Annotated[
        bool,
        setting("answer GetMetric and ListMetrics before the general HTTP machinery, where possible", panel="API"),
    ] = True
    keep_mib: Annotated[
        int,
        setting(
            "memory of an API process for replaced snapshots, which `snapshot=` can ask for while they live, and "
            "for the one that is being loaded",
            "MiB",
            panel="API",
            ge=0,
        ),
    ] = 400
    interval: Annotated[float, setting("time between two scrapes of a source", "s", panel="Sources", gt=0)] = 10
    timeout: Annotated[
        float, setting("longest time for one scrape; 0: 80 % of the interval", "s", panel="Sources", ge=0)
    ] = 0
    ttl: Annotated[
        float,
        setting("how long a snapshot may answer without being confirmed; 0: 3 intervals", "s", panel="Sources", ge=0),
    ] = 0
    max_data_age: Annotated[
        str,
        setting(
            "age of a source's newest row beyond which its answers are `stale`; auto: 3 times the longest period seen "
            "between two changes of its data, and no less than 900; 0: no limit",
            "s",
            panel="Sources",
        ),
    ] = "auto"
    max_body_mib: Annotated[
        int, setting("largest body accepted from a source, decompressed", "MiB", panel="Limits", ge=1)
    ] = 4096
    max_wire_mib: Annotated[
        int, setting("largest body accepted from a source, as it comes on the wire", "MiB", panel="Limits", ge=1)
    ] = 4096
    max_ratio: Annotated[
        int, setting("how many times its size gzip may make of a body, beyond the first MiB", panel="Limits", ge=1)
    ] = 200
    max_rows: Annotated[int, setting("most rows of a body, bad ones included", panel="Limits", ge=1)] = 1_000_000
    max_switches: Annotated[int, setting("most switches of a body", panel="Limits", ge=1)] = 100_000
    max_columns: Annotated[int, setting("most columns of a body", panel="Limits", ge=1)] = 1024
    max_line_kib: Annotated[int, setting("longest line of a body", "KiB", panel="Limits", ge=1, le=1024)] = 64
    min_rate_kib: Annotated[
        int,
        setting("slowest body, counted over every 2 s of waiting for it; 0: no limit", "KiB/s", panel="Limits", ge=0),
    ] = 16
    max_dropped_rows: Annotated[int, setting("so many bad rows are left out of any snapshot", panel="Limits", ge=0)] = (
        10
    )
    max_dropped_ratio: Annotated[
        float,
        setting(
            "share of bad rows (also by itself of rows in the future, and of duplicates) with which a body is refused",
            "of 1",
            panel="Limits",
            ge=0,
            le=1,
        ),
    ] = 0.01
    max_spread: Annotated[
        float,
        setting(
            "how far apart the times of the rows of one body may be; 0: 2 intervals, and no less than 20 s",
            "s",
            panel="Limits",
            ge=0,
        ),
    ] = 0
    min_rows_ratio: Annotated[
        float,
        setting(
            "with a smaller share of the current snapshot's rows, a body is held until a second one is like it",
            "of 1",
            panel="Limits",
            ge=0,
            le=1,
        ),
    ] = 0.5
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], setting("least level that is logged", panel="Logs")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "pretty", "json"],
        setting("form of the logs; auto: pretty on a terminal, JSON lines otherwise", panel="Logs"),
    ] = "auto"
    sources: Annotated[tuple[SourceSettings, ...], setting("what is scraped")] = (
        SourceSettings(url="http://localhost:9001/counters"),
    )
    generator: Annotated[GeneratorSettings, setting("the simulator")] = GeneratorSettings()
