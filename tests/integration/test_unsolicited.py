"""A server of several sources that says more than it was asked: on connections that are idle, or behind an answer."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.processes import LONG, Switchboard, wait_for

INTERVAL, TIMEOUT, TTL = 1.0, 1.0, 10.0
SOURCES = ("a", "b", "c")
NAMES = [f"{source}{number}" for source in SOURCES for number in range(2)]
SCRAPES = 200 if LONG else 60
SECONDS = 100.0
OF_A_BUSY_MACHINE = {"timeout", "store"}
"""Reasons for which a scrape may fail here, however often: they say nothing of what was unasked."""
STRAY_408 = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def rows(source: str, value: int) -> bytes:
    """A whole answer; its two switches are named after the source."""
    body = f"switch_id,rx\n{source}-1,{value}\n{source}-2,{value}\n".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@dataclass
class Talker:
    """An HTTP server that answers each request by its path (/a?0 is a source of its own), and then says more.

    ``more`` gets the path's name, and returns what is said unasked, after how many seconds of silence, and how many
    seconds later the connection is closed (None: it is not), or at the next request if that comes before. Use as a
    context manager.
    """

    more: Callable[[str], tuple[bytes, float, float | None]]
    answered: int = 0
    reused: int = 0
    """Of these, on a connection that had brought another answer before."""
    strays: int = 0
    """What was said unasked, on connections that were still open."""
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        before = 0
        with connection, contextlib.suppress(OSError):
            while head := self._head(connection):
                name = head[5:6].decode()  # of GET /a?0
                self.answered += 1
                self.reused += before
                before = 1
                stray, silence, closed_after = self.more(name)
                answer = rows(name, self.answered)
                if silence == 0:
                    connection.sendall(answer + stray)
                else:
                    connection.sendall(answer)
                    if self._wait(connection, silence):
                        continue  # asked before it was said
                    connection.sendall(stray)
                self.strays += 1
                if closed_after is not None:
                    self._wait(connection, closed_after)
                    return

    def _wait(self, connection: socket.socket, seconds: float) -> bool:
        """Whether the next request, or the end, comes within this time."""
        deadline = time.monotonic() + seconds
        while not self._ended and time.monotonic() < deadline:
            connection.settimeout(max(0.001, min(0.1, deadline - time.monotonic())))
            with contextlib.suppress(TimeoutError):
                connection.recv(1, socket.MSG_PEEK)
                return True
        return False

    def _head(self, connection: socket.socket) -> bytes:
        """The next request; nothing when there is none."""
        head = b""
        connection.settimeout(0.1)
        while not self._ended and not head.endswith(b"\r\n\r\n"):
            with contextlib.suppress(TimeoutError):
                data = connection.recv(4096)
                if not data:
                    return b""
                head += data
        return head


def system(folder: Path, url: str) -> Switchboard:
    """Two sources for each path, all on one host and port, so that each connection may be used for any of them."""
    file = folder / "sources.toml"
    file.write_text(
        f"interval = {INTERVAL}\ntimeout = {TIMEOUT}\nttl = {TTL}\n"
        + "".join(f'[[sources]]\nname = "{name}"\nurl = "{url}/{name[0]}?{name[1]}"\n' for name in NAMES)
    )
    return Switchboard(["--config", str(file), "--log-format", "json"], generator=False)


def failures(running: Switchboard) -> dict[str, float]:
    """The failed scrapes of all sources, by reason."""
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(running.get("/metrics").text):
        for sample in family.samples:
            if sample.name == "switchboard_etl_failures_total":
                counts[sample.labels["reason"]] += int(sample.value)
    return dict(+counts)


def test_an_answer_that_nobody_asked_for_is_nobodys(tmp_path: Path) -> None:
    """After each answer comes another, of a ghost or of another source, some time before the next request or glued to
    the answer: no source ever publishes a row that is not its own, and no scrape fails.
    """
    random_ = random.Random(1)

    def more(name: str) -> tuple[bytes, float, None]:
        other = random_.choice(["GHOST", *(each for each in SOURCES if each != name)])
        delay = random_.choice([0.0, random_.uniform(0.001, 0.05), random_.uniform(0.001, 1.3 * INTERVAL)])
        return rows(other, 999), delay, None

    seen: dict[str, set[str]] = {name: set() for name in NAMES}
    foreign: Counter[str] = Counter()
    with Talker(more) as source, system(tmp_path, source.url) as running:
        begun_at = time.monotonic()
        while source.answered < SCRAPES and time.monotonic() < begun_at + SECONDS:
            for name in NAMES:
                reply = running.get(f"/telemetry/ListMetrics?source={name}")
                if reply.status != 200 or reply.headers["x-snapshot-id"] in seen[name]:
                    continue
                seen[name].add(reply.headers["x-snapshot-id"])
                switches = {switch for each in json.loads(reply.body) for switch in each}
                for switch in switches - {f"{name[0]}-1", f"{name[0]}-2"}:
                    foreign[f"{switch} in {name}"] += 1
            time.sleep(INTERVAL / 10)
        failed = failures(running)
        snapshots = sum(map(len, seen.values()))
        print(
            f"{source.answered} answers and {source.strays} more in {time.monotonic() - begun_at:.0f} s; {snapshots} "
            f"snapshots seen, foreign rows in {foreign.total() // 2}: {dict(foreign)}; failed scrapes {failed}"
        )
        assert source.answered >= SCRAPES
        assert source.strays > SCRAPES / 5
        assert snapshots > SCRAPES / 10
        assert foreign == {}
        assert not failed.keys() - OF_A_BUSY_MACHINE


@pytest.mark.parametrize("closed_after", [0.001, 2 * INTERVAL], ids=["closed at once", "closed later"])
def test_a_stray_408_costs_nothing(tmp_path: Path, closed_after: float) -> None:
    """A server that ends an idle connection with 408 and a close, as some do, costs no failed attempt; also where the
    close takes so long that the next request could come before it.
    """
    random_ = random.Random(2)

    def more(name: str) -> tuple[bytes, float, float]:
        return STRAY_408, random_.choice([random_.uniform(0.001, 0.05), random_.uniform(0.001, INTERVAL)]), closed_after

    with Talker(more) as source, system(tmp_path, source.url) as running:
        wait_for(lambda: source.answered >= SCRAPES / 3, "many a scrape", SECONDS)
        failed = failures(running)
        states = {each["state"] for each in running.get("/telemetry/ListSources").json()}
        print(
            f"{source.answered} answers, {source.reused} on connections that were used before, {source.strays} times "
            f"408; failed scrapes {failed}, states {states}"
        )
        assert source.strays > SCRAPES / 10 or source.reused == 0
        assert not failed.keys() - OF_A_BUSY_MACHINE
        assert "none" not in states
        assert not re.search(r"\b408\b", running.log)
