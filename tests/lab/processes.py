"""A whole Switchboard as its users start it: real processes, found, watched and killed by their ids.

Used by the integration tests, the test of the documents and the benchmarks.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from redis import Redis

from switchboard.store.embedded import find_server

T = TypeVar("T")

LONG = bool(os.environ.get("SWITCHBOARD_TEST_LONG"))
"""Whether tests of faults run all their combinations, and as long as before a release (`make test-long`)."""

# Guards against hanging: no test is to fail because a machine is slow.
START_SECONDS = 240.0
STOP_SECONDS = 120.0
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, whole; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def get(
    port: int,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    timeout: float = ANSWER_SECONDS,
) -> Reply:
    """One request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, target, headers=dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def wait_for(condition: Callable[[], T | None], what: str, seconds: float = START_SECONDS) -> T:
    """Call until the result is true, and return it; connection errors count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            result = condition()
            if result:
                return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections there. Raises OSError if not."""
    socket.create_connection(("127.0.0.1", port), 1).close()
    return True


@contextlib.contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Python's own static file server; yields its URL."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: listens(port), "the file server listens")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@dataclass
class Switchboard:
    """``switchboard up`` with ports of its own. Use as a context manager."""

    options: list[str] = field(default_factory=list)
    generator: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)
    wait: bool = True
    """Until /ready is 200."""
    command: str = "up"

    def __enter__(self) -> Self:
        self.port = free_port()
        self.generator_port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="switchboard-test-")
        self.log_file = Path(self._folder.name) / "log"
        self.out_file = Path(self._folder.name) / "out"
        arguments = [self.command, "--port", str(self.port), *self.options]
        if self.command == "up":
            arguments += ["--generator-port", str(self.generator_port)] if self.generator else ["--no-generator"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
        with self.log_file.open("wb") as log, self.out_file.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "switchboard", *arguments],
                cwd=self._folder.name,
                env={**inherited, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        try:
            if self.wait:
                wait_for(self._ready, "switchboard is ready")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            print(self.log)  # pytest shows it with the failure
        self._folder.cleanup()

    def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"switchboard ended with {self.process.returncode}")
        return self.get("/ready").status == 200

    def get(self, target: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Reply:
        """Send a request to the API, by default a GET."""
        return get(self.port, target, headers, method=method)

    @property
    def log(self) -> str:
        """The log so far."""
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        """The log's JSON lines."""
        lines = []
        for line in self.log.splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return lines

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self.out_file.read_text("utf-8", "replace")

    @property
    def redis_socket(self) -> str:
        """Path of the private Redis' socket, as `up` prints it."""
        return wait_for(lambda: re.search(r"-s (\S+)", self.output), "the redis-cli line")[1]

    def crash(self) -> None:
        """Kill the process and its children at once, with SIGKILL: none can say goodbye, or start another again."""
        pids = [self.process.pid, *self.children()]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.wait()

    def children(self) -> dict[int, str]:
        """The processes that `up` has started, with their command lines."""
        return dict(children_of(self.process.pid))

    def pids(self, name: str) -> list[int]:
        """Ids of the children whose command line has this word: redis-server, generator, etl, api (or api-1, …)."""
        return [pid for pid, command in self.children().items() if name in re.split(r"[\s/]", command)]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to all children of a name."""
        for pid in self.pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def children_of(parent: int) -> Iterator[tuple[int, str]]:
    """The processes that a process has started: ids and command lines."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in brackets may hold blanks: the parent's id is the second field after it.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024  # type: ignore[index]


class RedisServer:
    """A Redis on a TCP port, without persistence: stopped and started again, it is empty. Use as a context manager.

    ``server`` is the program, by default the one that ``find_server`` finds; ``environ`` is added to our environment.
    """

    def __init__(
        self, port: int, password: str = "", *, server: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0"
        self._password = password
        self._server = server
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        arguments += ["--requirepass", self._password] if self._password else []
        self._folder = tempfile.TemporaryDirectory(prefix="switchboard-test-")  # a replica writes what it is sent
        arguments += ["--dir", self._folder.name]
        self._process = subprocess.Popen(
            [self._server or find_server(), *arguments],
            env={**os.environ, **self._environ},
            stdout=subprocess.DEVNULL,
        )
        wait_for(lambda: listens(self.port), "Redis listens")

    def ask(self, *words: str | int) -> Any:
        """The answer to one command, on a connection of its own. Raises redis.RedisError."""
        with Redis(port=self.port, password=self._password or None, protocol=2, decode_responses=True) as client:
            return client.execute_command(*words)

    def stop(self) -> None:
        """End it, if it runs, and wait for that."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
            self._process = None
            self._folder.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
