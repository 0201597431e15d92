"""Bodies that come slowly, or not to their end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

from switchboard.serving.message import Cut

Sleep = Callable[[float], Awaitable[object]]
"""Waits for a number of seconds."""

_DROPS_PER_SECOND = 4
_ENOUGH_BYTES = 64 << 10


class Part(NamedTuple):
    """The beginning of a body, and the length that is announced for the whole body."""

    sent: bytes
    announced_bytes: int


async def drip(body: AsyncIterator[bytes], bytes_per_second: float, sleep: Sleep) -> AsyncIterator[bytes]:
    """The body in drops, evenly in time."""
    drop = max(1, round(bytes_per_second / _DROPS_PER_SECOND))
    async for piece in body:
        for start in range(0, len(piece), drop):
            yield piece[start : start + drop]
            await sleep(drop / bytes_per_second)


async def beginning(body: AsyncIterator[bytes], share: float) -> Part:
    """A share of the body; of a long one, a share of its first 64 KiB or so: the length of a stream is not known."""
    whole = b""
    more = False
    async for piece in body:
        if len(whole) >= _ENOUGH_BYTES:
            more = True
            break
        whole += piece
    return Part(whole[: int(len(whole) * share)], len(whole) + more)


def broken_off(sent: bytes) -> Iterator[bytes]:
    """A body that ends with its connection, after these bytes."""
    yield sent
    raise Cut
