"""Questions to a server of this machine, over HTTP and without waiting for long."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress
from threading import Timer
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 2.0
"""Longest wait for the next bytes."""
_MOST_SECONDS = 4.0
"""Longest time for a whole answer: it may be that of another program, which sends a little now and then for ever."""
_MOST_BYTES = 64 << 20


def get(url: str) -> tuple[int, bytes]:
    """Status and body of a GET, without what came too late; (0, b"") without an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.connect()
        end = Timer(_MOST_SECONDS, _cut, (connection.sock,))
        end.daemon = True
        end.start()
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST_BYTES)
        finally:
            end.cancel()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _cut(sock: socket.socket) -> None:
    """End a connection that another thread reads from."""
    with suppress(OSError):  # it has ended by itself
        sock.shutdown(socket.SHUT_RDWR)


def is_switchboard(url: str) -> bool:
    """Whether a Switchboard listens there: an API or an ETL by its /ready, a generator by its list of paths."""
    with suppress(ValueError, RecursionError):  # it may be anything
        ready = json.loads(get(f"{url}/ready")[1])
        if isinstance(ready, dict) and {"ready", "store", "sources"} <= ready.keys():
            return True
    return b"\nGET /health    OK while the process lives\n" in b"\n" + get(f"{url}/")[1]
