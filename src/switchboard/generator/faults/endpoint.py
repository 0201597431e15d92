"""`/faults`: see and change at run time what goes wrong."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from switchboard.errors import ConfigError
from switchboard.generator.faults.kinds import FAULT_KINDS
from switchboard.generator.faults.plan import Fault, FaultPlan

METHODS = ["GET", "PUT", "POST", "DELETE"]
_MOST_BYTES = 64 << 10
_DECODER = msgspec.json.Decoder(dict[str, Fault])


class FaultsEndpoint:
    """GET shows the faults, PUT sets them, POST adds some, DELETE switches all off. Each 200 shows what is on then.

    The body is JSON, like ``{"server_error": {"share": 0.3, "amount": 503}}``.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan

    async def answer(self, request: Request) -> Response:
        """Do what the method says, and show the faults; 400 for faults that cannot be."""
        try:
            if request.method in {"PUT", "POST"}:
                self._plan.switch(await _faults_in(request), keep=request.method == "POST")
            elif request.method == "DELETE":
                self._plan.switch({})
        except ConfigError as error:
            return PlainTextResponse(f"{error}\n", 400, {"Cache-Control": "no-store"})
        shown: dict[str, Any] = {"active": self._plan.active, "known": FAULT_KINDS}
        return Response(msgspec.json.encode(shown) + b"\n", 200, {"Cache-Control": "no-store"}, "application/json")


async def _faults_in(request: Request) -> dict[str, Fault]:
    """The faults in the body of a request. Raises ConfigError."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise ConfigError(f"the faults are longer than {_MOST_BYTES} bytes")
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f'the faults are not JSON like {{"server_error": {{"share": 0.3, "amount": 503}}}}: {error}'
        ) from error
