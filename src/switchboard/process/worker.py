"""Workers: a worker is one process of Switchboard, started by the supervisor with an order on its standard input.

The command is ``python -m switchboard.process.worker``. A worker ends at SIGTERM, and when the pipe on its standard
input closes, because then the supervisor is gone. Exit codes: 0 stopped, EXIT_CONFIG for settings that can never work,
1 for everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Literal

import msgspec
import structlog

from switchboard.config.settings import Settings
from switchboard.errors import ConfigError
from switchboard.log import configure_logging
from switchboard.process.lifeline import Lifeline

EXIT_CONFIG = 2
"""Exit code of a process that cannot use its settings."""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder in which all workers keep their metrics; prometheus_client reads it too."""

Role = Literal["generator", "etl", "api"]


class WorkerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The task of a worker, sent as one line of JSON."""

    role: Role
    settings: Settings
    """``redis_url`` is not empty here."""
    descriptor: int | None = None
    """File descriptor of a bound socket to listen on, which the worker inherits."""
    owner: str = ""
    """Owner of leases. All ETL processes of one supervisor share it, so a restarted one gets its leases at once."""

    def line(self) -> bytes:
        """The bytes for the worker's standard input."""
        return msgspec.json.encode(self) + b"\n"


def main() -> int:
    """Read the order, carry it out, return the exit code."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # the supervisor ended before it wrote the order
    order = msgspec.json.decode(line, type=WorkerOrder)
    settings = order.settings
    configure_logging("-".join(sys.argv[1:]) or order.role, level=settings.log_level, form=settings.log_format)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    allow_many_files()
    if folder := os.environ.get(METRICS_FOLDER):
        from switchboard.process.metric_files import keep_metrics_in_files

        keep_metrics_in_files(folder)
    return run_guarded(lambda: _carry_out(order))


def allow_many_files() -> None:
    """Let this process open as many files as the system allows it at most: every connection is one.

    The usual limit, 1,024, is there for programs that use ``select``.
    """
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # some systems say "unlimited", and do not mean it
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_guarded(work: Callable[[], Coroutine[None, None, None]]) -> int:
    """Run ``work`` in a new event loop; log the error with which it ends, and return the exit code."""
    code = 0
    log = structlog.get_logger()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(work())
    except* ConfigError as group:
        for error in _leaves(group):
            log.error("cannot run with these settings", error=str(error))
        code = EXIT_CONFIG
    except* Exception as group:
        log.error("crashed", exc_info=group.exceptions[0] if len(group.exceptions) == 1 else group)
        code = 1
    return code


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop's, except on Windows, which it does not support."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def run_role(order: WorkerOrder, sock: socket.socket | None, stop: asyncio.Event) -> None:
    """Do the work of the order's role until ``stop`` is set; the generator and the API need a socket."""
    if order.role == "etl":
        from switchboard.etl.run import run_etl

        await run_etl(order.settings, owner=order.owner, stop=stop, sock=sock)
        return
    if sock is None:
        raise ConfigError(f"the {order.role} has no socket to listen on")
    if order.role == "generator":
        from switchboard.generator.service import serve_generator

        await serve_generator(order.settings.generator, sock, stop)
    else:
        from switchboard.api.run import serve_api

        await serve_api(order.settings, sock, stop)


async def _carry_out(order: WorkerOrder) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    pipe, lifeline = await loop.connect_read_pipe(lambda: Lifeline(stop, sys.stdin.fileno()), sys.stdin)
    lifeline.send_signs()
    sock = None if order.descriptor is None else socket.socket(fileno=order.descriptor)
    try:
        await run_role(order, sock, stop)
    finally:
        lifeline.end()
        pipe.close()
        if sock is not None:
            sock.close()


def _leaves(group: BaseExceptionGroup[ConfigError]) -> list[ConfigError]:
    leaves: list[ConfigError] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves


if __name__ == "__main__":
    sys.exit(main())
