"""The HTTP door of the ETL process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import switchboard
from switchboard.etl.door import create_service
from switchboard.etl.loop import SourceLoop
from switchboard.etl.metrics import FAILURE_REASONS
from switchboard.model import Outcome
from switchboard.serving import serve
from switchboard.store.embedded import EmbeddedRedis
from tests.etl.conftest import Lab, body, new_lab
from tests.lab.processes import Reply, get
from tests.lab.servers import eventually, http


@contextlib.asynccontextmanager
async def door_of(lab: Lab, loop: SourceLoop) -> AsyncIterator[int]:
    """The door of an ETL with one source; yields its port."""
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(create_service(lab.store, [loop]), sock, stop))
            try:
                yield port
            finally:
                stop.set()


async def ask(port: int, target: str) -> Reply:
    return await asyncio.to_thread(get, port, target)


async def test_health_is_ok_while_the_process_lives(lab: Lab) -> None:
    """Whatever its sources and its store do."""
    lab.serve([http(500)])
    async with lab.running() as loop, door_of(lab, loop) as port:
        answer = await ask(port, "/health")
        assert (answer.status, answer.body) == (200, b"OK")


@pytest.mark.parametrize(
    ("method", "target", "status", "told"),
    [
        ("GET", "/", 404, b"there is nothing at this path, only at /health, /ready and /metrics\n"),
        ("GET", "/health/", 404, b"there is nothing at this path, only at /health, /ready and /metrics\n"),
        ("POST", "/health", 405, b"POST is not allowed here, only GET and HEAD\n"),
        ("HEAD", "/health", 200, b""),
        ("HEAD", "/metrics", 200, b""),
    ],
)
async def test_what_else_is_asked(lab: Lab, method: str, target: str, status: int, told: bytes) -> None:
    """HEAD is answered wherever GET is; other paths and methods get one sentence."""
    async with lab.running() as loop, door_of(lab, loop) as port:
        answer = await asyncio.to_thread(get, port, target, method=method)
    assert (answer.status, answer.body) == (status, told)
    assert answer.headers["content-type"].startswith("text/plain; ")


async def test_ready_when_every_source_is_confirmed(lab: Lab) -> None:
    """503 until the first scrape, 200 while scrapes succeed, and 503 again 1.5 intervals after the last that did."""
    lab.serve([http(500)])
    async with lab.running(interval=0.5) as loop, door_of(lab, loop) as port:
        await lab.until_status(Outcome.FAILED, "http_5xx")
        answer = await ask(port, "/ready")
        assert answer.status == 503
        assert answer.json() == {"store": {"ok": True}, lab.source.name: {"ok": False, "age_seconds": None}}
        assert answer.headers["cache-control"] == "no-store"
        lab.serve([http(200, body(1))])

        async def ready() -> bool:
            return (await ask(port, "/ready")).status == 200

        await eventually(ready, "ready")
        lab.serve([http(500)])

        async def late() -> bool:
            return (await ask(port, "/ready")).json()[lab.source.name]["ok"] is False

        await eventually(late, "not ready any more")


async def test_not_ready_without_the_store(redis_server: EmbeddedRedis) -> None:
    """A store that does not answer is named, with the reason."""
    async with new_lab(redis_server.url) as lab, lab.running() as loop, door_of(lab, loop) as port:
        await lab.until_status(Outcome.PUBLISHED)
        assert redis_server.pid is not None
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            answer = await ask(port, "/ready")
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        assert answer.status == 503
        assert answer.json()["store"]["ok"] is False
        assert "does not answer" in answer.json()["store"]["error"]


async def test_metrics_are_those_of_the_sources(lab: Lab) -> None:
    """Prometheus' text, with what the scrapes counted."""
    async with lab.running() as loop, door_of(lab, loop) as port:
        await lab.until_status(Outcome.PUBLISHED)
        answer = await ask(port, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert f'switchboard_etl_scrapes_total{{outcome="published",source="{lab.source.name}"}}' in answer.text
    assert f'switchboard_etl_last_rows{{source="{lab.source.name}"}} 3.0' in answer.text


def test_every_reason_for_a_failure_is_known() -> None:
    """Each word that the code has for a failure is among those whose counters are there from the start."""
    package = Path(switchboard.__file__).parent
    text = "".join(
        path.read_text("utf-8") for room in ("etl", "inputs") for path in sorted((package / room).rglob("*.py"))
    )
    said = set(re.findall(r'(?:SourceError|BodyError|BodyHeld|_reject)\(\s*"([a-z_0-9]+)"', text))
    said |= set(re.findall(r'Verdict\(\s*Action\.(?:HOLD|REJECT),\s*"([a-z_0-9]+)"', text))
    assert len(said) > 25
    assert said - set(FAILURE_REASONS) == set()


async def test_ready_says_what_could_not_be_written(lab: Lab) -> None:
    """An ETL that scrapes and cannot write says so, with the cause; and who writes a source that is not its own."""
    async with lab.running() as loop, door_of(lab, loop) as port:
        await lab.until_status(Outcome.PUBLISHED)
        await lab.client.config_set("maxmemory", 1)
        try:

            async def said() -> bool:
                answer = (await ask(port, "/ready")).json()
                return "is full: raise its maxmemory" in str(answer["store"].get("error"))

            await eventually(said, "the store is full")
            answer = (await ask(port, "/ready")).json()
            assert "is full: raise its maxmemory" in answer[lab.source.name]["error"]
        finally:
            await lab.client.config_set("maxmemory", 0)

        async def well() -> bool:
            answer = (await ask(port, "/ready")).json()
            return answer["store"] == {"ok": True} and "error" not in answer[lab.source.name]

        await eventually(well, "all was written")
        async with lab.running("another") as other, door_of(lab, other) as second:

            async def stands_by() -> bool:
                answer = (await ask(second, "/ready")).json()
                return "is held by 'test'" in str(answer[lab.source.name].get("error"))

            await eventually(stands_by, "the other one stands by")
            assert (await ask(second, "/ready")).json()["store"] == {"ok": True}


async def test_a_policy_that_evicts_is_a_warning(lab: Lab) -> None:
    """It does not make the process unready."""
    await lab.client.config_set("maxmemory-policy", "volatile-ttl")
    try:
        async with lab.running(interval=5) as loop, door_of(lab, loop) as port:
            await lab.until_status(Outcome.PUBLISHED)
            await lab.store.server.look()
            answer = await ask(port, "/ready")
            assert "'volatile-ttl'" in answer.json()["store"]["warning"]
            assert answer.status == 200
    finally:
        await lab.client.config_set("maxmemory-policy", "noeviction")
