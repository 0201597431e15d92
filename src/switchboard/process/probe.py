"""Questions to a server of this machine, over HTTP and without waiting for long."""

from __future__ import annotations

import http.client
import json
from contextlib import suppress
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 2.0


def get(url: str) -> tuple[int, bytes]:
    """Status and body of a GET; (0, b"") without an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def is_switchboard(url: str) -> bool:
    """Whether a Switchboard listens there: an API or an ETL by its /ready, a generator by its list of paths."""
    with suppress(ValueError):
        ready = json.loads(get(f"{url}/ready")[1])
        if isinstance(ready, dict) and {"ready", "store", "sources"} <= ready.keys():
            return True
    return b"\nGET /health    OK while the process lives\n" in b"\n" + get(f"{url}/")[1]
