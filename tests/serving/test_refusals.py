"""What is no acceptable request, and what its client is told."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from time import monotonic

import pytest
import structlog

from switchboard.serving.message import Reply
from switchboard.serving.reader import RequestReader
from switchboard.serving.refusals import Refusal
from tests.serving.harness import GET, Echo, Server, parse, read_answer, read_to_end, running_server, statuses


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"

MALFORMED = {
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "length of two words": POST + b"Content-Length: 3 3\r\n\r\nabc",
    "length with 5,000 zeros": POST + b"Content-Length: " + b"0" * 5000 + b"3\r\n\r\nabc",
    "endless length": POST + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "folded with a tab": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
    "folded length": POST + b"Content-Length:\r\n 3\r\n\r\nabc",
    "folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "tab before colon": b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
    "space before the first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "header without a name": b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\nHost: a\r\nfoo\r\n\r\n",
    "header with a strange name": b"GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "control in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
    "CR in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "LF as the end of lines": b"GET / HTTP/1.1\nHost: a\n\n",
    "LF as the end of one line": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "CR as the end of lines": b"GET / HTTP/1.1\rHost: a\r\r",
    "coding identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "coding gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding gzip and coding chunked": POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "vertical tab and chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "no coding": POST + b"Transfer-Encoding:\r\n\r\n",
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding of GET": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n\r\n",
    "chunk size of letters": CHUNKED + b"zz\r\n\r\n",
    "negative chunk size": CHUNKED + b"-1\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "endless chunk size": CHUNKED + b"ffffffffffffffff1\r\nabc\r\n0\r\n\r\n",
    "space before chunk size": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "space after chunk size": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "LF after chunk size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "LF after chunk extension": CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
    "CR in chunk extension": CHUNKED + b"3;a\rx\r\nabc\r\n0\r\n\r\n",
    "bad end of chunk": CHUNKED + b"3\r\nabcXX0\r\n\r\n",
    "LF as the end of chunk": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "no end of chunk": CHUNKED + b"3\r\nabc0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "length as a trailer": CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    "the end as a trailer": CHUNKED + b"3\r\nabc\r\n0\r\nConnection: close\r\n\r\n",
    "the end as an old trailer": CHUNKED + b"3\r\nabc\r\n0\r\nProxy-Connection: close\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "http/1.1": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "tab after the method": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "space after the version": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "control in the target": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no ASCII in the target": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
    "target without a slash": b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n",
    "target with a wrong port": b"GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "control in the method": b"G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20),
    "Redis": b"PING\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_is_400_and_the_last(server: Server, request_: bytes) -> None:
    """At once or byte by byte, before or behind a good one: one answer, and nothing after it is a request."""
    seen = parse(server.talk(request_, GET))
    assert (seen.status, seen.headers["connection"]) == (400, "close")
    assert seen.body.endswith(b"\n")
    assert int(seen.headers["content-length"]) == len(seen.body)
    assert statuses(server.talk(GET + request_ + GET)) == [200, 400]
    with server.connect() as sock:
        with contextlib.suppress(OSError):  # refused early
            for index in range(len(request_)):
                sock.sendall(request_[index : index + 1])
        # Of a word as such, cut into bytes, nobody can tell whether it was to be a method.
        assert statuses(read_to_end(sock)) in ([400], [405] if request_.startswith(b"PING") else [400])


@pytest.mark.parametrize(
    "host",
    [
        b"a/b", b"a@b", b"a b", b"<script>", b"[::1", b"::1", b"[::1]x", b"", b"a:65536", b"a:99999", b"a:-1", b"a:8 0",
        b"a\\b", b"a?b", b"a#b", b"%zz", b"[fe80::1%25eth0]", b"caf\xc3\xa9",
    ],
)  # fmt: skip
def test_a_host_that_is_no_authority_is_400(server: Server, host: bytes) -> None:
    """Whoever puts it into a link or a log must not have to trust it; HTTP/1.0 needs none, but may have no such one."""
    for version in (b"1.1", b"1.0"):
        seen = parse(server.talk(b"GET /hello HTTP/%s\r\nHost: %s\r\n\r\n" % (version, host)))
        assert (seen.status, seen.headers["connection"]) == (400, "close")
        assert server.reasons[-1] == "host"


@pytest.mark.parametrize("host", [b"a", b"a:80", b"a:", b"a:65535", b"127.0.0.1:0", b"[::1]", b"[::1]:80", b"a_b.c-d"])
def test_a_host_that_is_an_authority_is_served(server: Server, host: bytes) -> None:
    """With or without a port, by name or address."""
    seen = parse(server.talk(b"GET /hello HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host))
    assert (seen.status, seen.body) == (200, b"/hello")


@pytest.mark.parametrize(
    "line",
    [b"BREW / HTTP/1.1", b"GETX /a?b HTTP/1.1", b"get / HTTP/1.1", b"DESCRIBE / HTTP/1.1", b"X-Y!~ / HTTP/1.1"],
)
def test_an_unknown_method_is_405(server: Server, line: bytes) -> None:
    """The answer says which methods there are, also behind other requests."""
    request = line + b"\r\nHost: a\r\n\r\n"
    seen = parse(server.talk(request))
    assert (seen.status, seen.headers["allow"], seen.headers["connection"]) == (405, "GET, HEAD", "close")
    assert statuses(server.talk(GET + GET + request)) == [200, 200, 405]


def test_connect_is_405(server: Server) -> None:
    """Whatever its target is."""
    for target in (b"a:80", b"/"):
        assert statuses(server.talk(b"CONNECT %s HTTP/1.1\r\nHost: a\r\n\r\n" % target)) == [405]


@pytest.mark.parametrize(
    ("target", "example"),
    [
        (b"/a?switch_id=caf\xc3\xa9&port=1", b"switch_id=caf%C3%A9"),
        (b"/\xe4?x", b"/%E4?x"),
        (b"/?x=" + b"a" * 95 + b"\xe4", b"x=" + b"a" * 95 + b"%E4"),
        (b"/?x=" + b"a" * 98 + b"\xe4", b"switch_id=caf%C3%A9"),
        (b"/?x=\xe4" + b"a" * 98, b"switch_id=caf%C3%A9"),
    ],
)
def test_a_target_that_is_not_ascii_is_told_how_to_be_sent(server: Server, target: bytes, example: bytes) -> None:
    """Its own text is the example, if that is not longer than 100 bytes."""
    seen = parse(server.talk(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target))
    assert (seen.status, seen.body) == (400, b"Percent-encode what is not ASCII: " + example + b"\n")


def test_a_refusal_takes_no_time(server: Server) -> None:
    """However long the text before the byte that is not ASCII, others are served meanwhile."""
    begun = monotonic()
    assert statuses(server.talk(b"GET /\x01" + b"a" * 60_000 + b" \xe4\r\n\r\n")) == [400]
    assert monotonic() - begun < 2


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/2.0",
        b"GET / HTTP/0.9",
        b"GET / RTSP/1.1",
        b"GET / RTSP/1.0",
        b"GET  /x?HTTP/1.1  RTSP/1.1",
        b"POST /echo RTSP/1.1",
        b"OPTIONS /?%20HTTP/1.1 RTSP/1.1",
        b"SOURCE /HTTP/ ICE/1.0",
    ],
)
def test_another_version_or_protocol_is_505(server: Server, line: bytes) -> None:
    """The parser would let these pass, at once, behind a good request, and byte by byte."""
    request, before = line + b"\r\nHost: a\r\n\r\n", len(server.seen)
    assert statuses(server.talk(request)) == [505]
    assert statuses(server.talk(GET + request + GET)) == [200, 505]
    assert len(server.seen) == before + 1
    with server.connect() as sock:
        for at in range(len(request)):
            sock.sendall(request[at : at + 1])
        assert statuses(read_to_end(sock)) == [505]


def test_head_gets_no_body(server: Server) -> None:
    """A refused HEAD has the headers of the body that it does not get."""
    answer = server.talk(b"HEAD / HTTP/1.1\r\n\r\n")
    seen = parse(answer)
    assert (seen.status, seen.body) == (400, b"")
    assert int(seen.headers["content-length"]) > 0


def test_a_refusal_waits_for_earlier_answers() -> None:
    """A request that is refused while one before it is answered, is answered after it."""
    with running_server() as server, server.connect() as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"rubbish\r\n\r\n" + GET)
        server.open_gate()
        answers = read_to_end(sock)
    assert statuses(answers) == [200, 200, 400]
    assert answers.index(b"/slow") < answers.index(b"/hello") < answers.index(b"well-formed")
    assert server.reasons == ["malformed"]


def test_a_bad_body_in_the_pipeline_waits_for_earlier_answers() -> None:
    """Its request never reaches the app."""
    with running_server() as server, server.connect() as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + CHUNKED + b"zz\r\n" + GET)
        server.open_gate()
        assert statuses(read_to_end(sock)) == [200, 400]
    assert server.seen == [b"/slow"]


def test_no_request_gets_two_answers(server: Server) -> None:
    """The body of a request turns out to be bad after its answer: the connection just ends."""
    with server.connect() as sock:
        sock.sendall(CHUNKED.replace(b"/echo", b"/hello"))
        assert parse(read_answer(sock)).status == 200
        sock.sendall(b"zz\r\n" + GET)
        assert read_to_end(sock) == b""


def test_an_app_that_reads_a_bad_body_hears_of_the_end(server: Server) -> None:
    """The chunks before the bad one have been read: the client gets 400, the app a disconnect."""
    answers = server.talk(CHUNKED, b"3\r\nabc\r\n", b"zz\r\n")
    assert statuses(answers) == [400]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_upgrade_is_ignored(server: Server, protocol: bytes) -> None:
    """The request is answered as any other, and so is what follows it."""
    head = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %s\r\n" % protocol
    framed = head + b"Content-Length: %d\r\n\r\n" % len(GET)
    with server.connect() as sock:
        sock.sendall((head + b"\r\n" + GET + framed + GET + GET) * 2)
        assert [parse(read_answer(sock)).body for _ in range(8)] == [b"/hello"] * 8


@pytest.mark.parametrize("cut", ["whole", "head and body", "bytes"])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 9", b"a body\r\n\r"),
        (b"Transfer-Encoding: chunked", b"4\r\na bo\r\n5\r\ndy\r\n\r\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunks"],
)
def test_the_body_of_an_upgrade_is_read(server: Server, framing: bytes, body: bytes, cut: str) -> None:
    """A POST that offers HTTP/2, as curl and Java send it, has its body read, and the connection goes on."""
    head = (
        b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n" + framing + b"\r\n\r\n"
    )
    pieces = {"whole": [head + body + GET], "head and body": [head, body, GET]}.get(cut)
    with server.connect() as sock:
        for piece in pieces or [bytes([byte]) for byte in head + body + GET]:
            sock.sendall(piece)
        assert [parse(read_answer(sock)).body for _ in range(2)] == [b"a body\r\n\r", b"/hello"]


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (b"http://a/hello?x", b"/hello?x"),
        (b"HTTPS://a:80/hello", b"/hello"),
        (b"http://a", b"/"),
        (b"http://a?x=y", b"/?x=y"),
        (b"//hello", b"//hello"),
        (b"*", b"*"),
    ],
)
def test_targets_are_read(server: Server, target: bytes, seen: bytes) -> None:
    """The absolute form is the path in it."""
    assert statuses(server.talk(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target)) == [200]
    assert server.seen[-1] == seen


def test_the_form_of_refusals_can_be_chosen() -> None:
    """A subclass makes the body from status, sentence and what the client accepts, if that has arrived."""

    class Jsonic(Echo):
        def refuse(self, refusal: Refusal, accept: bytes) -> Reply:
            body = json.dumps([refusal.status, refusal.sentence, accept.decode()]).encode()
            return Reply(refusal.status, b"content-type: application/json\r\n", body)

    with running_server(service=Jsonic) as server:
        seen = parse(server.talk(b"GET / HTTP/1.1\r\nAccept: a/b\r\nAccept: c/d\r\n\r\n"))
    assert seen.headers["content-type"] == "application/json"
    assert json.loads(seen.body) == [400, "A request needs exactly one Host header", "a/b, c/d"]


@pytest.mark.parametrize("callback", ["on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete"])
def test_a_failure_of_ours_is_500_and_one_line_of_the_log(callback: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a callback of the parser is no fault of the client, and does not hide; the next one is served."""
    original = getattr(RequestReader, callback)
    calls = iter([LookupError("planted")])

    def fail(self: RequestReader, *args: bytes) -> None:
        for error in calls:
            raise error
        original(self, *args)

    monkeypatch.setattr(RequestReader, callback, fail)
    with structlog.testing.capture_logs() as logs, running_server() as server:
        seen = parse(server.talk(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"))
        assert (seen.status, seen.body) == (500, b"Internal error: the log of the service says why\n")
        assert statuses(server.talk(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) == [200]
        assert server.reasons == ["failure"]
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("request failed before it was answered", "error")
    assert isinstance(line["exc_info"], LookupError)
