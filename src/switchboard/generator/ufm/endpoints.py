"""The profile `ufm` over HTTP: UFM's paths and sharding parameters, with our conditional requests and gzip.

Bodies are streamed in chunks, because their length is only known when they are made. A tag is known before its body: it
is a hash of what determines the bytes. No charset is declared, as UFM declares none; the text is ISO-8859-1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from switchboard.generator.conditions import is_not_modified, validators, wants_gzip
from switchboard.generator.streams import compressed, stream
from switchboard.generator.ufm.body import UfmSimulator
from switchboard.generator.ufm.columns import SetName
from switchboard.generator.ufm.fabric import MOST_SHARDS, Shard
from switchboard.negotiation import gzip_tag
from switchboard.serving.message import NO_STORE, Reply, Request, lines_of, text_reply
from switchboard.serving.routes import Route

SETS: dict[str, SetName] = {
    "/counters": "primary",
    "/csv/metrics": "primary",
    "/csv/xcset/low_freq_debug": "secondary",
}
"""Which set is served at which path."""

_BY_GUID = frozenset({"source_id", "node_guid", "port_guid"})
_BY_PORT = frozenset({"port_num", "port_number"})
# Measured on the primary set with 195 counters: level 1 makes 40 % of the size at 147 MB/s, level 6 38 % at 25 MB/s.
_GZIP_LEVEL = 1


class _Unusable(ValueError):
    """A query parameter that cannot be used; the text says which and why."""


class Sets:
    """Answers the paths of `SETS`."""

    endpoints = (
        "GET /counters                    primary set of all ports, text/csv\n"
        "GET /csv/metrics                 the same\n"
        "GET /csv/xcset/low_freq_debug    secondary set\n"
        "    ?num_shards=3&shard=0&sharding_field=port_guid    a third of the rows of one of these\n"
    )

    def __init__(self, simulator: UfmSimulator, clock: Callable[[], float], *, unasked_304: bool) -> None:
        """``clock`` tells the Unix time in seconds."""
        self._simulator = simulator
        self._clock = clock
        # HTTP dates have whole seconds, so they tell slots apart only if these are.
        self._dated = simulator.fabric.hold_ms % 1000 == 0
        self._unasked_304 = unasked_304
        self._served_slot = 0
        self._served: set[tuple[SetName, Shard | None]] = set()

    @property
    def size(self) -> dict[str, int]:
        """Number of switches, ports, and columns of each set, for the log."""
        fabric, layouts = self._simulator.fabric, self._simulator.layouts
        return {
            "switches": len(fabric.names),
            "ports": len(fabric.names) * len(fabric.ports),
            **{f"{chosen}_columns": len(layout.names) for chosen, layout in layouts.items()},
        }

    def slot(self) -> int:
        """The slot of the present moment."""
        return self._simulator.slot_at(self._clock())

    def routes(self) -> list[Route]:
        """A row for each path."""
        return [Route(path, partial(self.answer, chosen)) for path, chosen in SETS.items()]

    def answer(self, chosen: SetName, request: Request) -> Reply:
        """200 with rows of the current slot, 304 if the client has them, 400 for a shard that cannot be."""
        try:
            shard = parse_shard(request.parameters())
        except _Unusable as error:
            return text_reply(400, f"{error}\n", [NO_STORE])
        slot = self.slot()
        start_seconds = slot * self._simulator.fabric.hold_ms // 1000 if self._dated else None
        etag = self._simulator.tag(chosen, slot, shard)
        gzip = wants_gzip(request)
        if gzip:  # other bytes, so another tag
            etag = gzip_tag(etag)
        headers = validators(etag, start_seconds)
        if self._is_known(request, (chosen, shard), slot, etag, start_seconds):
            return Reply(304, lines_of(headers))
        headers.append((b"content-type", b"text/csv"))
        pieces = self._simulator.pieces(chosen, slot, shard)
        if gzip:
            headers.append((b"content-encoding", b"gzip"))
            pieces = compressed(pieces, _GZIP_LEVEL)
        return Reply(200, lines_of(headers), stream(pieces))

    def _is_known(
        self,
        request: Request,
        asked: tuple[SetName, Shard | None],
        slot: int,
        etag: str,
        start_seconds: int | None,
    ) -> bool:
        """Whether the client has these rows, so that the answer is 304."""
        if not self._unasked_304:
            return is_not_modified(request, etag, start_seconds)
        if slot != self._served_slot:
            self._served_slot = slot
            self._served.clear()
        known = asked in self._served
        if request.method == "GET":  # a HEAD brings no rows
            self._served.add(asked)
        return known


def parse_shard(parameters: Sequence[tuple[str, str]]) -> Shard | None:
    """The shard that ``num_shards``, ``shard`` and ``sharding_field`` ask for; None without them.

    Raises _Unusable. Without ``sharding_field``, rows are assigned to shards by their port's GUID.
    """
    texts = {}
    for name in ("num_shards", "shard", "sharding_field"):
        values = [value for known, value in parameters if known == name]
        if len(values) > 1:
            raise _Unusable(f"{name} is given {len(values)} times: once is enough")
        if values:
            texts[name] = values[0]
    if not texts:
        return None
    if not {"num_shards", "shard"} <= texts.keys():
        raise _Unusable("num_shards and shard belong together: one of them is missing")
    count = _number("num_shards", texts["num_shards"], 1, MOST_SHARDS)
    number = _number("shard", texts["shard"], 0, count - 1)
    field = texts.get("sharding_field", "port_guid").lower()
    if field not in _BY_GUID | _BY_PORT:
        raise _Unusable(f"sharding_field {field[:40]!r} is none of {', '.join(sorted(_BY_GUID | _BY_PORT))}")
    return Shard(count, number, by_port=field in _BY_PORT)


def _number(name: str, text: str, least: int, most: int) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
    if not least <= number <= most:
        raise _Unusable(f"{name} {text[:40]!r} is no whole number from {least} to {most}")
    return number
