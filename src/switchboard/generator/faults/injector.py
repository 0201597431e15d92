"""The injector: puts faults before good answers."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace

from switchboard.generator.faults.codings import gzip_bomb, truncated_gzip
from switchboard.generator.faults.instead import INSTEAD
from switchboard.generator.faults.plan import FaultPlan, Hit
from switchboard.generator.faults.rows import ROW_FAULTS, change_rows
from switchboard.generator.faults.times import TIME_FAULTS, behind
from switchboard.generator.faults.transport import Sleep, beginning, broken_off, drip
from switchboard.generator.streams import pieces_of
from switchboard.serving.message import Reply, Request
from switchboard.serving.routes import Answer

_ROWS = ROW_FAULTS | TIME_FAULTS
_GZIP = ("truncated_gzip", "gzip_bomb")
_CUT = ("truncated_body", "aborted_chunks")
_SPOILING = frozenset({*_ROWS, *_GZIP, *_CUT})
"""Faults whose body is not the good one."""
_WISHES = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since"})
"""Headers of requests that could make the good answer something other than the plain rows."""
_VALIDATORS = (b"etag:", b"last-modified:")


class FaultInjector:
    """Spoils the answers to requests that a fault hits, and hands on all others.

    A body that is not the good one is sent without ETag and Last-Modified, whatever the request's conditions: a client
    must not take it for the good one. Slow answers have the good body, and keep both headers.
    """

    def __init__(self, plan: FaultPlan, sleep: Sleep) -> None:
        self._plan = plan
        self._sleep = sleep

    def before(self, good: Answer) -> Answer:
        """The good answer, with faults before it."""

        def answer(request: Request) -> Reply | Awaitable[Reply]:
            hits = {hit.name: hit for hit in self._plan.hits()}
            return self._answer(good, request, hits) if hits else good(request)

        return answer

    async def _answer(self, good: Answer, request: Request, hits: dict[str, Hit]) -> Reply:
        if "slow_first_byte" in hits:
            await self._sleep(hits["slow_first_byte"].amount)
        for name, instead in INSTEAD.items():
            if name in hits:
                return instead(request, hits[name].amount)
        is_spoilt = not _SPOILING.isdisjoint(hits)
        if is_spoilt:
            wished = [(name, value) for name, value in request.headers if name not in _WISHES]
            request = replace(request, headers=wished)
        with behind(hits["restart"].amount if "restart" in hits else 0):
            reply = good(request)
            if not isinstance(reply, Reply):
                reply = await reply
        if is_spoilt:
            # The length of a spoilt body is not known.
            reply = Reply(reply.status, _without_validators(reply.lines), pieces_of(reply.body))
        if reply.status == 200 and request.method == "GET" and (is_spoilt or "slow_drip" in hits):
            return await self._with_faults(reply, hits)
        return reply

    async def _with_faults(self, reply: Reply, hits: dict[str, Hit]) -> Reply:
        """The reply with the body that the faults make of it."""
        length = len(reply.body) if isinstance(reply.body, bytes) else reply.length
        lines, body = reply.lines, pieces_of(reply.body)
        rows = [fault(hits[name].amount, hits[name].key) for name, fault in _ROWS.items() if name in hits]
        if rows:
            body = change_rows(body, rows)
        if "gzip_bomb" in hits:
            body = gzip_bomb(body, hits["gzip_bomb"].amount)
        elif "truncated_gzip" in hits:
            body = truncated_gzip(body)
        if any(name in hits for name in _GZIP):
            lines += b"content-encoding: gzip\r\n"
        cut = next((hits[name] for name in _CUT if name in hits), None)
        if cut is not None:
            part = await beginning(body, cut.amount)
            announced = part.announced_bytes if cut.name == "truncated_body" else None
            return Reply(reply.status, lines, broken_off(part.sent), length=announced)
        if "slow_drip" in hits:
            body = drip(body, hits["slow_drip"].amount, self._sleep)
        # It lasts as long as the fault says, not as long as an answer may.
        return Reply(reply.status, lines, body, length=length, endless=True)


def _without_validators(lines: bytes) -> bytes:
    return b"".join(line for line in lines.splitlines(keepends=True) if not line.startswith(_VALIDATORS))
