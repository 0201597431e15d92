"""Bodies without end cost the ETL a counter, not memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from switchboard.store.embedded import EmbeddedRedis
from tests.etl.catalogue import CHUNKED_HEAD, HEADER, TIME, Endless, body, bomb, csv, rows
from tests.etl.harness import Answers
from tests.processes import START_SECONDS, Switchboard, free_port, get
from tests.servers import Steps, Web, chunked, eventually

MIB_BYTES = 1 << 20
MOST_GROWTH_BYTES = 64 * MIB_BYTES
REFUSED_SECONDS = 60.0
MIB = b"x" * MIB_BYTES


class LongLine:
    """A body whose second line has 1 GiB."""

    def __iter__(self) -> Iterator[bytes]:
        yield CHUNKED_HEAD + chunked(HEADER.encode() + b"\n")
        for _ in range(1024):
            yield chunked(MIB)


SECONDS: list[bytes | float] = [chunked(b"t"), 1.0] * 20
WITHOUT_END: list[tuple[str, Steps]] = [
    ("gzip_ratio", csv(bomb(1024), content_encoding="gzip")),  # 1 GiB from 1 MiB
    ("too_many_rows", Endless(b"timestamp,switch_id,port,a\n", b"%d,sw1,%%d,5\n" % TIME)),
    ("line_too_long", LongLine()),
    ("slow", [CHUNKED_HEAD, *SECONDS]),
    ("too_many_switches", Endless(b"timestamp,switch_id,a\n", b"%d,sw%%d,5\n" % TIME)),
    ("too_many_rows", Endless(b"timestamp,switch_id,a\n", b"x\n")),  # no row of which can be used
]


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever had resident."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024  # type: ignore[index]


async def test_bodies_without_end_are_refused_in_bounded_memory(redis_server: EmbeddedRedis) -> None:
    """One process refuses them one after the other, each with its reason, and never needs 64 MiB more than before."""
    answers = Answers(csv(body(rows(900))))
    port = free_port()

    async def counted(metric: str, label: str) -> float:
        pattern = rf'^switchboard_etl_{metric}_total\{{[^}}]*"{label}"[^}}]*\}} (\S+)$'
        with contextlib.suppress(OSError):
            text = (await asyncio.to_thread(get, port, "/metrics")).text
            return sum(float(value) for value in re.findall(pattern, text, re.MULTILINE))
        return 0

    async with Web(answers) as web:
        options = ["--role", "etl", "--etl-port", str(port), "--redis-url", redis_server.url]
        options += ["--interval", "5", "--timeout", "5", "--source", f"lab={web.url}"]
        with Switchboard(options, command="ingester", wait=False) as system:

            async def published() -> float:
                return await counted("scrapes", "published")

            await eventually(published, "the good body is published", START_SECONDS)
            (pid,) = system.pids("etl")
            before = peak_bytes(pid)
            for reason, steps in WITHOUT_END:
                earlier = await counted("failures", reason)
                answers.then([steps])

                async def refused(reason: str = reason, earlier: float = earlier) -> bool:
                    return await counted("failures", reason) > earlier

                await eventually(refused, reason, REFUSED_SECONDS)
                growth = peak_bytes(pid) - before
                assert growth < MOST_GROWTH_BYTES, f"{reason}: {growth / MIB_BYTES:.1f} MiB more than before"
