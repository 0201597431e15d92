"""The fast door: simple requests for the endpoints asked most are answered in the callback that brings them.

It stands before the ordinary door, in the same connection. A request that ``head`` can read, for an endpoint with
``Runs.FAST``, is answered by the same ``respond`` and from the same view, with the bytes that the ordinary door would
send, but without the task and the messages of ASGI. Everything else goes on to the parser and the ASGI app, in order.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from switchboard.api import metrics
from switchboard.api.answer import Answer, Request, wire_headers
from switchboard.api.bodies import BodyTable
from switchboard.api.endpoint import Endpoint, Runs
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.head import HeadReader
from switchboard.api.ordinary import OrdinaryProtocol
from switchboard.api.ready_answers import ReadyAnswer, ReadyAnswers
from switchboard.api.respond import failure, respond
from switchboard.serving.guard import IDLE
from switchboard.view.view import ViewHolder

LARGEST_BODY_BYTES = 256 << 10
"""A larger body is left to the ordinary door, which hands it to the socket in parts."""
MOST_A_TURN = 64
"""Most answers to pipelined requests in one turn; then other connections have theirs."""
TURN_SECONDS = 0.002
"""No further answer is begun in a turn that has lasted this long: a list may take milliseconds by itself."""
MOST_UNSENT_BYTES = 64 << 10

log = structlog.get_logger()


class FastDoor:
    """What the connections of one server share: the view, the endpoints, the answers that are ready."""

    def __init__(
        self, holder: ViewHolder, endpoints: Sequence[Endpoint] = ENDPOINTS, *, bodies: BodyTable | None = None
    ) -> None:
        self.ready_answers = ReadyAnswers()
        self._holder = holder
        self._bodies = BodyTable() if bodies is None else bodies
        self._endpoints = {endpoint.path.encode(): endpoint for endpoint in endpoints if endpoint.runs is Runs.FAST}
        self._heads = HeadReader()
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._beginnings: dict[int, bytes] = {}

    def beginning(self, status: int, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """Status line and default headers (the date), which the server replaces every second."""
        if default_headers is not self._default_headers:
            self._default_headers = default_headers
            self._beginnings.clear()
        beginning = self._beginnings.get(status)
        if beginning is None:
            lines = [b"%s: %s\r\n" % header for header in default_headers]
            beginning = self._beginnings[status] = STATUS_LINE[status] + b"".join(lines)
        return beginning

    def reply(self, head: bytes) -> ReadyAnswer | None:
        """The answer to a request without a body; None: the ordinary door has to give it."""
        view, now = self._holder.view, self._holder.clock()
        if view.stopping:
            return None  # the ordinary door says that the connection will close
        try:
            ready = self.ready_answers.get(head, view, now)
            if ready is not None:
                return ready
            read = self._heads.read(head)
        except Exception as error:
            log.error("fast door failed", exc_info=error)
            return None
        endpoint = None if read is None else self._endpoints.get(read.path)
        if read is None or endpoint is None:
            return None
        request = Request(read.method, read.query, **read.fields)
        bodiless = read.method == "HEAD"
        try:
            answer = respond(endpoint, view, now, request, self._bodies)
            if not isinstance(answer.body, bytes) or len(answer.body) > LARGEST_BODY_BYTES:
                return None
            ready = ReadyAnswer(endpoint.path, answer.status, _wire(answer, bodiless=bodiless))
            if answer.repeatable:
                self.ready_answers.keep(head, ready)
        except Exception as error:  # noqa: BLE001 - a failure of ours is a 500; uvicorn would blame the client
            answer = failure(endpoint, request, error)
            ready = ReadyAnswer(endpoint.path, answer.status, _wire(answer, bodiless=bodiless))
        return ready


class FastProtocol(OrdinaryProtocol):
    """A connection with a fast door. ``door`` is shared by all connections of a server: see ``with_door``."""

    door: FastDoor

    @classmethod
    def with_door(cls, door: FastDoor) -> type[FastProtocol]:
        """The protocol class of one server, with its door."""
        return type(cls.__name__, (cls,), {"door": door})

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting = b""
        """Received requests that wait until the client reads, or until other connections have had their turn."""

    def data_received(self, data: bytes) -> None:
        """Answer what the fast door can answer; the parser gets the rest."""
        if self._waiting:
            self._waiting += data
        elif self._quiet:
            self._answer(data)
        else:
            super().data_received(data)

    def resume_writing(self) -> None:
        """Go on with waiting requests, because the client has read what it was sent."""
        super().resume_writing()
        if self._waiting:
            self._go_on()
        elif self._quiet:
            self.flow.resume_reading()

    def shutdown(self) -> None:
        """The server stops: requests that wait go to the ordinary door, which ends the connection after one answer."""
        if not self._waiting:
            super().shutdown()

    @property
    def _quiet(self) -> bool:
        """Whether the connection goes on, and neither the parser nor the app has a request in hand."""
        cycle: RequestResponseCycle | None = self.cycle  # None until the parser has seen a request
        return self.phase == IDLE and not self.deaf and (cycle is None or cycle.response_complete)

    def _go_on(self) -> None:
        if self._waiting and not self.flow.write_paused and not self.transport.is_closing():
            data, self._waiting = self._waiting, b""
            self.flow.resume_reading()
            self._answer(data)

    def _answer(self, data: bytes) -> None:
        """Answer the requests that ``data`` begins with, as many as one turn and one buffer allow."""
        began = time.perf_counter()
        door, state = self.door, self.server_state
        out: list[bytes] = []
        at = unsent = answered = 0
        full = False
        while not full and (end := data.find(b"\r\n\r\n", at) + 4) > 3:
            ready = door.reply(data if end - at == len(data) else data[at:end])
            if ready is None:
                break
            out += (door.beginning(ready.status, state.default_headers), ready.rest)
            seconds = time.perf_counter() - began
            metrics.TALLY.count(ready.path, ready.status, seconds)
            at = end
            answered += 1
            unsent += len(ready.rest)
            full = answered == MOST_A_TURN or unsent > MOST_UNSENT_BYTES or seconds > TURN_SECONDS
        if answered:
            self.active_at = self.loop.time()
            state.total_requests += answered
            self.transport.write(b"".join(out))
        rest = data[at:]
        if rest and not full:
            super().data_received(rest)
            return
        self._waiting = rest
        if self.flow.write_paused or rest:
            self.flow.pause_reading()
            if not self.flow.write_paused:
                self.loop.call_soon(self._go_on)


def _wire(answer: Answer, *, bodiless: bool) -> bytes:
    """The bytes of an answer after status line and default headers; its body must be bytes."""
    assert isinstance(answer.body, bytes)
    return b"\r\n".join([*map(b": ".join, wire_headers(answer)), b"", b"" if bodiless else answer.body])
