"""All settings, declared once: name, type, default, unit and meaning.

``cli/`` derives the command-line flags and the reference from these structs; ``layers.py`` fills them from the layers
(defaults, file, environment, flags). General limits are declared in ``limits.py``, settings of a source in
``sources.py``. A setting is declared in one place and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from switchboard.config.declare import setting
from switchboard.config.limits import GeneralLimits
from switchboard.config.sources import SourceSettings

DEFAULT_REDIS_URL = "redis://localhost:6379/0"
"""The Redis of an ingester whose settings name none."""


class GeneratorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulator of switches. Two generators with equal settings serve equal bytes."""

    host: Annotated[str, setting("address to listen on")] = "127.0.0.1"
    port: Annotated[int, setting("port to listen on", ge=0, le=65535)] = 9001
    profile: Annotated[
        Literal["basic", "encoded", "ufm"],
        setting(
            "what is simulated. basic: switches; encoded: values that name their slot, switch and metric (for tests); "
            "ufm: the ports of a fabric, in the format of NVIDIA UFM Telemetry"
        ),
    ] = "basic"
    switches: Annotated[
        str, setting("number of switches (sw1, sw2, …), or their names, separated by commas", min_length=1)
    ] = "100"
    metrics: Annotated[
        str,
        setting(
            "metrics and their ranges, NAME=LOW:HIGH, separated by commas; a decimal LOW or HIGH makes a decimal metric"
        ),
    ] = "bandwidth_mbps=100.00:10000.00,latency_ms=0.10:5000.00,packet_errors=0:100"
    ports: Annotated[
        int,
        setting("profile `ufm`: ports per switch, not counting port 65 of its aggregation node", ge=1, le=65_000),
    ] = 64
    counters: Annotated[
        int,
        setting("profile `ufm`: numeric columns per set; 0: 30 in the primary, 120 in the secondary", ge=0, le=10_000),
    ] = 0
    seed: Annotated[int, setting("seed of all random values", ge=0)] = 1
    hold: Annotated[float, setting("time for which one snapshot is served", "s", gt=0)] = 10
    unasked_304: Annotated[
        bool, setting("answer 304 to every later GET within the hold, also without a condition, as the original did")
    ] = False
    faults: Annotated[
        str,
        setting("faults at the start, NAME[=SHARE[:AMOUNT]], separated by commas, like server_error=0.3:503,slow_drip"),
    ] = ""
    faults_api: Annotated[
        bool, setting("serve /faults, where anyone who can reach the generator can see and switch faults")
    ] = False


class Settings(GeneralLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. The file `switchboard.toml` has this shape."""

    redis_url: Annotated[
        str,
        setting(
            "URL of Redis or Valkey: redis://, rediss:// (TLS) or unix://, with a user as in redis://USER@HOST:PORT; "
            "empty: `up` starts a private Redis, `ingester` uses localhost",
            hides="url",
        ),
    ] = ""
    redis_password_file: Annotated[
        str, setting("file with the password for Redis; read at every new connection, so it can be replaced")
    ] = ""
    redis_ca_file: Annotated[
        str, setting("certificates (PEM) to trust for Redis instead of the system's; for rediss://")
    ] = ""
    redis_client_cert: Annotated[
        str, setting("client certificate (PEM, with its chain) to show to Redis; for rediss://")
    ] = ""
    redis_client_key: Annotated[
        str, setting("key of `redis_client_cert` (PEM, not encrypted); default: in the file of the certificate")
    ] = ""
    role: Annotated[Literal["all", "etl", "api"], setting("part of the ingester to run")] = "all"
    etl_port: Annotated[int, setting("port for /health, /ready and /metrics with --role etl", ge=0, le=65535)] = 9102
    host: Annotated[str, setting("address on which the API listens", panel="API")] = "127.0.0.1"
    port: Annotated[int, setting("port of the API", panel="API", ge=0, le=65535)] = 8080
    workers: Annotated[int, setting("number of API processes", panel="API", ge=1, le=256)] = 1
    fast_door: Annotated[
        bool,
        setting(
            "has no effect any more, and will be refused by the next version",
            panel="API",
        ),
    ] = True
    cors_origin: Annotated[
        str,
        setting(
            "origin whose pages may read answers in a browser (CORS), such as https://grafana.example.org; *: any "
            "origin; empty: none",
            panel="API",
            # As browsers send it, because they compare it byte by byte: a name in small letters, no default port.
            title="an origin as browsers send it (https://host or http://host:port: small letters, no path), nor *",
            pattern=r"^(\*|(?!https:.*:443$|http:.*:80$)https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?)?$",
        ),
    ] = ""
    keep_mib: Annotated[
        int,
        setting(
            "memory of an API process for replaced snapshots, which `snapshot=` can ask for until they expire, and for "
            "the snapshot that is being loaded",
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
        setting(
            "time after which a snapshot that was not confirmed expires; 0: 3 intervals", "s", panel="Sources", ge=0
        ),
    ] = 0
    max_data_age: Annotated[
        str,
        setting(
            "answers are `stale` if the newest row of the source is older than this; auto: 3 times the longest time "
            "seen between two changes of its data, and no less than 900; 0: no limit",
            "s",
            panel="Sources",
        ),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], setting("lowest level that is logged", panel="Logs")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "pretty", "json"],
        setting("format of the logs; auto: pretty on a terminal, JSON lines otherwise", panel="Logs"),
    ] = "auto"
    sources: Annotated[tuple[SourceSettings, ...], setting("sources to scrape")] = (
        SourceSettings(url="http://localhost:9001/counters"),
    )
    generator: Annotated[GeneratorSettings, setting("the simulator")] = GeneratorSettings()
