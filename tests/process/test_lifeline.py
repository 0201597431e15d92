"""A worker that hangs, and what only looks like it: real processes, with beats of a few milliseconds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from switchboard.process.lifeline import MOST_SILENT_BEATS, MOST_STARTING_BEATS, Listener
from switchboard.process.supervisor import Program, Supervisor
from tests.lab.processes import Switchboard, get, wait_for
from tests.lab.servers import PATIENCE_SECONDS

BEAT_SECONDS = 0.02

# Shows life until it is told by a signal to compute without an end; "mute": never shows any.
CHILD = textwrap.dedent("""
    import os, signal, sys, time
    def compute(*_):
        while True:
            pass
    signal.signal(signal.SIGUSR1, compute)
    sys.stdin.readline()
    with open(sys.argv[1], "a") as journal:
        journal.write(f"{os.getpid()}\\n")
    while True:
        if "mute" not in sys.argv:
            os.write(0, b"\\n")
        time.sleep(0.01)
""")


def pids(journal: Path) -> list[int]:
    """The ids that the child has had so far."""
    return [int(line) for line in journal.read_text().splitlines()] if journal.exists() else []


async def next_pid(journal: Path, count: int) -> int:
    """The id of the child when it has been started so many times."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(pids(journal)) < count:  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)
    return pids(journal)[count - 1]


@pytest.mark.parametrize(("number", "it_was"), [(signal.SIGSTOP, "stopped by a signal"), (signal.SIGUSR1, "computing")])
async def test_a_child_that_hangs_is_killed_and_started_again(
    number: signal.Signals, it_was: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, or computing without an end: one line says so, and what the child did; another child takes over."""
    monkeypatch.setattr("switchboard.process.supervisor.BEAT_SECONDS", BEAT_SECONDS)
    journal = tmp_path / "journal"
    program = Program(name="c", command=(sys.executable, "-c", CHILD, str(journal)), order=b"\n", shows_life=True)
    with capture_logs() as logs:
        async with Supervisor(asyncio.Event(), stop_seconds=0) as supervisor:
            await supervisor.start([program])
            pid = await next_pid(journal, 1)
            os.kill(pid, number)
            await next_pid(journal, 2)
    (line,) = (line for line in logs if "pid" in line and line["pid"] == pid)
    assert line["event"] == "child hung and was killed"
    assert line["how"] == "SIGKILL"
    assert line["it_was"] == it_was or number is signal.SIGUSR1  # a busy machine may let it wait
    assert line["silent_beats"] > MOST_SILENT_BEATS


async def test_a_child_that_hangs_while_it_starts_is_killed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imports may take long: the first sign has more time."""
    monkeypatch.setattr("switchboard.process.supervisor.BEAT_SECONDS", 0.001)
    journal = tmp_path / "journal"
    command = (sys.executable, "-c", CHILD, str(journal), "mute")
    with capture_logs() as logs:
        async with Supervisor(asyncio.Event(), stop_seconds=0) as supervisor:
            await supervisor.start([Program(name="c", command=command, order=b"\n", shows_life=True)])
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not logs:  # noqa: ASYNC110 - the supervisor logs
                    await asyncio.sleep(0.01)
    assert logs[0]["event"] == "child hung and was killed"
    assert logs[0]["silent_beats"] > MOST_STARTING_BEATS


def test_silence_is_counted_in_beats() -> None:
    """A sign begins the count anew; the first one ends the time for the start."""
    listener = Listener()
    assert not any(listener.beat() for _ in range(MOST_STARTING_BEATS))
    assert listener.beat()
    listener.data_received(b"\n\n")
    assert not any(listener.beat() for _ in range(MOST_SILENT_BEATS))
    assert listener.beat()


# Prints the id of its child at each beat.
SUPERVISE = textwrap.dedent(f"""
    import asyncio, sys
    from switchboard.process import supervisor as module
    from switchboard.process.supervisor import Program, Supervisor, handle_signals

    module.BEAT_SECONDS = {BEAT_SECONDS}

    async def main():
        stop = asyncio.Event()
        async with Supervisor(stop, stop_seconds=0) as supervisor:
            handle_signals(stop, supervisor.force)
            await supervisor.start([Program(name="c", command=sys.argv[1:], order=b"\\n", shows_life=True)])
            while not stop.is_set():
                print(*supervisor.pids().values(), flush=True)
                await asyncio.sleep(module.BEAT_SECONDS)

    asyncio.run(main())
""")


@pytest.mark.parametrize("all_of_them", [False, True], ids=["the supervisor", "everybody"])
def test_nobody_is_killed_because_the_supervisor_stood_still(all_of_them: bool, tmp_path: Path) -> None:
    """The supervisor alone, or all processes as when a machine sleeps: after the pause the child is the same."""
    journal = tmp_path / "journal"
    command = [sys.executable, "-c", SUPERVISE, sys.executable, "-c", CHILD, str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        (child,) = wait_for(lambda: pids(journal), "the child starts")
        stopped = [supervisor.pid, child] if all_of_them else [supervisor.pid]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3 * MOST_SILENT_BEATS * BEAT_SECONDS)  # the pause is what is tested
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        # As many beats as are in a pipe at most, and then twice as many as are silence.
        seen = {supervisor.stdout.readline().strip() for _ in range(20 * MOST_SILENT_BEATS)}
        supervisor.terminate()
        supervisor.communicate(timeout=PATIENCE_SECONDS)
    assert seen - {""} == {str(child)}
    assert pids(journal) == [child]


def test_an_api_worker_that_hangs_is_replaced() -> None:
    """Of two workers one is stopped: its clients get an error at last, not silence, and two answer again."""
    with Switchboard(["--workers", "2", "--interval", "1", "--ttl", "30"]) as system:
        before = set(system.pids("api"))
        hung = min(before)
        os.kill(hung, signal.SIGSTOP)

        def replaced() -> bool:
            now = set(system.pids("api"))
            return len(now) == 2 and hung not in now

        wait_for(replaced, "a new worker")
        assert before - {hung} < set(system.pids("api"))
        wait_for(lambda: get(system.port, "/ready").status == 200, "an answer")
        (line,) = (line for line in system.log_lines if "hung" in line["event"])
        assert line["it_was"] == "stopped by a signal"
