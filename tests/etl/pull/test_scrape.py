"""One GET of a source, and every way in which it can fail."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import Source
from switchboard.errors import SourceError
from switchboard.etl.pull.refusals import MOST_RETRY_AFTER_SECONDS, retry_after
from switchboard.etl.pull.scrape import Validators, new_session, request_url, scrape
from switchboard.inputs.gunzip import PIECE_BYTES
from tests.etl.limits import source
from tests.lab.fuzz import fuzz
from tests.lab.processes import free_port
from tests.lab.servers import LAST_CHUNK, Step, Steps, Web, chunked, http

CSV = b"switch_id,a\n" + b"sw1,5\n" * 100
MOST_BYTES = 4 * PIECE_BYTES


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with new_session() as session:
        yield session


def source_at(url: str, **changed: Any) -> Source:
    found = source(url, interval=1, timeout=1, max_body_mib=4, max_ratio=10_000)
    return msgspec.structs.replace(found, **changed)


async def fetch(
    session: aiohttp.ClientSession, url: str, validators: Validators | None = None, **changed: Any
) -> tuple[bytes, Validators, int | None, int]:
    """Body, validators, bytes expected and bytes received of a 200; ``changed`` are fields of the source."""
    async with scrape(session, source_at(url, **changed), validators or Validators()) as response:
        assert not response.not_modified
        pieces = [piece async for piece in response.pieces()]
        return b"".join(pieces), response.validators, response.bytes_expected, response.bytes_received


async def failure(session: aiohttp.ClientSession, *steps: bytes | Step) -> SourceError:
    """The error of a scrape that is answered so; the URL has a secret, and the error has not."""
    async with Web(lambda _request: steps) as web:
        with pytest.raises(SourceError) as raised:
            await fetch(session, f"{web.url}?token=hunter2")
        assert "hunter2" not in str(raised.value)
        return raised.value


async def test_gets_a_body(session: aiohttp.ClientSession) -> None:
    """A 200 brings its body, its validators, and how many bytes were to come and came."""
    answer = http(200, CSV, etag='"v1"', last_modified="Mon, 24 Nov 2025 05:56:00 GMT")
    async with Web(lambda _request: [answer]) as web:
        validators = Validators('"v1"', "Mon, 24 Nov 2025 05:56:00 GMT")
        assert await fetch(session, web.url) == (CSV, validators, len(CSV), len(CSV))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([http(200, framed=False, transfer_encoding="chunked"), chunked(CSV[:50], CSV[50:]), LAST_CHUNK], None),
        ([http(200, gzip.compress(CSV), content_encoding="gzip")], len(gzip.compress(CSV))),
        ([http(200, CSV, content_encoding="identity")], len(CSV)),
        ([http(200, CSV[:9], framed=False, content_length=str(len(CSV))), CSV[9:300], CSV[300:]], len(CSV)),
    ],
    ids=["chunked", "gzip", "identity", "in pieces"],
)
async def test_bodies_come_in_several_ways(session: aiohttp.ClientSession, steps: Steps, expected: int | None) -> None:
    """In chunks, compressed or in pieces: the body is the same."""
    async with Web(lambda _request: steps) as web:
        found, _, bytes_expected, _ = await fetch(session, web.url)
    assert (found, bytes_expected) == (CSV, expected)


async def test_asks_for_what_it_can_read_and_nothing_else(session: aiohttp.ClientSession) -> None:
    """The request asks for CSV, gzip at most, and carries validators only if there are some."""
    async with Web(lambda _request: [http(304)]) as web:
        for validators in (Validators(), Validators('"v1"', None), Validators(None, "Mon, 24 Nov 2025 05:56:00 GMT")):
            async with scrape(session, source_at(web.url), validators) as response:
                assert response.not_modified
    plain, with_etag, with_date = (request.headers for request in web.requests)
    assert plain["accept-encoding"] == "gzip, identity"
    assert plain["accept"].startswith("text/csv")
    assert {"if-none-match", "if-modified-since", "cookie", "authorization"}.isdisjoint(plain)
    assert (with_etag["if-none-match"], with_etag.get("if-modified-since")) == ('"v1"', None)
    assert (with_date["if-modified-since"], with_date.get("if-none-match")) == ("Mon, 24 Nov 2025 05:56:00 GMT", None)


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        (
            "/a%2Fb%28c%29%40%3A%7E%3B?sig=a%2Fb%3D%2B+c&x=%28%7e%5B",
            "/a%2Fb%28c%29%40%3A%7E%3B?sig=a%2Fb%3D%2B+c&x=%28%7e%5B",
        ),
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("", "/"),
        ("?x=1", "/?x=1"),
        ("/p;v=1?a[]=1&b=c'd!*()~,|^", "/p;v=1?a[]=1&b=c'd!*()~,|^"),
        ("/100%?%zz", "/100%?%zz"),
        ("/p#fragment", "/p"),
        ("/é x?ü=1 2", "/%C3%A9%20x?%C3%BC=1%202"),
    ],
)
async def test_the_bytes_of_a_url_are_sent_as_configured(
    session: aiohttp.ClientSession, configured: str, sent: str
) -> None:
    """A signature is over these bytes. Only blanks, and what is not ASCII, are encoded: a request cannot hold them."""
    async with Web(lambda _request: [http(200, CSV)]) as web:
        await fetch(session, f"http://LocalHost:{web.port}{configured}")
        assert [request.target for request in web.requests] == [sent]
        assert web.requests[0].headers["host"] == f"localhost:{web.port}"


@pytest.mark.parametrize(
    ("configured", "asked"),
    [
        ("http://[2001:db8::1]:9001/%28?a=%2F", "http://[2001:db8::1]:9001/%28?a=%2F"),
        ("HTTP://UFM.Example:80/%28", "http://ufm.example/%28"),
        ("https://ufm.example:443", "https://ufm.example/"),
        ("http://ufm.example:/p", "http://ufm.example/p"),
        ("http://bücher.example/%28", "http://xn--bcher-kva.example/%28"),
    ],
)
def test_only_the_host_of_a_url_is_normalised(configured: str, asked: str) -> None:
    """A host has one spelling, and a port that is the usual one is left out; path and query are bytes."""
    assert str(request_url(configured)) == asked


FAILURES: dict[str, tuple[str, list[bytes | Step]]] = {
    "404": ("http_4xx", [http(404)]),
    "204": ("http_2xx", [http(204)]),
    "500": ("http_5xx", [http(500, b"oops")]),
    "redirect": ("redirect", [http(302, location="http://127.0.0.1:1/")]),
    "redirect to itself": ("redirect", [http(308, location="/counters")]),
    "html": ("content_type", [http(200, b"<html>", content_type="text/html; charset=utf-8")]),
    "json": ("content_type", [http(200, b"{}", content_type="application/json")]),
    "brotli": ("encoding", [http(200, CSV, content_encoding="br")]),
    "gzip twice": ("encoding", [http(200, CSV, content_encoding="gzip, gzip")]),
    "unframed": ("unframed", [http(200, CSV, framed=False, connection="close"), Step.CLOSE]),
    "truncated": ("truncated", [http(200, CSV[:-9], framed=False, content_length=str(len(CSV))), Step.CLOSE]),
    "nothing of it": ("truncated", [http(200, framed=False, content_length="9"), Step.CLOSE]),
    "aborted chunks": ("truncated", [http(200, framed=False, transfer_encoding="chunked"), chunked(CSV), Step.CLOSE]),
    "broken chunks": ("bad_http", [http(200, framed=False, transfer_encoding="chunked"), b"zz\r\n", CSV, Step.CLOSE]),
    "not gzip": ("bad_gzip", [http(200, CSV, content_encoding="gzip")]),
    "truncated gzip": ("truncated", [http(200, gzip.compress(CSV)[:-9], content_encoding="gzip")]),
    "gzip and more": ("bad_gzip", [http(200, gzip.compress(CSV) + b"more", content_encoding="gzip")]),
    "too large": ("too_large", [http(200, bytes(MOST_BYTES + 1))]),
    "bomb": ("too_large", [http(200, gzip.compress(bytes(64 * MOST_BYTES)), content_encoding="gzip")]),
    "closed": ("connection", [Step.CLOSE]),
    "reset": ("connection", [Step.RESET]),
    "not HTTP": ("bad_http", [b"SSH-2.0-OpenSSH_9.2\r\n", Step.CLOSE]),
    "bytes that are no text": ("bad_http", [b"HTTP/1.1 2\xff0 \xff\xfe\r\n\r\n", Step.CLOSE]),
    "two lengths": ("bad_http", [http(200, CSV, content_length=str(len(CSV) + 1))]),
    "endless header": ("bad_http", [b"HTTP/1.1 200 OK\r\nX: ", b"x" * 100_000, b"\r\n\r\n", Step.CLOSE]),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_every_failure_has_its_reason(session: aiohttp.ClientSession, case: str) -> None:
    """A scrape that brings no usable answer raises SourceError with one word, and a sentence for people."""
    reason, steps = FAILURES[case]
    error = await failure(session, *steps)
    assert error.reason == reason
    assert len(str(error)) > len(reason)


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=utf-8", "application/json", "text/xml"])
async def test_csv_under_another_name_needs_consent(session: aiohttp.ClientSession, content_type: str) -> None:
    """The sentence that refuses it has the setting, ready to be copied; with that the body is read."""
    name = content_type.partition(";")[0].lower()
    answer = http(200, CSV, content_type=content_type)
    assert f'content_types = ["{name}"]' in str(await failure(session, answer))
    async with Web(lambda _request: [answer]) as web:
        found, *_ = await fetch(session, web.url, content_types=("x/other", name))
        assert found == CSV
        with pytest.raises(SourceError, match="content_types"):
            await fetch(session, web.url, content_types=("x/other",))


UNFRAMED = b"HTTP/1.%d 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n%s\r\n"


@pytest.mark.parametrize("version", [0, 1])
async def test_a_body_without_length_needs_consent(session: aiohttp.ClientSession, version: int) -> None:
    """The sentence that refuses it names the setting; with that the body ends with the connection."""
    steps: list[bytes | Step] = [UNFRAMED % (version, b""), CSV[:100], CSV[100:], Step.CLOSE]
    error = await failure(session, *steps)
    assert (error.reason, "allow_unframed" in str(error)) == ("unframed", True)
    async with Web(lambda _request: steps) as web:
        assert (await fetch(session, web.url, allow_unframed=True))[0] == CSV


async def test_a_body_without_length_is_not_used_if_the_connection_breaks(session: aiohttp.ClientSession) -> None:
    """Not even with consent: a reset is not the end of a body."""
    async with Web(lambda _request: [UNFRAMED % (1, b""), CSV[:100], 0.05, Step.RESET]) as web:
        with pytest.raises(SourceError) as raised:
            await fetch(session, web.url, allow_unframed=True)
    assert raised.value.reason == "truncated"


@pytest.mark.parametrize("cut", [0, 1, 9])
async def test_gzip_without_length_needs_no_consent(session: aiohttp.ClientSession, cut: int) -> None:
    """Gzip has an end of its own, which is checked."""
    packed = gzip.compress(CSV)
    steps: list[bytes | Step] = [UNFRAMED % (1, b"Content-Encoding: gzip\r\n"), packed[: len(packed) - cut], Step.CLOSE]
    if cut:
        assert (await failure(session, *steps)).reason == "truncated"
        return
    async with Web(lambda _request: steps) as web:
        assert (await fetch(session, web.url))[0] == CSV


async def test_a_reset_in_the_body_is_a_truncated_body(session: aiohttp.ClientSession) -> None:
    """However a connection breaks within a body, the body is not used."""
    error = await failure(session, http(200, CSV[:50], framed=False, content_length=str(len(CSV))), Step.RESET)
    assert error.reason in {"truncated", "connection"}


async def test_a_refused_connection(session: aiohttp.ClientSession) -> None:
    """Nobody listens there."""
    with pytest.raises(SourceError, match="cannot connect") as raised:
        await fetch(session, f"http://127.0.0.1:{free_port()}/counters")
    assert raised.value.reason == "refused"


async def test_a_server_without_tls(session: aiohttp.ClientSession) -> None:
    """A URL with https, where only http is spoken."""

    def speak_http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(400))
        writer.close()

    server = await asyncio.start_server(speak_http, "127.0.0.1", 0)
    async with server:
        with pytest.raises(SourceError, match="secure") as raised:
            await fetch(session, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/counters")
    assert raised.value.reason == "tls"


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with a certificate of its own making."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_vouches_for(
    session: aiohttp.ClientSession, self_signed: ssl.SSLContext
) -> None:
    """A self-signed certificate is refused, with a sentence that says so."""
    async with Web(lambda _request: [http(200, CSV)], tls=self_signed) as web:
        with pytest.raises(SourceError, match="certificate") as raised:
            await fetch(session, web.url.replace("http", "https"))
    assert raised.value.reason == "tls"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 0), ("9999", MOST_RETRY_AFTER_SECONDS), ("soon", None), ("-1", None), ("nan", None)],
)
async def test_retry_after_in_seconds(session: aiohttp.ClientSession, value: str, seconds: float | None) -> None:
    """An answer that says when to come back is heard, up to a limit; nonsense is not."""
    error = await failure(session, http(503, retry_after=value))
    assert (error.reason, error.retry_after) == ("http_5xx", seconds)


async def test_retry_after_as_a_date(session: aiohttp.ClientSession) -> None:
    """A date counts from now; one in the past is no time at all."""
    error = await failure(session, http(503, retry_after=formatdate(time.time() + 30, usegmt=True)))
    assert error.retry_after is not None
    assert 20 < error.retry_after <= 30
    past = await failure(session, http(503, retry_after=formatdate(time.time() - 30, usegmt=True)))
    assert past.retry_after == 0


DATES = st.builds(
    "{}, {:02} {} {} {:02}:{:02}:{:02} {}".format,
    st.sampled_from(["Mon", "Xyz"]),
    st.integers(0, 99),
    st.sampled_from(["Jan", "Nov", "13"]),
    st.integers(0, 99999),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from(["GMT", "-0000", "+9999", ""]),
)


@fuzz()
@given(st.one_of(st.text(max_size=40), st.text("0123456789", max_size=400), DATES))
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    """Whatever the header says, it is a time within the limit, or it is not heard."""
    seconds = retry_after(value)
    assert seconds is None or 0 <= seconds <= MOST_RETRY_AFTER_SECONDS


@pytest.mark.parametrize("etag", ["x" * 257, "\xff", '"\xe9"', '"a\tb"', ""])
async def test_odd_validators_are_not_kept(session: aiohttp.ClientSession, etag: str) -> None:
    """What is too long, or no plain text, could not be stored and sent back: it counts as none."""
    async with Web(lambda _request: [http(200, CSV, etag=etag, last_modified=etag)]) as web:
        _, validators, _, _ = await fetch(session, web.url)
    assert validators == Validators(None, None)


async def test_pieces_are_bounded(session: aiohttp.ClientSession) -> None:
    """A large body comes in pieces of about PIECE_BYTES, compressed or not."""
    large = bytes(3 * PIECE_BYTES)
    answers = [http(200, large), http(200, gzip.compress(large), content_encoding="gzip")]
    async with Web(lambda _request: [answers.pop()]) as web:
        while answers:
            async with scrape(session, source_at(web.url), Validators()) as response:
                sizes = [len(piece) async for piece in response.pieces()]
            assert sum(sizes) == len(large)
            assert max(sizes) < 2 * PIECE_BYTES


async def test_a_body_that_is_not_read_to_its_end_ends_the_connection(session: aiohttp.ClientSession) -> None:
    """Who stops reading leaves nothing behind that the next request could take for its answer."""
    async with Web(lambda _request: [http(200, bytes(3 * PIECE_BYTES))]) as web:
        for _ in range(3):
            async with (
                scrape(session, source_at(web.url), Validators()) as response,
                contextlib.aclosing(response.pieces()) as pieces,
            ):
                assert len(await anext(pieces)) >= PIECE_BYTES
    assert len(web.requests) == 3
