"""Bodies without end cost the ETL a counter, not memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path

import pytest

from switchboard.store.embedded import EmbeddedRedis
from tests.etl.catalogue import CHUNKED_HEAD, HEADER, TIME, Endless, body, bomb, csv, rows
from tests.etl.harness import Answers
from tests.lab.processes import Switchboard, free_port, get
from tests.lab.servers import Step, Steps, Web, chunked, eventually

MIB_BYTES = 1 << 20
MOST_GROWTH_BYTES = 64 * MIB_BYTES
HANG_SECONDS = 1800.0
"""Whoever waits longer than that for all of it together waits for nothing."""
MIB = b"x" * MIB_BYTES


class LongLine:
    """A body whose second line has 1 GiB."""

    def __iter__(self) -> Iterator[bytes]:
        yield CHUNKED_HEAD + chunked(HEADER.encode() + b"\n")
        for _ in range(1024):
            yield chunked(MIB)


DRIP: list[bytes | float] = [chunked(b"t"), 1.0]
WITHOUT_END: list[tuple[str, Steps]] = [
    ("gzip_ratio", csv(bomb(1024), content_encoding="gzip")),  # 1 GiB from 1 MiB
    ("too_many_rows", Endless(b"timestamp,switch_id,port,a\n", b"%d,sw1,%%d,5\n" % TIME)),
    ("line_too_long", LongLine()),
    ("slow", chain([CHUNKED_HEAD], cycle(DRIP))),
    ("too_many_switches", Endless(b"timestamp,switch_id,a\n", b"%d,sw%%d,5\n" % TIME)),
    ("too_many_rows", Endless(b"timestamp,switch_id,a\n", b"x\n")),  # no row of which can be used
]
SOURCES = ["good", *(f"bad{number}" for number in range(len(WITHOUT_END)))]


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever had resident."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024  # type: ignore[index]


def settings(urls: list[str]) -> str:
    """A source for each URL. An attempt may take an hour: none ends for the time that it takes, and few follow."""
    sources = (f'[[sources]]\nname = "{name}"\nurl = "{url}"\n' for name, url in zip(SOURCES, urls, strict=True))
    return "interval = 3600\ntimeout = 3600\n" + "".join(sources)


@pytest.mark.timeout(HANG_SECONDS)
async def test_bodies_without_end_are_refused_in_bounded_memory(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    """One process refuses them one after the other, each with its reason, and never needs 64 MiB more than before."""
    turns = [asyncio.Event() for _ in WITHOUT_END]
    # Each has a source of its own, which waits for its turn: it is refused at the first attempt, and those after it
    # get no answer.
    answers = [
        Answers(csv(body(rows(900)))),
        *(Answers(chain([turn], steps), [Step.HANG]) for turn, (_, steps) in zip(turns, WITHOUT_END, strict=True)),
    ]
    port = free_port()

    async def labels(metric: str, source: str) -> list[str]:
        """Those of the counters of a source that have counted something."""
        pattern = rf'^switchboard_etl_{metric}_total\{{\w+="(\w+)",source="{source}"\}} [^0]'
        with contextlib.suppress(OSError):
            return re.findall(pattern, (await asyncio.to_thread(get, port, "/metrics")).text, re.MULTILINE)
        return []

    async with contextlib.AsyncExitStack() as stack:
        webs = [await stack.enter_async_context(Web(answer)) for answer in answers]
        config = tmp_path / "sources.toml"
        config.write_text(settings([web.url for web in webs]))
        options = ["--config", str(config), "--role", "etl", "--etl-port", str(port), "--redis-url", redis_server.url]
        with Switchboard(options, command="ingester", wait=False) as system:

            async def under_way() -> bool:
                return all(web.requests for web in webs) and await labels("scrapes", "good") == ["published"]

            await eventually(under_way, "the good body is published, the others are asked for", HANG_SECONDS)
            (pid,) = system.pids("etl")
            before = peak_bytes(pid)
            for source, turn, (reason, _) in zip(SOURCES[1:], turns, WITHOUT_END, strict=True):
                turn.set()

                async def refused(source: str = source) -> list[str]:
                    return await labels("failures", source)

                assert await eventually(refused, f"{reason}: refused", HANG_SECONDS) == [reason]
                growth = peak_bytes(pid) - before
                assert growth < MOST_GROWTH_BYTES, f"{reason}: {growth / MIB_BYTES:.1f} MiB more than before"
