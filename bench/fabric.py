"""Fabrics of UFM's shape: their bodies, made once, and a Switchboard that scrapes them from a process of its own."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.ufm.body import write_body
from tests.lab.processes import RedisServer, Switchboard, free_port, listens, wait_for

FIRST_SLOT = 2
BODIES = Path("build/bodies")
PORTS_PER_SWITCH = 64
"""Beside the one of the aggregation node."""


@dataclass(frozen=True)
class Fabric:
    """A running one: the ingester, who serves it the bodies, and its Redis."""

    system: Switchboard
    bodies_port: int
    redis_url: str


def settings_of(ports: int, counters: int) -> GeneratorSettings:
    """A fabric of at least so many ports."""
    switches = math.ceil(ports / (PORTS_PER_SWITCH + 1))
    return GeneratorSettings(profile="ufm", switches=str(switches), ports=PORTS_PER_SWITCH, counters=counters)


def slot_of(settings: GeneratorSettings, number: int) -> int:
    """Slots count from a fixed recent day: the rows' times must not lie in the future, nor before the year 2000."""
    return math.floor(1_790_000_000 / settings.hold) + number


def body_of(settings: GeneratorSettings, number: int) -> Path:
    """The body of a slot, made once."""
    file = BODIES / f"{settings.switches}x{settings.counters}-{number}.csv"
    if not file.exists():
        BODIES.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        with unfinished.open("wb") as body:
            write_body(settings, "secondary", slot_of(settings, number), body)
        unfinished.rename(file)
    return file


@contextmanager
def running(files: Sequence[Path], interval: float) -> Iterator[Fabric]:
    """An ingester that scrapes the first of the files, until it is told to go on (see bench/bodies.py)."""
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(free_port()))
        port = free_port()
        server = stack.enter_context(
            subprocess.Popen([sys.executable, "-m", "bench.bodies", str(port), *map(str, files)])
        )
        stack.callback(server.kill)
        wait_for(lambda: listens(port), "the bodies are served")
        options = ["--redis-url", redis.url, "--source", f"fabric=http://127.0.0.1:{port}/", "--log-format", "json"]
        options += ["--interval", str(interval)]
        system = stack.enter_context(Switchboard(options, command="ingester"))
        yield Fabric(system, port, redis.url)
