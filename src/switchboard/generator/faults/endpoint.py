"""`/faults`: see and change at run time what goes wrong."""

from __future__ import annotations

from typing import Any

import msgspec

from switchboard.errors import ConfigError
from switchboard.generator.faults.kinds import FAULT_KINDS
from switchboard.generator.faults.plan import Fault, FaultPlan
from switchboard.serving.message import NO_STORE, Reply, Request, lines_of, text_reply
from switchboard.serving.routes import Route

_PATH = "/faults"
_MOST_BYTES = 64 << 10
_DECODER = msgspec.json.Decoder(dict[str, Fault])


class FaultsEndpoint:
    """GET shows the faults, PUT sets them, POST adds some, DELETE switches all off. Each 200 shows what is on then.

    The body is JSON, like ``{"server_error": {"share": 0.3, "amount": 503}}``.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan

    def routes(self) -> list[Route]:
        """A row for each method."""
        return [
            Route(_PATH, self.show),
            Route(_PATH, self.put, "PUT", _MOST_BYTES),
            Route(_PATH, self.post, "POST", _MOST_BYTES),
            Route(_PATH, self.delete, "DELETE"),
        ]

    def show(self, _request: Request) -> Reply:
        """200 with the faults that are on, and those that there are."""
        shown: dict[str, Any] = {"active": self._plan.active, "known": FAULT_KINDS}
        headers = [NO_STORE, (b"content-type", b"application/json")]
        return Reply(200, lines_of(headers), msgspec.json.encode(shown) + b"\n")

    def put(self, request: Request) -> Reply:
        """Switch these on and all others off; 400 for faults that cannot be."""
        return self._switch(request, keep=False)

    def post(self, request: Request) -> Reply:
        """Switch these on, too; 400 for faults that cannot be."""
        return self._switch(request, keep=True)

    def delete(self, request: Request) -> Reply:
        """Switch all off."""
        self._plan.switch({})
        return self.show(request)

    def _switch(self, request: Request, *, keep: bool) -> Reply:
        try:
            self._plan.switch(_faults_in(request.body), keep=keep)
        except ConfigError as error:
            return text_reply(400, f"{error}\n", [NO_STORE])
        return self.show(request)


def _faults_in(body: bytes) -> dict[str, Fault]:
    """The faults in the body of a request. Raises ConfigError."""
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f'the faults are not JSON like {{"server_error": {{"share": 0.3, "amount": 503}}}}: {error}'
        ) from error
