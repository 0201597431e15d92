"""Questions to a server of this machine that may be any program."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from switchboard.process import probe

HEAD = b"HTTP/1.1 200 OK\r\n"


@contextlib.contextmanager
def answering(first: bytes, then: bytes) -> Iterator[str]:
    """A server that answers with ``first``, and then with ``then`` again and again; without it, it closes."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(first)
                        while then and not ended.wait(0.01):
                            connection.sendall(then)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (HEAD + b"\r\n", b"x"),
        (HEAD + b"X-Long: ", b"x"),
        (HEAD, b"X-Many: x\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (HEAD + b"\r\n" + b"[" * 100_000, b""),
        (HEAD + b"\r\n\xff", b""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b""),
    ],
    ids=["body", "header", "headers", "chunks", "brackets", "no text", "no HTTP"],
)
def test_whatever_listens_there_is_looked_at_for_a_bounded_time(
    first: bytes, then: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that never ends its answer, or sends what nobody can read, is no Switchboard, and holds nobody up."""
    monkeypatch.setattr(probe, "_MOST_SECONDS", 0.2)
    began = time.monotonic()
    with answering(first, then) as url:
        assert not probe.is_switchboard(url)
    assert time.monotonic() - began < 60
