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
from switchboard.api.answers import SourceSwitches, get_metric, list_metrics, list_switches
from switchboard.api.queries import GetMetric, ListMetrics, ListSources, ListSwitches, Parser, Rejects
from switchboard.api.rejects import RejectReport, list_rejects
from switchboard.api.sources import Readiness, SourceReport, list_sources, ready
from switchboard.api.view import View
from switchboard.codec.render import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path. ``answer`` is a function of the view, the moment (monotonic) and the query.

    ``query`` None: the query string is not looked at. ``content``: the type of a 200's body. ``threaded``: the answer
    takes longer than an event loop may be held.
    """

    path: str
    summary: str
    query: type[msgspec.Struct] | None
    answer: Callable[[View, float, Any], Answer]
    content: Any
    threaded: bool = False
    parser: Parser | None = field(init=False)

    def __post_init__(self) -> None:
        parser = None if self.query is None else Parser(self.query, self.path.rpartition("/")[2])
        object.__setattr__(self, "parser", parser)


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
    ),
    Endpoint(
        path="/telemetry/ListMetrics",
        summary="All metrics of all switches, or a part of them: an array of objects with one key, the switch",
        query=ListMetrics,
        answer=list_metrics,
        content=list[dict[str, dict[str, Cell | dict[str, Cell]]]],
    ),
    Endpoint(
        path="/telemetry/ListSwitches",
        summary="The switches, metrics and labels of each source",
        query=ListSwitches,
        answer=list_switches,
        content=list[SourceSwitches],
    ),
    Endpoint(
        path="/telemetry/ListSources",
        summary="The sources: interval, last attempt, state",
        query=ListSources,
        answer=list_sources,
        content=list[SourceReport],
    ),
    Endpoint(
        path="/telemetry/Rejects",
        summary="Rows and cells of each source's last body that could not be used: counts, first examples, advice",
        query=Rejects,
        answer=list_rejects,
        content=list[RejectReport],
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
