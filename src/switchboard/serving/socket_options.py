"""What the kernel is told, and asked, about the sockets of a server."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

UNSENT_BYTES = 256 << 10
"""Most bytes of unsent replies in the kernel, per connection."""
_AT_ONCE = struct.pack("ii", 1, 0)


def prepare_listener(sock: socket.socket) -> None:
    """Set what Linux hands on from a listening socket to the connections that it accepts."""
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return
    # Pieces of a stream are written apart: without this the second would wait 40 ms for the ACK of the first.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # By itself the kernel takes up to 4 MiB, and says that there is room again once a third of that is gone: a slow
    # client looks like one that takes nothing.
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def queued_bytes(sock: socket.socket | None) -> int:
    """Bytes that the kernel holds because the client has not taken them; 0 where it does not tell."""
    if sock is None or sys.platform != "linux":
        return 0
    import fcntl
    import termios

    with contextlib.suppress(OSError):
        queued: int = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        return queued
    return 0


def reset_at_close(sock: socket.socket | None) -> None:
    """Have the kernel throw away what it holds for the client when the connection is closed, and reset it."""
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
