from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.faults.kinds import FAULT_KINDS
from switchboard.generator.faults.times import seconds_behind
from switchboard.generator.service import create_service
from switchboard.serving.message import Headers, Reply, Request
from tests.generator.harness import Answer, Clock, Generator, Start, running_generator
from tests.lab.servers import PATIENCE_SECONDS

SLOT_TIME = 1_795_498_400
PROFILES: dict[str, dict[str, Any]] = {
    "basic": {"profile": "basic", "switches": "200"},
    "ufm": {"profile": "ufm", "switches": "20"},
}


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of either profile."""
    return PROFILES[request.param]


@pytest.fixture(scope="module")
def good(profile: dict[str, Any]) -> Iterator[Generator]:
    """A generator without faults, whose clock stands still."""
    with running_generator(SLOT_TIME, **profile) as generator:
        yield generator


BadOne = Callable[[str], Generator]


def raw_answer(port: int, path: str = "/counters", most_bytes: int = 1 << 30) -> tuple[bytes, bytes]:
    """Head and body as they come over the socket, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as sock:
        sock.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        received = b""
        while len(received) < most_bytes and (data := sock.recv(1 << 16)):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


def is_not_the_good_answer(answer: Answer, good: Answer) -> None:
    assert answer["ETag"] is None
    assert answer["Last-Modified"] is None
    assert answer.body != good.body


@pytest.fixture
def bad_one(start: Start, profile: dict[str, Any]) -> BadOne:
    """Starts a generator with these faults."""
    return lambda faults: start(SLOT_TIME, **profile, faults=faults)


@pytest.mark.parametrize("status", [503, 555])
def test_server_error(bad_one: BadOne, good: Generator, status: int) -> None:
    """The status is that of the amount, for GET and HEAD, conditional or not; HTTP need not have a name for it."""
    bad = bad_one(f"server_error=1:{status}")
    for answer in (bad.ask(), bad.ask(If_None_Match="*"), bad.ask(method="HEAD")):
        assert answer.status == status
        is_not_the_good_answer(answer, good.ask())
        assert answer["Cache-Control"] == "no-store"


def test_share_of_the_requests_fails_the_same_way_in_every_run(start: Start, profile: dict[str, Any]) -> None:
    """Two generators with one seed fail at the same requests of a slot, and others in the next slot."""
    one, other = (start(SLOT_TIME, **profile, faults="server_error=0.5") for _ in range(2))
    runs = []
    for _ in range(2):
        statuses = [one.ask().status for _ in range(24)]
        assert set(statuses) == {200, 500}
        assert statuses == [other.ask().status for _ in range(24)]
        runs.append(statuses)
        one.clock.seconds += 10
        other.clock.seconds += 10
    assert runs[0] != runs[1]


@pytest.mark.parametrize("fault", ["truncated_body", "aborted_chunks"])
def test_body_can_break_off_before_its_first_byte(bad_one: BadOne, fault: str) -> None:
    """With a share of 0 there are headers, and the connection closes."""
    bad = bad_one(f"{fault}=1:0")
    head, body = raw_answer(bad.port)
    assert head.startswith(b"http/1.1 200 ok\r\n")
    assert body == b""
    with pytest.raises(http.client.IncompleteRead):
        bad.ask()


def test_too_many_requests(bad_one: BadOne, good: Generator) -> None:
    """429 says after how many seconds to come again."""
    bad = bad_one("too_many_requests=1:7")
    answer = bad.ask()
    assert (answer.status, answer["Retry-After"]) == (429, "7")
    is_not_the_good_answer(answer, good.ask())


def test_redirect_loop(bad_one: BadOne) -> None:
    """Each answer leads to another URL of the same path and parameters, without end."""
    bad = bad_one("redirect_loop")
    path = "/counters?num_shards=2&shard=0"
    seen = {path}
    for _ in range(30):
        answer = bad.ask(path)
        assert answer.status == 302
        path = answer["Location"] or ""
        assert path.startswith("/counters?num_shards=2&shard=0&hop=")
        assert path not in seen
        seen.add(path)


def test_html_page(bad_one: BadOne, good: Generator) -> None:
    """An error page comes with status 200."""
    bad = bad_one("html_page")
    answer = bad.ask()
    assert (answer.status, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!DOCTYPE html>")
    is_not_the_good_answer(answer, good.ask())


def test_truncated_body(bad_one: BadOne, good: Generator) -> None:
    """The connection closes when half of the announced bytes were sent, which are those of the good body."""
    bad = bad_one("truncated_body")
    whole = good.ask().body
    head, body = raw_answer(bad.port)
    announced = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert announced == (len(whole) if len(whole) < 64 << 10 else announced)
    assert 0.4 * announced < len(body) < 0.6 * announced
    assert whole.startswith(body)
    assert b"etag" not in head
    assert b"chunked" not in head
    with pytest.raises(http.client.IncompleteRead):
        bad.ask()


def test_aborted_chunks(bad_one: BadOne, good: Generator) -> None:
    """The connection closes before the chunk that says that it is the last."""
    bad = bad_one("aborted_chunks=1:0.25")
    head, body = raw_answer(bad.port)
    assert b"transfer-encoding: chunked" in head
    assert b"etag" not in head
    assert not body.endswith(b"0\r\n\r\n")
    sent = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        chunk, end, body = rest[: int(size, 16)], rest[int(size, 16) :][:2], rest[int(size, 16) + 2 :]
        assert end == b"\r\n"
        sent += chunk
    assert sent
    assert good.ask().body.startswith(sent)
    with pytest.raises(http.client.IncompleteRead):
        bad.ask()


def test_truncated_gzip(bad_one: BadOne, good: Generator) -> None:
    """The answer is whole for HTTP, and all rows can be unpacked, but the gzip data does not end."""
    bad = bad_one("truncated_gzip")
    answer = bad.ask(Accept_Encoding="gzip")
    assert answer["Content-Encoding"] == "gzip"
    is_not_the_good_answer(answer, good.ask(Accept_Encoding="gzip"))
    unpacked = zlib.decompressobj(31)
    assert unpacked.decompress(answer.body) == good.ask().body
    assert not unpacked.eof
    with pytest.raises(EOFError):
        gzip.decompress(answer.body)


def test_gzip_bomb(bad_one: BadOne, good: Generator) -> None:
    """A body that is small on the wire is good gzip of the header and of one row, again and again."""
    bad = bad_one("gzip_bomb=1:64")
    answer = bad.ask(Accept_Encoding="gzip")
    unpacked = gzip.decompress(answer.body)
    assert len(unpacked) >= 64 << 20
    assert len(answer.body) < len(unpacked) // 200
    lines = unpacked[:100_000].split(b"\n")
    assert lines[:2] == good.ask().body.split(b"\n")[:2]
    assert set(lines[1:-1]) == {lines[1]}
    is_not_the_good_answer(answer, good.ask(Accept_Encoding="gzip"))


@pytest.mark.parametrize(
    "fault",
    ["ragged_rows", "bad_cells", "duplicate_rows", "row_collapse", "mixed_timestamps", "clock_ahead", "clock_behind"],
)
def test_rows_that_are_not_as_they_should_be(bad_one: BadOne, good: Generator, fault: str) -> None:
    """Whatever the client has and accepts, it gets a whole other body, without the good one's validators."""
    bad = bad_one(fault)
    known = good.ask()
    answer = bad.ask(
        Accept_Encoding="gzip", If_None_Match=known["ETag"] or "", If_Modified_Since=known["Last-Modified"] or ""
    )
    assert answer.status == 200
    assert answer["Content-Encoding"] is None
    assert answer.body.split(b"\n")[0] == known.body.split(b"\n")[0]
    assert answer["Content-Type"] == known["Content-Type"]
    is_not_the_good_answer(answer, known)
    head = bad.ask(method="HEAD")
    assert (head.status, head["ETag"]) == (200, None)


def test_restart_serves_what_was_before(start: Start, profile: dict[str, Any]) -> None:
    """Rows, tag and date are those of the earlier slot, and time moves on from there."""
    bad = start(SLOT_TIME, **profile, faults="restart=1:600")
    good = start(SLOT_TIME - 600, **profile)
    for _ in range(2):
        answer, earlier = bad.ask(), good.ask()
        assert (answer.status, answer.body) == (200, earlier.body)
        assert (answer["ETag"], answer["Last-Modified"]) == (earlier["ETag"], earlier["Last-Modified"])
        bad.clock.seconds += 10
        good.clock.seconds += 10


class Gate:
    """A way to wait that ends when the test says so: for each wait that is let through."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._waiting = threading.Semaphore(0)
        self._open = threading.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._waiting.release()
        await asyncio.to_thread(self._open.acquire)

    def reached(self) -> None:
        """Return when somebody waits."""
        assert self._waiting.acquire(timeout=PATIENCE_SECONDS)

    def let_through(self, waits: int = 1) -> None:
        self._open.release(waits)


@contextlib.contextmanager
def gated(profile: dict[str, Any], faults: str) -> Iterator[tuple[Generator, Gate]]:
    gate = Gate()
    try:
        with running_generator(SLOT_TIME, gate, **profile, faults=faults) as generator:
            yield generator, gate
            gate.let_through(1_000_000)
    finally:
        gate.let_through(1_000_000)


def test_slow_first_byte(profile: dict[str, Any]) -> None:
    """Nothing is sent until the time is over; then the answer is the good one, with its tag."""
    with (
        gated(profile, "slow_first_byte=1:30") as (bad, gate),
        socket.create_connection(("127.0.0.1", bad.port)) as sock,
    ):
        sock.settimeout(10)
        sock.sendall(b"GET /counters HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        gate.reached()
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        sock.settimeout(10)
        gate.let_through()
        received = b""
        while data := sock.recv(1 << 16):
            received += data
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"etag: " in received
        assert received.endswith((b"\n", b"\n\r\n0\r\n\r\n"))
        assert gate.waits == [30]


def test_slow_drip(profile: dict[str, Any], good: Generator) -> None:
    """The body comes in drops, with a wait after each that makes the rate; put together it is the good body."""
    with gated(profile, "slow_drip=1:4000") as (bad, gate), socket.create_connection(("127.0.0.1", bad.port)) as sock:
        sock.settimeout(10)
        sock.sendall(b"GET /counters HTTP/1.0\r\n\r\n")
        gate.reached()
        received = b""
        while not received.partition(b"\r\n\r\n")[2]:
            received += sock.recv(1 << 16)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            received += sock.recv(1 << 16)
        assert 0 < len(received.partition(b"\r\n\r\n")[2]) <= 1_010
        assert gate.waits == [0.25]
        gate.let_through(1_000_000)
        answer, expected = bad.ask(), good.ask()
        assert (answer.body, answer["ETag"]) == (expected.body, expected["ETag"])


def test_slow_answer_ends_with_its_client(profile: dict[str, Any]) -> None:
    """When the client has gone, nobody waits for the rest of the body any more."""
    with gated(profile, "slow_drip=1:4") as (bad, gate):
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", bad.port)) as sock:
                sock.sendall(b"GET /counters HTTP/1.1\r\nHost: x\r\n\r\n")
                gate.reached()
        assert bad.ask("/health").body == b"OK"
        assert len(gate.waits) <= 6


@pytest.mark.parametrize(("fault", "endless"), [("slow_drip", True), ("gzip_bomb", True), ("slow_first_byte", False)])
async def test_body_that_a_fault_makes_may_last(profile: dict[str, Any], fault: str, endless: bool) -> None:
    """The server does not bound the duration of a body that is slow or long because it was asked to be."""

    async def no_time(seconds: float) -> None:
        """Do not wait."""

    service = create_service(GeneratorSettings(**profile, faults=fault), Clock(SLOT_TIME), no_time)
    coming = service.answer(Request("GET", "/counters", b"", Headers()))
    assert not isinstance(coming, Reply)
    reply = await coming
    assert reply.endless is endless


async def test_restart_ends_with_its_answer(profile: dict[str, Any]) -> None:
    """The clock is behind for the request that is hit, and for no other of the same connection."""
    service = create_service(GeneratorSettings(**profile, faults="restart=0.5:600"), Clock(SLOT_TIME))
    dates = []
    for _ in range(24):
        reply = service.answer(Request("GET", "/counters", b"", Headers()))
        if not isinstance(reply, Reply):
            reply = await reply
        dates.append(reply.lines.partition(b"last-modified: ")[2].partition(b"\r\n")[0])
    assert set(dates) == {b"Tue, 24 Nov 2026 05:33:20 GMT", b"Tue, 24 Nov 2026 05:23:20 GMT"}
    assert seconds_behind.get() == 0


def test_only_counters_are_hit(start: Start, profile: dict[str, Any]) -> None:
    """Other paths than those of telemetry are answered as ever; all paths of telemetry are hit."""
    generator = start(SLOT_TIME, **profile, faults="server_error")
    assert [generator.ask(path).status for path in ("/health", "/", "/nothing")] == [200, 200, 404]
    paths = (
        ("/counters", "/csv/metrics", "/csv/xcset/low_freq_debug") if profile["profile"] == "ufm" else ("/counters",)
    )
    assert {generator.ask(path).status for path in paths} == {500}
    assert generator.ask(method="POST").status == 405


def test_faults_work_together(bad_one: BadOne, good: Generator) -> None:
    """Changed rows, packed without an end, and cut off: each does its part."""
    bad = bad_one("clock_ahead=1:60,truncated_gzip,aborted_chunks=1:0.9")
    head, body = raw_answer(bad.port)
    assert b"content-encoding: gzip" in head
    size, _, rest = body.partition(b"\r\n")
    text = zlib.decompressobj(31).decompress(rest[: int(size, 16)])
    header, row, *_ = good.ask().body.split(b"\n")
    assert text.split(b"\n")[0] == header
    time, _, cells = row.partition(b",")
    moved = int(time) + 60 * 10 ** (len(time) - 10)
    assert text.split(b"\n")[1] == b"%d,%b" % (moved, cells)


def test_every_fault_of_the_table_is_tested_here() -> None:
    """A new fault needs a test: its name occurs in this file."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULT_KINDS if f'"{name}' not in text] == []
