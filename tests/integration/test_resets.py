"""The address of Redis is taken over by somebody who accepts connections and breaks them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.integration.answers import Pulse, ask
from tests.lab.forwarder import Forwarder, Mode
from tests.lab.processes import LONG, RedisServer, Switchboard, free_port, wait_for
from tests.lab.telemetry import Telemetry

INTERVAL, TTL = 1.0, 4.0
RESET_SECONDS = 40.0 if LONG else 5.0
GUARD_SECONDS = 4 * TTL
"""Recovery takes an interval and two seconds where nobody else wants the machine."""


@contextmanager
def running(command: str, source: str, redis: str, folder: Path) -> Iterator[list[Switchboard]]:
    """All of it by one command, or ETL and API apart; the last one has the API."""
    file = folder / "sources.toml"
    file.write_text(
        f'interval = {INTERVAL}\nttl = {TTL}\netl_port = {free_port()}\n[[sources]]\nname = "pulse"\nurl = "{source}"\n'
    )
    options = ["--config", str(file), "--redis-url", redis, "--log-format", "json"]
    with ExitStack() as stack:
        if command == "up":
            yield [stack.enter_context(Switchboard(options, generator=False))]
        else:
            etl = Switchboard([*options, "--role", "etl"], command="ingester", wait=False)
            api = Switchboard([*options, "--role", "api"], command="ingester")
            yield [stack.enter_context(etl), stack.enter_context(api)]


CASES = list(itertools.product(["up", "ingester"], [Mode.RESET, Mode.RESET_LATER]))


@pytest.mark.parametrize(("command", "mode"), CASES if LONG else [CASES[0], CASES[-1]], ids=str)
def test_every_connection_to_redis_is_reset_for_a_while(tmp_path: Path, command: str, mode: Mode) -> None:
    """No process of ours ends for it, and there is fresh data again soon after Redis is back."""
    pulse = Pulse()
    with (
        RedisServer(free_port()) as redis,
        Forwarder(redis.port) as forwarder,
        Telemetry(pulse) as source,
        running(command, source.url, f"redis://127.0.0.1:{forwarder.port}/0", tmp_path) as systems,
    ):
        api = systems[-1]
        wait_for(lambda: ask(api).state == "fresh", "a fresh answer")
        children = [system.children().keys() for system in systems]
        forwarder.set_mode(mode)
        reset_at = time.monotonic()
        wait_for(lambda: time.monotonic() > reset_at + RESET_SECONDS, "the outage lasts", RESET_SECONDS + 10)
        assert ask(api).state == "503"
        assert forwarder.resets > 3
        during = [system.children().keys() for system in systems]
        value = pulse.value
        forwarder.set_mode(Mode.FORWARD)
        back_at = time.monotonic()
        wait_for(lambda: ask(api).state == "fresh" and ask(api).value >= value, "fresh again", 60)
        took = time.monotonic() - back_at
        print(f"{forwarder.resets} resets in {back_at - reset_at:.0f} s; fresh again within {took:.1f} s")
        died = [line for system in systems for line in system.log_lines if line["event"] in ("crashed", "child died")]
        print(f"processes died {len([line for line in died if line['event'] == 'child died'])} times")
        assert died == []
        assert not any("Traceback" in system.log for system in systems)  # it is a failure that was expected
        assert during == children == [system.children().keys() for system in systems]
        assert took <= GUARD_SECONDS
