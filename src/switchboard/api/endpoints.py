"""The table of endpoints: what exists, what it takes, what answers, and what comes back.

Routes, validation and documentation are derived from it, so they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from switchboard.api import metrics
from switchboard.api.answer import NO_STORE, TEXT, Answer
from switchboard.api.cells import get_metric
from switchboard.api.formats import Format
from switchboard.api.lists import SourceSwitches, list_metrics, list_switches
from switchboard.api.queries import GetMetric, ListMetrics, ListSources, ListSwitches, Parser, Rejects
from switchboard.api.rejects import RejectReport, list_rejects
from switchboard.api.sources import Readiness, SourceReport, list_sources, ready
from switchboard.api.view import View
from switchboard.codec.render import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path. ``answer`` is a function of the view, the moment (monotonic) and the query.

    ``query`` None: the query string is not looked at. ``posted``: the query is the JSON body of a POST, of this type.
    ``content``: the type of a 200's body. ``formats``: what a client may choose from, the default first; none: the body
    has the one type it always has. ``threaded``: the answer takes longer than an event loop may be held. ``hot``: asked
    so often that the fast door answers it.
    """

    path: str
    summary: str
    query: type[msgspec.Struct] | None
    answer: Callable[[View, float, Any], Answer]
    content: Any
    posted: type[msgspec.Struct] | None = None
    formats: tuple[Format, ...] = ()
    threaded: bool = False
    hot: bool = False
    parser: Parser | None = field(init=False)
    body_decoder: msgspec.json.Decoder[Any] | None = field(init=False)

    def __post_init__(self) -> None:
        parser = None if self.query is None else Parser(self.query, self.path.rpartition("/")[2])
        object.__setattr__(self, "parser", parser)
        object.__setattr__(self, "body_decoder", None if self.posted is None else msgspec.json.Decoder(self.posted))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods it answers."""
        return ("GET", "HEAD") if self.posted is None else ("POST",)


def _health(view: View, now: float, query: None) -> Answer:
    return Answer(200, [NO_STORE], b"OK", TEXT)


def _metrics(view: View, now: float, query: None) -> Answer:
    return Answer(200, [NO_STORE], metrics.render(), metrics.CONTENT_TYPE)


ENDPOINTS = (
    Endpoint(
        path="/telemetry/GetMetric",
        summary="One metric or label of one switch: a bare JSON value, or an object of values by port",
        query=GetMetric,
        answer=get_metric,
        content=Cell | dict[str, Cell],
        formats=("json",),
        hot=True,
    ),
    Endpoint(
        path="/telemetry/ListMetrics",
        summary="All metrics of all switches, or a part of them: an array of objects with one key, the switch",
        query=ListMetrics,
        answer=list_metrics,
        content=list[dict[str, dict[str, Cell | dict[str, Cell]]]],
        formats=("json",),
        hot=True,
    ),
    Endpoint(
        path="/telemetry/ListSwitches",
        summary="The switches, metrics and labels of each source",
        query=ListSwitches,
        answer=list_switches,
        content=list[SourceSwitches],
        formats=("json",),
    ),
    Endpoint(
        path="/telemetry/ListSources",
        summary="The sources: interval, last attempt, state",
        query=ListSources,
        answer=list_sources,
        content=list[SourceReport],
        formats=("json",),
    ),
    Endpoint(
        path="/telemetry/Rejects",
        summary="Rows and cells of each source's last body that could not be used: counts, first examples, advice",
        query=Rejects,
        answer=list_rejects,
        content=list[RejectReport],
        formats=("json",),
    ),
    Endpoint(path="/health", summary="OK while the process lives", query=None, answer=_health, content=str),
    Endpoint(
        path="/ready",
        summary="Whether queries can be answered, with one entry per dependency and source",
        query=None,
        answer=ready,
        content=Readiness,
    ),
    Endpoint(
        path="/metrics",
        summary="The metrics of the service itself, as Prometheus text",
        query=None,
        answer=_metrics,
        content=str,
        threaded=True,
    ),
)
"""Every endpoint; the most used first, because routes are tried in this order."""
