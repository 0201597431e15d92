"""Connections to Redis: two pools with different deadlines.

*control* is the pool for small keys (CONTROL_SECONDS, one retry, because all its calls may be repeated), *bulk* the
pool for blocks and indexes (BULK_SECONDS, no retry). ``failures.py`` says in words what goes wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from redis import exceptions
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider

from switchboard.clocks import boottime
from switchboard.config.redis import RedisAccess, redis_password, redis_tls
from switchboard.errors import ConfigError, SwitchboardError
from switchboard.store.failures import Failures, is_of_wrong_server, refuses_clients

CONTROL_SECONDS = 0.5
BULK_SECONDS = 3.0
MOST_CONNECTIONS = 1024
"""Per pool: an ETL may have hundreds of sources, and calls the store for each of them at its own time."""
RECONNECT_SECONDS = 0.5
"""Least time between two occasions on which all connections are given up."""

UNREADABLE = (ValueError, RecursionError)
"""What msgspec raises for a value that cannot be read: its own errors, and those of broken UTF-8, are ValueErrors."""


class Connections:
    """The two pools of one Redis. They connect when they are first used."""

    def __init__(self, access: RedisAccess) -> None:
        self.shown_url = access.shown_url
        self._credentials = _Credentials(access)
        self._failures = Failures(access.shown_url, access.user or "default", MOST_CONNECTIONS)
        self.control = self._client(access, CONTROL_SECONDS, retries=1)
        self.bulk = self._client(access, BULK_SECONDS, retries=0)
        self.given_up = 0
        """How often all connections were given up; a long use of a connection sees by it that it has ended."""
        self._given_up_at = float("-inf")

    async def aclose(self) -> None:
        """Close all connections."""
        await self.control.aclose()
        await self.bulk.aclose()

    @contextlib.asynccontextmanager
    async def translated(self, what: str, command: str = "", key: str = "") -> AsyncIterator[None]:
        """Translate the errors of a call: StoreUnavailable for a broken connection, StoreError for a refusal.

        ``what`` is the call, for the text of the error: "cannot {what}"; ``command`` and ``key`` are what it sends. An
        answer that only a server gives that is not the primary, or not yet, ends all connections: behind the same
        address another server may be the primary by now.
        """
        try:
            async with _heard_when_cancelled():
                yield
        except SwitchboardError:
            raise
        except Exception as error:
            if is_of_wrong_server(error):
                await self.give_up()
            raise self._failures.explained(error, what, command, key, self._credentials.secret) from error

    async def give_up(self) -> None:
        """Close idle connections now, and the others after their calls; at most once per RECONNECT_SECONDS."""
        now = boottime()
        if now - self._given_up_at < RECONNECT_SECONDS:
            return
        self._given_up_at = now
        self.given_up += 1
        for client in (self.control, self.bulk):
            pool = client.connection_pool
            with contextlib.suppress(Exception):  # the connections are closed, whatever error comes meanwhile
                await pool.update_active_connections_for_reconnect()
                await pool.disconnect(inuse_connections=False)

    def _client(self, access: RedisAccess, timeout_seconds: float, *, retries: int) -> Any:
        kind, place = _kind(access)
        pool = ConnectionPool(
            connection_class=kind,
            max_connections=MOST_CONNECTIONS,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=CONTROL_SECONDS,
            retry=Retry(NoBackoff(), retries),
            protocol=2,
            db=access.db,
            credential_provider=self._credentials if self._credentials.needed else None,
            driver_info=None,  # CLIENT SETINFO, which tells it, is one more command for which a user needs the right
            **place,
        )
        return Redis.from_pool(pool)


class _Credentials(CredentialProvider):
    """User and password for each new connection; a password in a file is read anew."""

    def __init__(self, access: RedisAccess) -> None:
        self.needed = bool(access.user or access.password or access.password_file)
        self.secret = access.password
        """The password that was sent last, to be masked in errors."""
        self._access = access

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            self.secret = redis_password(self._access)
        except ConfigError as error:
            # redis-py ends the half-made connection for its own errors only.
            raise exceptions.ConnectionError(str(error)) from error
        return (self._access.user, self.secret) if self._access.user else (self.secret,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


class _Greeting:
    """Asks a new connection for a PING: a server that refuses clients says why in the first answer, and closes.

    Without a question, redis-py says "Connection not ready" in place of the reason. Another refusal is left to the call
    that the connection is made for: a server that cannot save to its disk refuses PING, and may still be read.
    """

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        connection: Any = self
        await super().on_connect_check_health(check_health)  # type: ignore[misc]
        await connection.send_command("PING", check_health=False)
        try:
            await connection.read_response()
        except exceptions.ResponseError as error:
            if refuses_clients(error):
                raise


class _Tcp(_Greeting, Connection):
    """Without TLS."""


class _Unix(_Greeting, UnixDomainSocketConnection):
    """Through a Unix socket."""


class _Tls(_Greeting, SSLConnection):
    """With TLS. Certificates are read for each connection, so that they can be replaced."""

    def __init__(self, *, access: RedisAccess, **rest: Any) -> None:
        super().__init__(**rest)
        self._access = access

    async def _connect(self) -> None:
        # Before the time for connecting begins: reading the system's certificates takes a while.
        self.ssl_context.context = redis_tls(self._access)
        await super()._connect()  # type: ignore[no-untyped-call]


def _kind(access: RedisAccess) -> tuple[type[Any], dict[str, Any]]:
    """The class of the connections, and what it needs to know of the address."""
    if access.path:
        return _Unix, {"path": access.path}
    place: dict[str, Any] = {"host": access.host, "port": access.port}
    return (_Tls, place | {"access": access}) if access.tls else (_Tcp, place)


@contextlib.asynccontextmanager
async def _heard_when_cancelled() -> AsyncIterator[None]:
    """Raise CancelledError at the end if this task was cancelled within and the cancellation was lost.

    redis-py sends with asyncio.wait_for, which in Python 3.11 loses a cancellation that comes together with the result
    (python/cpython#86296, mended in 3.12). Without this, a scrape might not stop, or not end at its timeout.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    except Exception as error:
        if task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task.cancelling() > before:
        raise asyncio.CancelledError
