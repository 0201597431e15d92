"""Scrape: one conditional GET of a source, with a streamed body and a name for every kind of failure."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import functools
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from switchboard.config.limits import Limits
from switchboard.config.masks import SecretWords, printable
from switchboard.config.secrets import request_headers
from switchboard.config.sources import Source
from switchboard.errors import BodyError, SourceError
from switchboard.etl.pull.connect import ForbiddenAddress, new_connector
from switchboard.etl.pull.one_answer import SourceResponse
from switchboard.etl.pull.rate import LeastRate
from switchboard.etl.pull.refusals import NO_DATE, check_head, encoding, is_framed, media_type_of
from switchboard.inputs.gunzip import PIECE_BYTES, Unpacker
from switchboard.inputs.rejects import CUT
from switchboard.model import Reject

CONNECT_SECONDS = 3.0
MOST_VALIDATOR_BYTES = 256
LEAST_AGE_SECONDS = 2.0
"""A Last-Modified that is younger is not sent back as a condition: the content may change again within its second."""
_MOST_AGE_DIGITS = 10
_READ_BYTES = 256 << 10
_RATIO_BYTES = 1 << 20
"""A shorter body may have any compression ratio."""
_TARGET = "".join(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class Validators:
    """The condition of a GET: ETag and Last-Modified of the current snapshot."""

    etag: str | None = None
    last_modified: str | None = None


class Response:
    """An answer of a source: 304, or 200 with a body that is read once, by ``pieces``."""

    def __init__(self, response: SourceResponse, source: Source, secrets: SecretWords) -> None:
        self.not_modified = response.status == 304
        self.validators = _validators(response)
        self.media_type = media_type_of(response)
        self.charset = response.charset or ""
        """The encoding of the text, as Content-Type declares it; empty if it does not."""
        self.source_us = _source_us(response)
        """The source's clock when it answered, in microseconds since the epoch; None without a Date header."""
        self.bytes_expected = response.content_length
        self.bytes_received = 0
        self._response = response
        self._secrets = secrets
        self._limits = source.limits
        self._needs_gzip = not (source.allow_unframed or is_framed(response))
        """Whether the body is used only if its own first bytes say that it is gzip, which has an end of its own."""

    def masked(self, reject: Reject) -> Reject:
        """A reject with our secrets masked: a source may repeat them in its body."""
        column, value = self._secrets.mask(reject.column), self._secrets.mask_cut(reject.value, CUT)
        return msgspec.structs.replace(reject, column=column, value=value)

    def masked_text(self, text: str) -> str:
        """A text that may quote the answer, with our secrets masked."""
        return self._secrets.mask(text)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body, decompressed, in pieces of about PIECE_BYTES; the last one may be shorter.

        Raises BodyError if the body is cut off, cannot be decompressed, or exceeds a limit; SourceError if the
        connection breaks or is too slow.
        """
        most_mib = self._limits.max_body_mib
        piece = bytearray()
        decoded_bytes = 0
        async with contextlib.aclosing(self._decoded()) as decoded:
            async for data in decoded:
                decoded_bytes += len(data)
                if decoded_bytes > most_mib << 20:
                    raise BodyError("too_large", f"the body has more than {most_mib} MiB (max_body_mib)")
                piece += data
                if len(piece) >= PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
        yield bytes(piece)

    async def _decoded(self) -> AsyncGenerator[bytes]:
        unpacker = Unpacker(encoding(self._response))
        decoded_bytes = 0
        rate = LeastRate(self._limits.min_rate_kib << 10)
        read = functools.partial(self._response.read_some, _READ_BYTES)
        with _translated():
            while data := await rate.wait(read):
                self.bytes_received += len(data)
                _check_wire(self.bytes_received, self._limits)
                for piece in unpacker.feed(data):
                    self._check_end(unpacker)
                    decoded_bytes += len(piece)
                    self._check_ratio(decoded_bytes, unpacker.consumed_bytes)
                    yield piece
        for piece in unpacker.finish():
            self._check_end(unpacker)
            yield piece

    def _check_end(self, unpacker: Unpacker) -> None:
        """Refuse a body whose end nobody can tell: it has no length, and is no gzip, which has an end of its own."""
        if self._needs_gzip and unpacker.consumed_bytes is None:
            raise BodyError(
                "unframed",
                "neither Content-Length nor chunks: a body cut short would look complete (allow_unframed)",
            )

    def _check_ratio(self, decoded_bytes: int, consumed_bytes: int | None) -> None:
        """Refuse a compression ratio that only an attack or a mistake has; deflate can reach 1028:1."""
        most = self._limits.max_ratio
        if consumed_bytes is not None and decoded_bytes >= _RATIO_BYTES and decoded_bytes > most * consumed_bytes:
            raise BodyError("gzip_ratio", f"the body is more than {most} times as large as its gzip data (max_ratio)")


@contextlib.asynccontextmanager
async def scrape(
    session: aiohttp.ClientSession, source: Source, validators: Validators, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Response]:
    """GET a source; ``tls`` None: with the default context. The caller bounds the time.

    Raises SourceError for everything except a usable 200 or a 304. The sentence of an error is shown to people and may
    quote the source, so our secrets in it are masked.
    """
    access = source.access
    from_files = access.token_file or access.password_file
    headers = await asyncio.to_thread(request_headers, access) if from_files else request_headers(access)
    secrets = SecretWords(headers, source.url)
    with _masked(secrets):
        if validators.etag:
            headers["If-None-Match"] = validators.etag
        if validators.last_modified:
            headers["If-Modified-Since"] = validators.last_modified
        with _translated():
            response = await session.get(
                request_url(source.url), headers=headers, allow_redirects=False, ssl=tls or True
            )
            assert isinstance(response, SourceResponse)
        async with response:
            check_head(response, source, secrets)
            if response.status == 200:
                _check_wire(response.content_length or 0, source.limits)
            yield Response(response, source, secrets)


def request_url(configured: str) -> URL:
    """The URL to ask for. Path and query are sent as they are configured: a signature may be over these bytes.

    Only what cannot stand in a request is percent-encoded: blanks, and what is not ASCII. Raises ValueError.
    """
    parts = urlsplit(configured)
    target = quote(parts.path or "/", safe=_TARGET)
    if parts.query:
        target += f"?{quote(parts.query, safe=_TARGET)}"
    known = URL(configured)  # its host has one spelling
    return URL(f"{known.scheme}://{known.raw_authority}{target}", encoded=True)


def new_session(own_ports: Collection[int] = ()) -> aiohttp.ClientSession:
    """An HTTP client for all sources: no cookies, no proxy from the environment, bodies as they come on the wire.

    ``own_ports``: ports of this machine to which no connection is made.
    """
    return aiohttp.ClientSession(
        connector=new_connector(own_ports),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Accept": "text/csv, text/plain;q=0.9, */*;q=0.1",
            "Accept-Encoding": "gzip, identity",
            "Connection": "keep-alive",  # aiohttp would say `close`, because our connections are closed: see connect.py
        },
        response_class=SourceResponse,
        read_bufsize=PIECE_BYTES,
        # The caller bounds the total time; a connection attempt has a shorter limit.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )


def _validators(response: aiohttp.ClientResponse) -> Validators:
    """The validators of an answer that may be sent back as a condition.

    A Last-Modified has whole seconds: while it is young, the content may change again within the same second and keep
    it (RFC 9110, 8.8.2.2). Therefore a young one is not sent back, unless there is an ETag.
    """
    etag, last_modified = _validator(response, "ETag"), _validator(response, "Last-Modified")
    if last_modified is not None and etag is None:
        modified, answered = _date(last_modified), _date(response.headers.get("Date", ""))
        if modified is None or answered is None or answered - modified < LEAST_AGE_SECONDS:
            last_modified = None
    return Validators(etag, last_modified)


def _source_us(response: aiohttp.ClientResponse) -> int | None:
    """Date, plus the Age that a cache adds (RFC 9111, 5.1), in microseconds since the epoch."""
    answered = _date(response.headers.get("Date", ""))
    if answered is None:
        return None
    age = response.headers.get("Age", "")
    kept_seconds = int(age) if age.isascii() and age.isdigit() and len(age) < _MOST_AGE_DIGITS else 0
    return round((answered + kept_seconds) * 1_000_000)


def _date(text: str) -> float | None:
    """An HTTP date in seconds since the epoch; None if the text is not a date."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except NO_DATE:
        return None


def _check_wire(wire_bytes: int, limits: Limits) -> None:
    if wire_bytes > limits.max_wire_mib << 20:
        raise BodyError("too_large_wire", f"more than {limits.max_wire_mib} MiB on the wire (max_wire_mib)")


def _validator(response: aiohttp.ClientResponse, header: str) -> str | None:
    """The value of a header, if it can be stored and sent back unchanged; else None."""
    value = response.headers.get(header, "")
    fit = len(value) <= MOST_VALIDATOR_BYTES and value.isascii() and value.isprintable()
    return value if value and fit else None


@contextlib.contextmanager
def _masked(secrets: SecretWords) -> Iterator[None]:
    """Mask and escape the sentence of an error, whoever made it: it may quote the source."""
    try:
        yield
    except SourceError as error:
        error.args = (printable(secrets.mask(str(error))),)
        raise


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        raise SourceError("dns", f"the name cannot be resolved: {error.host}") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise SourceError("tls", _not_trusted(error.certificate_error)) from error
    except aiohttp.ClientSSLError as error:
        raise SourceError("tls", f"no secure connection: {error}") from error
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, ForbiddenAddress):
            raise SourceError("forbidden", f"no connection is made: {error.os_error.strerror}") from error
        raise SourceError("refused", f"cannot connect: {error.strerror or error.os_error}") from error
    except aiohttp.InvalidURL as error:  # its text has the URL too
        raise SourceError("bad_url", f"the URL cannot be used: {error.description or 'invalid'}") from error
    except aiohttp.ServerDisconnectedError as error:
        raise SourceError("connection", "the source closed the connection without an answer") from error
    except (TimeoutError, aiohttp.ServerTimeoutError) as error:
        raise SourceError("timeout", "the source does not answer in time") from error
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise SourceError("connection", f"the connection failed: {str(error) or type(error).__name__}") from error


def _not_trusted(error: Exception) -> str:
    """The sentence about a certificate that was checked in vain."""
    why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
    helps = "url needs a name that is in it" if "mismatch" in why else "ca_file names an authority to trust"
    return f"the certificate of the source is not trusted: {why.rstrip('.')}: {helps}"
