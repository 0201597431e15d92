"""A client that opens many connections at once, asks on each as soon as it is open, and again after each answer.

Usage: python -m bench.newcomers PORT CONNECTIONS SECONDS TARGET

Says when it is ready, and begins when a line comes. It goes on for SECONDS, and longer until every connection has had
an answer, but no longer than LONGEST_SECONDS. Then it says as JSON:

- ``first_seconds``: of the connection that waited longest, the time from its connect call to the first byte of its
  first answer
- ``opening_seconds``: from the first connect call to the last
- ``resets``, ``timeouts``, ``wrong``: connections that failed, that waited for TIMEOUT_SECONDS and more for an answer,
  and whose answer was not 200 with a number
- ``requests``: answers of all connections; ``fewest`` and ``most``: answers of a connection, 5th and 95th percentile
- ``busy``: this client's share of its core; near 1 it is the client that limits
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass

LONGEST_SECONDS = 25.0
TIMEOUT_SECONDS = 10.0
LARGEST_READ = 16384
_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET


@dataclass(slots=True)
class _Connection:
    sock: socket.socket
    begun: float = 0.0
    asked: float | None = None
    first_seconds: float | None = None
    answers: int = 0
    rest: bytes = b""
    """The part of an answer that has come so far."""
    broken: str = ""
    """How it failed, by the words of the report; it is not used any more."""

    @property
    def waits(self) -> bool:
        """Whether its first answer may still come."""
        return self.first_seconds is None and not self.broken


def attack(port: int, count: int, seconds: float, request: bytes) -> dict[str, float]:
    """Open all, ask until the time is over, and count."""
    with select.epoll() as poll:
        connections = {one.sock.fileno(): one for one in (_Connection(_socket()) for _ in range(count))}
        print("ready", flush=True)
        sys.stdin.readline()
        gc.disable()  # a collection would be a pause of ours
        begun, cpu = time.monotonic(), time.process_time()
        for file, one in connections.items():
            one.begun = time.monotonic()
            one.sock.connect_ex(("127.0.0.1", port))
            poll.register(file, _EVENTS)
        now = time.monotonic()
        opening = now - begun
        every = list(connections.values())
        while now < begun + seconds or (now < begun + LONGEST_SECONDS and any(one.waits for one in every)):
            for file, _ in poll.poll(0.1, 1024):
                _go_on(connections[file], request)
            now = time.monotonic()
        cpu = time.process_time() - cpu
    first = [one.first_seconds for one in every if one.first_seconds is not None]
    first += [now - one.begun for one in every if one.waits]
    for one in every:
        if not one.broken and now - (one.asked or one.begun) > TIMEOUT_SECONDS:
            one.broken = "timeouts"
    answers = sorted(one.answers for one in every)
    return {
        "first_seconds": max(first, default=0.0),
        "opening_seconds": opening,
        **{kind: sum(one.broken == kind for one in every) for kind in ("resets", "timeouts", "wrong")},
        "requests": sum(answers),
        "fewest": answers[count * 5 // 100],
        "most": answers[count * 95 // 100],
        "busy": cpu / (now - begun),
    }


def _socket() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _go_on(one: _Connection, request: bytes) -> None:
    """Read what has come; ask if that was a whole answer, or if nothing was asked so far."""
    if one.broken:
        return
    try:
        if one.asked is not None:
            data = one.sock.recv(LARGEST_READ)
            if not data:
                one.broken = "resets"
                return
            if one.first_seconds is None:
                one.first_seconds = time.monotonic() - one.begun
            one.rest += data
            if not _is_whole(one.rest):
                return
            if not _is_right(one.rest):
                one.broken = "wrong"
                return
            one.answers += 1
            one.rest = b""
        one.sock.send(request)
        one.asked = time.monotonic()
    except BlockingIOError:
        pass  # it can only be written to, which is said with every answer
    except OSError:
        one.broken = "resets"


def _is_whole(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    lower = answer[:head].lower()
    at = lower.find(b"content-length:")
    return at >= 0 and len(answer) >= head + 4 + int(lower[at + 15 :].partition(b"\r")[0])


def _is_right(answer: bytes) -> bool:
    """Whether a whole answer is 200 with a number."""
    try:
        float(answer[answer.find(b"\r\n\r\n") + 4 :])
    except ValueError:
        return False
    return answer.startswith(b"HTTP/1.1 200 ")


if __name__ == "__main__":
    os.nice(10)  # whoever asks for /health from the same core meanwhile goes first
    asked = f"GET {sys.argv[4]} HTTP/1.1\r\nHost: 127.0.0.1:{sys.argv[1]}\r\n\r\n".encode()
    print(json.dumps(attack(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), asked)))
