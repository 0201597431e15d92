"""Heads of answers that are not used: the reason, and a sentence that says what helps."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Collection

import aiohttp

from switchboard.config.masks import SecretWords, mask_url
from switchboard.config.sources import Access, Source
from switchboard.errors import BodyError, SourceError
from switchboard.inputs.gunzip import GZIP_CODINGS

MOST_RETRY_AFTER_SECONDS = 60.0
NO_DATE = (ValueError, TypeError, OverflowError, OSError)
"""Errors of parsing a text that is not a date, or a date that no clock can show."""

_NOT_CSV = frozenset({"text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml"})
_CODINGS = frozenset({"", "identity", *GZIP_CODINGS})
_CREDENTIALS = "user and password_file, or token_file"

_HELP = {
    204: "the answer has no body",
    206: "only a part of the body is sent",
    404: "there is nothing at this path: check url",
    405: "GET is not allowed at this path: check url",
    406: "nothing that the request accepts is there: another Accept can be set in headers",
    407: "a proxy wants credentials; this service uses no proxy, so one is in the way, or url names it",
    410: "there is nothing at this path any more: check url",
    429: "it is asked too often: a longer interval helps",
}
"""What may help, by status. For 401, 403 and redirects it depends on more; see ``_help``."""


def check_head(response: aiohttp.ClientResponse, source: Source, secrets: SecretWords) -> None:
    """Raise SourceError for an answer that is neither a 304 nor a 200 with a body that can be read."""
    if response.status == 304:
        return
    if response.status != 200:
        status_line = f"{response.status} {secrets.quote(response.reason or '')}".rstrip()
        helps = _help(response, source.access, secrets)
        raise SourceError(
            "redirect" if 300 <= response.status < 400 else f"http_{response.status // 100}xx",
            f"the source answers {status_line}" + (f": {helps}" if helps else ""),
            retry_after=retry_after(response.headers.get("Retry-After")),
        )
    media_type = media_type_of(response)
    if media_type in _NOT_CSV and media_type not in source.content_types:
        raise BodyError(
            "content_type", f'the body is {media_type}, not CSV: if it is CSV, set content_types = ["{media_type}"]'
        )
    if encoding(response) not in _CODINGS:
        shown = secrets.quote(response.headers["Content-Encoding"])
        raise BodyError("encoding", f"the body has Content-Encoding: {shown}, and only gzip was asked for")


def is_framed(response: aiohttp.ClientResponse) -> bool:
    """Whether the answer says where its body ends. Else it ends with the connection, and may be cut short."""
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return chunked or response.content_length is not None


def media_type_of(response: aiohttp.ClientResponse) -> str:
    """The media type in small letters, without parameters; empty if there is none."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def encoding(response: aiohttp.ClientResponse) -> str:
    """The content coding in small letters; empty if there is none."""
    return response.headers.get("Content-Encoding", "").strip().lower()


def retry_after(value: str | None) -> float | None:
    """The seconds of a Retry-After, which is a number or a date; at most MOST_RETRY_AFTER_SECONDS."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except NO_DATE:
            return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_SECONDS)


def _help(response: aiohttp.ClientResponse, access: Access, secrets: SecretWords) -> str:
    """What may help against a status; empty if nothing can be said."""
    if 300 <= response.status < 400:
        location = response.headers.get("Location", "")
        where = f"it leads to {secrets.quote(mask_url(secrets.mask(location)))}" if location else "it leads nowhere"
        return f"redirects are not followed, and {where}: check url"
    shown = _shown_credentials(access)
    if response.status == 401:
        asked = response.headers.get("WWW-Authenticate", "")
        wanted = f" ({secrets.quote(asked)})" if asked else ""
        if not shown:
            return f"it wants credentials{wanted}: set {_CREDENTIALS}"
        return f"it does not accept {shown}{wanted}"
    if response.status == 403:
        return f"it does not allow this with {shown}" if shown else f"credentials may help: {_CREDENTIALS}"
    return _HELP.get(response.status, "")


def _shown_credentials(access: Access) -> str:
    """The settings with the credentials that the source was shown; empty without any."""
    settings: Collection[str] = [name for name in ("token", "token_file") if getattr(access, name)]
    if access.user:
        settings = ["user and password_file"]
    elif any(header.lower() == "authorization" for header in access.headers):
        settings = ["headers.Authorization"]
    if access.client_cert:
        settings = [*settings, "client_cert"]
    return " and ".join(settings)
