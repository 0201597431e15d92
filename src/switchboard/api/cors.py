"""Cross-origin requests (CORS): the headers with which a browser lets the pages of another origin read our answers.

Nothing here allows credentials: a page reads what anybody may read.
"""

from __future__ import annotations

from switchboard.api.describe.responses import HEADERS
from switchboard.serving.message import lines_of

_ALWAYS_READ = {"Cache-Control", "Content-Encoding", "Last-Modified", "Vary"}
"""Headers that need not be exposed, or that a page has no use for."""


def header_lines_for(origin: str) -> bytes:
    """The lines of every answer, for pages of ``origin``; ``*``: of any. Empty without an origin."""
    if not origin:
        return b""
    exposed = ", ".join(name for name in HEADERS if name not in _ALWAYS_READ)
    return lines_of(
        [
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-expose-headers", exposed.encode()),
        ]
    )


PREFLIGHT_LINES = lines_of(
    [
        (b"access-control-allow-methods", b"GET, HEAD, POST"),
        (b"access-control-allow-headers", b"Accept, Authorization, Content-Encoding, Content-Type, If-None-Match"),
        (b"access-control-max-age", b"7200"),
    ]
)
"""More lines of the answer to OPTIONS: what a page may send, which the browser may remember for two hours."""
