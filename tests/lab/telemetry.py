"""A telemetry server for tests: CSV by path, in shards as NVIDIA UFM serves them, and every request noted."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Arrival:
    """A request as it came; ``at`` is on the monotonic clock, header names are lower case."""

    at: float
    target: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Failure:
    """A failure in place of a body: a status line of its own, or (``hang``) nothing at all until the server ends."""

    status: int = 500
    phrase: str = "broken"
    hang: bool = False


Answer = bytes | Failure
HANG = Failure(hang=True)


def shard(body: bytes, target: str) -> bytes:
    """The rows of a body that belong to the shard in a URL's query: all of them where it names none.

    ``num_shards=3&shard=0&sharding_field=port_guid`` are NVIDIA's parameters; the hash is ours.
    """
    query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    if "num_shards" not in query:
        return body
    header, *lines = body.splitlines(keepends=True)
    names = next(csv.reader(io.StringIO(header.decode())))
    at = names.index(query["sharding_field"])
    mine = [line for line in lines if crc32(line.split(b",")[at]) % int(query["num_shards"]) == int(query["shard"])]
    return header + b"".join(mine)


@dataclass
class Telemetry:
    """A server on a free port of 127.0.0.1. Use as a context manager.

    ``answer`` gets path and query and may be changed at any time.
    """

    answer: Callable[[str], Answer]
    arrivals: list[Arrival] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def seen(self, word: str) -> list[Arrival]:
        """The requests so far whose path and query have this word."""
        return [arrival for arrival in list(self.arrivals) if word in arrival.target]

    def __enter__(self) -> Self:
        telemetry, ended = self, threading.Event()
        self._ended = ended

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                telemetry.arrivals.append(Arrival(time.monotonic(), self.path, headers))
                answer = telemetry.answer(self.path)
                if answer is HANG:
                    ended.wait()
                    self.close_connection = True
                    return
                body = answer if isinstance(answer, bytes) else b""
                status = (200, None) if isinstance(answer, bytes) else (answer.status, answer.phrase)
                self.send_response(*status)
                self.send_header("Content-Type", "text/csv")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def ufm(target: str) -> Answer:
    """The samples of both sets under the paths at which UFM serves them, in shards if the query asks for that.

    In UTF-8: what becomes of the Latin-1 in them is for the tests of the parser.
    """
    files = {"/csv/metrics": "ufm_primary.csv", "/csv/xcset/low_freq_debug": "ufm_secondary.csv"}
    name = files.get(urlsplit(target).path)
    return Failure(404, "Not Found") if name is None else shard((DATA / name).read_text("latin-1").encode(), target)
