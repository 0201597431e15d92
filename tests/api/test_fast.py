"""The fast door on a real socket: what it takes, and that a connection stays what it is."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from prometheus_client import REGISTRY

from switchboard.api import fast, metrics
from switchboard.api.answer import Answer
from switchboard.api.endpoint import Endpoint, Runs
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.head import HeadReader
from switchboard.query.requests import GetMetric
from switchboard.serving.guard import GuardedProtocol
from switchboard.view.view import View
from tests.lab.fabric import NOW, Holder, Row, row, source, view
from tests.lab.processes import wait_for
from tests.lab.running_api import running_api

ROWS = [row(f"sw{number}", errors=number) for number in range(200)]
GET = b"GET /telemetry/GetMetric?switch_id=sw%d&metric=errors HTTP/1.1\r\nHost: x\r\n\r\n"
LIST = b"GET /telemetry/ListMetrics HTTP/1.1\r\nHost: x\r\n\r\n"
COUNTED = ("switchboard_api_requests_total", {"endpoint": "/telemetry/GetMetric", "status": "200"})


@pytest.fixture
def holder() -> Holder:
    """A view of 200 switches."""
    return Holder(view(source("fabric", ROWS)))


@pytest.fixture
def _without_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose parser fails at the first byte: only the fast door can answer."""

    def no_parser(self: object, data: bytes) -> None:
        raise AssertionError(f"not answered by the fast door: {data!r}")

    monkeypatch.setattr(GuardedProtocol, "data_received", no_parser)


class Client:
    """A connection on which answers are read one by one."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")

    def read(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return status, headers, self.file.read(int(headers.get("content-length", 0)))


@contextlib.contextmanager
def connected(holder: Holder, endpoints: list[Endpoint] | None = None) -> Iterator[Client]:
    with running_api(holder, endpoints or ENDPOINTS) as port:
        client = Client(port)
        with client.socket, client.file:
            yield client


@pytest.mark.usefixtures("_without_app")
def test_hot_requests_never_reach_the_app(holder: Holder) -> None:
    """Values, lists, misses and mistakes of the two hot endpoints are answered although the parser is broken."""
    with connected(holder) as client:
        for sent, status in (
            (GET % 7, 200),
            (GET % 7, 200),
            (LIST, 200),
            (GET % 999, 404),
            (b"GET /telemetry/GetMetric HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (LIST.replace(b"Host: x", b"Host: x\r\nIf-None-Match: *"), 304),
        ):
            client.socket.sendall(sent)
            assert client.read()[0] == status


@pytest.mark.usefixtures("_without_app")
def test_pipelined_requests_are_answered_in_order(holder: Holder) -> None:
    """More requests than one turn takes, in one write, get as many answers, in their order."""
    with connected(holder) as client:
        client.socket.sendall(b"".join(GET % number for number in range(200)))
        assert [client.read()[2] for _ in range(200)] == [b"%d" % number for number in range(200)]


def test_fast_and_ordinary_requests_keep_their_order(holder: Holder) -> None:
    """Requests for both doors on one connection are answered in the order in which they came, however they are cut."""
    sent = b"".join((GET % number) + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" for number in range(40))
    expected = [body for number in range(40) for body in (b"%d" % number, b"OK")]
    for size in (len(sent), 1000, 61, 7):
        with connected(holder) as client:
            for start in range(0, len(sent), size):
                client.socket.sendall(sent[start : start + size])
            assert [client.read()[2] for _ in range(80)] == expected


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    """The requests of such a client wait in its own socket, and when it reads at last, all are answered."""
    rows = [row(f"sw{number}", errors=number) for number in range(4000)]
    with connected(Holder(view(source("fabric", rows)))) as client:
        client.socket.sendall(LIST)
        expected = client.read()[2]
        client.socket.setblocking(False)
        sent = 0
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < 0.3:  # nothing was taken for so long: the server has stopped reading
            if select.select([], [client.socket], [], 0.05)[1]:
                sent += client.socket.send((LIST * 100)[sent % len(LIST) :])
                idle_since = time.monotonic()
            assert sent < 64 << 20
        client.socket.settimeout(10)
        whole, rest = divmod(sent, len(LIST))
        assert all(client.read()[2] == expected for _ in range(whole))
        client.socket.sendall(LIST[rest:] if rest else LIST)
        assert client.read()[2] == expected


def test_slow_answers_take_turns_with_other_connections(holder: Holder) -> None:
    """Answers that are long to make do not follow each other in one turn: another client's comes between."""
    other_has_asked = threading.Event()
    asked: list[str] = []

    def slow(seen: View, now: float, query: GetMetric) -> Answer:
        asked.append(query.switch_id)
        other_has_asked.wait(10)
        until = time.perf_counter() + 2 * fast.TURN_SECONDS
        while time.perf_counter() < until:
            pass
        return Answer(200, [], b"0")

    hot = Endpoint(path="/telemetry/GetMetric", summary="", query=GetMetric, answer=slow, content=str, runs=Runs.FAST)
    with running_api(holder, [hot]) as port:
        one, other = Client(port), Client(port)
        one.socket.sendall(GET % 1 * fast.MOST_A_TURN)
        wait_for(lambda: asked, "the first is being answered")
        other.socket.sendall(GET % 2)
        other_has_asked.set()
        assert other.read()[0] == 200
        assert all(one.read()[0] == 200 for _ in range(fast.MOST_A_TURN))
        for client in (one, other):
            client.file.close()
            client.socket.close()
    assert asked.index("sw2") < fast.MOST_A_TURN // 2


def test_a_kept_answer_has_the_date_and_state_of_now(holder: Holder) -> None:
    """The same request again has a new date; when the snapshot turns late, stale, or expires, the answer says so."""
    with connected(holder) as client:

        def ask() -> tuple[int, dict[str, str], bytes]:
            client.socket.sendall(GET % 7)
            return client.read()

        date = ask()[1]["date"]
        wait_for(lambda: ask()[1]["date"] != date, "another date")
        known = holder.view.sources[0]
        states = []
        for seconds in (0.0, 14.5, 20.5, 40.0):
            holder.now = NOW + seconds
            alive = replace(known, answered_at=holder.now, status_seen_at=NOW)
            holder.view = replace(holder.view, sources=(alive,))
            status, headers, _ = ask()
            states.append((status, headers.get("x-snapshot-state")))
        assert states == [(200, "fresh"), (200, "late"), (200, "stale"), (503, None)]


def test_a_failure_of_the_door_is_500(holder: Holder) -> None:
    """What cannot be put on the wire is our failure, not the client's: 500, one line of the log, and the door stays."""

    def broken(seen: View, now: float, query: None) -> Answer:
        return Answer(200, [(b"x", None)], b"")  # type: ignore[list-item]

    hot = Endpoint(path="/telemetry/GetMetric", summary="", query=None, answer=broken, content=str, runs=Runs.FAST)
    with structlog.testing.capture_logs() as logs, connected(holder, [hot, *ENDPOINTS[1:]]) as client:
        client.socket.sendall(GET % 7 + LIST)
        status, headers, body = client.read()
        assert (status, body) == (500, b"Internal error: the log of the service says why\n")
        assert headers["cache-control"] == "no-store"
        assert client.read()[0] == 200
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["answer failed"]


def test_without_the_fast_door_the_ordinary_one_answers(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the fast door fails before an endpoint is known, that is logged, and costs the client nothing."""

    def broken(self: object, head: bytes) -> None:
        raise LookupError("broken")

    monkeypatch.setattr(HeadReader, "read", broken)
    with structlog.testing.capture_logs() as logs, connected(holder) as client:
        client.socket.sendall(GET % 7)
        assert client.read()[2] == b"7"
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["fast door failed"]


def test_fast_answers_are_counted(holder: Holder) -> None:
    """The metrics know of every answer, whichever door gave it."""

    def counted() -> float:
        return REGISTRY.get_sample_value(*COUNTED) or 0.0

    with connected(holder) as client:
        metrics.TALLY.flush()
        before = counted()
        client.socket.sendall(
            b"".join(GET % number for number in range(100)) + b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        for _ in range(100):
            client.read()
        wait_for(lambda: counted() == before + 100, "100 more")


def test_while_stopping_a_connection_ends(holder: Holder) -> None:
    """Once the service stops, a hot request gets its answer and the end of the connection."""
    with connected(holder) as client:
        client.socket.sendall(GET % 7)
        assert "connection" not in client.read()[1]
        holder.view = replace(holder.view, stopping=True)
        client.socket.sendall(GET % 7)
        status, headers, body = client.read()
        assert (status, headers["connection"], body) == (200, "close", b"7")
        assert client.file.read() == b""


def test_requests_that_wait_are_not_dropped_by_a_stop() -> None:
    """A client that reads late gets what was ready, and with the last answer hears that it is the last."""
    rows = [row(f"sw{number}", errors=number) for number in range(4000)]
    holder = Holder(view(source("fabric", rows)))
    with contextlib.ExitStack() as server:
        port = server.enter_context(running_api(holder))
        late, other = Client(port), Client(port)
        late.socket.sendall(LIST)
        late.read()  # the list is rendered now, and the fast door has it
        late.socket.sendall(LIST * 300)
        for _ in range(300):  # as many turns of the event loop, and more answers than the socket has room for
            other.socket.sendall(GET % 1)
            assert other.read()[0] == 200
        holder.view = replace(holder.view, stopping=True)
        stopping = threading.Thread(target=server.close)
        stopping.start()
        assert other.file.read() == b""  # the server has told its connections
        answered = 1
        while late.read()[1].get("connection") != "close":
            answered += 1
        assert answered < 300
        for client in (late, other):
            client.file.close()
            client.socket.close()
        stopping.join(10)


def test_large_answers_are_left_to_the_ordinary_door() -> None:
    """A body that is more than the socket should be handed at once comes whole."""
    rows = [Row(f"sw{number}", {f"metric_{m}": number for m in range(10)}) for number in range(4000)]
    with connected(Holder(view(source("fabric", rows)))) as client:
        for _ in range(2):
            client.socket.sendall(LIST)
            status, headers, body = client.read()
            assert (status, len(body)) == (200, int(headers["content-length"]))
            assert len(body) > fast.LARGEST_BODY_BYTES
