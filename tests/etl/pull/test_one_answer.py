"""Where an answer ends: nothing behind it is taken for a part of it, however its bytes are cut into packets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from switchboard.errors import SourceError
from switchboard.etl.pull.scrape import Validators, new_session, scrape
from tests.etl.limits import source
from tests.lab.servers import LAST_CHUNK, PATIENCE_SECONDS, Step, Steps, Web, chunked, http

CSV = b"switch_id,a\nsw1,1\nsw2,2\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
LENGTH = OK + b"Content-Length: %d\r\n\r\n" % len(CSV)
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NOT_MODIFIED = b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n'
STRAY_408 = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
PAUSE = 0.05
"""Between two packets. The result is the same if they arrive together."""


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with new_session() as session:
        yield session


CUTS = pytest.mark.parametrize("cut", ["one packet", "two packets", "a packet per byte"])
"""How the bytes of an answer are cut."""


async def body_of(session: aiohttp.ClientSession, cut: str, *parts: bytes | Step) -> bytes | None:
    """The body of an answer with these parts; None for a 304. Raises SourceError."""
    async with Web(lambda _request: _steps(cut, parts)) as web:
        # The slow bytes of a test are not to blame, and a hanging scrape is to fail.
        asked = source(web.url, interval=PATIENCE_SECONDS, timeout=PATIENCE_SECONDS, min_rate_kib=0)
        async with scrape(session, asked, Validators()) as response:
            if response.not_modified:
                return None
            return b"".join([piece async for piece in response.pieces()])


def _steps(cut: str, parts: tuple[bytes | Step, ...]) -> Steps:
    whole = b"".join(part for part in parts if isinstance(part, bytes))
    ends = [part for part in parts if isinstance(part, Step)]
    if cut == "one packet":
        return [whole, *ends]
    if cut == "two packets":
        return [step for part in parts for step in ((part, PAUSE) if isinstance(part, bytes) else (part,))]
    return [step for byte in whole for step in (bytes([byte]), 0.0)] + ends


@CUTS
@pytest.mark.parametrize(
    ("head", "behind"),
    [
        (NOT_MODIFIED, b"test"),
        (NOT_MODIFIED + b"Content-Length: 4\r\n", b"test"),
        (NOT_MODIFIED + b"Content-Length: 4\r\n", b""),
        (NOT_MODIFIED + b"Transfer-Encoding: chunked\r\n", b"4\r\ntest\r\n0\r\n\r\n"),
        (NOT_MODIFIED + b"Connection: close\r\n", b"<html>not modified</html>"),
        (NOT_MODIFIED.replace(b"1.1", b"1.0"), b"test"),
        (NOT_MODIFIED.replace(b"\r\n", b"\n"), b"test"),
        (b"\r\n" + NOT_MODIFIED, b"test"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + NOT_MODIFIED, b"test"),
    ],
)
async def test_a_304_ends_at_its_head(session: aiohttp.ClientSession, cut: str, head: bytes, behind: bytes) -> None:
    """Whatever stands behind it, and whatever length it announces (RFC 9112, 6.3)."""
    assert await body_of(session, cut, head + b"\r\n", behind) is None


@CUTS
@pytest.mark.parametrize("status", [101, 204, 205, 302, 404, 500])
async def test_an_answer_that_is_refused_ends_at_its_head(
    session: aiohttp.ClientSession, cut: str, status: int
) -> None:
    """Its status is what counts, even if the bytes behind it are not what its head announces."""
    head = b"HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\n" % status
    with pytest.raises(SourceError, match=f"answers {status}"):
        await body_of(session, cut, head, b"test")


@CUTS
@pytest.mark.parametrize(
    "parts",
    [
        (LENGTH, CSV),
        (LENGTH, CSV + b"\r\n"),
        (LENGTH, CSV + STRAY_408),
        (CHUNKS, chunked(CSV) + LAST_CHUNK),
        (CHUNKS, chunked(CSV) + LAST_CHUNK + STRAY_408),
        (CHUNKS, b"%x;name=value\r\n%s\r\n" % (len(CSV), CSV) + LAST_CHUNK),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", LENGTH, CSV),
        (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\n", LENGTH, CSV),
        (LENGTH.replace(b"\r\n", b"\n"), CSV),
    ],
)
async def test_a_whole_answer_is_taken(session: aiohttp.ClientSession, cut: str, parts: tuple[bytes, ...]) -> None:
    """Also behind interim answers, before an empty line, and before an answer that nobody asked for."""
    assert await body_of(session, cut, *parts) == CSV


@pytest.mark.parametrize(
    ("cut", "parts", "told"),
    [
        ("one packet", (OK + b"Content-Length: 10\r\n\r\n", CSV), "Content-Length: 10 is too small"),
        ("two packets", (OK + b"Content-Length: 10\r\n\r\n", CSV), "Content-Length: 10 is too small"),
        ("one packet", (OK + b"Content-Length: 0\r\n\r\n", CSV), "Content-Length: 0 is too small"),
        ("one packet", (CHUNKS, chunked(CSV) + LAST_CHUNK + CSV), "behind the last chunk"),
        ("two packets", (CHUNKS, chunked(CSV) + LAST_CHUNK + CSV), "behind the last chunk"),
    ],
)
async def test_bytes_behind_a_body_mean_that_it_is_cut(
    session: aiohttp.ClientSession, cut: str, parts: tuple[bytes, ...], told: str
) -> None:
    """A length that is too small would cut a row, or a number; what follows is seen if it comes with the end."""
    with pytest.raises(SourceError, match=told) as raised:
        await body_of(session, cut, *parts)
    assert raised.value.reason == "misframed"


@CUTS
@pytest.mark.parametrize(
    ("parts", "reason", "told"),
    [
        ((OK + b"Content-Length: 99\r\n\r\n", CSV, Step.CLOSE), "truncated", f"{len(CSV)} of the 99 bytes"),
        ((OK + b"Content-Length: 99\r\n\r\n", CSV, Step.RESET), "truncated", f"{len(CSV)} of the 99 bytes|broke"),
        ((CHUNKS, chunked(CSV), Step.CLOSE), "truncated", "before the last chunk"),
        ((CHUNKS, b"99\r\n" + CSV, Step.CLOSE), "truncated", "before the last chunk"),
        ((CHUNKS, b"zz\r\n" + CSV), "bad_http", "Invalid character in chunk size"),
        ((CHUNKS, chunked(CSV) + b"5 rub bish\r\n"), "bad_http", "Invalid character in chunk size"),
        ((CHUNKS, b"5;\x01\x02\r\n" + CSV), "bad_http", "chunk extension"),
        ((CHUNKS, b"3\r\n" + CSV), "bad_http", "after chunk data"),
        ((OK + b"Content-Length: 9\r\nContent-Length: 8\r\n\r\n", CSV), "bad_http", "Duplicate Content-Length"),
        ((OK + b"Content-Length: 9, 8\r\n\r\n", CSV), "bad_http", "Content-Length"),
        ((OK + b"Content-Length: -9\r\n\r\n", CSV), "bad_http", "Content-Length"),
        ((OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n", CSV), "bad_http", "Transfer-Encoding"),
    ],
)
async def test_a_broken_frame_is_named(
    session: aiohttp.ClientSession, cut: str, parts: tuple[bytes | Step, ...], reason: str, told: str
) -> None:
    """The sentence says what is wrong, at once, and not that the source is slow or that its status line is bad."""
    with pytest.raises(SourceError, match=told) as raised:
        await body_of(session, cut, *parts)
    assert raised.value.reason == reason
    assert "status line" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"220 smtp.example.org ready\r\n\r\n", "not HTTP: it begins with 220 smtp.example.org ready$"),
        (b"\xff\xfe\x00\x1b[31m\r\n\r\n", r"not HTTP: it begins with \\xff\\xfe\\x00\\x1b\[31m$"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS.*https://"),
        (b"ICY 200 OK\r\n\r\n", "not HTTP: it begins with ICY 200 OK"),
        (CSV, "not HTTP: it begins with switch_id,a$"),
        (b"HTTP/1.1 200 OK\r\nBad Header\x00: x\r\n\r\n", "Invalid header token"),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", "Invalid HTTP header"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000 + b"\r\n\r\n", "8190 bytes"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "status code"),
    ],
)
async def test_a_head_that_is_not_http_is_named(session: aiohttp.ClientSession, answer: bytes, told: str) -> None:
    """With its first line, where that is not HTTP; with what is wrong, where it is."""
    with pytest.raises(SourceError, match=told) as raised:
        await body_of(session, "one packet", answer, Step.CLOSE)
    assert raised.value.reason == "bad_http"
    assert str(raised.value).isprintable()


async def test_the_request_does_not_ask_for_a_close(session: aiohttp.ClientSession) -> None:
    """Apache leaves out the framing of a generated answer if it is asked to close the connection (decision 2)."""
    async with Web(lambda _request: [http(304)]) as web:
        async with scrape(session, source(web.url), Validators()) as response:
            assert response.not_modified
        assert [request.headers.get("connection") for request in web.requests] == ["keep-alive"]
