from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from switchboard.config.settings import GeneratorSettings, Settings
from switchboard.errors import ConfigError, PortTaken, SwitchboardError
from switchboard.process.sockets import listen, url_of
from switchboard.process.supervisor import Program, Supervisor, handle_signals
from switchboard.process.worker import WorkerOrder
from tests.lab.processes import free_port, get, wait_for
from tests.lab.servers import PATIENCE_SECONDS

# Notes its start, its order and its end in a file; ends with its standard input, as a worker does.
CHILD = textwrap.dedent("""
    import os, signal, sys
    def note(word):
        with open(sys.argv[2], "a") as journal:
            journal.write(f"{sys.argv[1]} {word} {os.getpid()}\\n")
    def end(*_):
        note("ends")
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else end)
    note("got " + sys.stdin.readline().strip())
    if "quits" in sys.argv:
        sys.exit(int(sys.argv[-1]))
    sys.stdin.read()
    note("alone")
""")


class Journal:
    """What children noted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def program(self, name: str, *words: str, **options: Any) -> Program:
        command = (sys.executable, "-c", CHILD, name, str(self.path), *words)
        return Program(name=name, command=command, order=b"order\n", **options)

    @property
    def notes(self) -> list[tuple[str, str, int]]:
        """Child, word and process id, in order."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(line.split()[0], " ".join(line.split()[1:-1]), int(line.split()[-1])) for line in lines]

    def starts(self, name: str) -> list[int]:
        """Process ids of the child, one for each start."""
        return [pid for child, word, pid in self.notes if child == name and word == "got order"]

    async def wait_start(self, name: str, count: int = 1) -> int:
        """Wait until the child has started that many times; return the last process id."""
        await until(lambda: len(self.starts(name)) >= count, f"{name} starts")
        return self.starts(name)[-1]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


async def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition while the loop runs."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - another process makes it true
                await asyncio.sleep(0.01)
    assert condition(), what


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_stages_start_in_order_and_stop_in_reverse(journal: Journal) -> None:
    """A later stage starts after an earlier one and is gone before that is told to stop."""
    async with Supervisor(asyncio.Event()) as supervisor:
        for name in ("sink", "middle", "source"):
            await supervisor.start([journal.program(name)])
            await journal.wait_start(name)
        assert list(supervisor.pids()) == ["sink", "middle", "source"]
    assert [(name, word) for name, word, _ in journal.notes] == [
        ("sink", "got order"),
        ("middle", "got order"),
        ("source", "got order"),
        ("source", "ends"),
        ("middle", "ends"),
        ("sink", "ends"),
    ]
    assert not any(is_alive(pid) for _, _, pid in journal.notes)


async def test_a_stage_is_ready_before_the_next_one_starts(journal: Journal) -> None:
    """``start`` returns when all programs of the stage are ready."""
    ready = asyncio.Event()

    async def wait_ready() -> None:
        await journal.wait_start("sink")
        ready.set()

    async with Supervisor(asyncio.Event()) as supervisor:
        await supervisor.start([journal.program("sink", ready=wait_ready)])
        assert ready.is_set()


async def test_a_program_that_is_not_ready_is_an_error_and_nothing_is_left(journal: Journal) -> None:
    """The error of ``ready`` comes out of ``start`` as it is, and the children end."""

    async def never_ready() -> None:
        await journal.wait_start("sink")
        raise SwitchboardError("not ready")

    async with Supervisor(asyncio.Event()) as supervisor:
        with pytest.raises(SwitchboardError, match="not ready"):
            await supervisor.start([journal.program("sink", ready=never_ready)])
    assert [word for _, word, _ in journal.notes] == ["got order", "ends"]


async def test_stop_ends_the_wait_for_ready(journal: Journal) -> None:
    """A stop during the start does not wait until everything is up."""
    stop = asyncio.Event()
    async with Supervisor(stop) as supervisor:
        asyncio.get_running_loop().call_soon(stop.set)
        await supervisor.start([journal.program("sink", ready=partial(asyncio.sleep, 60))])


async def test_a_child_that_dies_is_started_again(journal: Journal) -> None:
    """Each death is one log line with its cause, and the child is there again, with the same order."""
    ended: list[int] = []
    with capture_logs() as logs:
        async with Supervisor(asyncio.Event()) as supervisor:
            await supervisor.start([journal.program("child", ended=ended.append)])
            for deaths in range(1, 4):
                os.kill(await journal.wait_start("child", deaths), signal.SIGKILL)
            await journal.wait_start("child", 4)
    died = [line for line in logs if line["event"] == "child died"]
    assert [line["how"] for line in died] == ["SIGKILL"] * 3
    assert [line["deaths"] for line in died] == [1, 2, 3]
    assert [line["restart_in_seconds"] for line in died] == [0.1, 0.2, 0.4]
    assert ended == journal.starts("child")


async def test_pause_starts_anew_after_a_steady_life(journal: Journal) -> None:
    """A child that stayed up does not pay for deaths of long ago."""
    with capture_logs() as logs:
        async with Supervisor(asyncio.Event(), steady_seconds=0) as supervisor:
            await supervisor.start([journal.program("child")])
            for deaths in range(1, 4):
                os.kill(await journal.wait_start("child", deaths), signal.SIGTERM)
            await journal.wait_start("child", 4)
    died = [line for line in logs if line["event"] == "child died"]
    assert [(line["how"], line["restart_in_seconds"]) for line in died] == [("exit code 0", 0.1)] * 3


async def test_a_child_that_cannot_be_configured_stops_everything(journal: Journal) -> None:
    """Exit code 2 is not worth a second try: the others stop too, and the failure names the child."""
    stop = asyncio.Event()
    async with Supervisor(stop) as supervisor:
        await supervisor.start([journal.program("other"), journal.program("child", "quits", "2")])
        await asyncio.wait_for(stop.wait(), PATIENCE_SECONDS)
    assert isinstance(supervisor.failure, ConfigError)
    assert "child" in str(supervisor.failure)
    assert len(journal.starts("child")) == 1


async def test_a_deaf_child_is_killed_after_the_deadline(journal: Journal) -> None:
    """Who does not heed SIGTERM gets SIGKILL, and a log line says so."""
    with capture_logs() as logs:
        async with Supervisor(asyncio.Event(), stop_seconds=0.3) as supervisor:
            await supervisor.start([journal.program("deaf", "deaf")])
            await journal.wait_start("deaf")
    assert [line["child"] for line in logs if line["event"] == "child killed"] == ["deaf"]
    assert not is_alive(journal.starts("deaf")[0])


async def test_force_does_not_wait_for_the_deadline(journal: Journal) -> None:
    """Told twice, the supervisor kills what is left, at once."""
    with capture_logs() as logs:
        async with Supervisor(asyncio.Event(), stop_seconds=60) as supervisor:
            await supervisor.start([journal.program("deaf", "deaf")])
            await journal.wait_start("deaf")
            asyncio.get_running_loop().call_later(0.1, supervisor.force)
    assert [line["children"] for line in logs if "told twice" in line["event"]] == [["deaf"]]
    assert not is_alive(journal.starts("deaf")[0])


async def test_a_program_that_does_not_exist_is_an_error() -> None:
    """A command that cannot be run is an error of ours."""
    async with Supervisor(asyncio.Event()) as supervisor:
        with pytest.raises(SwitchboardError, match="cannot start /nonexistent"):
            await supervisor.start([Program(name="x", command=["/nonexistent"])])


async def test_two_signals_at_once_are_one_wish() -> None:
    """A signal that comes twice, as from make, stops; only one that comes later forces."""
    stop, forced = asyncio.Event(), asyncio.Event()
    handle_signals(stop, forced.set)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
        assert not forced.is_set()

        async def again() -> None:
            while not forced.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(0.05)

        await asyncio.wait_for(again(), PATIENCE_SECONDS)
    finally:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


SUPERVISE = textwrap.dedent("""
    import asyncio, sys
    from switchboard.process.supervisor import Program, Supervisor, handle_signals

    async def main():
        stop = asyncio.Event()
        async with Supervisor(stop) as supervisor:
            handle_signals(stop, supervisor.force)
            worker = [sys.executable, "-P", "-m", "switchboard.process.worker"]
            await supervisor.start([
                Program(name="foreign", command=["sleep", "60"], foreign=True),
                Program(name="generator", command=worker, order=sys.argv[1].encode(), descriptors=[int(sys.argv[2])]),
            ])
            print(*supervisor.pids().values(), flush=True)
            await stop.wait()

    asyncio.run(main())
""")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_no_child_outlives_the_supervisor(number: signal.Signals) -> None:
    """However the supervisor ends, by force too, its children end: workers by their pipe, others by the kernel."""
    with listen("127.0.0.1", 0, host_option="", port_option="") as sock:
        port = sock.getsockname()[1]
        order = WorkerOrder(role="generator", settings=Settings(), descriptor=sock.fileno()).line().decode()
        supervisor = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, order, str(sock.fileno())],
            pass_fds=[sock.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with supervisor:
            assert supervisor.stdout is not None
            pids = [int(word) for word in supervisor.stdout.readline().split()]
            assert len(pids) == 2
            wait_for(lambda: get(port, "/health").status == 200, "the worker answers")
            supervisor.send_signal(number)
            assert supervisor.wait(PATIENCE_SECONDS) == (-number if number is signal.SIGKILL else 0)
        wait_for(lambda: not any(map(is_alive, pids)), "all children end")


def test_a_worker_ends_with_a_supervisor_that_has_read_no_sign_of_life() -> None:
    """The system then resets the line instead of closing it."""
    ours, theirs = socket.socketpair()
    with listen("127.0.0.1", 0, host_option="", port_option="") as sock, ours, theirs:
        order = WorkerOrder(role="generator", settings=Settings(), descriptor=sock.fileno()).line()
        command = [sys.executable, "-P", "-m", "switchboard.process.worker"]
        with subprocess.Popen(
            command, stdin=theirs.fileno(), stderr=subprocess.PIPE, pass_fds=[sock.fileno()]
        ) as worker:
            theirs.close()
            ours.sendall(order)
            ours.settimeout(PATIENCE_SECONDS)
            assert ours.recv(1, socket.MSG_PEEK) == b"\n"
            ours.close()
            _, log = worker.communicate(timeout=PATIENCE_SECONDS)
    assert worker.returncode == 0
    assert b"supervisor gone, stopping" in log


def run_worker(order: bytes, *, descriptors: Sequence[int] = ()) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and log of a worker whose standard input ends after the order."""
    run = subprocess.run(
        [sys.executable, "-P", "-m", "switchboard.process.worker"],
        input=order,
        pass_fds=descriptors,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return run.returncode, [json.loads(line) for line in run.stderr.decode().splitlines()]


def test_a_worker_that_cannot_be_configured_says_so() -> None:
    """Settings that can never work are one error line and exit code 2, without a traceback."""
    settings = Settings(generator=GeneratorSettings(switches="a,a"))
    with listen("127.0.0.1", 0, host_option="", port_option="") as sock:
        order = WorkerOrder(role="generator", settings=settings, descriptor=sock.fileno())
        code, lines = run_worker(order.line(), descriptors=[sock.fileno()])
    assert code == 2
    (line,) = [line for line in lines if line["level"] == "error"]
    assert line["service"] == "generator"
    assert "twice" in line["error"]


def test_a_worker_without_a_supervisor_ends() -> None:
    """Standard input that ends before there is an order, or after it, ends the worker with exit code 0."""
    assert run_worker(b"") == (0, [])
    with listen("127.0.0.1", 0, host_option="", port_option="") as sock:
        order = WorkerOrder(role="generator", settings=Settings(), descriptor=sock.fileno())
        code, lines = run_worker(order.line(), descriptors=[sock.fileno()])
    assert code == 0
    assert "supervisor gone, stopping" in [line["event"] for line in lines]


def test_a_taken_port_is_named() -> None:
    """Listening where another one listens is an error with port and host; `ports.py` says what to type."""
    with listen("127.0.0.1", 0, host_option="--host", port_option="--port") as sock:
        port = sock.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port, host_option="--host", port_option="--port")


@pytest.mark.parametrize(
    ("host", "complaint"),
    [("192.0.2.1", "not an address of this machine"), ("no such host", "not the name or address")],
)
def test_a_host_that_is_not_ours_is_an_error(host: str, complaint: str) -> None:
    """An address of another machine and a name that does not exist are errors with the option."""
    with pytest.raises(ConfigError, match=f"{complaint}.*--host"):
        listen(host, free_port(), host_option="--host", port_option="--port")


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", None)])
def test_url_is_one_that_this_machine_can_use(host: str, shown: str | None) -> None:
    """A socket on all addresses is shown with one that can be asked."""
    with listen(host, 0, host_option="", port_option="") as sock:
        url = url_of(sock)
        assert url.endswith(f":{sock.getsockname()[1]}")
        assert shown is None or url.startswith(f"http://{shown}:")
