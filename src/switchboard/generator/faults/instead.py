"""Answers that are sent instead of the good one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from switchboard.serving.message import NO_STORE, Reply, Request, lines_of, text_reply

_PAGE = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"


def _server_error(request: Request, amount: float) -> Reply:
    return text_reply(round(amount), "this error was asked for\n", [NO_STORE])


def _too_many_requests(request: Request, amount: float) -> Reply:
    retry_after = (b"retry-after", f"{amount:.0f}".encode())
    return text_reply(429, "too many requests, as was asked for\n", [NO_STORE, retry_after])


def _redirect_loop(request: Request, amount: float) -> Reply:
    """A redirect to the same path with the next number, so that a client does not see that it has been there."""
    parameters = request.parameters()
    hop = dict(parameters).get("hop", "")
    number = int(hop) if hop.isascii() and hop.isdigit() and len(hop) < 9 else 0
    others = [(name, value) for name, value in parameters if name != "hop"]
    location = f"{request.path}?{urlencode([*others, ('hop', number + 1)])}"
    return Reply(302, lines_of([NO_STORE, (b"location", location.encode())]))


def _html_page(request: Request, amount: float) -> Reply:
    return text_reply(200, _PAGE, [NO_STORE], b"text/html")


INSTEAD: dict[str, Callable[[Request, float], Reply]] = {
    "server_error": _server_error,
    "too_many_requests": _too_many_requests,
    "redirect_loop": _redirect_loop,
    "html_page": _html_page,
}
"""By name of the fault; the number is its amount."""
