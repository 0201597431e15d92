"""Connections of the API: answers that are ready, their order, turns, and the end."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from prometheus_client import REGISTRY

from switchboard.api import metrics
from switchboard.api.answer import Answer
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.query.requests import GetMetric
from switchboard.serving import connection, writer
from switchboard.serving.reader import RequestReader
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


def ask_raw(port: int, *requests: bytes) -> list[bytes]:
    """Send requests on one connection, each when the one before is answered; the answers without their dates."""
    answers = []
    client = Client(port)
    with client.socket, client.file:
        for sent in requests:
            client.socket.sendall(sent)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.file.readline()
            length = re.search(rb"content-length: (\d+)", head)
            body = b"" if length is None or sent.startswith(b"HEAD") else client.file.read(int(length[1]))
            answers.append(re.sub(rb"date: [^\r]*\r\n", b"", head) + body)
    return answers


@contextlib.contextmanager
def connected(holder: Holder, endpoints: list[Endpoint] | None = None) -> Iterator[Client]:
    with running_api(holder, endpoints or ENDPOINTS) as port:
        client = Client(port)
        with client.socket, client.file:
            yield client


def test_pipelined_requests_are_answered_in_order(holder: Holder) -> None:
    """More requests than one turn takes, in one write, get as many answers, in their order."""
    with connected(holder) as client:
        client.socket.sendall(b"".join(GET % number for number in range(200)))
        assert [client.read()[2] for _ in range(200)] == [b"%d" % number for number in range(200)]


def test_a_request_that_comes_again_is_not_parsed(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values, lists, misses of a condition: the same bytes get the same answer, although the parser is broken by then;
    errors, and whatever would end the connection, are looked at anew.
    """
    known = [
        (GET % 7, 200),
        (LIST, 200),
        (LIST.replace(b"Host: x", b"Host: x\r\nIf-None-Match: *"), 304),
        (GET.replace(b"GET", b"HEAD", 1) % 7, 200),
        (b"GET /telemetry/TopMetrics?metric=errors HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /telemetry/ListSwitches HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    ]

    def broken(self: object, part: bytes) -> None:
        raise LookupError("parsed")

    with structlog.testing.capture_logs(), running_api(holder) as port:
        for sent, status in known:
            first, second = ask_raw(port, sent, sent)
            assert first == second
            assert first.startswith(b"HTTP/1.1 %d " % status)
        closing = (GET % 7).replace(b"Host: x", b"Host: x\r\nConnection: close")
        assert len(ask_raw(port, closing)) == 1
        monkeypatch.setattr(RequestReader, "feed", broken)
        for sent, status in known:
            assert ask_raw(port, sent)[0].startswith(b"HTTP/1.1 %d " % status)
        for sent in (closing, GET % 8, GET % 999):
            assert ask_raw(port, sent)[0].startswith(b"HTTP/1.1 500 ")


def test_requests_of_all_endpoints_keep_their_order(holder: Holder) -> None:
    """Requests on one connection are answered in the order in which they came, however they are cut."""
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
        until = time.perf_counter() + 2 * connection.TURN_SECONDS
        while time.perf_counter() < until:
            pass
        return Answer(200, [], b"0")

    hot = Endpoint(path="/telemetry/GetMetric", summary="", query=GetMetric, answer=slow, content=str)
    with running_api(holder, [hot]) as port:
        one, other = Client(port), Client(port)
        one.socket.sendall(GET % 1 * connection.MOST_A_TURN)
        wait_for(lambda: asked, "the first is being answered")
        other.socket.sendall(GET % 2)
        other_has_asked.set()
        assert other.read()[0] == 200
        assert all(one.read()[0] == 200 for _ in range(connection.MOST_A_TURN))
        for client in (one, other):
            client.file.close()
            client.socket.close()
    assert asked.index("sw2") < connection.MOST_A_TURN // 2


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


def test_an_answer_that_cannot_be_sent_is_500(holder: Holder) -> None:
    """What cannot be put on the wire is our failure: 500, one line of the log, and the connection stays."""

    def broken(seen: View, now: float, query: None) -> Answer:
        return Answer(200, [(b"x", None)], b"")  # type: ignore[list-item]

    hot = Endpoint(path="/telemetry/GetMetric", summary="", query=None, answer=broken, content=str)
    with structlog.testing.capture_logs() as logs, connected(holder, [hot, *ENDPOINTS[1:]]) as client:
        client.socket.sendall(GET % 7 + LIST)
        status, headers, body = client.read()
        assert (status, body) == (500, b"Internal error: the log of the service says why\n")
        assert headers["cache-control"] == "no-store"
        assert client.read()[0] == 200
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request failed"]


def test_answers_are_counted(holder: Holder) -> None:
    """The metrics know of every answer, whether it was ready or not."""

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
        late.read()  # the list is ready now
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


def test_large_answers_come_whole() -> None:
    """A body that is more than the socket should be handed at once loses nothing."""
    rows = [Row(f"sw{number}", {f"metric_{m}": number for m in range(10)}) for number in range(4000)]
    with connected(Holder(view(source("fabric", rows)))) as client:
        for _ in range(2):
            client.socket.sendall(LIST)
            status, headers, body = client.read()
            assert (status, len(body)) == (200, int(headers["content-length"]))
            assert len(body) > writer.SLICE_BYTES
