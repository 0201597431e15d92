"""The table of endpoints: what exists, what it takes, what answers, and what comes back.

Routes, validation and documentation are derived from it, so they cannot drift apart.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated

from msgspec import Meta

from switchboard import exposition
from switchboard.api.answer import JSON, NO_STORE, TEXT, VARY, Answer, Headers
from switchboard.api.describe.openapi import encoded_document
from switchboard.api.describe.page import PAGE, SCRIPT, STYLE, Document, StaticFile
from switchboard.api.endpoint import Endpoint, Runs
from switchboard.outputs.json import encode_json
from switchboard.query.batch import get_metrics
from switchboard.query.cells import get_metric
from switchboard.query.lists import list_metrics, list_switches
from switchboard.query.metrics import describe_metrics
from switchboard.query.rejects import list_rejects
from switchboard.query.reports import (
    BatchEntry,
    CellReport,
    Readiness,
    RejectReport,
    SourceMetrics,
    SourceReport,
    SourceSwitches,
    TopEntry,
)
from switchboard.query.requests import (
    DescribeMetrics,
    GetMetric,
    GetMetrics,
    ListMetrics,
    ListSources,
    ListSwitches,
    Rejects,
    TopMetrics,
)
from switchboard.query.sources import list_sources, readiness, ready_in_seconds
from switchboard.query.top import top_metrics
from switchboard.snapshot.cell import Cell
from switchboard.view.view import View


def _health(view: View, now: float, query: None) -> Answer:
    return Answer(200, [NO_STORE], b"OK", TEXT)


def _metrics(view: View, now: float, query: None) -> Answer:
    return Answer(200, [NO_STORE], exposition.render(), exposition.CONTENT_TYPE)


def _openapi(view: View, now: float, query: None) -> Answer:
    return _document().answer(view, now, query)


@cache
def _document() -> StaticFile:
    """The description of the table below, this endpoint included."""
    return StaticFile(encoded_document(ENDPOINTS), JSON)


def _ready(view: View, now: float, query: None) -> Answer:
    """200 while queries can be answered, else 503."""
    report = readiness(view, now)
    headers: Headers = [NO_STORE, VARY]
    if not report.ready:
        headers.append((b"retry-after", b"%d" % ready_in_seconds(view, now)))
    return Answer(200 if report.ready else 503, headers, encode_json(report) + b"\n")


ValuesByPort = Annotated[dict[str, Cell], Meta(title="ValuesByPort")]
"""The names of such types are those of classes in clients that are generated."""

ENDPOINTS = (
    Endpoint(
        path="/telemetry/GetMetric",
        summary="One metric or label of one switch: a bare JSON value, or an object of values by port",
        query=GetMetric,
        answer=get_metric,
        content=Cell | ValuesByPort,
        variants=(CellReport, Annotated[dict[str, CellReport], Meta(title="ReportsByPort")]),
        bare=True,
        negotiated=True,
    ),
    Endpoint(
        path="/telemetry/ListMetrics",
        summary="All metrics of all switches, or a part of them: an array of objects with one key, the switch",
        query=ListMetrics,
        answer=list_metrics,
        content=list[
            Annotated[
                dict[str, Annotated[dict[str, Cell | ValuesByPort], Meta(title="ValuesByMetric")]],
                Meta(title="ValuesBySwitch"),
            ]
        ],
        negotiated=True,
    ),
    Endpoint(
        path="/telemetry/GetMetrics",
        summary="Many metrics and labels at once, from one snapshot of each source: an array in the order of the body",
        query=GetMetrics,
        posted=True,
        answer=get_metrics,
        content=list[BatchEntry],
        negotiated=True,
    ),
    Endpoint(
        path="/telemetry/TopMetrics",
        summary="The switches or ports with the highest or lowest values of a metric, in order",
        query=TopMetrics,
        answer=top_metrics,
        content=list[TopEntry],
        negotiated=True,
    ),
    Endpoint(
        path="/telemetry/DescribeMetrics",
        summary="What the metrics of each source are: kind, unit, meaning, and the name of the column",
        query=DescribeMetrics,
        answer=describe_metrics,
        content=list[SourceMetrics],
        negotiated=True,
    ),
    Endpoint(
        path="/telemetry/ListSwitches",
        summary="The switches, metrics and labels of each source",
        query=ListSwitches,
        answer=list_switches,
        content=list[SourceSwitches],
        negotiated=True,
    ),
    Endpoint(
        path="/telemetry/ListSources",
        summary="The sources: interval, last attempt, state",
        query=ListSources,
        answer=list_sources,
        content=list[SourceReport],
        negotiated=True,
        tells_snapshots=True,
    ),
    Endpoint(
        path="/telemetry/Rejects",
        summary="Rows and cells of each source's last body that could not be used: counts, first examples, advice",
        query=Rejects,
        answer=list_rejects,
        content=list[RejectReport],
        negotiated=True,
    ),
    Endpoint(
        path="/health", summary="OK while the process lives", query=None, answer=_health, content=str, media_type=TEXT
    ),
    Endpoint(
        path="/ready",
        summary="Whether queries can be answered, with one entry per dependency and source",
        query=None,
        answer=_ready,
        content=Readiness,
        content_by_status={503: Readiness},
    ),
    Endpoint(
        path="/metrics",
        summary="The metrics of the service itself, as Prometheus text",
        query=None,
        answer=_metrics,
        content=str,
        media_type=exposition.CONTENT_TYPE,
        runs=Runs.THREAD,
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
"""Every endpoint; the most used first."""
