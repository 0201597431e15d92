"""Connections to Redis: two pools with different deadlines, and the translation of their failures.

*control* is the pool for small keys (CONTROL_SECONDS, one retry, because all its calls may be repeated), *bulk* the
pool for blocks and indexes (BULK_SECONDS, no retry).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from switchboard.clocks import boottime
from switchboard.config.masks import MASK, mask_url
from switchboard.errors import StoreError, StoreUnavailable, SwitchboardError

CONTROL_SECONDS = 0.5
BULK_SECONDS = 3.0
MOST_CONNECTIONS = 1024
"""Per pool: an ETL may have hundreds of sources, and calls the store for each of them at its own time."""
RECONNECT_SECONDS = 0.5
"""Least time between two occasions on which all connections are given up."""

UNREADABLE = (ValueError, RecursionError)
"""What msgspec raises for a value that cannot be read: its own errors, and those of broken UTF-8, are ValueErrors."""

_WRONG_SERVER = (exceptions.ReadOnlyError, exceptions.MasterDownError)
# Redis 6.2 puts the error of a command in a script into the text of another error.
_WRONG_SERVER_TEXT = re.compile(r"(?:^|[-\s])(?:READONLY|MASTERDOWN|LOADING|NOAUTH|NOREPLICAS)\b")


class Connections:
    """The two pools of one Redis. They connect when they are first used."""

    def __init__(self, url: str) -> None:
        self.shown_url = mask_url(url)
        self._password = unquote(urlsplit(url).password or "")
        self.control = _client(url, CONTROL_SECONDS, retries=1)
        self.bulk = _client(url, BULK_SECONDS, retries=0)
        self.given_up = 0
        """How often all connections were given up; a long use of a connection sees by it that it has ended."""
        self._given_up_at = float("-inf")

    async def aclose(self) -> None:
        """Close all connections."""
        await self.control.aclose()
        await self.bulk.aclose()

    @contextlib.asynccontextmanager
    async def translated(self, what: str) -> AsyncIterator[None]:
        """Translate the errors of a call: StoreUnavailable for a broken connection, StoreError for a refusal.

        ``what`` is the call, for the text of the error: "cannot {what}". An answer that only a server gives that is not
        the primary, or not yet, ends all connections: behind the same address another server may be the primary by now.
        """
        try:
            async with _heard_when_cancelled():
                yield
        except SwitchboardError:
            raise
        except exceptions.AuthenticationError as error:  # in redis-py a ConnectionError
            await self.give_up()
            raise StoreError(f"cannot {what}: {self.shown_url} refuses the user or password") from error
        except exceptions.BusyLoadingError as error:  # in redis-py a ConnectionError too
            await self.give_up()
            raise StoreUnavailable(f"cannot {what}: {self.shown_url} is loading its data") from error
        except exceptions.MaxConnectionsError as error:  # and this one too
            raise StoreUnavailable(f"cannot {what}: more than {MOST_CONNECTIONS} calls at once") from error
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"cannot {what}: {self.shown_url} does not answer ({self._brief(error)})") from error
        except exceptions.RedisError as error:
            if isinstance(error, _WRONG_SERVER) or _WRONG_SERVER_TEXT.search(str(error)):
                await self.give_up()
            raise StoreError(f"cannot {what}: {self.shown_url} refuses ({self._brief(error)})") from error
        except Exception as error:
            # A connection that is reset in the middle of a call fails in many ways: uvloop raises RuntimeError,
            # redis-py AttributeError. None of these errors may end the process.
            told = f"{type(error).__name__}: {self._brief(error)}"
            raise StoreUnavailable(f"cannot {what}: the connection to {self.shown_url} broke ({told})") from error

    def _brief(self, error: Exception) -> str:
        """The text of an error without the password: a server that does not know AUTH quotes its arguments."""
        text = str(error).partition(", with args beginning with")[0] or type(error).__name__
        return text.replace(self._password, MASK) if self._password else text

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


def _client(url: str, timeout_seconds: float, *, retries: int) -> Any:
    return Redis.from_url(
        url,
        max_connections=MOST_CONNECTIONS,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=CONTROL_SECONDS,
        retry=Retry(NoBackoff(), retries),
        protocol=2,
    )
