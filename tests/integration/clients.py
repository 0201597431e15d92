"""Clients that poll and check every answer against the encoding of the generator's profile `encoded`.

There a value is ``slot * 1_000_000 + switch * 100 + metric``: one value tells which snapshot it is from.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self

from switchboard.generator.profiles import decode
from tests.lab.processes import ANSWER_SECONDS

SLOW_SECONDS = 20.0
"""What scrape, publication and swap may take together on a busy machine."""
METRICS = ("bandwidth_mbps", "latency_ms", "packet_errors")


@dataclass
class Findings:
    """What the clients saw; shared by all of them, guarded by ``lock``."""

    hold: float
    interval: float
    ttl: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    statuses: Counter[int] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    slots: dict[str, set[int]] = field(default_factory=dict)
    """Slots seen under each snapshot id: exactly one, or an answer was torn."""
    wrong: list[str] = field(default_factory=list)
    last_fresh: float = 0.0
    """When the last answer marked fresh arrived, on the monotonic clock."""
    last_answered: float = 0.0
    """When, on the wall clock, the last request was sent that had an answer other than 503."""
    newest_slot: int = 0

    def check(self, target: str, status: int, headers: dict[str, str], body: bytes, asked_at: float) -> None:
        """Note one answer. ``asked_at`` is the wall clock before the request."""
        with self.lock:
            self.statuses[status] += 1
            if status != 200:
                if status != 503 or not headers.get("retry-after", "").isdigit():
                    self.wrong.append(f"{target}: {status} {body[:80]!r}")
                return
            self.last_answered = max(self.last_answered, asked_at)
            state = headers["x-snapshot-state"]
            self.states[state] += 1
            slots = {decode(value).slot for value in _values(target, json.loads(body), self.wrong)}
            self.slots.setdefault(headers["x-snapshot-id"], set()).update(slots)
            if len(slots) != 1:
                self.wrong.append(f"{target}: a mixture of slots {slots}")
                return
            (slot,) = slots
            data_time = datetime.fromisoformat(headers["x-snapshot-timestamp"]).timestamp()
            if abs(data_time - slot * self.hold) > max(1.0, self.hold):  # the CSV has whole seconds
                self.wrong.append(f"{target}: slot {slot} under the timestamp {headers['x-snapshot-timestamp']}")
            # Data may be one hold old when it is scraped; the state says how long ago that was.
            most = self.hold + (1.5 * self.interval if state == "fresh" else self.ttl) + SLOW_SECONDS
            age = asked_at - slot * self.hold
            if age > most:
                self.wrong.append(f"{target}: {age:.2f} s old and marked {state}")
            if state == "fresh":
                self.last_fresh = time.monotonic()
                self.newest_slot = max(self.newest_slot, slot)

    @property
    def torn(self) -> dict[str, set[int]]:
        """Snapshot ids under which several slots were seen."""
        return {snapshot: slots for snapshot, slots in self.slots.items() if len(slots) != 1}


def _values(target: str, answer: Any, wrong: list[str]) -> list[int]:
    if not isinstance(answer, list):
        return [answer]
    values = []
    for item in answer:
        ((switch, metrics),) = item.items()
        for name, value in metrics.items():
            encoded = decode(value)
            if (f"sw{encoded.switch}", METRICS[encoded.metric]) != (switch, name):
                wrong.append(f"{target}: {value} stands under {switch} {name}")
            values.append(value)
    return values


class Clients:
    """Threads that ask both endpoints in turn until the context is left."""

    def __init__(self, port: int, findings: Findings, *, count: int, switches: int, pause: float = 0.0) -> None:
        self._port = port
        self._findings = findings
        self._switches = switches
        self._pause = pause
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS)

    def _run(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        asked = number
        while not self._end.is_set():
            asked += 1
            switch, metric = asked % self._switches + 1, asked % len(METRICS)
            target = "/telemetry/ListMetrics"
            if asked % 4:
                target = f"/telemetry/GetMetric?switch_id=sw{switch}&metric={METRICS[metric]}"
            asked_at = time.time()
            try:
                connection.request("GET", target)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException):
                connection.close()  # the API was killed: connect again
                self._end.wait(0.05)
                continue
            headers = {name.lower(): value for name, value in answer.getheaders()}
            self._findings.check(target, answer.status, headers, body, asked_at)
            if self._pause:
                self._end.wait(self._pause)
        with contextlib.suppress(OSError):
            connection.close()
