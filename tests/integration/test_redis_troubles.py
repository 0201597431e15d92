"""Trouble with Redis and its keys, on real processes: it is named once, in the log and in /ready, and it heals."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, RedisError

from tests.integration.answers import Pulse
from tests.lab.processes import RedisServer, Switchboard, free_port, get, wait_for
from tests.lab.telemetry import Telemetry

INTERVAL, TTL = 1.0, 8.0
SOURCES = ("one", "two", "three")


class System:
    """An ETL of three sources and an API, as processes of their own on one Redis."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.redis = stack.enter_context(RedisServer(free_port()))
        self.control: Any = stack.enter_context(Redis(port=self.redis.port, protocol=2, decode_responses=True))
        self.control.ping()
        source = stack.enter_context(Telemetry(Pulse()))
        self.etl_port = free_port()
        lines = [f"interval = {INTERVAL}", f"ttl = {TTL}", f"etl_port = {self.etl_port}"]
        lines += [f'[[sources]]\nname = "{name}"\nurl = "{source.url}"' for name in SOURCES]
        file = folder / "sources.toml"
        file.write_text("\n".join(lines))
        options = ["--config", str(file), "--redis-url", self.redis.url, "--log-format", "json", "--role"]
        self.etl = stack.enter_context(Switchboard([*options, "etl"], command="ingester", wait=False))
        self.api = stack.enter_context(Switchboard([*options, "api"], command="ingester"))
        wait_for(self.is_well, "all sources are fresh, and the ETL is ready")

    def is_well(self) -> bool:
        """Whether all sources are fresh and written, and neither process has anything to say."""
        ready = self.api.get("/ready").json()
        states = {ready["sources"].get(name, {}).get("state") for name in SOURCES}
        etl = get(self.etl_port, "/ready")
        return (
            states == {"fresh"} and ready["store"]["trouble"] is None and etl.status == 200 and "warn" not in etl.text
        )

    def lines(self, process: Switchboard, event: str) -> list[dict[str, Any]]:
        return [line for line in process.log_lines if line["event"] == event]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with ExitStack() as stack:
        yield System(stack, tmp_path)


@contextlib.contextmanager
def full(system: System) -> Iterator[None]:
    system.control.config_set("maxmemory", 1)
    yield
    system.control.config_set("maxmemory", 0)


@contextlib.contextmanager
def cannot_save(system: System) -> Iterator[None]:
    shutil.rmtree(system.control.config_get("dir")["dir"])
    system.control.config_set("save", "3600 1")
    with contextlib.suppress(RedisError):
        system.control.bgsave()
    wait_for(lambda: system.control.info("persistence")["rdb_last_bgsave_status"] == "err", "it cannot save")
    yield
    system.control.config_set("save", "")


@contextlib.contextmanager
def busy(system: System) -> Iterator[None]:
    system.control.config_set("lua-time-limit", 50)

    def run() -> None:
        with contextlib.suppress(RedisError), Redis(port=system.redis.port, protocol=2, socket_timeout=600) as client:
            client.eval("while true do end", 0)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        wait_for(lambda: _killed(system), "the script is ended")
        thread.join(60)


def _killed(system: System) -> bool:
    with contextlib.suppress(RedisError):
        return bool(system.control.script_kill())
    return False


@contextlib.contextmanager
def many_clients(system: System) -> Iterator[None]:
    system.control.config_set("maxclients", 1)
    system.control.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield
    system.control.config_set("maxclients", 1000)


@contextlib.contextmanager
def other_password(system: System) -> Iterator[None]:
    system.control.config_set("requirepass", "new")
    system.control.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield
    system.control.config_set("requirepass", "")


TROUBLES: list[tuple[Callable[[System], Any], str, str]] = [
    (full, "full", "is full: raise its maxmemory"),
    (cannot_save, "disk", "cannot save to its disk"),
    (busy, "busy", "is busy with a script of another client"),
    (many_clients, "clients", "has as many clients as it takes"),
    (other_password, "password", "refuses the user or password"),
]


@pytest.mark.parametrize(("trouble", "cause", "sentence"), TROUBLES, ids=[cause for _, cause, _ in TROUBLES])
def test_each_cause_is_named_once_and_heals(
    system: System, trouble: Callable[[System], Any], cause: str, sentence: str
) -> None:
    """Whatever the server refuses: one line in the ETL's log for all sources and ticks, the same sentence in its
    /ready, the end in one line; and answers are fresh again afterwards, without a new process.
    """
    children = [process.children().keys() for process in (system.etl, system.api)]
    with trouble(system):
        begun_at = time.monotonic()
        wait_for(lambda: sentence in str(system.lines(system.etl, "store failed")), "the log names the cause")
        logged = time.monotonic() - begun_at
        wait_for(lambda: sentence in get(system.etl_port, "/ready").text, "/ready names it")
        shown = time.monotonic() - begun_at
        wait_for(lambda: time.monotonic() - begun_at > 4 * INTERVAL, "it lasts for some intervals")
    ended_at = time.monotonic()
    wait_for(system.is_well, "all is well again")
    healed = time.monotonic() - ended_at
    wait_for(lambda: system.lines(system.etl, "store reached"), "the end is logged")
    print(f"{cause}: logged after {logged:.1f} s, in /ready after {shown:.1f} s, healed {healed:.1f} s after its end")
    named = [line["reason"] for line in system.lines(system.etl, "store failed")]
    print(named, [line["reason"] for line in system.lines(system.api, "store failed")])
    assert named.count(cause) == 1
    # A slow machine may add an outage of its own, but each has one end.
    told = [line["event"] for line in system.etl.log_lines if line["event"] in {"store failed", "store reached"}]
    assert told[-1] == "store reached"
    assert ("store reached", "store reached") not in pairwise(told)
    assert len(system.lines(system.api, "store failed")) <= (0 if cause in {"full", "disk"} else 2)
    assert [process.children().keys() for process in (system.etl, system.api)] == children


def damage(system: System, name: str) -> None:
    """Put another type of value, or nonsense, into the keys of a source and into the list."""
    for key in (f"sb:{{{name}}}:pointer", f"sb:{{{name}}}:lease", f"sb:{{{name}}}:status", "sb:sources"):
        system.control.delete(key)
        system.control.rpush(key, "of another type")
    system.control.set(f"sb:{{{name}}}:epoch", "inf")


def test_keys_of_another_type_heal(system: System) -> None:
    """Pointer, lease, status, epoch and list are replaced by the ETL, and each is named; other sources go on."""
    damage(system, "two")
    damaged_at = time.monotonic()
    seconds = {}
    for event in ("lease replaced: its key held another type of value", "source unreadable"):
        process = system.api if event == "source unreadable" else system.etl
        wait_for(lambda event=event, process=process: system.lines(process, event), event)  # type: ignore[misc]
        seconds[event] = round(time.monotonic() - damaged_at, 1)
    wait_for(lambda: {system.control.type(key) for key in system.control.keys("sb:*two}*")} == {"string"}, "all types")
    wait_for(system.is_well, "all is well again")
    healed = time.monotonic() - damaged_at
    print(f"named after {seconds}, healed after {healed:.1f} s")
    assert system.control.zrange("sb:sources", 0, -1) == list(SOURCES)
    (unreadable,) = system.lines(system.api, "source unreadable")
    assert (unreadable["source"], "sb:{two}:pointer" in unreadable["error"]) == ("two", True)
    assert {line["source"] for line in system.lines(system.etl, "lease lost")} == {"two"}


def test_a_pointer_that_is_ahead_of_everybody_is_overtaken(system: System) -> None:
    """A pointer with an epoch and a time that nobody has yet, and with no TTL: a new epoch follows it."""
    text = system.control.get("sb:{two}:pointer")
    system.control.set(
        "sb:{two}:pointer", text.replace('"epoch":', '"epoch":9').replace('"scraped_ms":', '"scraped_ms":9')
    )
    set_at = time.monotonic()
    wait_for(lambda: system.control.pttl("sb:{two}:pointer") > 0, "the ETL has replaced it")
    wait_for(system.is_well, "all is well again")
    print(f"healed after {time.monotonic() - set_at:.1f} s")


def test_a_policy_that_evicts_is_named(system: System) -> None:
    """In both logs once, in both /ready and in both metrics; and so is its end."""
    system.control.config_set("maxmemory-policy", "allkeys-lru")
    set_at = time.monotonic()
    wait_for(lambda: "allkeys-lru" in str(system.lines(system.etl, "redis may evict keys")), "the ETL's log")
    wait_for(lambda: "allkeys-lru" in str(system.lines(system.api, "store in danger")), "the API's log")
    wait_for(lambda: "allkeys-lru" in str(system.api.get("/ready").json()["store"]), "the API's /ready")
    wait_for(lambda: "allkeys-lru" in str(get(system.etl_port, "/ready").json()["store"]), "the ETL's /ready")
    print(f"named after {time.monotonic() - set_at:.1f} s")
    assert system.api.get("/ready").status == 200
    assert "switchboard_api_store_may_evict 1.0" in system.api.get("/metrics").text
    assert "switchboard_etl_store_may_evict 1.0" in get(system.etl_port, "/metrics").text

    # Its memory fills up, and leases are evicted with the rest.
    system.control.config_set("maxmemory", system.control.info("memory")["used_memory"] + 500_000)
    filled_at = time.monotonic()

    def evicts() -> bool:
        system.control.set(f"more{time.monotonic_ns()}", "x" * 100_000)
        return any("has evicted" in line["why"] for line in system.lines(system.etl, "lease lost"))

    wait_for(evicts, "a lost lease is told from an evicted one")
    print(f"an eviction named after {time.monotonic() - filled_at:.1f} s")
    system.control.config_set("maxmemory", 0)
    system.control.config_set("maxmemory-policy", "noeviction")
    mended_at = time.monotonic()
    wait_for(system.is_well, "all is well again")
    print(f"healed {time.monotonic() - mended_at:.1f} s after its end")
    wait_for(lambda: system.lines(system.etl, "redis evicts no keys any more"), "its end is logged")
    assert len(system.lines(system.etl, "redis may evict keys")) == 1
    assert len(system.lines(system.api, "store in danger")) == 1
