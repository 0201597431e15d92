"""How Redis is reached and what it is shown: passwords and certificates in files, and users with few rights."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from switchboard.config.redis import redis_access
from switchboard.config.settings import Settings
from switchboard.errors import StoreError, StoreRefused, StoreUnavailable
from switchboard.store import keys
from switchboard.store.embedded import EmbeddedRedis
from switchboard.store.store import Store
from tests.lab.certificates import Certificates, make_certificates
from tests.lab.processes import free_port
from tests.lab.servers import RedisKind, eventually, redis_kinds, running_redis
from tests.store.harness import packed_as, publish, taken

SINGLE = [kind for kind in redis_kinds() if not kind.cluster]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def store_of(**settings: Any) -> contextlib.aclosing[Store]:
    return contextlib.aclosing(Store(redis_access(Settings(**settings))))


async def test_the_password_is_read_from_its_file_for_each_new_connection(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    """So it can be replaced while we run; without its file the error names setting and path, and heals with it."""
    file = tmp_path / "password"
    file.write_text("first-pw\n")
    async with (
        Redis.from_url(redis_server.url) as client,
        store_of(redis_url=redis_server.url, redis_password_file=str(file)) as store,
    ):
        await client.config_set("requirepass", "first-pw")
        await store.ping()
        await client.config_set("requirepass", "second-pw")
        await store.ping()  # on the connection that there is
        await store.reconnect()
        with pytest.raises(StoreRefused, match="refuses the user or password") as refused:
            await store.ping()
        file.unlink()
        with pytest.raises(StoreError, match=f"`redis_password_file`.*{file}.*No such file"):
            await store.ping()
        file.write_text("second-pw")
        await store.ping()
        assert "first-pw" not in str(refused.value) + repr(store)


async def test_a_connection_without_its_password_is_not_used(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    """Of a server that lets anybody in, too: no command goes out before the password could be read."""
    async with (
        Redis.from_url(redis_server.url) as client,
        store_of(redis_url=redis_server.url, redis_password_file=str(tmp_path / "gone")) as store,
    ):
        for _ in range(3):
            with pytest.raises(StoreError, match="redis_password_file"):
                await store.leases.take("lab", "me")
        assert await client.keys("*") == []


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
async def test_a_missing_right_is_named(kind: RedisKind) -> None:
    """User, command and key, in a script or not, and where the rights are written down."""
    async with running_redis(kind) as server, Redis.from_url(server.url) as untyped:
        client: Any = untyped
        await client.execute_command(
            "ACL", "SETUSER", "few", "on", ">pw", "~sb:{lab}:*", "-@all", "+ping", "+pttl", "+evalsha", "+script|load"
        )
        async with store_of(redis_url=server.url.replace("unix://", "unix://few:pw@")) as store:
            for call, source, command, key in (
                (store.snapshots.pointer, "lab", "GET", keys.pointer("lab")),
                (store.snapshots.pointer, "other", "PTTL", keys.pointer("other")),
                (store.sources.forget, "lab", "ZREM", keys.SOURCES),
                (partial(store.leases.take, owner="me"), "lab", "take_lease.lua", keys.lease("lab")),
                (partial(store.leases.take, owner="me"), "other", "EVALSHA of take_lease.lua", keys.lease("other")),
            ):
                with pytest.raises(StoreRefused, match=r"docs/operation\.md") as denied:
                    await call(source)
                assert [word for word in ("'few'", command, key) if word not in str(denied.value)] == []


@contextlib.asynccontextmanager
async def tls_redis(certificates: Certificates) -> AsyncIterator[str]:
    """A Redis that talks TLS only, and wants a certificate of its clients; yields its URL."""
    system = shutil.which("redis-server")
    if system is None:
        pytest.skip("no redis-server of the system: that of the package knows no TLS")
    port = free_port()
    arguments = [
        *("--tls-port", str(port), "--tls-cert-file", str(certificates.cert("server"))),
        *("--tls-key-file", str(certificates.key("server")), "--tls-ca-cert-file", str(certificates.ca)),
    ]
    async with EmbeddedRedis(arguments=arguments, server=Path(system)):
        yield f"rediss://127.0.0.1:{port}/0"


async def told(store: Store, pattern: str) -> None:
    """Ask until the error says so: on a machine with load, time may be up before TLS is agreed on."""

    async def said() -> bool:
        with pytest.raises(StoreUnavailable) as raised:
            await store.ping()
        return re.search(pattern, str(raised.value)) is not None

    await eventually(said, pattern)


async def test_tls_with_a_client_certificate(certificates: Certificates, tmp_path: Path) -> None:
    """Pool by pool: a whole publication goes over it, and a certificate that was replaced is shown from then on."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(certificates.cert("client"), cert)
    shutil.copy(certificates.key("client"), key)
    async with tls_redis(certificates) as url:
        settings: Any = {"redis_url": url, "redis_ca_file": str(certificates.ca)}
        async with store_of(**settings, redis_client_cert=str(cert), redis_client_key=str(key)) as store:
            lease = await taken(store)
            await publish(store, packed_as(lease), lease)
            cert.unlink()
            await store.ping()
            await store.reconnect()
            with pytest.raises(StoreError, match=f"`redis_client_cert`: {cert}: No such file"):
                await store.ping()
            shutil.copy(certificates.cert("client"), cert)
            await store.ping()
        async with store_of(**settings) as store:
            await told(store, r"(?i)TLS.*certificate.*redis_client_cert")
        async with store_of(redis_url=url) as store:
            await told(store, r"TLS.*CERTIFICATE_VERIFY_FAILED.*redis_ca_file")
        words = f"?ssl_ca_certs={certificates.ca}&ssl_certfile={cert}&ssl_keyfile={key}"
        async with store_of(redis_url=url + words) as store:
            await store.ping()
