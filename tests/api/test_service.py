"""The API on a real socket: failures, long answers, clients that go away, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import logging
import socket
import threading
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import REGISTRY

from switchboard.api.answer import Answer
from switchboard.api.bodies import BodyTable
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.results import answer_of
from switchboard.api.run import serve_api
from switchboard.config.settings import Settings
from switchboard.query.lists import list_metrics
from switchboard.query.requests import ListMetrics
from switchboard.serving import Deadlines
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.store import Store
from switchboard.view.sources import SourceView
from switchboard.view.view import View
from tests.lab.fabric import Holder, Row, row, source, view
from tests.lab.processes import wait_for
from tests.lab.publisher import Publisher, until_true
from tests.lab.running_api import ask, running_api
from tests.lab.servers import PATIENCE_SECONDS

HASTY = Deadlines(unread=0.1, sweep=0.05)
SMALL = view(source("fabric", [row("sw1", errors=1)]))
LONG_ROWS = [Row(f"sw{number}", {f"metric_number_{m}": number + m for m in range(20)}) for number in range(5000)]


@pytest.fixture(scope="module")
def long_source() -> SourceView:
    """A source whose list takes many pieces: 100,000 cells, some megabytes."""
    return source("fabric", LONG_ROWS)


@pytest.fixture
def long_view(long_source: SourceView) -> View:
    """A new view of the long source, of which nothing has been asked."""
    return view(long_source)


def planted(path: str, answer: object, query: type | None = None) -> list[Endpoint]:
    """All endpoints, and one more."""
    extra = Endpoint(path=path, summary="", query=query, answer=answer, content=str)  # type: ignore[arg-type]
    return [*ENDPOINTS, extra]


def fail_at_once(seen: View, now: float, query: None) -> Answer:
    raise LookupError("a secret inside")


def fail_late(seen: View, now: float, query: ListMetrics) -> Answer:
    answer = answer_of(list_metrics(seen, now, query))
    answer.etag = b'"broken"'
    answer.body = broken_pieces()
    return answer


def broken_pieces() -> Iterator[bytes]:
    yield from (b"[", b'{"a":', b"1")
    raise LookupError("a secret inside")


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("*/*", "Internal error: the log of the service says why\n"),
        (
            "application/json",
            (
                '{"type":"about:blank","title":"Internal Server Error","status":500,'
                '"detail":"Internal error: the log of the service says why"}\n'
            ),
        ),
    ],
)
@pytest.mark.parametrize("failing", [fail_at_once, fail_late])
def test_a_failure_is_500_and_one_line_of_the_log(accept: str, body: str, failing: object) -> None:
    """An answer function that raises, at once or while its body is rendered, gives a sentence without a trace of the
    inside; the log has one error with the traceback; the service goes on.
    """
    query = ListMetrics if failing is fail_late else None
    with (
        structlog.testing.capture_logs() as logs,
        running_api(Holder(SMALL), planted("/fails", failing, query)) as port,
    ):
        reply = ask(port, "/fails", headers=[("Accept", accept)])
        assert (reply.status, reply.text) == (500, body)
        assert reply.headers["cache-control"] == "no-store"
        assert ask(port, "/health").status == 200
    errors = [line for line in logs if line["log_level"] == "error"]
    assert [line["event"] for line in errors] == ["answer failed"]
    assert isinstance(errors[0]["exc_info"], LookupError)


def test_requests_are_logged_at_debug() -> None:
    """At the level debug every request is one line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with structlog.testing.capture_logs() as logs, running_api(Holder(SMALL)) as port:
        ask(port, "/telemetry/ListMetrics?port=")
        wait_for(lambda: logs, "the line")
    (line,) = logs
    assert line.pop("seconds") > 0
    assert line == {
        "event": "request",
        "log_level": "debug",
        "method": "GET",
        "path": "/telemetry/ListMetrics",
        "query": "port=",
        "status": 400,
    }


def test_a_long_list_that_is_kept_has_a_length(long_view: View) -> None:
    """A list of moderate size is rendered whole before it is sent, once for all, and HEAD knows its length."""
    with running_api(Holder(long_view)) as port:
        head = ask(port, "/telemetry/ListMetrics", "HEAD")
        replies: list[bytes] = []

        def get() -> None:
            replies.append(ask(port, "/telemetry/ListMetrics").body)

        threads = [threading.Thread(target=get) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(replies)) == 1
    assert head.headers["content-length"] == str(len(replies[0]))
    listed = json.loads(replies[0])
    assert [list(each) for each in listed] == [[each.switch] for each in LONG_ROWS]
    assert listed[4999] == {"sw4999": LONG_ROWS[4999].cells}


@pytest.fixture
def _streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of any size are too large to be kept."""
    monkeypatch.setattr("switchboard.api.results.MOST_CELLS", 0)


@pytest.mark.usefixtures("_streamed")
def test_a_list_too_large_to_keep_is_streamed(long_view: View) -> None:
    """A large list comes in chunks, complete, and HEAD does not render it; a small list still has a length."""
    bodies = BodyTable()
    with running_api(Holder(long_view), bodies=bodies) as port:
        reply = ask(port, "/telemetry/ListMetrics")
        assert reply.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in reply.headers
        assert len(json.loads(reply.body)) == len(LONG_ROWS)
        head = ask(port, "/telemetry/ListMetrics", "HEAD")
        assert "content-length" not in head.headers
        assert head.headers["etag"] == reply.headers["etag"]
        few = ask(port, "/telemetry/ListMetrics?switch_id=sw7&metric=metric_number_1")
        assert (few.headers["content-length"], few.text) == ("32", '[{"sw7":{"metric_number_1":8}}]\n')
        assert len(bodies) == 0


def _cut(reason: str) -> float:
    return REGISTRY.get_sample_value("switchboard_api_streams_cut_total", {"reason": reason}) or 0.0


@pytest.mark.usefixtures("_streamed")
def test_a_client_that_goes_away_ends_its_stream(long_view: View) -> None:
    """When the connection is closed in the middle of a list, rendering stops; others are served on."""
    before = _cut("client_gone")
    with running_api(Holder(long_view)) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /telemetry/ListMetrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
        wait_for(lambda: _cut("client_gone") > before, "the stream is ended")
        assert ask(port, "/health").status == 200


def test_a_client_that_takes_nothing_is_given_up() -> None:
    """A client that stops reading holds its snapshot for a bounded time only."""

    def endless(seen: View, now: float, query: None) -> Answer:
        return Answer(200, [], itertools.repeat(b"x" * 1_000_000))

    before = _cut("client_slow")
    with running_api(Holder(SMALL), planted("/endless", endless), deadlines=HASTY) as port, socket.socket() as client:
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: _cut("client_slow") > before, "the stream is ended")


def test_a_client_that_takes_no_large_answer_is_given_up() -> None:
    """A client that does not read an answer that was whole at once is given up, too."""

    def large(seen: View, now: float, query: None) -> Answer:
        return Answer(200, [], b"x" * 50_000_000)

    before = _cut("client_slow")
    with running_api(Holder(SMALL), planted("/large", large), deadlines=HASTY) as port, socket.socket() as client:
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: _cut("client_slow") > before, "the answer is given up")


def test_a_large_answer_is_whole() -> None:
    """An answer that is sent in slices has its length and all its bytes."""
    body = bytes(range(256)) * 10_000

    def large(seen: View, now: float, query: None) -> Answer:
        return Answer(200, [], body)

    with running_api(Holder(SMALL), planted("/large", large)) as port:
        reply = ask(port, "/large")
        assert reply.body == body
        assert reply.headers["content-length"] == str(len(body))
        assert ask(port, "/large", "HEAD").headers["content-length"] == str(len(body))


def test_a_request_for_no_path_is_answered_like_others() -> None:
    """`OPTIONS *` is about no path: it is answered, not a failure."""
    with running_api(Holder(SMALL)) as port:
        assert ask(port, "*", "OPTIONS").status == 404
        assert ask(port, "/health").status == 200


def test_while_stopping_connections_are_given_up() -> None:
    """Between the announcement and the end every answer asks the client to connect anew, elsewhere."""
    with running_api(Holder(view(source("fabric", [row("sw1", errors=1)]), stopping=True))) as port:
        assert ask(port, "/telemetry/ListMetrics").headers["connection"] == "close"
        assert ask(port, "/ready").status == 503


def test_a_stream_that_fails_is_visibly_cut() -> None:
    """A failure after the first piece cannot become a 500: the client sees that the body is not whole."""

    def failing(seen: View, now: float, query: None) -> Answer:
        return Answer(200, [], broken_pieces())

    with structlog.testing.capture_logs() as logs, running_api(Holder(SMALL), planted("/fails", failing)) as port:
        with pytest.raises(http.client.IncompleteRead):
            ask(port, "/fails")
        assert ask(port, "/health").status == 200
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["stream failed"]


def test_answers_change_with_the_view_and_never_mix() -> None:
    """While the view is swapped as fast as possible, every answer belongs to exactly one snapshot."""
    views = [
        view(source("fabric", [row(f"sw{s}", value=number) for s in range(300)], snapshot=f"{number}-x"))
        for number in range(4)
    ]
    holder = Holder(views[0])
    stop = threading.Event()

    def swap() -> None:
        while not stop.wait(0.0005):
            holder.view = views[(views.index(holder.view) + 1) % 4]

    with running_api(holder) as port:
        swapping = threading.Thread(target=swap)
        swapping.start()
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                for asked in range(300):
                    target = "ListMetrics" if asked % 2 else "GetMetric?switch_id=sw7&metric=value"
                    connection.request("GET", f"/telemetry/{target}")
                    response = connection.getresponse()
                    answer = json.loads(response.read())
                    values = {each[f"sw{s}"]["value"] for s, each in enumerate(answer)} if asked % 2 else {answer}
                    assert values == {int(str(response.headers["x-snapshot-id"])[0])}
        finally:
            stop.set()
            swapping.join()


async def test_the_whole_service_on_a_real_redis(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started before there is any snapshot, it answers 503, then what is published; when told to stop it is first not
    ready, then finishes what it has begun, and ends.
    """
    monkeypatch.setattr("switchboard.api.run.UNREADY_SECONDS", 1.5)
    stop = asyncio.Event()
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    store = Store(redis_server.url)
    serving = asyncio.create_task(serve_api(Settings(redis_url=redis_server.url), sock, stop))

    async def get(target: str) -> tuple[int, bytes]:
        reply = await asyncio.to_thread(ask, port, target)
        return reply.status, reply.body

    async def ready() -> bool:
        return (await get("/ready"))[0] == 200

    try:
        assert await get("/health") == (200, b"OK")
        assert (await get("/ready"))[0] == 503
        assert (await get("/telemetry/ListMetrics"))[0] == 503
        publisher = Publisher(store)
        await publisher.start()
        await publisher.publish([row("sw1", errors=1)])
        await until_true(ready, "the snapshot is there")
        assert await get("/telemetry/ListMetrics") == (200, b'[{"sw1":{"errors":1}}]\n')
        assert b"switchboard_api_view_rows" in (await get("/metrics"))[1]
        stop.set()
        await asyncio.sleep(0)  # serve_api hears of it
        status, body = await get("/ready")
        assert (status, json.loads(body)["stopping"]) == (503, True)
        assert (await get("/telemetry/ListMetrics"))[0] == 200
        await asyncio.wait_for(serving, PATIENCE_SECONDS)
    finally:
        stop.set()
        await store.aclose()
    with pytest.raises(OSError, match="refused"):
        await get("/health")
