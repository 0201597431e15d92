"""`/counters` of the profiles `basic` and `encoded`: conditional requests and gzip.

Decisions, by RFC 9110:

- The entity tag is a hash of the body: it cannot name two bodies. The gzip form has a tag of its own (8.8.3.3).
- ``Last-Modified`` is the slot's start. HTTP dates have whole seconds, so it is only sent, and ``If-Modified-Since``
  only looked at, if the hold is a whole number of seconds. Then the date names one slot, and a date at which the
  previous slot was served is always earlier; otherwise a date could belong to two slots and earn a wrong 304.
- ``Cache-Control: no-cache``: a cache may keep the answer but must ask, so that no scrape sees a slot that is over. The
  price is a 304, which is cheap here.
"""

from __future__ import annotations

from collections.abc import Callable

from switchboard.generator.conditions import is_not_modified, validators, wants_gzip
from switchboard.generator.snapshots import Representation, Simulator, Snapshot, SnapshotKeeper
from switchboard.serving.message import Reply, Request, lines_of
from switchboard.serving.routes import Route


class Counters:
    """Answers `/counters`."""

    endpoints = "GET /counters  the counters of all switches, text/csv\n"

    def __init__(self, simulator: Simulator, clock: Callable[[], float], *, unasked_304: bool) -> None:
        """``clock`` tells the Unix time in seconds."""
        self._simulator = simulator
        self._clock = clock
        self._keeper = SnapshotKeeper(simulator, clock)
        # A date in whole seconds tells slots of whole seconds apart, and no others.
        self._dated = simulator.hold_seconds.denominator == 1
        self._unasked_304 = unasked_304
        self._served_slot: int | None = None

    @property
    def size(self) -> dict[str, int]:
        """Number of switches and of metrics, for the log."""
        fabric = self._simulator.fabric
        return {"switches": len(fabric.switches), "metrics": len(fabric.metrics)}

    def slot(self) -> int:
        """The slot of the present moment."""
        return self._simulator.slot_at(self._clock())

    def routes(self) -> list[Route]:
        """The row of `/counters`."""
        return [Route("/counters", self.answer)]

    async def answer(self, request: Request) -> Reply:
        """200 with the rows of the current slot, or 304 if the client has them."""
        snapshot = await self._keeper.current()
        gzip = wants_gzip(request)
        chosen = await self._keeper.compressed(snapshot) if gzip else snapshot.plain
        headers = validators(chosen.etag, snapshot.start_seconds if self._dated else None)
        if self._is_known(request, snapshot, chosen):
            return Reply(304, lines_of(headers))
        if gzip:
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-type", b"text/csv; charset=utf-8"))
        return Reply(200, lines_of(headers), chosen.body)

    def _is_known(self, request: Request, snapshot: Snapshot, chosen: Representation) -> bool:
        """Whether the client has these rows, so that the answer is 304."""
        if not self._unasked_304:
            return is_not_modified(request, chosen.etag, snapshot.start_seconds if self._dated else None)
        known = self._served_slot == snapshot.slot
        if request.method == "GET":  # a HEAD brings no rows
            self._served_slot = snapshot.slot
        return known
