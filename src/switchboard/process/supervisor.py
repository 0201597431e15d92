"""The supervisor: runs child processes, and restarts them, until it is told to stop.

Children start in stages, and stop in the reverse order: a program that others use starts before them, and stops after
them. A child that dies is started again, after a pause that doubles while the child keeps dying. A worker that hangs is
killed, which is a death like any other. A child that ends with EXIT_CONFIG can never run with these settings: then
everything stops.

No child outlives the supervisor, however the supervisor ends. Each worker's standard input is a lifeline. When it
closes, the worker knows that the supervisor is gone, and ends. The kernel ends other programs (``Program.foreign``).
Each child is a session of its own, so that Ctrl-C in the terminal reaches only the supervisor, which then stops the
children in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from switchboard.errors import ConfigError, SwitchboardError
from switchboard.process.lifeline import BEAT_SECONDS, Listener, state_of
from switchboard.process.worker import EXIT_CONFIG
from switchboard.store.embedded import die_with_parent

STOP_SECONDS = 7.0
"""Time for all stages together to stop."""
LEAST_STOP_SECONDS = 0.5
"""Time that each stage has at least, however long the others took."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 3.0
"""A child that lived for at least this time is restarted after the first, short pause."""
SAME_SIGNAL_SECONDS = 0.5
"""Signals that come within this time of the first one count as the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A child process: what to run, and how."""

    name: str
    command: Sequence[str]
    order: bytes = b""
    """Bytes for the standard input of the child, which then stays open."""
    descriptors: Sequence[int] = ()
    """File descriptors that the child inherits, with the same numbers."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Environment variables, in addition to ours."""
    shows_life: bool = False
    """Sends signs of life on its standard input, and is killed when they cease."""
    foreign: bool = False
    """Not our own worker: its output is dropped, and the kernel kills it when the supervisor dies."""
    ready: Callable[[], Coroutine[None, None, None]] | None = None
    """Called and awaited after the first start. Raises SwitchboardError if the program does not come up."""
    ended: Callable[[int], None] | None = None
    """Called with the process id after each death."""


class _Child:
    """A program, and its current process, if there is one."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: asyncio.subprocess.Process | None = None
        self.line: asyncio.Transport | None = None
        self.listener = Listener()
        self.hung = ""
        """What the process did when it was killed because it showed no life; empty if it was not."""
        self.gone = asyncio.Event()
        """Set when the process has ended and will not be started again."""

    @property
    def pid(self) -> int | None:
        """Id of the process, if it is alive."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """Runs programs in stages until ``stop`` is set.

    Use ``async with Supervisor(stop) as supervisor``, ``await supervisor.start(...)`` once per stage, then
    ``await stop.wait()``. Leaving the block stops the stages in reverse order.

    Args:
        stop: ends everything. A signal handler sets it, and so does the supervisor when a child ends with EXIT_CONFIG.
        stop_seconds: time after which children that still run are killed.
        steady_seconds: a child that lived for at least this time is restarted after the first, short pause.
    """

    def __init__(
        self, stop: asyncio.Event, *, stop_seconds: float = STOP_SECONDS, steady_seconds: float = STEADY_SECONDS
    ) -> None:
        self.stop = stop
        self.failure: ConfigError | None = None
        """Why everything stops, if a child has ended with EXIT_CONFIG."""
        self._stop_seconds = stop_seconds
        self._steady_seconds = steady_seconds
        self._stages: list[list[_Child]] = []
        self._forced = False
        self._keepers = asyncio.TaskGroup()
        self._log = structlog.get_logger()

    async def __aenter__(self) -> Self:
        await self._keepers.__aenter__()
        self._keepers.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        deadline = time.monotonic() + self._stop_seconds
        for stage in reversed(self._stages):
            await self._stop_stage(stage, deadline)
        if isinstance(error, asyncio.CancelledError):
            await self._keepers.__aexit__(kind, error, trace)
        else:  # a task group would wrap an error of the block
            await self._keepers.__aexit__(None, None, None)

    def force(self) -> None:
        """Kill all children that still run, without waiting."""
        if not self._forced:
            self._forced = True
            self._log.warning("told twice to stop: killing", children=sorted(self.pids()))
        for stage in self._stages:
            for child in stage:
                child.signal(signal.SIGKILL)

    def pids(self) -> dict[str, int]:
        """Process ids of the running children, by name."""
        children = [child for stage in self._stages for child in stage]
        return {child.program.name: child.pid for child in children if child.pid is not None}

    async def start(self, programs: Iterable[Program]) -> None:
        """Start the programs of a stage in order, and wait until all are ready or ``stop`` is set.

        Raises SwitchboardError if a program cannot be started or is not ready in time.
        """
        stage: list[_Child] = []
        self._stages.append(stage)
        for program in programs:
            child = _Child(program)
            try:
                await self._spawn(child)
            except OSError as error:
                raise SwitchboardError(f"cannot start {program.command[0]}: {error.strerror}") from error
            stage.append(child)
            self._keepers.create_task(self._keep(child), name=f"keep {program.name}")
        for child in stage:
            if child.program.ready is not None:
                await self._unless_stopped(child.program.ready())

    async def _spawn(self, child: _Child) -> None:
        program = child.program
        quiet = subprocess.DEVNULL if program.foreign else None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                child.process = await asyncio.create_subprocess_exec(
                    *program.command,
                    stdin=subprocess.DEVNULL if program.foreign else theirs.fileno(),
                    stdout=quiet,
                    stderr=quiet,
                    env={**os.environ, **program.environ},
                    pass_fds=tuple(program.descriptors),
                    start_new_session=True,
                    preexec_fn=die_with_parent() if program.foreign else None,
                )
            except BaseException:
                ours.close()
                raise
        child.listener, child.hung = Listener(), ""
        child.line, _ = await asyncio.get_running_loop().create_connection(lambda: child.listener, sock=ours)
        child.line.write(program.order)  # if the child has died already, ``_keep`` notices
        if self.stop.is_set():  # stopped while the child was started again
            child.signal(signal.SIGTERM)

    async def _watch(self) -> None:
        """Kill children that show no life, until everything stops: that has a deadline of its own."""
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self.stop.wait()
            for child in (child for stage in self._stages for child in stage):
                if child.program.shows_life and child.pid is not None and child.listener.beat() and not child.hung:
                    child.hung = state_of(child.pid) or "unknown"
                    child.signal(signal.SIGKILL)

    async def _keep(self, child: _Child) -> None:
        """Restart the child whenever it dies, until everything stops."""
        pause = FIRST_PAUSE_SECONDS
        deaths = 0
        try:
            while child.process is not None:
                began = time.monotonic()
                code = await self._until_ended(child, child.process)
                if self.stop.is_set():
                    return
                if code == EXIT_CONFIG and not child.program.foreign:
                    self.failure = ConfigError(f"{child.program.name} cannot run with these settings")
                    self.stop.set()
                    return
                lived = time.monotonic() - began
                pause = FIRST_PAUSE_SECONDS if lived >= self._steady_seconds else pause
                deaths += 1
                found = {"silent_beats": child.listener.silent_beats, "it_was": child.hung} if child.hung else {}
                self._log.error(
                    "child hung and was killed" if child.hung else "child died",
                    child=child.program.name,
                    pid=child.process.pid,
                    how=_how(code),
                    **found,
                    lived_seconds=round(lived, 1),
                    deaths=deaths,
                    restart_in_seconds=pause,
                )
                if not await self._respawn(child, pause):
                    return
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            child.gone.set()

    async def _until_ended(self, child: _Child, process: asyncio.subprocess.Process) -> int:
        code = await process.wait()
        if child.line is not None:
            child.line.close()
        if child.program.ended is not None:
            child.program.ended(process.pid)
        return code

    async def _respawn(self, child: _Child, pause: float) -> bool:
        """Start the child after ``pause`` seconds; False if everything stops instead."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.stop.wait()
                return False
            try:
                await self._spawn(child)
            except OSError as error:
                self._log.error("child not started", child=child.program.name, error=error.strerror)
                pause = LONGEST_PAUSE_SECONDS
            else:
                return True

    async def _unless_stopped(self, wait: Coroutine[None, None, None]) -> None:
        # Without a TaskGroup, which would wrap the one error that the caller is to see.
        waiting = asyncio.create_task(wait)
        stopped = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            waiting.cancel()
            stopped.cancel()

    async def _stop_stage(self, stage: list[_Child], deadline: float) -> None:
        for child in reversed(stage):
            child.signal(signal.SIGKILL if self._forced else signal.SIGTERM)
        try:
            async with asyncio.timeout(max(LEAST_STOP_SECONDS, deadline - time.monotonic())):
                for child in stage:
                    await child.gone.wait()
        except TimeoutError:
            for child in stage:
                if child.pid is not None:
                    self._log.warning("child killed", child=child.program.name, pid=child.pid, after=self._stop_seconds)
                    child.signal(signal.SIGKILL)
            for child in stage:
                await child.gone.wait()


def handle_signals(stop: asyncio.Event, force: Callable[[], None]) -> None:
    """Let the first SIGINT, SIGTERM or SIGHUP set ``stop``, and a later one call ``force``.

    Signals within SAME_SIGNAL_SECONDS of the first count as one: make and timeout pass on a signal that the terminal
    has sent to us already.
    """
    loop = asyncio.get_running_loop()
    first = 0.0

    def on_signal() -> None:
        nonlocal first
        if not stop.is_set():
            first = loop.time()
            stop.set()
        elif loop.time() - first > SAME_SIGNAL_SECONDS:
            force()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
