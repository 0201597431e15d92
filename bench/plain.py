"""Requests as wrk sends them, over a plain socket.

An HTTP library adds headers of its own (Accept-Encoding, User-Agent), and the server may do other work because of them.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
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


def get(port: int, target: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a GET."""
    return _head("GET", port, target, headers or {})


def post(port: int, target: str, body: bytes) -> bytes:
    """The bytes of a POST of JSON."""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return _head("POST", port, target, headers) + body


def _head(method: str, port: int, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def ask(port: int, target: str, *, timeout: float = 10) -> Raw:
    """GET on a connection of its own. Raises what ``exchange`` raises."""
    return exchange(port, get(port, target), timeout=timeout)


def exchange(port: int, request: bytes, *, timeout: float = 10) -> Raw:
    """Send a request on a connection of its own, which is kept alive until the answer is whole.

    Raises OSError, and ValueError for an answer that should have a length and has none.
    """
    asked = request.partition(b"\r\n")[0].decode()
    with socket.create_connection(("127.0.0.1", port), timeout) as sock, sock.makefile("rb") as stream:
        sock.sendall(request)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                raise ConnectionError(f"{asked}: the connection ended within the head {head!r}")
            head += line
        bare = Raw(head, b"")
        if bare.status == 304:
            return bare
        length = int(bare.header("content-length"))
        body = stream.read(length)
        if len(body) < length:
            raise ConnectionError(f"{asked}: {len(body)} of {length} bytes came")
        return Raw(head, body)
