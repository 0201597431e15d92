"""Which addresses a connection is made to, and how many at a time."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Collection

import pytest

from switchboard.config.sources import ColumnSettings, Source
from switchboard.errors import SourceError
from switchboard.etl.pull.connect import Addresses, Resolver, look_up
from switchboard.etl.pull.scrape import Validators, new_session, scrape
from tests.etl.limits import limits
from tests.lab.servers import Step, Web, http

METADATA, LOOPBACK = "0xa9.0xfe.0xa9.0xfe", "0x7f.0x1"
"""169.254.169.254 and 127.0.0.1 in spellings that only the resolver of the system knows: as good as names."""


def source_at(url: str) -> Source:
    return Source(name="lab", url=url, interval=1, timeout=1, ttl=3, columns=ColumnSettings(), limits=limits())


async def failure(url: str, own_ports: Collection[int] = ()) -> SourceError:
    async with new_session(own_ports) as session:
        with pytest.raises(SourceError) as raised:
            async with scrape(session, source_at(url), Validators()):
                pass
    return raised.value


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", METADATA])
async def test_no_connection_is_made_to_a_link_local_address(host: str) -> None:
    """Neither to a literal address nor to what a name leads to; the reason is a word of its own."""
    error = await failure(f"http://{host}/latest/meta-data/")
    assert error.reason == "forbidden"
    assert "no source may have" in str(error)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", LOOPBACK])
async def test_no_connection_is_made_to_the_service_itself(host: str) -> None:
    """A port of our own is refused on this machine under every name, and no request arrives there."""
    async with Web(lambda _request: [http(200, b"switch_id\n")]) as web:
        error = await failure(f"http://{host}:{web.port}/", own_ports={web.port})
        assert web.requests == []
    assert error.reason == "forbidden"


async def test_names_are_looked_up_beside_each_other() -> None:
    """With 50 names about which nothing comes back, another one is still looked up, and a failure is raised."""
    silent, answered, asked = threading.Event(), threading.Semaphore(0), 50

    def lookup(host: str, port: int, family: socket.AddressFamily) -> Addresses:
        if host.endswith(".silent"):
            answered.release()
            silent.wait()
        return look_up(host, port, family)

    resolver = Resolver(lookup)
    waiting = [asyncio.ensure_future(resolver.resolve(f"{number}.silent")) for number in range(asked)]
    try:
        (found,) = await resolver.resolve("127.0.0.1", 80, socket.AF_INET)
        assert (found["host"], found["port"]) == ("127.0.0.1", 80)
        with pytest.raises(socket.gaierror):
            await resolver.resolve("no-such-host.invalid", 80)
        await asyncio.to_thread(lambda: [answered.acquire() for _ in range(asked)])
        assert not any(each.done() for each in waiting)
    finally:
        for each in waiting:
            each.cancel()
        silent.set()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_sources_that_hang_take_no_place_of_others() -> None:
    """With 150 sources that say nothing, one more is still answered at once."""
    hanging = 150
    async with (
        Web(lambda _request: [Step.HANG]) as dead,
        Web(lambda _request: [http(200, b"switch_id,a\nsw1,1\n")]) as alive,
        new_session() as session,
    ):

        async def ask(url: str) -> bytes:
            async with scrape(session, source_at(url), Validators()) as response:
                return b"".join([piece async for piece in response.pieces()])

        waiting = [asyncio.ensure_future(ask(dead.url)) for _ in range(hanging)]
        while len(dead.requests) < hanging:  # noqa: ASYNC110 - the server counts
            await asyncio.sleep(0.01)
        assert await ask(alive.url) == b"switch_id,a\nsw1,1\n"
        assert not any(each.done() for each in waiting)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
