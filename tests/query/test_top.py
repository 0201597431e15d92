"""TopMetrics from several sources, against cells that are asked for one by one."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.api.bodies import BodyTable, Recipe
from switchboard.api.warm import warm
from switchboard.moments import rfc3339
from switchboard.query.requests import TopMetrics
from switchboard.query.top import top_metrics
from switchboard.view.view import View
from tests.lab.fabric import DATA_SECONDS, NOW, Holder, Row, row, source, view
from tests.lab.fuzz import fuzz
from tests.lab.running_api import ask as ask_http
from tests.lab.running_api import running_api
from tests.query.test_lists import ask, body, header

PRIMARY = [
    row("sw1", "1", rx=10, state="Active"),
    row("sw1", "2", rx=2**63 - 1, state="Down"),
    row("sw2", "1", rx=30, state="Active"),
    row("sw1", "1", rx=2**63 - 2, state="again"),
]
SECONDARY = [
    row("sw3", "1", DATA_SECONDS + 1.5, rx=2.0**63),
    row("sw1", "1", DATA_SECONDS + 1.5, rx=1e300),
    row("sw2", "2", DATA_SECONDS + 1.5, rx=30.0),
    row("sw2", "3", DATA_SECONDS + 1.5, rx=None),
]
BOTH = view(source("primary", PRIMARY), source("secondary", SECONDARY))


def short(seen: View, query: str) -> list[tuple[str, str | None, Any, str]]:
    entries = body(ask(seen, f"TopMetrics?{query}"))
    return [(each["switch_id"], each["port"], each["value"], each["source"]) for each in entries]


def test_sources_are_ranked_together() -> None:
    """Integers and doubles compare exactly, a second row does not count, nor a cell that an earlier source has."""
    ranked = [
        ("sw3", "1", 2.0**63, "secondary"),
        ("sw1", "2", 2**63 - 1, "primary"),
        ("sw2", "1", 30, "primary"),
        ("sw2", "2", 30.0, "secondary"),
        ("sw1", "1", 10, "primary"),
    ]
    assert short(BOTH, "metric=rx") == ranked
    assert short(BOTH, "metric=rx&n=3") == ranked[:3]
    upwards = [ranked[4], ranked[2], ranked[3], ranked[1], ranked[0]]
    assert short(BOTH, "metric=rx&order=asc") == upwards
    assert short(BOTH, "metric=rx&source=secondary&n=1") == [("sw1", "1", 1e300, "secondary")]
    assert short(BOTH, "metric=rx&switch_id=sw1&port=1&port=2") == [ranked[1], ranked[4]]
    (entry,) = body(ask(BOTH, "TopMetrics?metric=rx&n=1"))
    assert entry["timestamp"] == "2026-11-23T18:53:21.500000Z"
    assert header(ask(BOTH, "TopMetrics?metric=rx"), "x-snapshot-id") == (
        f"primary={DATA_SECONDS}500-primary,secondary={DATA_SECONDS}500-secondary"
    )


def test_an_earlier_source_counts_also_where_its_cell_is_a_text() -> None:
    """What GetMetric answers as a text is no number, though a later source has one."""
    seen = view(
        source("first", [row("sw1", state="Active")]), source("second", [row("sw1", state=3), row("x", state=1)])
    )
    assert body(ask(seen, "GetMetric?switch_id=sw1&metric=state")) == "Active"
    assert short(seen, "metric=state") == [("x", None, 1, "second")]


def test_a_miss_is_certain_only_if_every_source_could_be_asked() -> None:
    """While a source is missing, what the others have is ranked, and a miss is 503: the missing one may have it."""
    seen = view(source("primary", PRIMARY), source("secondary"))
    found = ask(seen, "TopMetrics?metric=rx")
    assert (found.status, header(found, "x-snapshot-state"), header(found, "x-snapshot-missing")) == (
        200,
        "partial",
        "secondary",
    )
    assert ask(seen, "TopMetrics?metric=nothing").status == 503
    assert ask(seen, "TopMetrics?metric=rx&switch_id=sw3").status == 503
    assert ask(seen, "TopMetrics?metric=rx&port=9").status == 503
    assert ask(seen, "TopMetrics?metric=state").status == 400
    assert ask(seen, "TopMetrics?metric=nothing&source=primary").status == 404


@pytest.mark.parametrize("spelling", ["0x248a070300ef19a0", "248A070300EF19A0", "248a:0703:00ef:19a0"])
def test_a_guid_may_be_asked_for_in_any_spelling(spelling: str) -> None:
    """A GUID is folded as in the other queries."""
    seen = view(source("fabric", [row("0x248a070300ef19a0", "1", rx=1), row("sw1", "1", rx=2)]))
    assert short(seen, f"metric=rx&switch_id={spelling}") == [("0x248a070300ef19a0", "1", 1, "fabric")]


def test_a_ranking_is_compressed_pinned_and_kept() -> None:
    """A ranking is a shared body: it has one tag for each form, and can be pinned to a snapshot."""
    seen = view(source("fabric", [row(f"sw{number}", rx=number) for number in range(100)]))
    bodies = BodyTable()
    with running_api(Holder(seen), bodies=bodies) as port:
        target = "/telemetry/TopMetrics?metric=rx&n=20"
        plain = ask_http(port, target)
        zipped = ask_http(port, target, headers=[("Accept-Encoding", "gzip")])
        again = ask_http(port, target, headers=[("If-None-Match", plain.headers["etag"])])
        pinned = ask_http(port, f"{target}&snapshot={plain.headers['x-snapshot-id']}")
        gone = ask_http(port, f"{target}&snapshot=1-old")
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert (again.status, again.body) == (304, b"")
    assert pinned.body == plain.body
    assert gone.status == 410
    assert len(bodies) == 3


def test_a_metric_that_is_gone_keeps_nothing_from_being_rendered_beforehand() -> None:
    """Of the bodies that were asked for, those that a new snapshot still has are there before it is shown."""
    recipes = [
        Recipe(top_metrics, TopMetrics(metric=("gone",))),
        Recipe(top_metrics, TopMetrics(metric=("rx",))),
    ]
    bodies = BodyTable()
    asyncio.run(warm(bodies, view(source("primary", PRIMARY)), NOW, recipes))
    assert len(bodies) == 1


VALUES = st.none() | st.integers(-2, 2) | st.sampled_from([2**53, 2**53 + 1, 0.5, 2.0**53]) | st.just("text")


@st.composite
def sources(draw: st.DrawFn) -> list[list[Row]]:
    """Two bodies of rows with ports, which overlap and have duplicates."""
    line = st.builds(
        lambda switch, port, value, second: row(switch, port, DATA_SECONDS + second, rx=value),
        st.sampled_from("abc"),
        st.sampled_from("12"),
        VALUES if draw(st.booleans()) else st.none() | st.integers(-2, 2),
        st.integers(0, 5),
    )
    return draw(st.lists(st.lists(line, min_size=1, max_size=12).map(_one_type), min_size=1, max_size=3))


def _one_type(rows: list[Row]) -> list[Row]:
    """Text where any is text, doubles where any is one, as a column has it."""
    values = [each.cells["rx"] for each in rows]
    if any(isinstance(value, str) for value in values):
        return [
            Row(each.switch, {"rx": None if (v := each.cells["rx"]) is None else str(v)}, each.port) for each in rows
        ]
    if any(isinstance(value, float) for value in values):
        return [
            Row(each.switch, {"rx": None if (v := each.cells["rx"]) is None else float(v)}, each.port) for each in rows
        ]
    return rows


@given(sources(), st.integers(1, 8), st.sampled_from(["asc", "desc"]))
@fuzz(0.5)
def test_a_ranking_has_the_cells_that_get_metric_answers(bodies: list[list[Row]], n: int, order: str) -> None:
    """Value, source and time of each entry are those that a verbose GetMetric answers for its cell."""
    seen = view(*(source(f"s{number}", rows) for number, rows in enumerate(bodies)))
    places: dict[tuple[str, str | None, str], int] = {}
    for number, rows in enumerate(bodies):
        switches = list(dict.fromkeys(each.switch for each in rows))
        for each in sorted(rows, key=lambda each: switches.index(each.switch)):
            places.setdefault((each.switch, each.port, f"s{number}"), len(places))
    cells: dict[tuple[str, str | None], dict[str, Any]] = {}
    for switch, port, _ in places:
        answer = ask(seen, f"GetMetric?switch_id={switch}&port={port}&metric=rx&verbose=true")
        if answer.status == 200 and not isinstance(body(answer)["value"], str):
            cells[switch, port] = body(answer)
    sign = -1 if order == "desc" else 1
    expected = sorted(
        cells.values(),
        key=lambda cell: (
            sign * Fraction(cell["value"]),
            places[cell["switch_id"], cell["port"], cell["source"]],
        ),
    )
    answer = ask(seen, f"TopMetrics?metric=rx&n={n}&order={order}")
    if not expected:
        assert answer.status in {400, 404} or body(answer) == []
        return
    keys = ("switch_id", "port", "value", "timestamp", "source")
    assert body(answer) == [{key: cell[key] for key in keys} for cell in expected[:n]]


def test_times_are_written_with_microseconds() -> None:
    """Times have six decimals even if these are zeros, and before 1970."""
    assert rfc3339(DATA_SECONDS * 1_000_000) == "2026-11-23T18:53:20.000000Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999Z"
