from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from typing import Any, Literal

import pytest
import structlog
from structlog.testing import capture_logs

from switchboard.log import MAX_VALUE_CHARACTERS, ChangeLog, configure_logging
from tests.lab.servers import PATIENCE_SECONDS


class Log:
    """A log in memory."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        configure_logging("etl", stream=self.stream, **{"form": "json", **options})

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_json_lines_have_time_level_service_and_event_first() -> None:
    """A line is one JSON object with an ISO time in UTC, the level, the service, the event, and the values."""
    log = Log()
    structlog.get_logger().info("scraped", source="a", rows=3, ratio=0.5, nothing=None)
    (line,) = log.lines
    assert list(line) == ["timestamp", "level", "service", "event", "source", "rows", "ratio", "nothing"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "service": "etl",
        "event": "scraped",
        "source": "a",
        "rows": 3,
        "ratio": 0.5,
        "nothing": None,
    }


@pytest.mark.parametrize(("level", "events"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level_is_the_least_that_is_logged(level: Literal["debug", "info", "warning", "error"], events: int) -> None:
    """Events and the standard library's records below the level do not appear; the process id does at debug."""
    log = Log(level=level)
    for name in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger(), name)("event")
        getattr(logging.getLogger("aiohttp.client"), name)("record")
    assert len(log.lines) == 2 * events
    assert all(("pid" in line) == (level == "debug") for line in log.lines)


def test_foreign_loggers_take_the_same_way() -> None:
    """What aiohttp, asyncio and warnings say is rendered like our own events; asyncio's chatter is not."""
    log = Log()
    logging.getLogger("asyncio").info("Using selector")
    logging.getLogger("aiohttp.client").error("broken %s", "redis://u:hunter2@h/")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    broken, careful = log.lines
    assert broken["event"] == "broken redis://***@h/"
    assert (broken["level"], broken["logger"], broken["service"]) == ("error", "aiohttp.client", "etl")
    assert "careful" in careful["event"]


SECRETS = [
    ("url", "redis://user:hunter2@host:1/0"),
    ("url", "redis://:hun/ter2@hunter2@host"),
    ("text", "cannot reach http://u:hunter2@h/x?a=1, nor rediss://:hunter2@h"),
    ("text", "GET http://h/x?a=1&api_token=hunter2&b=2"),
    ("text", "{'Authorization': 'Bearer hunter2', 'Cookie': 'hunter2'}"),
    ("text", "Set-Cookie: id=hunter2; Path=/"),
    ("authorization", "Basic hunter2"),
    ("redis_password", "hunter2"),
    ("headers", {"Cookie": "hunter2", "X-Api-Key": "hunter2", "nested": [{"token": "hunter2"}]}),
    ("data", b"redis://:hunter2@h"),
]


@pytest.mark.parametrize(("name", "value"), SECRETS)
@pytest.mark.parametrize("form", ["json", "pretty"])
def test_secrets_are_masked(name: str, value: Any, form: str) -> None:
    """Passwords in URLs, secret headers, query values and keys do not reach the log, and the rest of the text does."""
    log = Log(form=form)
    structlog.get_logger().error("failed", **{name: value}, kept="http://h/path?x=1")
    text = log.stream.getvalue()
    assert "hunter2" not in text
    assert "***" in text
    assert "http://h/path?x=1" in text


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_control_characters_are_escaped(form: str) -> None:
    """No value can forge a line, move the cursor or reverse the text."""
    log = Log(form=form)
    structlog.get_logger().info("a\nb", name="x\x1b[2J\r\n\u202e\u2028\x9b\ud800", **{"key\x1b": 1})
    text = log.stream.getvalue()
    assert text.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", text)
    assert "u202e" in text


def test_large_values_are_cut() -> None:
    """A long text, a long list and a number that JSON readers cannot hold are made small enough."""
    log = Log()
    structlog.get_logger().info("big", text="x" * 100_000, items=list(range(1000)), number=2**70)
    (line,) = log.lines
    assert len(line["text"]) == MAX_VALUE_CHARACTERS + 1
    assert len(line["items"]) < 100
    assert line["number"] == str(2**70)


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_tracebacks_are_logged_and_cleaned(form: str) -> None:
    """An exception comes with its traceback, without control characters and secrets."""
    log = Log(form=form)
    try:
        int("bad \x1b[2J redis://:hunter2@h")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = log.stream.getvalue()
    assert "Traceback (most recent call last)" in text
    assert "hunter2" not in text
    assert "\x1b" not in text


def test_a_log_that_cannot_be_written_is_lost() -> None:
    """A closed stream or a pipe without a reader stops no one."""
    log = Log()
    log.stream.close()
    structlog.get_logger().error("lost")
    logging.getLogger("aiohttp").error("lost")
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "w") as pipe:
        configure_logging("etl", stream=pipe)
        structlog.get_logger().error("lost")


def test_auto_is_pretty_on_a_terminal_and_json_elsewhere() -> None:
    """`auto` looks at standard error: a terminal gets colors and columns, a pipe JSON."""
    program = (
        "import structlog; from switchboard.log import configure_logging; "
        "configure_logging('etl'); structlog.get_logger().info('hello', a=1)"
    )
    command = [sys.executable, "-c", program]
    piped = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True, timeout=PATIENCE_SECONDS).stderr
    assert json.loads(piped)["event"] == "hello"
    primary, secondary = os.openpty()
    subprocess.run(command, stderr=secondary, check=True, timeout=PATIENCE_SECONDS)
    os.close(secondary)
    with os.fdopen(primary, "rb", buffering=0) as terminal:
        shown = terminal.read(1000).decode()
    assert re.search(r"\x1b\[.*hello", shown)
    assert "{" not in shown


def test_a_lasting_failure_is_said_once_and_then_counted() -> None:
    """The first failure is an error, repeats are one line a minute with their count, the end is an info line."""
    log, clock = Log(), Clock()
    changes = ChangeLog(structlog.get_logger(), clock=clock)
    for _ in range(130):
        changes.failed("scrape failed", "a", "refused", source="a")
        clock.now += 1
    changes.recovered("scrape works again", "a", source="a")
    lines = [{key: line[key] for key in line if key not in {"timestamp", "service"}} for line in log.lines]
    failed = {"level": "error", "event": "scrape failed", "reason": "refused", "source": "a"}
    assert lines == [
        failed,
        failed | {"repeated": 60, "in_seconds": 60.0},
        failed | {"repeated": 60, "in_seconds": 60.0},
        {"level": "info", "event": "scrape works again", "source": "a", "failures": 130, "after_seconds": 130.0},
    ]


def test_a_new_reason_is_said_once() -> None:
    """Within an outage a reason that was not seen yet is an error line; those that alternate are only counted."""
    log, clock = Log(), Clock()
    changes = ChangeLog(structlog.get_logger(), clock=clock)
    for reason in ["refused", "timeout"] * 10:
        changes.failed("scrape failed", "a", reason)
    assert [line["reason"] for line in log.lines] == ["refused", "timeout"]


def test_reasons_that_are_never_the_same_are_bounded() -> None:
    """Where each failure has another reason, as one with a time in it, the log grows no faster than elsewhere."""
    with capture_logs() as logs:
        changes = ChangeLog(structlog.get_logger(), clock=lambda: 0.0)
        for number in range(1000):
            changes.failed("failed", "store", f"at {number}")
        changes.recovered("recovered", "store")
    assert 10 < len(logs) < 30
    assert logs[-1]["failures"] == 1000


def test_outages_are_told_apart() -> None:
    """Each subject has an outage of its own, success without a failure says nothing, and a new outage is said again."""
    log = Log()
    changes = ChangeLog(structlog.get_logger(), clock=Clock())
    changes.recovered("works", "a")
    changes.failed("failed", "a", "refused")
    changes.failed("failed", "b", "refused")
    assert changes.failing("a")
    changes.recovered("works", "a")
    assert not changes.failing("a")
    changes.failed("failed", "a", "refused")
    assert [line["event"] for line in log.lines] == ["failed", "failed", "works", "failed"]


def test_routine_is_counted_and_not_logged_each_time() -> None:
    """The first success of each subject is a line; then there is one each minute, with sums over all of them."""
    now = 0.0
    with capture_logs() as logs:
        changes = ChangeLog(structlog.get_logger(), clock=lambda: now)
        for _ in range(70):
            now += 1
            for source in ("a", "b"):
                changes.routine("scrape", source, {"published": 1, "rejects": 2}, source=source)
    said = [line for line in logs if line["log_level"] == "info"]
    assert [line.get("source") for line in said[:2]] == ["a", "b"]
    assert said[2:] == [{"event": "scrapes", "log_level": "info", "published": 119, "rejects": 238, "in_seconds": 60.0}]
    assert len([line for line in logs if line["log_level"] == "debug"]) == 138
