"""The least rate of a body: too little is refused, and only waiting counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from switchboard.errors import SourceError
from switchboard.etl.pull.rate import LeastRate
from tests.lab.virtual import in_virtual_time

LEAST = 1000
WINDOW = 0.2


def after(seconds: float, data: bytes) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        await asyncio.sleep(seconds)
        return data

    return read


@in_virtual_time
async def test_silence_is_too_slow() -> None:
    """A read that brings nothing for a window ends with the reason ``slow``, and is cancelled."""
    cancelled = asyncio.Event()

    async def read() -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return b""

    with pytest.raises(SourceError) as caught:
        await LeastRate(LEAST, WINDOW).wait(read)
    assert caught.value.reason == "slow"
    assert cancelled.is_set()


@in_virtual_time
async def test_a_drip_is_too_slow() -> None:
    """Bytes that keep coming, but too few of them, are refused at the end of a window."""
    rate = LeastRate(LEAST, WINDOW)

    async def read_on() -> None:
        while True:
            await rate.wait(after(0.01, b"x"))

    with pytest.raises(SourceError, match=r"only \d+ bytes came"):
        await read_on()


@in_virtual_time
async def test_enough_bytes_may_come_late() -> None:
    """A window that has its bytes opens the next one; a read that outlasts a window is asked again."""
    rate = LeastRate(LEAST, WINDOW)
    for _ in range(10):
        assert await rate.wait(after(0.05, b"x" * LEAST)) == b"x" * LEAST


@in_virtual_time
async def test_the_end_is_never_too_slow() -> None:
    """However little there was: when the body ends, it was all."""
    rate = LeastRate(LEAST, WINDOW)
    assert await rate.wait(after(0.0, b"x")) == b"x"
    assert await rate.wait(after(0.0, b"")) == b""


@in_virtual_time
async def test_our_own_time_does_not_count() -> None:
    """While the last bytes are worked on, the source is not to blame."""
    rate = LeastRate(LEAST, WINDOW)
    for _ in range(5):
        assert await rate.wait(after(0.0, b"x")) == b"x"
        await asyncio.sleep(0.1)


@in_virtual_time
async def test_no_limit_waits_on() -> None:
    """With a rate of 0 windows of silence pass."""
    asked = iter([2 * WINDOW, 0.0])

    async def read() -> bytes:
        await asyncio.sleep(next(asked))
        return b"x"

    assert await LeastRate(0, WINDOW).wait(read) == b"x"


@in_virtual_time
async def test_a_timeout_of_the_read_itself_goes_through() -> None:
    """What is not the end of a window is not swallowed."""

    async def read() -> bytes:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await LeastRate(LEAST, WINDOW).wait(read)
