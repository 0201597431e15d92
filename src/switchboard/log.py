"""Logs: one line per event on standard error, pretty on a terminal and JSON otherwise.

Events of structlog and of the standard library's loggers (asyncio, aiohttp) go through the same processors and
the same renderer, with one write per line, so that lines of several processes do not run into each other. Everything is
cleaned last, where nothing can go around it: passwords in URLs and secret headers are masked, control characters
escaped (a switch's name could move the terminal's cursor or forge a line), long values cut. A line that cannot be
written is lost and never raises an error: the telemetry matters more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog import dev
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from switchboard.config.masks import MASK, SECRET_WORD, escape, printable

MAX_VALUE_CHARACTERS = 1_000
MAX_TRACEBACK_CHARACTERS = 16_000
_MAX_ITEMS = 50
_MAX_DEPTH = 4
_MOST_REASONS = 20
"""Reasons of one outage that have lines of their own: some have numbers in them, and no two are alike."""
_FIRST_KEYS = ("timestamp", "level", "service", "event")

_URL_USER = re.compile(r"((?:redis|rediss|valkey|unix)://)\S*@|(://)[^\s/?#@]*(?:@[^\s/?#@]*)*@")
_URL_QUERY = re.compile(rf"(?i)([?&][^=&\s]*(?:{SECRET_WORD.pattern})[^=&\s]*=)[^&\s'\"]+")
_SECRET_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*)[^\r\n]*")
_SECRET_KEY = re.compile(r"(?i)authorization|cookie|passw|secret|token|api[_-]?key|credential")
_CONTROL_BUT_NEWLINE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def configure_logging(
    service: str,
    *,
    level: Literal["debug", "info", "warning", "error"] = "info",
    form: Literal["auto", "pretty", "json"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Send all logs of this process to ``stream`` (default: standard error) under the name of ``service``."""
    target = sys.stderr if stream is None else stream
    terminal = target.isatty()
    threshold = logging.getLevelNamesMapping()[level.upper()]

    def add_process(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        if threshold <= logging.DEBUG:
            event.setdefault("pid", os.getpid())
        return event

    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        add_process,
        _add_time,
        structlog.processors.format_exc_info,
        _clean_event,
        _pretty(colors=terminal) if form == "pretty" or (form == "auto" and terminal) else _json,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Lines(target),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
    logging.basicConfig(handlers=[_Foreign(processors, target)], level=threshold, force=True)
    # What asyncio logs at info says nothing to a user.
    least = threshold if threshold <= logging.DEBUG else max(threshold, logging.WARNING)
    logging.getLogger("asyncio").setLevel(least)


def as_logged(text: str) -> str:
    """A text as logs show it: secrets masked, control characters escaped, and not too long."""
    return str(_clean("", text))


@dataclass(slots=True)
class _Outage:
    began: float
    counted_from: float
    reasons: set[str] = field(default_factory=set)
    parties: set[str] = field(default_factory=set)
    failures: int = 0
    uncounted: int = 0


class ChangeLog:
    """Logs a lasting failure once, then each ``every_seconds`` how often it came again, and at the end that it is over.
    What goes well is logged once, and then counted.

    One ChangeLog serves many subjects (the name of a source, ``store``), each with an outage of its own. Within an
    outage each reason is logged at error when it first appears, up to _MOST_REASONS of them; repetitions are counted.
    Where several parties meet the trouble of one subject, its outage lasts until the last of them has recovered.
    """

    def __init__(
        self, log: FilteringBoundLogger, *, clock: Callable[[], float] = time.monotonic, every_seconds: float = 60
    ) -> None:
        self._log = log
        self._clock = clock
        self._every = every_seconds
        self._outages: dict[str, _Outage] = {}
        self._routine: set[str] = set()
        """Subjects whose first routine success was logged."""
        self._counts: Counter[str] = Counter()
        self._counted_from = clock()

    def routine(self, event: str, subject: str, counts: Mapping[str, int], **values: Any) -> None:
        """Note a success that is to be expected: the first one of a subject is logged at info, later ones at debug.

        Each ``every_seconds``, one line has the sums of ``counts`` over all subjects.
        """
        say = self._log.debug if subject in self._routine else self._log.info
        say(event, **values)
        self._routine.add(subject)
        self._counts.update(counts)
        now = self._clock()
        if now - self._counted_from >= self._every:
            self._log.info(f"{event}s", **self._counts, in_seconds=round(now - self._counted_from, 1))
            self._counts.clear()
            self._counted_from = now

    def failed(self, event: str, subject: str, reason: str, *, party: str = "", **values: Any) -> None:
        """Note one failure; ``reason`` and ``values`` go into the line, if there is one."""
        now = self._clock()
        outage = self._outages.setdefault(subject, _Outage(began=now, counted_from=now))
        outage.failures += 1
        outage.parties.add(party)
        if reason not in outage.reasons and len(outage.reasons) < _MOST_REASONS:
            outage.reasons.add(reason)
            self._log.error(event, reason=reason, **values)
            return
        outage.uncounted += 1
        if now - outage.counted_from >= self._every:
            seconds = round(now - outage.counted_from, 1)
            self._log.error(event, reason=reason, **values, repeated=outage.uncounted, in_seconds=seconds)
            outage.uncounted = 0
            outage.counted_from = now

    def recovered(self, event: str, subject: str, *, party: str = "", **values: Any) -> None:
        """Note a success. The first one after failures is logged at info, with their number and duration."""
        outage = self._outages.get(subject)
        if outage is None:
            return
        outage.parties.discard(party)
        if not outage.parties:
            del self._outages[subject]
            seconds = round(self._clock() - outage.began, 1)
            self._log.info(event, **values, failures=outage.failures, after_seconds=seconds)

    def failing(self, subject: str) -> bool:
        """Whether the last thing noted about ``subject`` is a failure."""
        return subject in self._outages


class _Lines:
    """Writes rendered lines to a stream, one write per line. structlog calls the method named after the level."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a pipe whose reader has gone, a closed stream
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class _Foreign(logging.Handler):
    """Sends the records of the standard library's loggers through the same processors."""

    def __init__(self, processors: list[Processor], stream: TextIO) -> None:
        super().__init__()
        self._processors = processors
        self._lines = _Lines(stream)

    def emit(self, record: logging.LogRecord) -> None:
        event: Any = {"event": record.getMessage().strip(), "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        for processor in self._processors:
            event = processor(None, record.levelname.lower(), event)
        self._lines.msg(event)


def _add_time(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _clean_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    traceback = event.pop("exception", None)
    ordered = {key: event[key] for key in (*_FIRST_KEYS, *event) if key in event}
    cleaned = {printable(key): _clean(key, value) for key, value in ordered.items()}
    if traceback is not None:
        # The end of a traceback tells most, so its beginning is cut; its newlines stay.
        text = _mask(str(traceback))[-MAX_TRACEBACK_CHARACTERS:]
        cleaned["exception"] = _CONTROL_BUT_NEWLINE.sub(escape, text)
    return cleaned


def _clean(key: str, value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    if _SECRET_KEY.search(key):
        return MASK
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        items = list(value.items())[:_MAX_ITEMS]
        return {_clean("", str(name)): _clean(str(name), item, depth + 1) for name, item in items}
    if isinstance(value, list | tuple | set | frozenset) and depth < _MAX_DEPTH:
        return [_clean("", item, depth + 1) for item in list(value)[:_MAX_ITEMS]]
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    # Masked before it is cut, so that no half of a password is left over.
    text = printable(_mask(text))
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def _mask(text: str) -> str:
    if "://" in text:
        text = _URL_USER.sub(rf"\1\2{MASK}@", text)
        text = _URL_QUERY.sub(rf"\1{MASK}", text)
    return _SECRET_HEADER.sub(rf"\1\2{MASK}", text)


def _json(_logger: Any, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event).decode()


def _pretty(*, colors: bool) -> Processor:
    """``TIME [level] service event  key=value``, with colors on a terminal."""
    styles = dev.ConsoleRenderer.get_default_column_styles(colors)
    plain = dev.KeyValueColumnFormatter(
        key_style=styles.kv_key, value_style=styles.kv_value, reset_style=styles.reset, value_repr=str
    )

    def column(style: str, width: int) -> dev.KeyValueColumnFormatter:
        return dev.KeyValueColumnFormatter(
            key_style=None, value_style=style, reset_style=styles.reset, value_repr=str, width=width
        )

    return dev.ConsoleRenderer(
        sort_keys=False,
        exception_formatter=dev.plain_traceback,
        columns=[
            dev.Column("timestamp", column(styles.timestamp, 0)),
            dev.Column(
                "level",
                dev.LogLevelColumnFormatter(dev.ConsoleRenderer.get_default_level_styles(colors), styles.reset),
            ),
            dev.Column("service", column(styles.logger_name, 9)),
            dev.Column("event", column(styles.bright, 24)),
            dev.Column("", plain),
        ],
    )
