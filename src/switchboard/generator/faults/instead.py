"""Answers that are sent instead of the good one."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

_UNCACHED = {"Cache-Control": "no-store"}
_PAGE = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"


def _server_error(request: Request, amount: float) -> Response:
    return PlainTextResponse("this error was asked for\n", round(amount), _UNCACHED)


def _too_many_requests(request: Request, amount: float) -> Response:
    return PlainTextResponse(
        "too many requests, as was asked for\n", 429, {**_UNCACHED, "Retry-After": f"{amount:.0f}"}
    )


def _redirect_loop(request: Request, amount: float) -> Response:
    """A redirect to the same path with the next number, so that a client does not see that it has been there."""
    hop = request.query_params.get("hop", "")
    number = int(hop) if hop.isascii() and hop.isdigit() and len(hop) < 9 else 0
    url = URL(f"{request.url.path}?{request.url.query}").include_query_params(hop=number + 1)
    return RedirectResponse(str(url), 302, _UNCACHED)


def _html_page(request: Request, amount: float) -> Response:
    return HTMLResponse(_PAGE, 200, _UNCACHED)


INSTEAD: dict[str, Callable[[Request, float], Response]] = {
    "server_error": _server_error,
    "too_many_requests": _too_many_requests,
    "redirect_loop": _redirect_loop,
    "html_page": _html_page,
}
"""By name of the fault; the number is its amount."""
