"""A source that answers well, and whose rows are old: alive, and yet nothing to rely on."""

from __future__ import annotations

import time
import zlib
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.integration.answers import ask, watch
from tests.lab.processes import Switchboard, wait_for
from tests.lab.servers import Request, Steps, Web, http, in_thread

INTERVAL, TTL = 1.0, 10.0
IN_2020 = datetime(2020, 6, 1, tzinfo=UTC).timestamp()
SLACK = 5.0
CELL = "/telemetry/GetMetric?switch_id=sw1&metric=rx&verbose=true"


def body(unix: float) -> bytes:
    return b"timestamp,switch_id,rx\n%d,sw1,1\n" % unix


def system(folder: Path, url: str, *, general: str = "", own: str = "", options: tuple[str, ...] = ()) -> Switchboard:
    """A system with one source; further settings for all sources, and for this one."""
    file = folder / "sources.toml"
    file.write_text(f'interval = {INTERVAL}\nttl = {TTL}\n{general}\n[[sources]]\nname = "old"\nurl = "{url}"\n{own}\n')
    return Switchboard(["--config", str(file), "--log-format", "json", *options], generator=False)


def reported(running: Switchboard) -> dict[str, Any]:
    """The source as ListSources has it."""
    (source,) = running.get("/telemetry/ListSources").json()
    return dict(source)


@pytest.mark.parametrize("etag", [True, False], ids=["304", "200"])
def test_old_rows_are_stale_and_said_to_be(tmp_path: Path, etag: bool) -> None:
    """Rows of the year 2020 from a source whose Date is right: 200 and stale all the time, with the age of the data
    and the reason, and one warning; rows of now are fresh again.
    """
    content = body(IN_2020)

    def answer(request: Request) -> Steps:
        tag = f'"{zlib.crc32(content)}"'
        if not etag:
            return [http(200, content, content_type="text/csv")]
        if request.headers.get("if-none-match") == tag:
            return [http(304, etag=tag)]
        return [http(200, content, content_type="text/csv", etag=tag)]

    with in_thread(Web(answer)) as source, system(tmp_path, source.url) as running:
        asked = len(source.requests)
        seen = watch(running, time.monotonic() + TTL / 2)
        first = {each.state for each in seen[: len(seen) // 10]}
        print(f"first {first}, then {[each.state for each in seen[-1:]]}; {reported(running)}")
        assert len(source.requests) > asked
        assert {each.state for each in seen[-10:]} == {"stale"}
        assert {each.state for each in seen} <= {"stale", "fresh", "late"}
        truth = time.time() - IN_2020
        assert reported(running)["data_age_seconds"] == pytest.approx(truth, abs=SLACK + TTL)
        assert running.get(CELL).json()["data_age_seconds"] == pytest.approx(truth, abs=SLACK + TTL)
        assert reported(running)["age_seconds"] <= TTL
        assert "max_data_age" in reported(running)["trouble"]
        ready = running.get("/ready")
        assert ready.status == 200
        assert "max_data_age" in ready.json()["sources"]["old"]["trouble"]
        assert running.get(CELL).headers["x-snapshot-state"] == "stale"
        warnings = [line for line in running.log_lines if line["level"] == "warning" and "max_data_age" in str(line)]
        services = [line["service"] for line in warnings]
        assert services
        assert len(services) == len(set(services)), warnings  # said once, by each who has something to say
        content = body(time.time())
        wait_for(lambda: ask(running).state == "fresh", "rows of now are fresh")
        assert reported(running)["data_age_seconds"] < 60
        assert reported(running)["trouble"] is None


@pytest.mark.parametrize(
    ("general", "own", "options", "state"),
    [
        ("max_data_age = 60", "", (), "stale"),
        ("max_data_age = 60", "max_data_age = 3600", (), "fresh"),
        ("", "", ("--max-data-age", "60"), "stale"),
        ("", "", ("--max-data-age", "0"), "fresh"),
        ("", "", (), "fresh"),
    ],
    ids=["in general", "of the source", "on the command line", "off", "by default"],
)
def test_how_old_rows_may_be_is_a_setting(
    tmp_path: Path, general: str, own: str, options: tuple[str, ...], state: str
) -> None:
    """Rows of five minutes ago are fresh by default, and stale where they may be a minute old."""
    content = body(time.time() - 300)
    with (
        in_thread(Web(lambda _: [http(200, content, content_type="text/csv")])) as source,
        system(tmp_path, source.url, general=general, own=own, options=options) as running,
    ):
        wait_for(lambda: ask(running).state == state, f"it is {state}", TTL)
        assert reported(running)["data_age_seconds"] == pytest.approx(300, abs=SLACK + TTL)
        assert ("max_data_age" in (reported(running)["trouble"] or "")) == (state == "stale")


def test_the_age_of_rows_is_counted_on_the_clock_of_their_source(tmp_path: Path) -> None:
    """Rows and Date of a source whose clock is an hour behind ours are no older for that."""

    def answer(_: Request) -> Steps:
        unix = time.time() - 3600
        return [http(200, body(unix), content_type="text/csv", date=formatdate(unix, usegmt=True))]

    with in_thread(Web(answer)) as source, system(tmp_path, source.url) as running:
        asked = len(source.requests)
        wait_for(lambda: len(source.requests) > asked + 2 and ask(running).state == "fresh", "it is fresh", 2 * TTL)
        assert reported(running)["trouble"] is None
        assert 0 <= reported(running)["data_age_seconds"] <= SLACK + TTL
