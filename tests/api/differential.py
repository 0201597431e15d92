"""Sends the same bytes to two servers and compares, byte by byte, what comes back."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from tests.api.generated import Case, World, known_targets, request
from tests.lab.servers import PATIENCE_SECONDS

DATE_SECONDS = 60
"""How old a date may be: an answer may wait here for a while on a busy machine, but a wrong date is not near."""
"""How far a Date may be behind, in whole seconds: servers renew it once a second."""
LAST = request("/health", "Connection: close")
"""Request that is sent when all is answered: a server that answers it has kept the connection."""


@dataclass(frozen=True)
class Difference:
    """``what`` differs in the answers ``a`` and ``b`` to ``sent``; dates in them read DATE if they are right."""

    kind: str
    what: str
    sent: bytes
    a: bytes
    b: bytes


@dataclass(frozen=True)
class Conversation:
    """All that came back on a connection. ``end``: kept, closed or silent (nothing came that had to)."""

    answers: tuple[bytes, ...]
    end: str


def compare(port_a: int, port_b: int, cases: Iterable[Case], most: int = 50) -> list[Difference]:
    """Send each case to both servers, on a connection of its own, and tell what is not the same.

    It stops at ``most`` differences: an answer that does not come costs PATIENCE_SECONDS.
    """
    differences: list[Difference] = []
    for case in cases:
        if len(differences) >= most:
            break
        with _connect(port_a) as first, _connect(port_b) as second:
            streams = [_Stream(first), _Stream(second)]
            for piece in case.pieces:
                for stream in streams:
                    stream.send(piece)
            a, b = (stream.read(case.methods) for stream in streams)
        if a != b:
            whole = b"".join(a.answers), b"".join(b.answers)
            differences.append(Difference(case.kind, _what(a, b), case.sent, *whole))
        elif fault := _fault(a):
            differences.append(Difference(case.kind, fault, case.sent, b"".join(a.answers), b"".join(b.answers)))
    return differences


def learn_tags(port: int, world: World) -> World:
    """The same world, with the entity tags that a server has for it."""
    tags = {}
    for target in known_targets(world):
        with _connect(port) as sock:
            stream = _Stream(sock)
            stream.send(request(target))
            (answer, *_) = stream.read(["GET"]).answers
        found = re.search(rb"\r\netag: ([^\r]*)\r\n", answer)
        if found is not None:
            tags[target] = found[1].decode()
    return World(world.switches, world.metrics, world.ports, tags)


class _Stream:
    """The client's end of a connection, whose answers are framed by the rules of HTTP."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()
        self._end = ""

    def send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError:
            self._end = "closed"  # what the server has said before can still be read

    def read(self, methods: Sequence[str]) -> Conversation:
        """Answers to requests of these methods, and whether the connection lives on after them."""
        self._end = ""
        answers = []
        for method in methods:
            answer = self._answer(method)
            if answer:
                answers.append(_dated(answer))
            if self._over():
                break
        if not self._over():
            self.send(LAST)
            last = self._answer("GET")
            while not self._over():
                self._more()
            if last.startswith(b"HTTP/1.1 200 ") and last.endswith(b"\r\n\r\nOK") and self._end == "closed":
                self._end = "kept"
            else:
                answers.append(last)
        answers.append(bytes(self._received))  # more than was asked for
        return Conversation(tuple(answers), self._end)

    def _answer(self, method: str) -> bytes:
        """Take one answer, interim ones included, off the stream; at its end, what there is of it."""
        whole = b""
        while True:
            head = self._take(self._until(b"\r\n\r\n"))
            whole += head
            status = head[9:12]
            if not head.endswith(b"\r\n\r\n") or not status.startswith(b"1"):
                break
        length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head, re.IGNORECASE)
        if self._over() or method == "HEAD" or status in {b"204", b"304"}:
            return whole
        if re.search(rb"\r\ntransfer-encoding: chunked\r\n", head, re.IGNORECASE):
            size = -1
            while size and not self._end:
                line = self._take(self._until(b"\r\n"))
                size = int(line or b"0", 16)
                whole += line + self._take(size + 2)
        elif length is not None:
            whole += self._take(int(length[1]))
        else:
            while not self._over():
                self._more()
            whole += self._take(len(self._received))
        return whole

    def _over(self) -> bool:
        return bool(self._end)

    def _until(self, mark: bytes) -> int:
        """How many bytes there are up to a mark and with it, or to the end."""
        while not self._over() and mark not in self._received:
            self._more()
        found = self._received.find(mark)
        return len(self._received) if found < 0 else found + len(mark)

    def _take(self, count: int) -> bytes:
        while not self._over() and len(self._received) < count:
            self._more()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _more(self) -> None:
        try:
            data = self._sock.recv(1 << 18)
        except TimeoutError:
            self._end = "silent"
        except OSError:
            self._end = "closed"
        else:
            self._received += data
            if not data:
                self._end = "closed"


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _dated(answer: bytes) -> bytes:
    """The answer with its date replaced, if that is right."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    found = re.search(rb"\r\ndate: ([^\r]*)", head)
    if found is None:
        return answer
    try:
        behind = int(time.time()) - parsedate_to_datetime(found[1].decode("latin-1")).timestamp()
    except ValueError:
        return answer
    if not 0 <= behind <= DATE_SECONDS:
        return answer
    return head[: found.start(1)] + b"DATE" + head[found.end(1) :] + separator + body


def _what(a: Conversation, b: Conversation) -> str:
    """Where two conversations part."""
    for number, (first, second) in enumerate(zip(a.answers, b.answers, strict=False)):
        if first == second:
            continue
        heads = [answer.partition(b"\r\n\r\n")[0].split(b"\r\n") for answer in (first, second)]
        if heads[0][0] != heads[1][0]:
            return f"status of answer {number}"
        return f"{'headers' if heads[0] != heads[1] else 'body'} of answer {number}"
    return f"end: {a.end}, {b.end}" if a.end != b.end else f"answers: {len(a.answers)}, {len(b.answers)}"


def _fault(conversation: Conversation) -> str:
    """What is wrong with both: silence, no answer at all, or no date."""
    if conversation.end == "silent":
        return "both are silent"
    if not any(conversation.answers):
        return "both say nothing"
    for number, answer in enumerate(conversation.answers):
        head = answer.partition(b"\r\n\r\n")[0]
        if answer and b"\r\ndate: DATE" not in head:
            return f"both have no date, or a wrong one, in answer {number}"
    return ""
