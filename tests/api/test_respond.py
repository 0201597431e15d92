"""Representations: which form a client gets, compressed or not, and what its tags mean."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import http.client
from functools import partial

import msgspec
import pytest

from switchboard.api.answer import LEAST_CELLS_COMPRESSED, Answer, Request
from switchboard.api.bodies import BodyTable
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.posted import MOST_POSTED_BYTES
from switchboard.api.respond import respond
from switchboard.view.view import View
from tests.lab.answers import headers_of
from tests.lab.fabric import NOW, Holder, row, source, view
from tests.lab.running_api import ask, running_api
from tests.lab.servers import PATIENCE_SECONDS

LIST = next(endpoint for endpoint in ENDPOINTS if endpoint.path == "/telemetry/ListMetrics")
ZIPPED = [("Accept-Encoding", "gzip, deflate, br")]


@pytest.fixture
def listed() -> View:
    """A view with a list that is worth compressing."""
    return view(source("fabric", [row(f"sw{number}", errors=number) for number in range(LEAST_CELLS_COMPRESSED)]))


def test_a_list_is_compressed_once_for_all_who_accept_it(listed: View) -> None:
    """The gzip form is the same content under a tag of its own, with a length; HEAD and 304 say the same."""
    bodies = BodyTable()
    with running_api(Holder(listed), bodies=bodies) as port:
        plain = ask(port, "/telemetry/ListMetrics")
        zipped = ask(port, "/telemetry/ListMetrics", headers=ZIPPED)
        again = ask(port, "/telemetry/ListMetrics", headers=ZIPPED)
        head = ask(port, "/telemetry/ListMetrics", "HEAD", ZIPPED)
        tag = zipped.headers["etag"]
        same = ask(port, "/telemetry/ListMetrics", headers=[*ZIPPED, ("If-None-Match", tag)])
        other = ask(port, "/telemetry/ListMetrics", headers=[("If-None-Match", tag)])
    assert gzip.decompress(zipped.body) == plain.body
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-length"] == head.headers["content-length"] == str(len(zipped.body))
    assert len(zipped.body) < len(plain.body)
    assert again.body == zipped.body
    assert tag != plain.headers["etag"]
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
    assert other.status == 200
    assert len(bodies) == 2


@pytest.mark.parametrize("header", ["identity", "br", "gzip;q=0", "*;q=0", "gzip;q=0.2, identity;q=0.5", "gzip;q=x"])
def test_who_does_not_want_gzip_gets_the_plain_list(listed: View, header: str) -> None:
    """Accept-Encoding is read with its qualities."""
    answer = respond(LIST, listed, NOW, Request(accept_encoding=header.encode()))
    assert b"content-encoding" not in headers_of(answer)


@pytest.mark.parametrize("header", ["gzip", "GZIP;q=0.5", "x-gzip", "*", "identity;q=0.3, gzip;q=0.5"])
def test_who_wants_gzip_gets_it(listed: View, header: str) -> None:
    """In any spelling that HTTP allows."""
    answer = respond(LIST, listed, NOW, Request(accept_encoding=header.encode()))
    assert headers_of(answer)[b"content-encoding"] == b"gzip"


def test_short_answers_are_not_compressed() -> None:
    """What fits one packet anyway stays as it is."""
    few = view(source("fabric", [row("sw1", errors=1)]))
    with running_api(Holder(few)) as port:
        for target in ("/telemetry/ListMetrics", "/telemetry/GetMetric?switch_id=sw1&metric=errors", "/health"):
            assert "content-encoding" not in ask(port, target, headers=ZIPPED).headers


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("text/plain", 200),
        ("text/html, application/xml;q=0.9, */*;q=0.8", 200),
        ("application/json;q=0, */*", 200),  # text/plain is taken, and is JSON here
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("image/*", 406),
    ],
)
def test_accept_is_honoured(listed: View, accept: str, status: int) -> None:
    """An answer that the client says it cannot take is not sent; 406 names what there is."""
    get = next(endpoint for endpoint in ENDPOINTS if endpoint.path == "/telemetry/GetMetric")
    answer = respond(get, listed, NOW, Request(query=b"switch_id=sw1&metric=errors", accept=accept.encode()))
    assert answer.status == status
    if status == 406:
        assert body_of(answer) == b"Not acceptable: the Accept header takes none of application/json\n"


def body_of(answer: Answer) -> bytes:
    assert isinstance(answer.body, bytes)
    return answer.body


class Posted(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    text: str


def echo(seen: View, now: float, query: Posted) -> Answer:
    return Answer(200, [], query.text.encode())


POSTS = Endpoint(path="/posts", summary="", query=Posted, posted=True, answer=echo, content=str)


@pytest.mark.parametrize(
    ("target", "body", "content_type", "status", "says"),
    [
        ("/posts", b'{"text": "hello"}', "application/json", 200, "hello"),
        ("/posts", b'{"text": "hello"}', "Application/JSON; charset=utf-8", 200, "hello"),
        ("/posts", b'{"text": "hello"}', "text/csv", 415, "send application/json"),
        ("/posts", b'{"text": "hello"', "application/json", 400, "Malformed body: "),
        ("/posts", b'{"text": 5}', "application/json", 400, "text is a whole number, and has to be a text"),
        ("/posts", b'{"text": "a", "more": 1}', "application/json", 400, "unknown field more: it takes text"),
        ("/posts", b'{"text": "\xff"}', "application/json", 400, "Malformed body: "),
        ("/posts", b"", "application/json", 400, "Malformed body: "),
        ("/posts?text=a", b'{"text": "hello"}', "application/json", 400, "takes none in its URL"),
        ("/posts", b'{"text": "' + b"a" * (MOST_POSTED_BYTES) + b'"}', "application/json", 413, "too large"),
    ],
)
def test_a_posted_query_is_read_or_refused(target: str, body: bytes, content_type: str, status: int, says: str) -> None:
    """The body of a POST is JSON of one shape and of bounded size; what is wrong with it is said."""
    with running_api(Holder(view()), [*ENDPOINTS, POSTS]) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", target, body, {"Content-Type": content_type})
            reply = connection.getresponse()
            assert reply.status == status
            assert says in reply.read().decode()


HELLO = b'{"text": "hello"}'
packed = partial(gzip.compress, mtime=0)


@pytest.mark.parametrize(
    ("coding", "body", "status", "says"),
    [
        ("gzip", packed(HELLO), 200, "hello"),
        ("X-GZip", packed(HELLO), 200, "hello"),
        ("identity", HELLO, 200, "hello"),
        ("", codecs.BOM_UTF8 + HELLO, 200, "hello"),
        ("gzip", packed(codecs.BOM_UTF8 + HELLO), 200, "hello"),
        ("gzip", HELLO, 400, "it is said to be gzip, but"),
        ("gzip", packed(HELLO)[:-1], 400, "does not end where gzip ends"),
        ("gzip", packed(HELLO) + b"x", 400, "does not end where gzip ends"),
        ("gzip", packed(bytes(MOST_POSTED_BYTES + 1)), 413, "unpacked, at most"),
        ("br", HELLO, 415, "as it is, or as gzip"),
        ("gzip, gzip", packed(packed(HELLO)), 415, "as it is, or as gzip"),
        ("", '{"text": "hello"}'.encode("utf-16"), 400, "send JSON in UTF-8"),
        ("", '{"text": "hello"}'.encode("utf-16-le"), 400, "send JSON in UTF-8"),
    ],
)
def test_a_posted_body_may_be_packed(coding: str, body: bytes, status: int, says: str) -> None:
    """As gzip, within the bound of a plain body; a byte order mark does no harm. What else there is gets a
    sentence, and the coding that is taken.
    """
    with running_api(Holder(view()), [*ENDPOINTS, POSTS]) as port:
        headers = [("Content-Type", "application/json"), *([("Content-Encoding", coding)] if coding else [])]
        reply = ask(port, "/posts", "POST", headers, body)
    assert (reply.status, says in reply.text) == (status, True), reply.text
    assert reply.headers.get("accept-encoding") == ("gzip" if status == 415 else None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_is_posted_to_can_only_be_posted_to(method: str) -> None:
    """Other methods are told which one there is."""
    with running_api(Holder(view()), [*ENDPOINTS, POSTS]) as port:
        reply = ask(port, "/posts", method)
        assert (reply.status, reply.headers["allow"]) == (405, "POST")
