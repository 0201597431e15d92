"""Answers that pages of another origin may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchboard.config.layers import load
from switchboard.errors import ConfigError
from tests.lab.fabric import Holder, row, source, view
from tests.lab.running_api import ask, running_api

SEEN = view(source("fabric", [row("sw1", errors=1), row("sw2", errors=2)]))
TARGETS = (
    "/telemetry/GetMetric?switch_id=sw1&metric=errors",
    "/telemetry/GetMetric?switch_id=sw1&metric=errors",  # from the table of ready answers
    "/telemetry/ListMetrics?format=arrow",
    "/telemetry/ListMetrics?limit=1",
    "/telemetry/GetMetric?switch_id=nobody&metric=errors",
    "/telemetry/GetMetric",
    "/telemetry/ListSources",
    "/nothing",
    "/",
    "/docs",
    "/metrics",
    f"/{'x' * 9_000}",  # refused by the connection
)


@pytest.mark.parametrize("origin", ["https://grafana.example.org", "*"])
def test_every_answer_may_be_read_by_the_origin(origin: str) -> None:
    """Good ones, ready ones and errors: a page that cannot read an error cannot say what is wrong."""
    with running_api(Holder(SEEN), cors_origin=origin) as port:
        for target in TARGETS:
            headers = ask(port, target, headers=[("Origin", "https://grafana.example.org")]).headers
            assert headers["access-control-allow-origin"] == origin, target
            exposed = headers["access-control-expose-headers"].lower().split(", ")
            assert {"etag", "link", "x-next-cursor", "x-snapshot-id", "x-snapshot-state", "retry-after"} <= set(exposed)
            assert "access-control-allow-credentials" not in headers
        cell = '{"cells":[{"switch_id":"sw1","metric":"errors"}]}'
        posted = ask(port, "/telemetry/GetMetrics", "POST", body=cell.encode())
        assert (posted.status, posted.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize("path", ["/telemetry/ListMetrics", "/telemetry/GetMetrics", "/docs"])
def test_a_preflight_says_what_may_be_sent(path: str) -> None:
    """OPTIONS names the methods and the headers of requests that a browser asks about beforehand."""
    asked = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")]
    with running_api(Holder(SEEN), cors_origin="https://a.example") as port:
        reply = ask(port, path, "OPTIONS", asked)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "https://a.example"
    assert "POST" in reply.headers["access-control-allow-methods"]
    allowed = reply.headers["access-control-allow-headers"].lower().split(", ")
    assert {"content-type", "if-none-match"} <= set(allowed)


def test_without_the_setting_no_page_may_read_anything() -> None:
    """The default is what it always was."""
    with running_api(Holder(SEEN)) as port:
        for target in TARGETS:
            for method in ("GET", "OPTIONS"):
                headers = ask(port, target, method, [("Origin", "https://a.example")]).headers
                assert not [name for name in headers if name.startswith("access-control")], target


@pytest.mark.parametrize(
    "origin",
    ["grafana.example.org", "https://a.example/", "https://a.example,https://b.example", "null", "https://*.a",
     "https://A.example", "https://user@a.example", "https://a.example:443", "http://a.example:80", "https://ä.example",
     "https://a.example:port", "https://a.example:"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_at_the_start(tmp_path: Path, origin: str) -> None:
    """A value that no browser would ever send must not look as if it worked."""
    with pytest.raises(ConfigError, match=r"SWITCHBOARD_CORS_ORIGIN.* is not an origin"):
        load({}, {"SWITCHBOARD_CORS_ORIGIN": origin}, tmp_path)


@pytest.mark.parametrize(
    "origin", ["*", "https://a.example", "http://a.example:443", "http://localhost:3000", "http://[::1]:3000"]
)
def test_an_origin_as_a_browser_sends_it_is_taken(tmp_path: Path, origin: str) -> None:
    """Also one with an address, and with a port that is not that of its scheme."""
    assert load({}, {"SWITCHBOARD_CORS_ORIGIN": origin}, tmp_path).settings.cors_origin == origin
