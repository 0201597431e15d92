"""Requests as wrk sends them, over a plain socket.

An HTTP library adds headers of its own (Accept-Encoding, User-Agent), and one of them may lead through another door.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Raw:
    """An answer as it came; ``head`` ends with the empty line."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head[9:12])

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Names as they came, in their order."""
        lines = self.head.decode("latin-1").rstrip("\r\n").split("\r\n")[1:]
        return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def header(self, name: str) -> str:
        """A header's value, or nothing."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")


def ask(port: int, target: str, *, timeout: float = 10) -> Raw:
    """GET on a connection of its own, kept alive until the answer is whole.

    Raises OSError, and ValueError for an answer that has no length.
    """
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout) as sock, sock.makefile("rb") as stream:
        sock.sendall(request)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                raise ConnectionError(f"{target}: the connection ended within the head {head!r}")
            head += line
        length = int(Raw(head, b"").header("content-length"))
        body = stream.read(length)
        if len(body) < length:
            raise ConnectionError(f"{target}: {len(body)} of {length} bytes came")
        return Raw(head, body)
