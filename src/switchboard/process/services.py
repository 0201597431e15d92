"""The commands: which processes each one runs, on which sockets, and in which order."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from functools import partial
from socket import socket

import structlog
from msgspec.structs import replace

from switchboard import __version__
from switchboard.config.redis import RedisAccess, check_redis
from switchboard.config.resolve import resolve_sources
from switchboard.config.secrets import check_access
from switchboard.config.settings import DEFAULT_REDIS_URL, Settings
from switchboard.config.sources import SourceSettings
from switchboard.errors import ConfigError, StoreError
from switchboard.folders import PrivateFolder, remove_abandoned
from switchboard.generator.service import create_service
from switchboard.process.metric_files import forget_live_gauges
from switchboard.process.ports import Address, listen_on
from switchboard.process.sockets import url_of
from switchboard.process.supervisor import Program, Supervisor, handle_signals
from switchboard.process.welcome import Addresses, welcome
from switchboard.process.worker import METRICS_FOLDER, Role, WorkerOrder, run_role
from switchboard.store.embedded import EmbeddedRedis, find_client
from switchboard.store.store import Store

_REDIS_POLL_SECONDS = 1.0

_log = structlog.get_logger()


async def run_generator(settings: Settings) -> None:
    """Simulate switches in this process until a signal to stop. Raises PortTaken, ConfigError."""
    stop = asyncio.Event()
    handle_signals(stop, partial(os._exit, 1))
    (sock,) = listen_on("generator", [_generator_address(settings, "--")])
    with sock:
        await run_role(WorkerOrder(role="generator", settings=settings), sock, stop)


async def run_ingester(settings: Settings) -> None:
    """Run the ETL, the API, or both (``settings.role``) until a signal to stop. Raises PortTaken, ConfigError."""
    settings = replace(settings, redis_url=settings.redis_url or DEFAULT_REDIS_URL)
    sources = resolve_sources(settings)  # settings that cannot work are refused before anything starts
    redis = check_redis(settings)
    if settings.role != "api":
        check_access(sources)
    _remove_abandoned_folders()
    with ExitStack() as folders, ExitStack() as sockets:
        workers = _Workers(folders, settings)
        stage: list[Program] = []
        urls: dict[str, str] = {}
        if settings.role in {"all", "api"}:
            (sock,) = listen_on("ingester", [_api_address(settings)])
            sockets.enter_context(sock)
            urls["api"] = url_of(sock)
            stage += workers.api(sock)
        if settings.role == "etl":
            (sock,) = listen_on("ingester", [_etl_address(settings)])
            sockets.enter_context(sock)
            urls["etl"] = url_of(sock)
            stage.append(workers.program("etl", sock=sock))
        elif settings.role == "all":
            stage.append(workers.program("etl"))
        _log.info("starting", version=__version__, role=settings.role, redis=redis.shown_url, **urls)
        await _supervise([stage], sockets, partial(_watch_for_redis, redis))


async def run_up(settings: Settings, *, generator: bool, sources_given: bool) -> None:
    """Run Redis, generator and ingester until a signal to stop. Raises PortTaken, ConfigError.

    With ``generator``, and if no sources were given, the generator is the only source; otherwise the sources are those
    of the settings.
    """
    # Settings that cannot work are refused before anything starts.
    check_access(resolve_sources(settings))
    redis_line = f"{find_client()} -u {check_redis(settings).shown_url}"
    if generator:
        create_service(settings.generator)
    _remove_abandoned_folders()
    with ExitStack() as folders, ExitStack() as sockets:
        store: list[Program] = []
        if not settings.redis_url:
            if settings.redis_password_file:
                raise ConfigError("`redis_password_file` is for a Redis that `redis_url` names")
            redis = EmbeddedRedis()
            folders.callback(redis.remove_folder)
            store.append(Program(name="redis", command=redis.command(), foreign=True, ready=redis.wait_ready))
            settings = replace(settings, redis_url=redis.url)
            redis_line = f"{find_client()} -s {redis.socket_path}"
        wanted = [_api_address(settings), *([_generator_address(settings, "--generator-")] if generator else [])]
        api_sock, *rest = [sockets.enter_context(sock) for sock in listen_on("up", wanted)]
        generator_sock = rest[0] if rest else None
        generator_url = None if generator_sock is None else f"{url_of(generator_sock)}/counters"
        if generator_url is not None and not sources_given:
            settings = replace(settings, sources=(SourceSettings(name="generator", url=generator_url),))
        workers = _Workers(folders, settings)
        data = [*workers.api(api_sock), workers.program("etl")]
        if generator_sock is not None:
            data.append(workers.program("generator", sock=generator_sock))
        addresses = Addresses(api=url_of(api_sock), generator=generator_url, redis_line=redis_line)
        _log.info("starting", version=__version__, children=[program.name for program in (*store, *data)])
        await _supervise([store, data], sockets, lambda _: welcome(addresses))


class _Workers:
    """Makes the programs of our workers, which share a lease owner and a folder of metrics."""

    def __init__(self, folders: ExitStack, settings: Settings) -> None:
        self._settings = settings
        self._owner = secrets.token_hex(8)
        # prometheus_client adds up the metrics that all processes write to this folder.
        folder = PrivateFolder()
        folders.callback(folder.remove)
        self._metrics = str(folder.path)

    def api(self, sock: socket) -> list[Program]:
        """The API workers; all of them accept connections on one socket."""
        if self._settings.workers == 1:
            return [self.program("api", sock=sock)]
        return [self.program("api", number=number, sock=sock) for number in range(1, self._settings.workers + 1)]

    def program(self, role: Role, *, number: int | None = None, sock: socket | None = None) -> Program:
        """One worker; ``number`` distinguishes workers of one role."""
        descriptor = None if sock is None else sock.fileno()
        order = WorkerOrder(role=role, settings=self._settings, descriptor=descriptor, owner=self._owner)
        words = [role] if number is None else [role, str(number)]
        metered = role != "generator"
        return Program(
            name="-".join(words),
            # -P: the working directory is the user's, and may hold a redis.py. The words are for readers of `ps`.
            command=(sys.executable, "-P", "-m", "switchboard.process.worker", *words),
            order=order.line(),
            shows_life=True,
            descriptors=() if descriptor is None else (descriptor,),
            environ={METRICS_FOLDER: self._metrics} if metered else {},
            ended=partial(forget_live_gauges, folder=self._metrics) if metered else None,
        )


async def _supervise(
    stages: Sequence[Sequence[Program]],
    sockets: ExitStack,
    meanwhile: Callable[[asyncio.Event], Coroutine[None, None, None]],
) -> None:
    """Run the stages, and then ``meanwhile`` beside them, until a signal sets the event that ``meanwhile`` gets."""
    stop = asyncio.Event()
    async with Supervisor(stop) as supervisor:
        handle_signals(stop, supervisor.force)
        for stage in stages:
            if not stop.is_set():
                await supervisor.start(stage)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(meanwhile(stop))
            await stop.wait()
            task.cancel()
        _log.info("stopping")
        sockets.close()  # once the workers have closed the sockets too, connections are refused instead of left waiting
    if supervisor.failure is not None:
        raise supervisor.failure


def _remove_abandoned_folders() -> None:
    folders = remove_abandoned()
    if folders:
        _log.info("removed the folders of a Switchboard that was killed", folders=[str(folder) for folder in folders])


async def _watch_for_redis(access: RedisAccess, stop: asyncio.Event) -> None:
    """Log once if Redis cannot be reached at the start; the workers go on trying."""
    store = Store(access)
    said = False
    try:
        while not stop.is_set():  # redis-py may swallow a cancellation while it connects
            try:
                await store.ping()
            except StoreError as error:
                if not said:
                    _log.error("no Redis yet, trying on", error=str(error), hint="--redis-url, SWITCHBOARD_REDIS_URL")
                    said = True
            else:
                return
            await asyncio.sleep(_REDIS_POLL_SECONDS)
    finally:
        await store.aclose()


def _api_address(settings: Settings) -> Address:
    return Address(
        host=settings.host, port=settings.port, host_flag="--host", port_flag="--port", variable="SWITCHBOARD_PORT"
    )


def _etl_address(settings: Settings) -> Address:
    return Address(
        host=settings.host,
        port=settings.etl_port,
        host_flag="--host",
        port_flag="--etl-port",
        variable="SWITCHBOARD_ETL_PORT",
    )


def _generator_address(settings: Settings, prefix: str) -> Address:
    return Address(
        host=settings.generator.host,
        port=settings.generator.port,
        host_flag=f"{prefix}host",
        port_flag=f"{prefix}port",
        variable="SWITCHBOARD_GENERATOR_PORT",
    )
