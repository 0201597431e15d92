"""Secrets of a source: headers, token, password and certificates, read from its settings and files.

Secrets of a source leave this module in two values only, request headers and a TLS context. Errors name files and keys,
no values. ``redis.py`` reads secrets of Redis with the same functions.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path

from switchboard.config.sources import Access, Source
from switchboard.errors import ConfigError, SourceError


def is_token(text: str) -> bool:
    """Whether a text can be sent as a token: printable ASCII without blanks."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


MOST_SECRET_BYTES = 64 << 10


def request_headers(access: Access) -> dict[str, str]:
    """The headers to send; token and password are read from their files now. Raises SourceError ``credentials``."""
    headers = dict(access.headers)
    token = read_secret(access.token_file, is_token) if access.token_file else access.token
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if access.user:
        pair = f"{access.user}:{read_secret(access.password_file, str.isprintable)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers


def tls_context(source: Source) -> ssl.SSLContext | None:
    """The TLS context for a source; None: the default context. Raises ConfigError, naming source, key and file."""
    access = source.access
    if access.verify and not access.ca_file and not access.client_cert:
        return None
    place = f"source {source.name!r}, key "
    context = trusting(access.ca_file, f"{place}`ca_file`")
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.client_cert:
        show_certificate(
            context, access.client_cert, access.client_key, f"{place}`client_cert`", f"{place}`client_key`"
        )
    return context


def check_access(sources: Iterable[Source]) -> list[str]:
    """Read every file that the sources name; return warnings for the log.

    Raises ConfigError for a file that is missing or cannot be used.
    """
    warnings = []
    for source in sources:
        tls_context(source)
        try:
            headers = request_headers(source.access)
        except SourceError as error:
            raise ConfigError(f"source {source.name!r}: {error}") from error
        if not source.access.verify:
            warnings.append(f"source {source.name!r}: its certificate is not checked (verify = false)")
        if "Authorization" in headers and source.url.startswith("http:"):
            warnings.append(f"source {source.name!r}: its token or password is sent without encryption (http://)")
    return warnings


def trusting(ca_file: str, place: str) -> ssl.SSLContext:
    """A TLS context that trusts ``ca_file``, or what the system trusts. Raises ConfigError, with the place first."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError as error:
        raise ConfigError(f"{place}: {ca_file} has no certificate in PEM form") from error
    except OSError as error:
        raise ConfigError(f"{place}: {ca_file}: {error.strerror}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def show_certificate(context: ssl.SSLContext, cert: str, key: str, cert_place: str, key_place: str) -> None:
    """Let ``context`` show a client certificate. Raises ConfigError, which begins with the place of the setting."""
    for place, path in ((cert_place, cert), (key_place, key)):
        if path:
            try:
                Path(path).open("rb").close()
            except OSError as error:
                raise ConfigError(f"{place}: {path}: {error.strerror}") from error
    try:
        # Without this argument OpenSSL would ask for a password on the terminal.
        context.load_cert_chain(cert, key or None, password="")
    except (ssl.SSLError, ValueError) as error:
        files = " and ".join(filter(None, (cert, key)))
        raise ConfigError(
            f"{cert_place}: {files}: no certificate and key in PEM form that belong together, or the key is encrypted"
        ) from error


def read_secret(name: str, fits: Callable[[str], bool]) -> str:
    """The content of a file of one line. Raises SourceError ``credentials`` if ``fits`` is false for it."""
    try:
        with Path(name).open("rb") as file:
            text = file.read(MOST_SECRET_BYTES).decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SourceError("credentials", f"the secret in {name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:  # not chained: that error holds the secret bytes
        raise SourceError("credentials", f"the secret in {name} is not UTF-8") from None
    if not text or not fits(text):
        raise SourceError("credentials", f"the secret in {name} is empty, or is not one line of printable text")
    return text
