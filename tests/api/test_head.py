"""Heads that are read without a general parser, beside the general parser."""

from __future__ import annotations

from urllib.parse import quote

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.api.answer import request_fields
from switchboard.api.head import MOST_HEADERS, MOST_REMEMBERED, Head, HeadReader, read_headers
from tests.lab.fuzz import fuzz

LINE = b"GET /telemetry/GetMetric?switch_id=sw1&metric=a HTTP/1.1\r\n"
SIMPLE = LINE + b"Host: a\r\n\r\n"


class Parsed:
    """What httptools makes of a head."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = 0
        self.bodies = b""
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method().decode()
        self.version = parser.get_http_version()
        self.keep_alive = parser.should_keep_alive()
        self.upgrade = parser.should_upgrade()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.bodies += body

    def on_message_complete(self) -> None:
        self.complete += 1


NAMES = st.sampled_from(
    ["Host", "accept", "Accept-Encoding", "IF-NONE-MATCH", "Connection", "content-length", "Content-Type", "X-A",
     "b!#~", "Transfer-Encoding", "Upgrade", "Expect", "bad name", "", "x:y", "Cookie"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["", "a", "*/*", "gzip", "keep-alive", "close", "Keep-Alive", "0", "5", "chunked", '"tag"', " padded\t", "a:b"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=8),
)
TARGETS = st.one_of(
    st.sampled_from(
        ["/telemetry/ListMetrics", "/telemetry/ListMetrics?", "/a?b=%20c&d", "*", "/a#b", "//a", "/a%41", ""]
    ),
    st.text(st.characters(max_codepoint=255), max_size=12).map(lambda text: "/x?" + text),
    st.text(max_size=12).map(lambda text: "/telemetry/GetMetric?" + quote(text)),
    st.text("/?#%&=+<>{}|^`\"\\[];:@!$'()*,~.-_aZ9", max_size=12).map(lambda text: "/" + text),
)
HEADS = st.builds(
    lambda method, target, version, headers: (
        f"{method} {target} HTTP/{version}\r\n".encode("latin-1", "replace")
        + b"".join(f"{name}:{value}\r\n".encode("latin-1") for name, value in headers)
        + b"\r\n"
    ),
    st.sampled_from(["GET", "HEAD", "POST", "get", "OPTIONS"]),
    TARGETS,
    st.sampled_from(["1.1", "1.1", "1.1", "1.0", "2.0"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=5).map(lambda headers: [("Host", "a"), *headers]),
)


@given(HEADS)
@fuzz()
def test_what_is_read_is_what_the_general_parser_reads(data: bytes) -> None:
    """Every head that is taken is one complete request without a body for httptools, with the same content."""
    end = data.index(b"\r\n\r\n") + 4
    head = HeadReader().read(data[:end])
    if head is None:
        return
    parsed = Parsed(data[:end])
    url = httptools.parse_url(parsed.url)
    assert head == Head(parsed.method, url.path, url.query or b"", request_fields(parsed.headers))
    assert (parsed.complete, parsed.bodies, parsed.version) == (1, b"", "1.1")
    assert [name for name, _ in parsed.headers].count(b"host") == 1
    assert parsed.keep_alive
    assert not parsed.upgrade


@pytest.mark.parametrize(
    "data",
    [
        b"POST /telemetry/GetMetric HTTP/1.1\r\n\r\n",
        b"get /telemetry/GetMetric HTTP/1.1\r\n\r\n",
        b"GET /telemetry/GetMetric HTTP/1.0\r\n\r\n",
        b"GET /telemetry/GetMetric#a HTTP/1.1\r\n\r\n",
        b"GET /telemetry/%47etMetric HTTP/1.1\r\n\r\n",
        b"GET http://a/telemetry/GetMetric HTTP/1.1\r\n\r\n",
        b"GET  /telemetry/GetMetric HTTP/1.1\r\n\r\n",
        b"GET /telemetry/GetMetric?a=\xc3\xa4 HTTP/1.1\r\n\r\n",
        LINE + b"\r\n",
        LINE + b"Host: a\r\nHost: a\r\n\r\n",
        LINE + b"Host: a\r\nConnection: close\r\n\r\n",
        LINE + b"Host: a\r\nConnection: keep-alive, close\r\n\r\n",
        LINE + b"Host: a\r\nContent-Length: 0\r\n\r\n",
        LINE + b"Host: a\r\ntransfer-encoding: chunked\r\n\r\n",
        LINE + b"Host: a\r\nExpect: 100-continue\r\n\r\n",
        LINE + b"Host: a\r\nUpgrade: h2c\r\n\r\n",
        LINE + b"Host : a\r\n\r\n",
        LINE + b"Host: a\r\n folded\r\n\r\n",
        LINE + b"Host: a\r\nno colon\r\n\r\n",
        LINE + b"Host: a\r\nX: a\x00b\r\n\r\n",
        LINE + b"Host: a\r\nX: \xc3\xa4\r\n\r\n",
        LINE + b"Host: a\r\nX: a\nY: b\r\n\r\n",
        LINE + b"Host: a\r\n" + b"X: a\r\n" * (MOST_HEADERS + 1) + b"\r\n",
        LINE + b"Host: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_simple_is_left_alone(data: bytes) -> None:
    """Whatever might mean more than one plain question on a connection that stays is not taken."""
    assert HeadReader().read(data) is None


def test_the_headers_that_answers_depend_on_are_found() -> None:
    """Names in any case, values without the white space around them, repeated ones joined in order."""
    block = (
        b"host: a\r\nACCEPT: text/csv\r\naccept:  application/json \r\nIf-None-Match:\r\nAccept-encoding: gzip\r\n\r\n"
    )
    assert read_headers(block) == {
        "accept": b"text/csv, application/json",
        "if_none_match": b"",
        "accept_encoding": b"gzip",
    }


def test_any_number_of_clients_may_differ() -> None:
    """Headers are remembered up to a bound, and what was forgotten is read anew."""
    reader = HeadReader()
    for number in range(2 * MOST_REMEMBERED):
        head = reader.read(LINE + b"Host: a\r\nAccept: %d\r\n\r\n" % number)
        assert head is not None
        assert head.fields == {"accept": b"%d" % number}
    assert len(reader._remembered) <= MOST_REMEMBERED
    assert reader.read(SIMPLE) == reader.read(SIMPLE)
