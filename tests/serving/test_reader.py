"""How bytes become requests, however they are cut, and whatever is remembered of earlier ones."""

from __future__ import annotations

import random

import pytest

from switchboard.serving.message import Headers
from switchboard.serving.reader import BODY, IDLE, RequestReader
from switchboard.serving.refusals import refusal_of
from tests.api.generated import World, generate

CASES = generate(World(["sw1", "sw2"], ["errors", "latency_ms"], ["1"]), 60)
LIMIT = 1 << 16
HEAD_OF_POST = b"POST /echo?a=b HTTP/1.1\r\nHost: a\r\n"
BODIES = {
    "length": HEAD_OF_POST + b"Content-Length: 12\r\n\r\n1\r\n\r\n2\r\n\r\n34",
    "empty": HEAD_OF_POST + b"Content-Length: 0\r\n\r\n",
    "chunks": HEAD_OF_POST + b"Transfer-Encoding: chunked\r\n\r\n6\r\n1\r\n\r\n2\r\n6;x=y\r\n\r\n\r\n34\r\n0\r\n\r\n",
    "trailers": HEAD_OF_POST
    + b"Transfer-Encoding: chunked\r\n\r\nc\r\n1\r\n\r\n2\r\n\r\n34\r\n0\r\nX: y\r\nZ: 0\r\n\r\n",
    "upgrade": HEAD_OF_POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 12\r\n\r\n1\r\n\r\n2\r\n\r\n34",
}
GET = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def read(reader: RequestReader, *pieces: bytes) -> list[object]:
    """What a connection would see: requests as tuples, and the reason of a refusal, which is the last."""
    seen: list[object] = []
    for data in pieces:
        at = 0
        while at < len(data):
            end = reader.end_of_part(data, at)
            assert at < end <= len(data)
            part, at = data[at:end], end
            try:
                reader.feed(part)
            except Exception as error:  # noqa: BLE001 - as a connection does
                return [*seen, refusal_of(error, part).reason]
            request = reader.request
            if request is not None:
                reader.request = None
                fields = request.method, request.path, request.query, list(request.headers), request.body
                seen.append((*fields, reader.keep_alive, reader.version_1_1, reader.excess))
                if not reader.keep_alive or reader.excess:
                    return seen
    return seen


def new_reader(known: dict[bytes, Headers] | None = None) -> RequestReader:
    return RequestReader(lambda request: LIMIT if request.method == "POST" else 0, {} if known is None else known)


def test_what_is_remembered_changes_no_request() -> None:
    """A thousand connections of all kinds, read by readers that share their memory, and by such as have none."""
    known: dict[bytes, Headers] = {}
    remembered = 0
    for case in [*CASES, *CASES]:
        before = len(known)
        assert read(new_reader(known), *case.pieces) == read(new_reader(), *case.pieces), case.sent
        remembered += len(known) != before
    assert remembered > 10


def test_requests_are_the_same_byte_by_byte() -> None:
    """Hundreds of raw requests, good and bad, at once and byte by byte: the same requests come of them, and
    a refusal where there was one.
    """
    for case in CASES:
        at_once = read(new_reader(), case.sent)
        in_bytes = read(new_reader(), *(case.sent[at : at + 1] for at in range(len(case.sent))))
        assert [seen for seen in at_once if isinstance(seen, tuple)] == [
            seen for seen in in_bytes if isinstance(seen, tuple)
        ], case.sent
        assert isinstance(at_once[-1], str) == isinstance(in_bytes[-1], str), case.sent


def test_the_same_headers_are_parsed_once() -> None:
    """The second request has the very headers of the first, though its target is another one."""
    known: dict[bytes, Headers] = {}
    first, second = new_reader(known), new_reader(known)
    first.feed(b"GET /a HTTP/1.1\r\nHost: x\r\nAccept: b\r\n\r\n")
    second.feed(b"HEAD /b?c HTTP/1.1\r\nHost: x\r\nAccept: b\r\n\r\n")
    assert first.request is not None
    assert second.request is not None
    assert second.request.headers is first.request.headers
    assert (second.request.method, second.request.path, second.request.query) == ("HEAD", "/b", b"c")
    assert second.accept == b"b"


@pytest.mark.parametrize("sent", BODIES.values(), ids=BODIES)
def test_a_body_is_read_however_it_is_cut(sent: bytes) -> None:
    """At every place, byte by byte, and at random: the body is whole, and the next request is the next request."""
    whole = read(new_reader(), sent + GET)
    body = b"" if sent == BODIES["empty"] else b"1\r\n\r\n2\r\n\r\n34"
    assert [seen[4] for seen in whole if isinstance(seen, tuple)] == [body, b""]
    data = sent + GET
    for at in range(1, len(data)):
        assert read(new_reader(), data[:at], data[at:]) == whole
    assert read(new_reader(), *(data[at : at + 1] for at in range(len(data)))) == whole
    rng = random.Random(1)
    for _ in range(200):
        cuts = sorted(rng.sample(range(1, len(data)), rng.randint(2, 12)))
        assert read(new_reader(), *(data[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True))) == whole


def test_a_part_never_holds_the_end_of_one_request_and_the_next() -> None:
    """Whatever is sent in one piece, at most one request is complete after each part."""
    data = b"".join([*BODIES.values(), GET, GET, *BODIES.values()])
    reader, at, requests = new_reader(), 0, 0
    while at < len(data):
        end = reader.end_of_part(data, at)
        reader.feed(data[at:end])
        at = end
        assert reader.phase in {IDLE, BODY}
        requests += reader.request is not None
        reader.request = None
    assert requests == 2 * len(BODIES) + 2
