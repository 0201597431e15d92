from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from switchboard.serving.message import Headers, Reply, Request, text_reply
from switchboard.serving.refusals import FRAMING, METHOD
from switchboard.serving.routes import Route, Routes


def named(text: str) -> Route:
    """A row that answers its own name."""
    method, _, path = text.partition(" ")
    most = 10 if method in {"PUT", "POST"} else 0
    return Route(path, lambda _: text_reply(200, text), method, most)


ROUTES = Routes([named("GET /a"), named("GET /b"), named("PUT /b"), named("DELETE /b"), named("POST /c")], "try /a")


def request(method: str, path: str) -> Request:
    return Request(method, path, b"", Headers())


def answer(method: str, path: str) -> Reply:
    reply = ROUTES.answer(request(method, path))
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/a", b"GET /a"),
        ("HEAD", "/a", b"GET /a"),
        ("PUT", "/b", b"PUT /b"),
        ("DELETE", "/b", b"DELETE /b"),
        ("POST", "/c", b"POST /c"),
    ],
)
def test_row_answers(method: str, path: str, body: bytes) -> None:
    """Path and method choose the row; HEAD is answered by the row of GET, whose body the connection leaves out."""
    assert answer(method, path).body == body


@pytest.mark.parametrize("path", ["/", "/a/", "/A", "/nothing", ""])
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
def test_other_path_is_404(method: str, path: str) -> None:
    """A path that has no row gets a sentence with the hint, for any method."""
    reply = answer(method, path)
    assert (reply.status, reply.body) == (404, b"there is nothing at this path, try /a\n")
    assert reply.lines == b"cache-control: no-store\r\ncontent-type: text/plain; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("path", "allow", "only"),
    [
        ("/a", b"GET, HEAD", b"GET and HEAD"),
        ("/b", b"DELETE, GET, HEAD, PUT", b"DELETE, GET, HEAD and PUT"),
        ("/c", b"POST", b"POST"),
    ],
)
def test_other_method_is_405(path: str, allow: bytes, only: bytes) -> None:
    """A method that has no row at its path is refused with those that have."""
    reply = answer("PATCH", path)
    assert (reply.status, reply.body) == (405, b"PATCH is not allowed here, only " + only + b"\n")
    assert reply.lines.startswith(b"allow: " + allow + b"\r\ncache-control: no-store\r\n")


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [("PUT", "/b", 10), ("POST", "/c", 10), ("GET", "/b", 0), ("DELETE", "/b", 0), ("POST", "/b", 0), ("PUT", "/", 0)],
)
def test_body_is_read_where_the_row_says_so(method: str, path: str, most: int) -> None:
    """The row says how long a body may be; a request without a row need not send its body to be refused."""
    assert ROUTES.body_limit(request(method, path)) == most


def test_refusal_is_a_sentence() -> None:
    """Whatever the client accepts, a request that is refused gets plain text, and the headers of the refusal."""
    reply = ROUTES.refuse(METHOD, b"application/json")
    assert (reply.status, reply.body) == (405, f"{METHOD.sentence}\n".encode())
    assert b"allow: GET, HEAD\r\n" in reply.lines
    assert b"content-type: text/plain; charset=utf-8\r\n" in reply.lines
    assert ROUTES.refuse(FRAMING, b"").status == 400


def test_each_request_has_a_debug_line() -> None:
    """Method, path, status and duration of a reply are logged."""
    with capture_logs() as lines:
        ROUTES.done(request("GET", "/a"), answer("GET", "/a"), 0.0123456)
    assert lines == [
        {"event": "request", "log_level": "debug", "method": "GET", "path": "/a", "status": 200, "duration_ms": 12.346}
    ]


def test_parameters_of_a_request() -> None:
    """Escapes are taken out, and order, repetitions and empty values stay."""
    asked = Request("GET", "/a", b"b=1&a=%C2%B2+x&b=2&c=&d&=e", Headers())
    assert asked.parameters() == [("b", "1"), ("a", "² x"), ("b", "2"), ("c", ""), ("d", ""), ("", "e")]
