"""A small service: a table of paths, refusals of one sentence, and a debug line per request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import structlog

from switchboard.serving.message import NO_STORE, ReadyReply, Reply, Request, text_reply
from switchboard.serving.refusals import Refusal

Answer = Callable[[Request], Reply | Awaitable[Reply]]

log = structlog.get_logger()


class Route(NamedTuple):
    """A row of the table: what answers one method of one path. The answer to GET also is the answer to HEAD."""

    path: str
    answer: Answer
    method: str = "GET"
    most_body_bytes: int = 0
    """Limit for the body of a request; 0: the answer does not depend on it."""


class Routes:
    """The service of a table. Other paths get 404, other methods 405; all refusals are plain text."""

    def __init__(self, routes: Iterable[Route], hint: str) -> None:
        """``hint`` ends the sentence for a path that is not in the table, which it says more about."""
        self._hint = hint
        self._table: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = self._table.setdefault(route.path, {})
            methods[route.method] = route
            if route.method == "GET":
                methods["HEAD"] = route

    def ready(self, head: bytes) -> ReadyReply | None:
        """No reply is kept."""
        return None

    def body_limit(self, request: Request) -> int:
        """The limit of the row."""
        route = self._table.get(request.path, {}).get(request.method)
        return 0 if route is None else route.most_body_bytes

    def answer(self, request: Request) -> Reply | Awaitable[Reply]:
        """What the row for the path and the method answers; 404 or 405 without one."""
        methods = self._table.get(request.path)
        if methods is None:
            return text_reply(404, f"there is nothing at this path, {self._hint}\n", [NO_STORE])
        route = methods.get(request.method)
        if route is None:
            allowed = ", ".join(sorted(methods))
            only = " and ".join(allowed.rsplit(", ", 1))
            text = f"{request.method} is not allowed here, only {only}\n"
            return text_reply(405, text, [(b"allow", allowed.encode()), NO_STORE])
        return route.answer(request)

    def refuse(self, refusal: Refusal, accept: bytes) -> Reply:
        """The sentence of the refusal, whatever the client accepts."""
        headers = [NO_STORE, (b"x-content-type-options", b"nosniff"), *refusal.headers]
        return text_reply(refusal.status, f"{refusal.sentence}\n", headers)

    def done(self, request: Request, reply: Reply, seconds: float, cut: str = "") -> None:
        """Write the debug line."""
        duration_ms = round(seconds * 1000, 3)
        log.debug("request", method=request.method, path=request.path, status=reply.status, duration_ms=duration_ms)

    def refused(self, reason: str) -> None:
        """Refusals are not counted."""
