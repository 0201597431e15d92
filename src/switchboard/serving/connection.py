"""One connection: requests in, replies out, in their order, with bounds for what a client may send, take, and how long.

A reply whose body is bytes is written in the callback that brings its request; only a reply that streams, waits or
runs in a thread has a task. Requests behind it wait as bytes, and nothing more is read.

A refusal is the last reply of its connection. There is no timer per connection: each sets ``deadline``, and the sweep
calls ``overdue`` when that has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from switchboard.serving import refusals, writer
from switchboard.serving.message import ReadyReply, Reply, Request
from switchboard.serving.reader import BODY, END, HEAD, IDLE, RequestReader
from switchboard.serving.refusals import Refusal, refusal_of
from switchboard.serving.socket_options import reset_at_close
from switchboard.serving.taking import Taking

if TYPE_CHECKING:
    from switchboard.serving.server import Server

MOST_A_TURN = 64
"""Most replies to pipelined requests in one turn of the event loop; then other connections have theirs."""
TURN_SECONDS = 0.002
"""No further reply is begun in a turn that has lasted this long: a list may take milliseconds by itself."""
MOST_UNSENT_BYTES = 64 << 10
"""Bytes that wait for the client to take them, above which nothing more is made for it."""

log = structlog.get_logger()


class Connection(asyncio.Protocol):
    """One connection of a server."""

    transport: asyncio.Transport

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.reader = RequestReader(server.service.body_limit, server.known_headers, server.bodies)
        self.deaf = False
        """Whether all that still arrives is thrown away, because the connection ends."""
        self.active_at = loop.time()
        """When the client last showed life, by the clock of the event loop."""
        self.deadline = self.active_at + server.deadlines.idle
        """When the sweep is to call ``overdue``; too early is harmless."""
        self._server = server
        self._ready = server.service.ready
        self._loop = loop
        self._began_at = self.active_at
        """When the first byte of the current request arrived."""
        self._out: list[bytes] = []  # replies of this turn
        self.unread = b""
        """What has arrived and waits: for the reply in progress, the client, or other connections' turns."""
        self._more_behind = False
        """Whether another complete request waits behind the current one; only known when the end is near."""
        self._task: asyncio.Task[None] | None = None
        """Sends the reply in progress."""
        self.write_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._taking = Taking(self.active_at)
        self._cut = "client_gone"
        """Why a stream ends if its task is cancelled."""
        self.ended = False
        """Whether the client has ended its side, and will ask no more."""
        self._last = False  # whether the reply that was written last is the last
        self._lingering = False

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # that of a stream
        """Begin."""
        self.transport = transport
        # A piece is made when the one before it is gone from memory; what the kernel holds keeps the client busy.
        transport.set_write_buffer_limits(MOST_UNSENT_BYTES, 0)
        self._server.joined(self)

    def data_received(self, data: bytes) -> None:
        """Answer what has arrived, as far as it is complete and its turn."""
        was_active_at, self.active_at = self.active_at, self._loop.time()
        if self._task is not None or self.unread or self.write_paused or self.deaf:
            if not self.deaf:
                self.unread += data
                self.transport.pause_reading()
            return
        if self.reader.phase == IDLE:
            began = perf_counter()
            ready = self._ready(data)
            if ready is not None:
                self.transport.write(self._server.first_lines(ready.status) + ready.rest)
                ready.sent(perf_counter() - began)
                return
            if data[0] in b"\r\n" and not data.strip(b"\r\n"):
                self.active_at = was_active_at  # empty lines are no sign of life
                return
            if 0 <= data.find(END) == len(data) - 4 and not (self._server.stopping or self.ended):
                self._began_at = self.active_at
                self._read(data)  # most often it is a whole request
                self._flush()
                self._await_rest()
                return
        self._work(data, known=True)

    def eof_received(self) -> bool:
        """The client asks no more, but may still read: what it has asked is answered before the connection ends."""
        self.ended = True
        return not self._lingering and (self._task is not None or bool(self.unread))

    def pause_writing(self) -> None:
        """Make nothing more until the client has taken what there is."""
        self.write_paused = True
        self._taking.begin(self._loop.time())
        self._look_soon(self._taking.since)

    def resume_writing(self) -> None:
        """Go on."""
        self.write_paused = False
        self.active_at = self._loop.time()
        self._taking.begin(self.active_at)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of everything; a reply in progress is for nobody."""
        self.deaf = True
        self.unread = b""
        if self._task is not None:
            self._task.cancel()
        self.reader.close()
        self._server.left(self)

    # Requests

    def _work(self, data: bytes, *, known: bool = False) -> None:
        """Answer the requests that ``data`` begins with, as many as one turn and one buffer allow.

        ``known``: whether it is known that no reply to the whole of the data is ready.
        """
        server, reader, out = self._server, self.reader, self._out
        began = now = perf_counter()
        at, answered, unsent, size = 0, 0, 0, len(data)
        while at < size and self._task is None and not self.deaf:
            end = reader.end_of_part(data, at)
            part, at = data[at:end], end
            if server.stopping or self.ended:
                self._more_behind = data.find(END, at) >= 0
            if reader.phase == IDLE:
                self._began_at = self.active_at
            is_known = known and len(part) == size
            if reader.phase == IDLE and not is_known and (ready := self._ready(part)) is not None:
                out.append(server.first_lines(ready.status) + ready.rest)
                ready.sent(perf_counter() - now)
            else:
                self._read(part)
            if len(out) > answered:
                answered = len(out)
                unsent += len(out[-1])
            if at < size:
                now = perf_counter()
                if answered >= MOST_A_TURN or unsent > MOST_UNSENT_BYTES or now - began > TURN_SECONDS:
                    break
        if at < size:
            self.unread = data[at:]
        self._flush()
        if self.deaf:
            return
        if at < size:
            self.transport.pause_reading()
            if self._task is None:
                self._loop.call_soon(self._go_on)
        else:
            self._await_rest()

    def _await_rest(self) -> None:
        """Give the client time for the rest of a request that has arrived in part; none for a new one at the end."""
        if self._task is not None or self.deaf:
            return
        if self.reader.phase != IDLE:
            deadlines = self._server.deadlines
            seconds = deadlines.head if self.reader.phase == HEAD else deadlines.request
            self.deadline = min(self.deadline, self._began_at + seconds)
        if self._server.stopping:
            self.shutdown()

    def _read(self, part: bytes) -> None:
        """Give a part to the reader, and answer the request that it completes."""
        reader = self.reader
        try:
            reader.feed(part)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self._refuse(refusal_of(error, part))
            return
        request = reader.request
        if request is not None:
            reader.request = None
            if self.ended or self._server.stopping:
                request.raw = b""  # the reply may be the last, which says so
            self._answer(request)
        elif reader.wants_continue:
            reader.wants_continue = False
            self._out.append(writer.CONTINUE)
        elif reader.excess and self._task is None:
            self._end()

    def _answer(self, request: Request) -> None:
        began = perf_counter()
        service = self._server.service
        reply: Reply | ReadyReply | Awaitable[Reply]
        try:
            reply = service.answer(request)
        except Exception as error:  # noqa: BLE001 - a failure of ours is no reason to be silent
            reply = self._failed(error)
        if isinstance(reply, ReadyReply):
            self._out.append(self._server.first_lines(reply.status) + reply.rest)
            reply.sent(perf_counter() - began)
        elif isinstance(reply, Reply) and isinstance(reply.body, bytes) and len(reply.body) <= writer.SLICE_BYTES:
            last = self._is_last(reply)
            bodiless = request.method == "HEAD"
            rest = writer.rest_of(reply.status, reply.lines, reply.body, bodiless=bodiless, last=last)
            self._out.append(self._server.first_lines(reply.status) + rest)
            service.done(request, reply, perf_counter() - began)
            if last:
                self._end()
        else:
            self._task = self._loop.create_task(self._answer_later(request, reply, began))
            self._task.add_done_callback(self._answered)

    async def _answer_later(self, request: Request, coming: Reply | Awaitable[Reply], began: float) -> None:
        """Send a reply that is awaited, or whose body comes in pieces."""
        server = self._server
        reply: Reply | None = None
        cut, is_stream = "", False
        try:
            reply = coming if isinstance(coming, Reply) else await self._awaited(coming)
            bodiless = request.method == "HEAD"
            if not isinstance(reply.body, bytes) and not bodiless:
                if server.is_busy:
                    await writer.close_body(reply.body)
                    reply = self._refusal(refusals.BUSY, reply.label)
                else:
                    server.streams += 1
                    is_stream = True
            self._more_behind = END in self.unread
            chunked = self.reader.version_1_1
            last = self._is_last(reply)
            first_lines = server.first_lines(reply.status)
            cut = await writer.send(self, first_lines, reply, bodiless=bodiless, last=last, chunked=chunked)
        except asyncio.CancelledError:
            cut = self._cut if self.deaf else "failed"
            raise
        except Exception:
            cut = "failed"
            raise
        finally:
            self._task = None
            server.streams -= is_stream
            if reply is not None:
                server.service.done(request, reply, perf_counter() - began, cut)
        if cut == "client_slow":
            self._give_up()
        elif cut:
            self.deaf = True
            self.transport.close()
        elif last:
            self._end()
            self._finish()
        else:
            self._go_on()

    def _answered(self, task: asyncio.Task[None]) -> None:
        """End the connection if the reply ended in a way that has no name: the client would wait for the rest."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("reply failed", exc_info=error)
        if error is not None or task.cancelled():
            self.deaf = True
            self.transport.abort()

    async def _awaited(self, coming: Awaitable[Reply]) -> Reply:
        try:
            return await coming
        except Exception as error:  # noqa: BLE001 - as in _answer
            return self._failed(error)

    def _failed(self, error: Exception) -> Reply:
        log.error("request failed", exc_info=error)
        return self._refusal(refusals.FAILURE)

    def _refusal(self, refusal: Refusal, label: str = "") -> Reply:
        reply = self._server.service.refuse(refusal, self.reader.accept)
        reply.label = label
        self._server.service.refused(refusal.reason)
        return reply

    def _is_last(self, reply: Reply) -> bool:
        """Whether the connection ends after a reply to the current request."""
        if reply.close or not self.reader.keep_alive or self.reader.excess:
            return True
        return (self._server.stopping or self.ended) and not self._more_behind

    def _refuse(self, refusal: Refusal) -> None:
        """Answer the current request this way, and end the connection; a request that was answered gets no second."""
        if self.reader.phase == BODY and not self.reader.is_awaited:
            self._server.service.refused(refusal.reason)
        else:
            reply = self._refusal(refusal)
            assert isinstance(reply.body, bytes)
            rest = writer.rest_of(reply.status, reply.lines, reply.body, bodiless=self.reader.is_head, last=True)
            self._out.append(self._server.first_lines(reply.status) + rest)
        self._end(linger=True)

    @property
    def _is_held(self) -> bool:
        """Whether no further request can be answered at this moment."""
        return self._task is not None or self.write_paused or self.deaf

    def _go_on(self) -> None:
        """Answer what waits; read on when nothing does."""
        if self._is_held or self.transport.is_closing():
            return
        data, self.unread = self.unread, b""
        if data:
            self.active_at = self._loop.time()
            self._work(data)
        if self.unread or self._is_held:
            return
        if self.ended:
            self.transport.close()
            return
        if self._server.stopping:
            self.shutdown()
        if not self.deaf:
            self.transport.resume_reading()

    # Replies

    def write(self, *parts: bytes | memoryview) -> None:
        """Hand bytes to the socket, in their order."""
        if not self.transport.is_closing():
            self.transport.writelines(parts)

    async def drain(self) -> None:
        """Return when the client has taken enough, and other connections have had their turn."""
        if not self.write_paused:
            await asyncio.sleep(0)
        while self.write_paused:
            self._drained = self._loop.create_future()
            await self._drained

    def _flush(self) -> None:
        out = self._out
        if out and not self.transport.is_closing():
            data = out[0] if len(out) == 1 else b"".join(out)
            self.transport.write(data)
            if len(data) > writer.SLICE_BYTES // 4:
                self._look_soon(self.active_at)
        out.clear()
        if self._last:
            self._finish()

    def _end(self, *, linger: bool = False) -> None:
        """Hear nothing more; what has been written is the last."""
        self.deaf = self._last = True
        self._lingering = linger

    def _finish(self) -> None:
        """End our side. Where the client may still be sending, wait a little for the end of its own: closed at once,
        the reply would be lost to it.
        """
        self._last = False
        is_sending = self._lingering or self.reader.phase == BODY or bool(self.unread)
        self.unread = b""
        if self.transport.is_closing():
            return
        if not is_sending or self.ended or not self.transport.can_write_eof():
            self.transport.close()
            self._look_soon(self._loop.time())
            return
        self.transport.write_eof()
        self.transport.resume_reading()
        self._lingering = True
        self.deadline = self._loop.time() + self._server.deadlines.linger

    # Time

    def overdue(self, now: float) -> None:
        """Called by the sweep once ``deadline`` has passed: do what is due, and set the next deadline."""
        deadlines, phase = self._server.deadlines, self.reader.phase
        if self._takes_too_little(now):
            self._look_soon(now, at_least=True)
        elif self._lingering or self.transport.is_closing():
            if not self.transport.is_closing():  # asyncio's TLS is not usable after a second call
                self.transport.close()
            self._look_soon(now, at_least=True)
        elif self._task is not None or self.unread:
            self.active_at = self._began_at = now  # it is not the client who is slow
            self.deadline = now + deadlines.idle
        elif phase == HEAD:
            self._expire(self._began_at + deadlines.head, refusals.SLOW_HEAD, now)
        elif phase == BODY:
            self._expire(self._began_at + deadlines.request, refusals.SLOW_BODY, now)
        elif self.active_at + deadlines.idle <= now:
            self.deaf = True
            self.transport.close()
            self._look_soon(now, at_least=True)
        else:
            self.deadline = self.active_at + deadlines.idle

    def shutdown(self) -> None:
        """The server stops: finish what has been asked."""
        if self._task is None and not self.unread and self.reader.phase != BODY:
            self.deaf = True
            self.transport.close()

    def _expire(self, deadline: float, refusal: Refusal, now: float) -> None:
        if deadline > now:
            self.deadline = deadline
        else:
            self.deadline = now + self._server.deadlines.idle
            self._refuse(refusal)
            self._flush()

    def _look_soon(self, now: float, *, at_least: bool = False) -> None:
        """Let the sweep look whether the client takes what it is sent."""
        soon = now + self._server.deadlines.look
        self.deadline = soon if at_least else min(self.deadline, soon)

    def _takes_too_little(self, now: float) -> bool:
        """Whether the client has something to take; it is given up if it has taken nothing for too long."""
        left = self._taking.left(self.transport, now)
        if left and self._taking.since + self._server.deadlines.unread <= now:
            self._give_up()
        return bool(left)

    def _give_up(self) -> None:
        """Break the connection, and have the kernel throw away what it holds for a client that takes nothing."""
        self._server.service.refused("unread")
        self._cut = "client_slow"
        self.deaf = True
        reset_at_close(self.transport.get_extra_info("socket"))
        self.transport.abort()
