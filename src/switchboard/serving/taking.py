"""What a client takes of what it is sent: seen in what is left of it, here and in the kernel."""

from __future__ import annotations

import asyncio

from switchboard.serving.socket_options import queued_bytes


class Taking:
    """Watches one client. All times are those of the event loop's clock."""

    __slots__ = ("_left", "since")

    def __init__(self, now: float) -> None:
        self._left = 0  # when it was last looked
        self.since = now
        """When the client was last seen to take something."""

    def begin(self, now: float) -> None:
        """The client has all its time, beginning now."""
        self._left = 0
        self.since = now

    def left(self, transport: asyncio.Transport, now: float) -> int:
        """Bytes that the client has not taken; 0 if the transport has handed all to the kernel."""
        left = transport.get_write_buffer_size()
        if left:  # the kernel makes room in large steps: what it holds tells more
            left += queued_bytes(transport.get_extra_info("socket"))
        if left != self._left:
            self._left, self.since = left, now
        return left
