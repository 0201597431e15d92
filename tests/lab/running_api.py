"""The API on a real socket, with a view that the test holds."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator, Sequence

from switchboard.api.bodies import BodyTable
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.api.service import ApiService
from switchboard.serving import Deadlines, serve
from switchboard.view.view import ViewHolder
from tests.lab.processes import Reply
from tests.lab.servers import PATIENCE_SECONDS


def ask(
    port: int, target: str, method: str = "GET", headers: Sequence[tuple[str, str]] = (), body: bytes = b""
) -> Reply:
    """One request on a connection of its own, with these headers and no other but Host; ``target`` is sent as it is.

    With a body, its length is a header too.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        content = response.read()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content)


@contextlib.contextmanager
def running_api(
    holder: ViewHolder,
    endpoints: Sequence[Endpoint] = ENDPOINTS,
    *,
    bodies: BodyTable | None = None,
    deadlines: Deadlines | None = None,
    cors_origin: str = "",
) -> Iterator[int]:
    """Serve on a free port, which is returned, from a thread; it stops with the context.

    ``bodies`` is the table of shared bodies, for a test that looks into it.
    """
    service = ApiService(holder, endpoints, bodies=bodies, cors_origin=cors_origin)
    sock = socket.create_server(("127.0.0.1", 0))
    stop = asyncio.Event()
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()

    def run() -> None:
        with runner:
            runner.run(serve(service, sock, stop, deadlines=deadlines))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
