"""All settings, declared once: name, type, default, unit and meaning.

``cli.py`` derives the command-line flags and the reference from these structs; ``settings.py`` fills them from the
layers (defaults, file, environment, flags). A setting is added here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import msgspec
from msgspec import Meta

from switchboard.addresses import is_forbidden, is_own
from switchboard.errors import ConfigError

MASK = "***"
DEFAULT_REDIS_URL = "redis://localhost:6379/0"
"""Of an ingester that is not told another."""


Hidden = Literal["", "all", "url"]
"""What of a value must not be shown: nothing, all of it, or what is secret in a URL."""


def _setting(meaning: str, unit: str = "", *, panel: str = "Options", hides: Hidden = "", **limits: Any) -> Meta:
    """Describe one setting; ``panel`` groups the flags in --help, ``limits`` are those of msgspec.Meta (ge, le, …)."""
    return Meta(description=meaning, extra={"unit": unit, "panel": panel, "hides": hides}, **limits)


class _Discreet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A struct that can be shown: what is marked as secret is masked, and so is what is secret in a URL."""

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in shown_fields(self))
        return f"{type(self).__name__}({fields})"


def shown_fields(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Names and values of a struct's fields as they may be shown to anybody."""
    for field in msgspec.structs.fields(type(struct)):
        value = getattr(struct, field.name)
        meta = get_args(field.type)[1] if get_origin(field.type) is Annotated else None
        yield field.name, shown_value(value, (meta.extra or {}).get("hides", "") if meta else "")


def shown_value(value: Any, hides: Hidden) -> Any:
    """A value as it may be shown: of a secret that there is one, of a table the keys, of a URL what is no secret."""
    if not hides or not value:
        return value
    if hides == "url":
        return mask_url(value)
    return dict.fromkeys(value, MASK) if isinstance(value, dict) else MASK


class ColumnSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which column of a source's CSV is what; what is left out is found by the dialect (the header tells which)."""

    switch: Annotated[str, _setting("column that names the switch")] = ""
    port: Annotated[str, _setting("column that names the port; `-` says that there is none")] = ""
    timestamp: Annotated[str, _setting("column with the time of a row; `-`: rows get the time of the scrape")] = ""
    timestamp_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"],
        _setting("unit of that time; auto takes the one that puts it between the year 2000 and now + 10 min"),
    ] = "auto"
    labels: Annotated[tuple[str, ...], _setting("columns to keep as text, beside those of the dialect")] = ()
    units: Annotated[
        dict[str, str], _setting('columns whose numbers carry a unit, and the unit: `{ Module_Temperature = "C" }`')
    ] = {}
    missing: Annotated[tuple[str, ...], _setting("words for a missing number, beside NA, N/A and nothing")] = ()
    rename: Annotated[dict[str, str], _setting('columns to keep under another name: `{ old = "new" }`')] = {}
    exclude: Annotated[tuple[str, ...], _setting("columns to leave out")] = ()


class Access(_Discreet, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a source wants to see before it answers. Files are named by paths, relative to the working directory."""

    headers: Annotated[
        dict[str, str],
        _setting("headers to send, as a table `[sources.headers]`; the values are kept secret", hides="all"),
    ] = {}
    token: Annotated[str, _setting("token to send as `Authorization: Bearer`; better in a file", hides="all")] = ""
    token_file: Annotated[str, _setting("file with that token; read at every scrape, so that it can be replaced")] = ""
    user: Annotated[str, _setting("user name for `Authorization: Basic`")] = ""
    password_file: Annotated[str, _setting("file with the password of `user`; read at every scrape")] = ""
    ca_file: Annotated[str, _setting("certificates (PEM) to trust in place of the system's")] = ""
    client_cert: Annotated[str, _setting("certificate (PEM, with its chain) to show to the source")] = ""
    client_key: Annotated[str, _setting("its key (PEM, not encrypted); default: in the file of the certificate")] = ""
    verify: Annotated[bool, _setting("whether the source's certificate is checked; `false` is for laboratories")] = True


class SourceSettings(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source. ``interval``, ``timeout`` and ``ttl`` of 0 mean the general setting."""

    url: Annotated[str, _setting("where the CSV is; http or https, without user or password", hides="url")]
    name: Annotated[str, _setting("name in keys, logs and answers; default: host-port of the URL")] = ""
    interval: Annotated[float, _setting("time between two scrapes", "s", ge=0)] = 0
    timeout: Annotated[float, _setting("longest time for one scrape", "s", ge=0)] = 0
    ttl: Annotated[float, _setting("how long a snapshot may answer without being confirmed", "s", ge=0)] = 0
    max_data_age: Annotated[
        str, _setting("age of the newest row beyond which answers are `stale`; empty: as in general", "s")
    ] = ""
    max_body_mib: Annotated[int, _setting("largest body, decompressed; 0: as in general", "MiB", ge=0)] = 0
    max_rows: Annotated[int, _setting("most rows of a body; 0: as in general", ge=0)] = 0
    max_switches: Annotated[int, _setting("most switches of a body; 0: as in general", ge=0)] = 0
    max_columns: Annotated[int, _setting("most columns of a body; 0: as in general", ge=0)] = 0
    max_spread: Annotated[
        float, _setting("how far apart the times of the rows of one body may be; 0: as in general", "s", ge=0)
    ] = 0
    allow_empty: Annotated[bool, _setting("whether a header without rows is a snapshot, an empty one")] = False
    labels: Annotated[
        dict[str, str],
        _setting("what to know about the source, as a table `[sources.labels]`: shown in ListSources"),
    ] = {}
    columns: Annotated[ColumnSettings, _setting("mapping of the columns")] = ColumnSettings()


class GeneratorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulator of switches. Two generators with equal settings serve equal bytes."""

    host: Annotated[str, _setting("address to listen on")] = "127.0.0.1"
    port: Annotated[int, _setting("port to listen on", ge=0, le=65535)] = 9001
    profile: Annotated[
        Literal["basic", "encoded", "ufm"],
        _setting(
            "what is simulated: `basic` switches, values that encode slot, switch and metric (for tests), or the "
            "ports of a fabric as NVIDIA UFM Telemetry has them"
        ),
    ] = "basic"
    switches: Annotated[str, _setting("how many switches (sw1, sw2, …), or their names with commas", min_length=1)] = (
        "100"
    )
    metrics: Annotated[
        str,
        _setting("metrics and their ranges, NAME=LOW:HIGH with commas; decimals in LOW or HIGH make a decimal metric"),
    ] = "bandwidth_mbps=100.00:10000.00,latency_ms=0.10:5000.00,packet_errors=0:100"
    ports: Annotated[
        int,
        _setting("profile `ufm`: ports per switch, beside the one of its aggregation node (65)", ge=1, le=65_000),
    ] = 64
    counters: Annotated[
        int,
        _setting("profile `ufm`: numeric columns per set; 0: 30 in the primary, 120 in the secondary", ge=0, le=10_000),
    ] = 0
    seed: Annotated[int, _setting("seed of all values", ge=0)] = 1
    hold: Annotated[float, _setting("how long one snapshot is served", "s", gt=0)] = 10
    unasked_304: Annotated[
        bool, _setting("answer 304 to every later GET within the hold, asked or not, as the original did")
    ] = False
    faults: Annotated[
        str,
        _setting("faults to begin with, NAME[=SHARE[:AMOUNT]] with commas, like server_error=0.3:503,slow_drip"),
    ] = ""
    faults_api: Annotated[
        bool, _setting("serve /faults, where anyone who can reach the generator sees and switches faults")
    ] = False


class Settings(_Discreet, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. The file `switchboard.toml` has this shape."""

    redis_url: Annotated[
        str,
        _setting(
            "Redis or Valkey, redis://, rediss:// or unix://; empty: `up` starts its own, `ingester` takes localhost",
            hides="url",
        ),
    ] = ""
    role: Annotated[Literal["all", "etl", "api"], _setting("which half of the ingester runs")] = "all"
    etl_port: Annotated[int, _setting("port for /health, /ready and /metrics with --role etl", ge=0, le=65535)] = 9102
    host: Annotated[str, _setting("address on which the API listens", panel="API")] = "127.0.0.1"
    port: Annotated[int, _setting("port of the API", panel="API", ge=0, le=65535)] = 8080
    workers: Annotated[int, _setting("processes that answer the API", panel="API", ge=1, le=256)] = 1
    fast_door: Annotated[
        bool,
        _setting("answer GetMetric and ListMetrics before the general HTTP machinery, where possible", panel="API"),
    ] = True
    keep_mib: Annotated[
        int,
        _setting(
            "memory of an API process for replaced snapshots, which `snapshot=` can ask for while they live, and "
            "for the one that is being loaded",
            "MiB",
            panel="API",
            ge=0,
        ),
    ] = 400
    interval: Annotated[float, _setting("time between two scrapes of a source", "s", panel="Sources", gt=0)] = 10
    timeout: Annotated[
        float, _setting("longest time for one scrape; 0: 80 % of the interval", "s", panel="Sources", ge=0)
    ] = 0
    ttl: Annotated[
        float,
        _setting("how long a snapshot may answer without being confirmed; 0: 3 intervals", "s", panel="Sources", ge=0),
    ] = 0
    max_data_age: Annotated[
        str,
        _setting(
            "age of a source's newest row beyond which its answers are `stale`; auto: 3 times the longest period seen "
            "between two changes of its data, and no less than 900; 0: no limit",
            "s",
            panel="Sources",
        ),
    ] = "auto"
    max_body_mib: Annotated[
        int, _setting("largest body accepted from a source, decompressed", "MiB", panel="Limits", ge=1)
    ] = 4096
    max_wire_mib: Annotated[
        int, _setting("largest body accepted from a source, as it comes on the wire", "MiB", panel="Limits", ge=1)
    ] = 4096
    max_ratio: Annotated[
        int, _setting("how many times its size gzip may make of a body, beyond the first MiB", panel="Limits", ge=1)
    ] = 200
    max_rows: Annotated[int, _setting("most rows of a body, bad ones included", panel="Limits", ge=1)] = 1_000_000
    max_switches: Annotated[int, _setting("most switches of a body", panel="Limits", ge=1)] = 100_000
    max_columns: Annotated[int, _setting("most columns of a body", panel="Limits", ge=1)] = 1024
    max_line_kib: Annotated[int, _setting("longest line of a body", "KiB", panel="Limits", ge=1, le=1024)] = 64
    min_rate_kib: Annotated[
        int,
        _setting("slowest body, counted over every 2 s of waiting for it; 0: no limit", "KiB/s", panel="Limits", ge=0),
    ] = 16
    max_dropped_rows: Annotated[
        int, _setting("so many bad rows are left out of any snapshot", panel="Limits", ge=0)
    ] = 10
    max_dropped_ratio: Annotated[
        float,
        _setting(
            "share of bad rows (also by itself of rows in the future, and of duplicates) with which a body is refused",
            "of 1",
            panel="Limits",
            ge=0,
            le=1,
        ),
    ] = 0.01
    max_spread: Annotated[
        float,
        _setting(
            "how far apart the times of the rows of one body may be; 0: 2 intervals, and no less than 20 s",
            "s",
            panel="Limits",
            ge=0,
        ),
    ] = 0
    min_rows_ratio: Annotated[
        float,
        _setting(
            "with a smaller share of the current snapshot's rows, a body is held until a second one is like it",
            "of 1",
            panel="Limits",
            ge=0,
            le=1,
        ),
    ] = 0.5
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _setting("least level that is logged", panel="Logs")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "pretty", "json"],
        _setting("form of the logs; auto: pretty on a terminal, JSON lines otherwise", panel="Logs"),
    ] = "auto"
    sources: Annotated[tuple[SourceSettings, ...], _setting("what is scraped")] = (
        SourceSettings(url="http://localhost:9001/counters"),
    )
    generator: Annotated[GeneratorSettings, _setting("the simulator")] = GeneratorSettings()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a body of one source may be, and what the gate tolerates; names and units are those of the settings."""

    max_body_mib: int
    max_wire_mib: int
    max_ratio: int
    max_rows: int
    max_switches: int
    max_columns: int
    max_line_kib: int
    min_rate_kib: int
    max_dropped_rows: int
    max_dropped_ratio: float
    max_spread: float
    min_rows_ratio: float
    allow_empty: bool


class Source(_Discreet, frozen=True, kw_only=True):
    """A source with nothing left open: what the ETL works with. All times in seconds."""

    name: str
    url: Annotated[str, _setting("may hold secrets in its query", hides="url")]
    interval: float
    timeout: float
    ttl: float
    max_data_age: float | None = None
    """Age of the newest row beyond which data is called old; 0: never, None: found by the ETL."""
    columns: ColumnSettings
    limits: Limits
    labels: dict[str, str] = {}
    access: Access = Access()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def shown_url(self) -> str:
        """The URL for logs and answers."""
        return mask_url(self.url)


def resolve_sources(settings: Settings) -> list[Source]:
    """Fill in names and defaults of all sources, and check what belongs together.

    Raises ConfigError, naming source, setting and value.
    """
    sources = [_resolve(source, settings) for source in settings.sources]
    seen: dict[str, Source] = {}
    for source in sources:
        if source.name in seen:
            raise ConfigError(
                f"two sources are called {source.name!r} ({seen[source.name].shown_url} and {source.shown_url}): "
                "name them with --source NAME=URL"
            )
        seen[source.name] = source
    return sources


def parse_source(text: str) -> SourceSettings:
    """Read ``[NAME=]URL`` as the flag --source and SWITCHBOARD_SOURCES have it."""
    name, equals, url = text.partition("=")
    if equals and re.fullmatch(r"[A-Za-z0-9._-]+", name):
        return SourceSettings(name=name, url=url)
    return SourceSettings(url=text)


def mask_url(url: str) -> str:
    """A URL that may be shown: password and secret-looking query values are replaced by ``***``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    netloc = parts.netloc
    if "@" in netloc:
        userinfo, _, host = netloc.rpartition("@")
        user, colon, _ = userinfo.partition(":")
        netloc = f"{user}:{MASK}@{host}" if colon else f"{MASK}@{host}"
    query = parts.query
    if SECRET_WORD.search(query):
        query = "&".join(
            f"{quote(key, safe='')}={MASK if SECRET_WORD.search(key) else quote(value, safe='')}"
            for key, value in parse_qsl(query, keep_blank_values=True)
        )
    if (netloc, query) == (parts.netloc, parts.query):
        return url  # putting it together again would make unix:/path of unix:///path
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def url_secrets(url: str) -> list[str]:
    """The values in a URL's query that ``mask_url`` replaces."""
    return [value for key, value in parse_qsl(urlsplit(url).query) if SECRET_WORD.search(key)]


def own_ports(settings: Settings) -> frozenset[int]:
    """Ports of this machine on which the service itself, or its Redis, listens."""
    ports = {settings.etl_port if settings.role == "etl" else settings.port}
    host, port = _redis_address(settings)
    if is_own(host):
        ports.add(port)
    return frozenset(ports)


SECRET_WORD = re.compile(r"token|secret|pass|pwd|key|auth|sig|credential", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST_LABEL_CHARACTERS = 256
_MOST_SECONDS = 1e10
_OUR_HEADERS = frozenset(
    "accept-encoding connection content-length if-modified-since if-none-match range transfer-encoding upgrade".split()
)
"""Headers that say how a scrape works."""


def _resolve(source: SourceSettings, settings: Settings) -> Source:
    try:
        parts = urlsplit(source.url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"source {mask_url(source.url)!r} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"source {mask_url(source.url)!r} is not an http:// or https:// URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"source {mask_url(source.url)!r}: a user or password in the URL would end up in logs")
    name = source.name or f"{parts.hostname}-{port or (443 if parts.scheme == 'https' else 80)}".replace(":", ".")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"source name {name!r} may have letters, digits, `.`, `_` and `-`, at most 64")
    host = parts.hostname
    _check_address(name, host, port or (443 if parts.scheme == "https" else 80), settings)
    _check_access(name, parts.scheme, source)
    _check_labels(name, source.labels)
    interval = source.interval or settings.interval
    timeout = source.timeout or settings.timeout or 0.8 * interval
    if timeout > interval:
        raise ConfigError(
            f"source {name!r}: a timeout of {timeout:g} s is longer than the interval of {interval:g} s: "
            "the next scrape would have to wait for it"
        )
    ttl = source.ttl or settings.ttl or 3 * interval
    if ttl < 2 * interval + timeout:
        raise ConfigError(
            f"source {name!r}: a TTL of {ttl:g} s is too short for an interval of {interval:g} s and a timeout of "
            f"{timeout:g} s: it must be at least 2 × interval + timeout = {2 * interval + timeout:g} s"
        )
    return Source(
        name=name,
        url=source.url,
        interval=interval,
        timeout=timeout,
        ttl=ttl,
        max_data_age=_max_data_age(name, source.max_data_age or settings.max_data_age),
        columns=source.columns,
        limits=_limits(source, settings),
        labels=source.labels,
        access=Access(**{field: getattr(source, field) for field in Access.__struct_fields__}),
    )


def _max_data_age(name: str, text: str) -> float | None:
    if text.lower() == "auto":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MOST_SECONDS:
        raise ConfigError(
            f"source {name!r}, key `max_data_age`: {text!r} is neither auto nor a number of seconds (0: no limit)"
        )
    return seconds


def _limits(source: SourceSettings, settings: Settings) -> Limits:
    names = Limits.__struct_fields__
    values: dict[str, Any] = {name: getattr(source, name, 0) or getattr(settings, name, False) for name in names}
    return Limits(**values)


def _check_address(name: str, host: str, port: int, settings: Settings) -> None:
    if is_forbidden(host):
        raise ConfigError(f"source {name!r}, key `url`: no source may have the address {host} (link-local or metadata)")
    redis_host, redis_port = _redis_address(settings)
    if port == redis_port and (host == redis_host or (is_own(host) and is_own(redis_host))):
        raise ConfigError(f"source {name!r}, key `url`: {host}:{port} is the Redis of this service")
    if port in own_ports(settings) and (host == settings.host or is_own(host)):
        raise ConfigError(f"source {name!r}, key `url`: {host}:{port} is this service itself")


def _redis_address(settings: Settings) -> tuple[str, int]:
    """Host and port; an empty host where it is a Unix socket."""
    parts = urlsplit(settings.redis_url or DEFAULT_REDIS_URL)
    return ("", 0) if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)


def _check_access(name: str, scheme: str, access: Access) -> None:
    """Check what belongs together, without a look at the files; no value of a header, token or password is shown."""
    for header, value in access.headers.items():
        if not _HEADER_NAME.fullmatch(header):
            raise ConfigError(f"source {name!r}, key `headers`: {header!r} is not the name of a header")
        if header.lower() in _OUR_HEADERS:
            raise ConfigError(f"source {name!r}, key `headers`: {header} is set by the scrape itself")
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(f"source {name!r}, key `headers`: the value of {header} is not printable ASCII")
    if not is_token(access.token or "x"):
        raise ConfigError(f"source {name!r}, key `token`: it is not printable ASCII without blanks")
    authorized = [key for key in ("token", "token_file", "user") if getattr(access, key)]
    authorized += ["headers.Authorization" for header in access.headers if header.lower() == "authorization"]
    if len(authorized) > 1:
        raise ConfigError(f"source {name!r}: `{authorized[0]}` and `{authorized[1]}` are two ways to say one thing")
    for one, other in (("user", "password_file"), ("password_file", "user"), ("client_key", "client_cert")):
        if getattr(access, one) and not getattr(access, other):
            raise ConfigError(f"source {name!r}: `{one}` is of no use without `{other}`")
    if ":" in access.user or not (access.user.isascii() and access.user.isprintable()):
        raise ConfigError(f"source {name!r}, key `user`: {access.user!r} is not printable ASCII without a colon")
    if access.ca_file and not access.verify:
        raise ConfigError(f"source {name!r}: `ca_file` is of no use with `verify = false`")
    for key in ("ca_file", "client_cert"):
        if getattr(access, key) and scheme != "https":
            raise ConfigError(f"source {name!r}, key `{key}`: it is for https:// URLs, and this one is http://")


def is_token(text: str) -> bool:
    """Whether a text can be sent as a token."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def _check_labels(name: str, labels: dict[str, str]) -> None:
    for label, value in labels.items():
        if not _LABEL_NAME.fullmatch(label):
            raise ConfigError(
                f"source {name!r}, key `labels`: {label!r} may have letters, digits and `_`, and no digit first"
            )
        if len(value) > _MOST_LABEL_CHARACTERS or not value.isprintable():
            raise ConfigError(
                f"source {name!r}, key `labels.{label}`: it is not printable text of at most "
                f"{_MOST_LABEL_CHARACTERS} characters"
            )
