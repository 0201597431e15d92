"""The primary is changed behind an address that stays, and the old one lives on with the connections that it has."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.answers import Pulse, ask, watch
from tests.lab.forwarder import Forwarder
from tests.lab.processes import LONG, RedisServer, Switchboard, free_port, wait_for
from tests.lab.telemetry import Telemetry

INTERVAL, TTL = 1.0, 8.0
GUARD_SECONDS = 2 * TTL
"""Recovery takes an interval and two seconds where nobody else wants the machine."""


def read_only(old: RedisServer, new: RedisServer) -> None:
    """The old primary follows the new one, as it should: it refuses writes with READONLY."""
    old.ask("REPLICAOF", "127.0.0.1", new.port)


def master_down(old: RedisServer, new: RedisServer) -> None:
    """The old primary is to follow one that it cannot reach: it refuses everything with MASTERDOWN."""
    old.ask("CONFIG", "SET", "replica-serve-stale-data", "no")
    old.ask("REPLICAOF", "127.0.0.1", free_port())


def no_replicas(old: RedisServer, new: RedisServer) -> None:
    """The old primary is cut off and takes itself for one: it refuses writes with NOREPLICAS, and reads as ever."""
    old.ask("CONFIG", "SET", "min-replicas-to-write", 1)


DEMOTIONS = [read_only, no_replicas, master_down]


@pytest.mark.parametrize("demote", DEMOTIONS if LONG else DEMOTIONS[:2], ids=lambda demote: demote.__name__)
def test_new_connections_are_made_when_the_primary_has_changed(
    tmp_path: Path, demote: Callable[[RedisServer, RedisServer], None]
) -> None:
    """Connections that led to the old primary are given up: there is fresh data again soon after the fail-over."""
    pulse = Pulse()
    with ExitStack() as stack:
        old, new = (stack.enter_context(RedisServer(free_port())) for _ in range(2))
        old.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        new.ask("REPLICAOF", "127.0.0.1", old.port)
        wait_for(lambda: new.ask("INFO", "replication")["master_link_status"] == "up", "the replica follows")
        forwarder = stack.enter_context(Forwarder(old.port))
        source = stack.enter_context(Telemetry(pulse))
        file = tmp_path / "sources.toml"
        file.write_text(
            f"interval = {INTERVAL}\nttl = {TTL}\netl_port = {free_port()}\n"
            f'[[sources]]\nname = "pulse"\nurl = "{source.url}"\n'
        )
        options = ["--config", str(file), "--redis-url", f"redis://127.0.0.1:{forwarder.port}/0"]
        options += ["--log-format", "json", "--role"]
        etl = stack.enter_context(Switchboard([*options, "etl"], command="ingester", wait=False))
        api = stack.enter_context(Switchboard([*options, "api"], command="ingester"))
        wait_for(lambda: ask(api).state == "fresh", "a fresh answer")
        children = [each.children().keys() for each in (etl, api)]
        served = forwarder.accepted

        forwarder.lead_to(new.port)
        new.ask("REPLICAOF", "NO", "ONE")
        demote(old, new)
        value, begun_at = pulse.value, time.monotonic()
        try:
            wait_for(lambda: ask(api).state == "fresh" and ask(api).value > value, "fresh again", 3 * GUARD_SECONDS)
        finally:
            print(f"after {time.monotonic() - begun_at:.1f} s: {ask(api)}, {forwarder.accepted - served} connections")
            print(api.get("/ready").text)
        assert time.monotonic() - begun_at <= GUARD_SECONDS
        assert forwarder.accepted > served
        # And it stays so: nothing goes on by an old connection.
        seen = watch(api, time.monotonic() + TTL + 2 * INTERVAL)
        assert "503" not in {each.state for each in seen}
        assert seen[-1].value > value + 2
        assert [each.children().keys() for each in (etl, api)] == children
