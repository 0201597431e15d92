"""From the settings to the sources: names and defaults are filled in, and settings must fit each other."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from switchboard.config.addresses import is_forbidden, is_own
from switchboard.config.columns import check_columns
from switchboard.config.limits import Limits
from switchboard.config.masks import mask_url, printable
from switchboard.config.redis import redis_access
from switchboard.config.secrets import is_token
from switchboard.config.settings import Settings
from switchboard.config.sources import Access, ColumnSettings, Source, SourceSettings
from switchboard.errors import ConfigError


def resolve_sources(settings: Settings) -> list[Source]:
    """The sources of the settings, with names and defaults filled in.

    Raises ConfigError if settings do not fit each other, naming source, setting and value.
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
    """Read ``[NAME=]URL``, the form of --source and SWITCHBOARD_SOURCES."""
    name, equals, url = text.partition("=")
    if equals and re.fullmatch(r"[A-Za-z0-9._-]+", name):
        return SourceSettings(name=name, url=url)
    return SourceSettings(url=text)


def own_ports(settings: Settings) -> frozenset[int]:
    """Ports of this machine on which this service, or its Redis, listens."""
    ports = {settings.etl_port if settings.role == "etl" else settings.port}
    redis = redis_access(settings)
    if is_own(redis.host):
        ports.add(redis.port)
    return frozenset(ports)


_NAME_OF_REDIS = "store"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_MEDIA_TYPE = re.compile(r"[!#$&^_.+0-9A-Za-z-]{1,127}/[!#$&^_.+0-9A-Za-z-]{1,127}")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST_LABEL_CHARACTERS = 256
_MOST_SECONDS = 1e10
_OUR_HEADERS = frozenset(
    "accept-encoding connection content-length if-modified-since if-none-match range transfer-encoding upgrade".split()
)
"""Headers that the scrape itself sends, or that would change how it works."""


def _resolve(source: SourceSettings, settings: Settings) -> Source:
    if printable(source.url) != source.url:
        raise ConfigError(f"source {mask_url(printable(source.url))}, key `url`: a URL has no control characters")
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
    if name == _NAME_OF_REDIS:
        raise ConfigError(
            f"a source cannot be called {name!r}, which is Redis in logs and in /ready: change its `name`"
        )
    host = parts.hostname
    _check_address(name, host, port or (443 if parts.scheme == "https" else 80), settings)
    _check_access(name, parts.scheme, source)
    _check_labels(name, source.labels)
    _check_kinds(name, source.columns)
    check_columns(name, source.columns)
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
        content_types=_content_types(name, source.content_types),
        allow_unframed=source.allow_unframed,
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


def _content_types(name: str, given: tuple[str, ...]) -> tuple[str, ...]:
    for text in given:
        if not _MEDIA_TYPE.fullmatch(text):
            raise ConfigError(
                f"source {name!r}, key `content_types`: {text!r} is not a type as in `text/html`, without parameters"
            )
    return tuple(text.lower() for text in given)


def _limits(source: SourceSettings, settings: Settings) -> Limits:
    names = Limits.__struct_fields__
    # 0 and false at a source mean "as in general": a source cannot set them against a general setting.
    values: dict[str, Any] = {name: getattr(source, name, 0) or getattr(settings, name, False) for name in names}
    return Limits(**values)


def _check_address(name: str, host: str, port: int, settings: Settings) -> None:
    if is_forbidden(host):
        raise ConfigError(f"source {name!r}, key `url`: no source may have the address {host} (link-local or metadata)")
    redis = redis_access(settings)
    if port == redis.port and (host == redis.host or (is_own(host) and is_own(redis.host))):
        raise ConfigError(f"source {name!r}, key `url`: {host}:{port} is the Redis of this service")
    if port in own_ports(settings) and (host == settings.host or is_own(host)):
        raise ConfigError(f"source {name!r}, key `url`: {host}:{port} is this service itself")


def _check_access(name: str, scheme: str, access: Access) -> None:
    """Check credentials and TLS without reading files. Errors show no value of a header, token or password."""
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


def _check_kinds(name: str, columns: ColumnSettings) -> None:
    for column in sorted(set(columns.counters) & set(columns.gauges)):
        raise ConfigError(f"source {name!r}, key `columns`: {column!r} stands in `counters` and in `gauges`")
    for column in sorted(set(columns.labels) & set(columns.metrics)):
        raise ConfigError(f"source {name!r}, key `columns`: {column!r} stands in `labels` and in `metrics`")


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
