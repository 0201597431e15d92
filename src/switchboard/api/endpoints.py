"""The table of endpoints: what exists, what it takes, what answers, and what comes back.

Routes, validation and documentation are derived from it, so they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from switchboard.api import metrics
from switchboard.api.answer import JSON, NO_STORE, TEXT, Answer
from switchboard.api.batch import BatchEntry, get_metrics
from switchboard.api.cells import CellReport, get_metric
from switchboard.api.docs import PAGE, SCRIPT, STYLE, Document, StaticFile
from switchboard.api.formats import FORMATS, Format
from switchboard.api.lists import SourceSwitches, list_metrics, list_switches
from switchboard.api.queries import (
    GetMetric,
    GetMetrics,
    ListMetrics,
    ListSources,
    ListSwitches,
    Parser,
    Rejects,
    TopMetrics,
)
from switchboard.api.rejects import RejectReport, list_rejects
from switchboard.api.sources import Readiness, SourceReport, list_sources, ready
from switchboard.api.top import TopEntry, top_metrics
from switchboard.api.view import View
from switchboard.codec.render import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path. ``answer`` is a function of the view, the moment (monotonic) and the query.

    ``query`` None: the query string is not looked at. ``posted``: the query is the JSON body of a POST, of this type.
    ``content``: the type of a 200's body, ``variants``: other types that it may have by what is asked for (msgspec has
    no union of two kinds of object), and ``other``: that of another status which is an answer too.
    ``formats``: what a client may choose from, the default first; none: the body always has the ``media_type``.
    ``static``: the answer stays the same while the process lives. ``threaded``: the answer takes longer than an event
    loop may be held. ``hot``: asked so often that the fast door answers it. ``tells_snapshots``: its headers say which
    snapshots there are, though no query chooses one.
    """

    path: str
    summary: str
    query: type[msgspec.Struct] | None
    answer: Callable[[View, float, Any], Answer]
    content: Any
    posted: type[msgspec.Struct] | None = None
    variants: tuple[Any, ...] = ()
    other: Mapping[int, Any] = field(default_factory=dict)
    media_type: bytes = JSON
    formats: tuple[Format, ...] = ()
    static: bool = False
    threaded: bool = False
    hot: bool = False
    tells_snapshots: bool = False
    methods: tuple[str, ...] = field(init=False)
    """The methods it answers."""
    parser: Parser | None = field(init=False)
    body_decoder: msgspec.json.Decoder[Any] | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", ("GET", "HEAD") if self.posted is None else ("POST",))
        parser = None if self.query is None else Parser(self.query, self.path.rpartition("/")[2])
        object.__setattr__(self, "parser", parser)
        object.__setattr__(self, "body_decoder", None if self.posted is None else msgspec.json.Decoder(self.posted))

    @property
    def query_fields(self) -> tuple[str, ...]:
        """The names of all that a query may say, in the URL or in the body."""
        asked = self.query if self.posted is None else self.posted
        return () if asked is None else asked.__struct_fields__

    @property
    def tagged(self) -> bool:
        """Whether its answers carry entity tags, so that ``If-None-Match`` may get 304."""
        return self.posted is None and (self.static or "snapshot" in self.query_fields)


def _health(view: View, now: float, query: None) -> Answer:
    return Answer(200, [NO_STORE], b"OK", TEXT)


def _metrics(view: View, now: float, query: None) -> Answer:
    return Answer(200, [NO_STORE], metrics.render(), metrics.CONTENT_TYPE)


def _openapi(view: View, now: float, query: None) -> Answer:
    return _document().answer(view, now, query)


@cache
def _document() -> StaticFile:
    from switchboard.api.openapi import encoded_document  # it describes the table that this function is in

    return StaticFile(encoded_document(), JSON)


ENDPOINTS = (
    Endpoint(
        path="/telemetry/GetMetric",
        summary="One metric or label of one switch: a bare JSON value, or an object of values by port",
        query=GetMetric,
        answer=get_metric,
        content=Cell | dict[str, Cell],
        variants=(CellReport, dict[str, CellReport]),
        formats=("json",),
        hot=True,
    ),
    Endpoint(
        path="/telemetry/ListMetrics",
        summary="All metrics of all switches, or a part of them: an array of objects with one key, the switch",
        query=ListMetrics,
        answer=list_metrics,
        content=list[dict[str, dict[str, Cell | dict[str, Cell]]]],
        formats=FORMATS,
        hot=True,
    ),
    Endpoint(
        path="/telemetry/GetMetrics",
        summary="Many metrics and labels at once, from one snapshot of each source: an array in the order of the body",
        query=None,
        posted=GetMetrics,
        answer=get_metrics,
        content=list[BatchEntry],
        formats=("json",),
    ),
    Endpoint(
        path="/telemetry/TopMetrics",
        summary="The switches or ports with the highest or lowest values of a metric, in order",
        query=TopMetrics,
        answer=top_metrics,
        content=list[TopEntry],
        formats=("json",),
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
        tells_snapshots=True,
    ),
    Endpoint(
        path="/telemetry/Rejects",
        summary="Rows and cells of each source's last body that could not be used: counts, first examples, advice",
        query=Rejects,
        answer=list_rejects,
        content=list[RejectReport],
        formats=("json",),
    ),
    Endpoint(
        path="/health", summary="OK while the process lives", query=None, answer=_health, content=str, media_type=TEXT
    ),
    Endpoint(
        path="/ready",
        summary="Whether queries can be answered, with one entry per dependency and source",
        query=None,
        answer=ready,
        content=Readiness,
        other={503: Readiness},
    ),
    Endpoint(
        path="/metrics",
        summary="The metrics of the service itself, as Prometheus text",
        query=None,
        answer=_metrics,
        content=str,
        media_type=metrics.CONTENT_TYPE,
        threaded=True,
    ),
    Endpoint(
        path="/openapi.json",
        summary="This description, as an OpenAPI 3.1 document",
        query=None,
        answer=_openapi,
        content=Document,
        static=True,
    ),
    *(
        Endpoint(
            path=path,
            summary=summary,
            query=None,
            answer=file.answer,
            content=str,
            media_type=file.media_type,
            static=True,
        )
        for path, summary, file in (
            ("/docs", "The same as a page, with a form to try each endpoint", PAGE),
            ("/docs/docs.css", "The style of that page", STYLE),
            ("/docs/docs.js", "The script of that page", SCRIPT),
        )
    ),
)
"""Every endpoint; the most used first, because routes are tried in this order."""
