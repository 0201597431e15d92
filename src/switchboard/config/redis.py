"""The Redis of the settings: its address, user, password and TLS, checked before anything connects.

The password and the certificates are read from their files whenever a connection is made, so that they can be replaced
while the processes run. Errors name settings and files, and show no secret.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from switchboard.config.masks import mask_url
from switchboard.config.secrets import read_secret, show_certificate, trusting
from switchboard.config.settings import DEFAULT_REDIS_URL, Settings
from switchboard.errors import ConfigError, SourceError

_SCHEMES = ("redis", "rediss", "unix")
_PORT = 6379
_MOST_DB = 2**31 - 1
_FILE_WORDS = {
    "ssl_ca_certs": "redis_ca_file",
    "ssl_certfile": "redis_client_cert",
    "ssl_keyfile": "redis_client_key",
}
"""Words that the query of the URL may have, as redis-py knows them, and the settings that say the same."""
_WORDS = ("db", "password", *_FILE_WORDS, "ssl_cert_reqs", "ssl_check_hostname")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAccess:
    """How to reach one Redis, and what to show to it."""

    shown_url: str
    """The URL for logs and errors, its password masked."""
    host: str = ""
    """Empty for a Unix socket."""
    port: int = 0
    path: str = ""
    """Of a Unix socket."""
    db: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    """From the URL."""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    client_cert: str = ""
    client_key: str = ""
    verify: bool = True
    """Check the server's certificate; ``check_host``: its name, too."""
    check_host: bool = True


def redis_access(settings: Settings) -> RedisAccess:
    """The Redis of the settings. Raises ConfigError for a URL or settings that cannot be used; reads no file."""
    url = settings.redis_url or DEFAULT_REDIS_URL
    parts = _split(url)
    words = _words(parts)
    tls = parts.scheme == "rediss"
    files = {name: getattr(settings, name) or words.get(word, "") for word, name in _FILE_WORDS.items()}
    for name, path in files.items():
        if path and not tls:
            raise ConfigError(f"`{name}` is for rediss:// URLs, and `redis_url` is {mask_url(url)}")
    if files["redis_client_key"] and not files["redis_client_cert"]:
        raise ConfigError("`redis_client_key` is of no use without `redis_client_cert`")
    password = unquote(parts.password or "") or words.get("password", "")
    if password and settings.redis_password_file:
        raise ConfigError("`redis_password_file`, and the password in `redis_url`, are two ways to say one thing")
    return RedisAccess(
        shown_url=mask_url(url),
        host="" if parts.scheme == "unix" else parts.hostname or "localhost",
        port=0 if parts.scheme == "unix" else parts.port or _PORT,
        path=unquote(parts.path) if parts.scheme == "unix" else "",
        db=_db(parts, words),
        user=unquote(parts.username or ""),
        password=password,
        password_file=settings.redis_password_file,
        tls=tls,
        ca_file=files["redis_ca_file"],
        client_cert=files["redis_client_cert"],
        client_key=files["redis_client_key"],
        verify=_choice(words, "ssl_cert_reqs", ("required", "none")) == "required",
        check_host=_choice(words, "ssl_check_hostname", ("true", "false")) == "true",
    )


def redis_password(access: RedisAccess) -> str:
    """The password, read from its file now if it is in one; empty: there is none. Raises ConfigError."""
    if not access.password_file:
        return access.password
    try:
        return read_secret(access.password_file, str.isprintable)
    except SourceError as error:
        raise ConfigError(f"`redis_password_file`: {error}") from error


def redis_tls(access: RedisAccess) -> ssl.SSLContext | None:
    """The TLS context, its files read now; None without TLS. Raises ConfigError, naming setting and file."""
    if not access.tls:
        return None
    context = trusting(access.ca_file, "`redis_ca_file`")
    context.check_hostname = access.verify and access.check_host
    if not access.verify:
        context.verify_mode = ssl.CERT_NONE
    if access.client_cert:
        show_certificate(context, access.client_cert, access.client_key, "`redis_client_cert`", "`redis_client_key`")
    return context


def check_redis(settings: Settings) -> RedisAccess:
    """The Redis of the settings, after every file that they name was read. Raises ConfigError."""
    access = redis_access(settings)
    redis_password(access)
    redis_tls(access)
    return access


def _split(url: str) -> SplitResult:
    """The parts of the URL. Errors do not show a URL that cannot be read: its password could not be found in it."""
    begin, named, _ = url.partition("://")
    encode = "in a user or password, percent-encode what is not a letter or digit"
    if begin not in _SCHEMES or not named:
        raise ConfigError(
            f"`redis_url` is {_shown(url)!r}: write redis://, rediss:// (TLS) or unix://, also for Valkey"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"`redis_url` ({begin}://…) cannot be read: host or port is wrong; {encode}") from None
    if parts.fragment or "@" in parts.path + parts.query:
        raise ConfigError(f"`redis_url` ({begin}://…) cannot be read: what stands behind the host is wrong; {encode}")
    if port == 0:
        raise ConfigError(f"`redis_url` is {mask_url(url)}: there is no port 0")
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise ConfigError(f"`redis_url` is {mask_url(url)}: it names no socket, as unix:///run/redis.sock does")
    return parts


def _shown(url: str) -> str:
    """A URL that cannot be used, its password masked; only its beginning if the password cannot be told from it."""
    shown = mask_url(url)
    begin, _, rest = shown.rpartition("***@")
    if "@" not in begin + rest:
        return shown
    return f"{begin.partition('://')[0]}://…" if "://" in url else "…"


def _words(parts: SplitResult) -> dict[str, str]:
    """The words in the query of the URL."""
    words = dict(parse_qsl(parts.query, keep_blank_values=True))
    for word in words:
        if word not in _WORDS:
            raise ConfigError(
                f"`redis_url` has the word {word!r} behind its ?: it may have {', '.join(_WORDS[:-1])} and {_WORDS[-1]}"
            )
    return words


def _db(parts: SplitResult, words: dict[str, str]) -> int:
    """The number of the database: from the query, else from the path."""
    text = words.get("db", "" if parts.scheme == "unix" else parts.path.strip("/"))
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _MOST_DB):
        raise ConfigError(f"`redis_url` names the database {text!r}: write its number, as in redis://HOST:PORT/0")
    return int(text)


def _choice(words: dict[str, str], word: str, choices: tuple[str, str]) -> str:
    """The value of a word that has two; the first is the default."""
    value = words.get(word, choices[0]).lower()
    if value not in choices:
        raise ConfigError(f"`redis_url` has {word}={value!r}: write {choices[0]} or {choices[1]}")
    return value
