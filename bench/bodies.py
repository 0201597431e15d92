"""A source for the benchmarks, in a process of its own: prepared bodies from files, one after the other.

Usage: python -m bench.bodies PORT FILE…

GET serves the current file with an ETag, or 304 to who has it; POST moves on to the next file.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import ClassVar


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: ClassVar[cycle[Path]]
    current: ClassVar[Path]
    number: ClassVar[int] = 0

    def do_GET(self) -> None:
        tag = f'"{self.number}"'
        if self.headers["If-None-Match"] == tag:
            self._head(304, tag)
            return
        self._head(200, tag, self.current.stat().st_size)
        self.wfile.flush()
        with self.current.open("rb") as body:
            self.connection.sendfile(body)

    def do_POST(self) -> None:
        type(self).current = next(self.files)
        type(self).number += 1
        self._head(200, f'"{self.number}"', 0)

    def _head(self, status: int, tag: str, size: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/csv")
        self.send_header("ETag", tag)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, *_values: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    port, *names = sys.argv[1:]
    _Handler.files = cycle([Path(name) for name in names])
    _Handler.current = next(_Handler.files)
    ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler).serve_forever()
