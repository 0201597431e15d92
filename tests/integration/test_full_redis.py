"""A Redis that is full and evicts nothing refuses writes; what is there already can still be read and confirmed."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from redis import OutOfMemoryError

from tests.integration.answers import ask, watch
from tests.lab.processes import LONG, RedisServer, Switchboard, free_port, wait_for
from tests.lab.servers import RedisKind, Request, Steps, Web, http, in_thread, redis_kinds

INTERVAL, TTL = 1.0, 8.0
LONG_TTLS = 2.5
SERVERS = [kind for kind in redis_kinds() if not kind.cluster]


@pytest.mark.parametrize("etag", [False, True] if LONG else [False], ids=lambda etag: "304" if etag else "200")
@pytest.mark.parametrize("kind", SERVERS if LONG else SERVERS[-1:], ids=lambda kind: kind.name)
def test_an_unchanged_snapshot_is_confirmed_on_a_full_redis(tmp_path: Path, kind: RedisKind, etag: bool) -> None:
    """Redis takes no write for several TTLs while the source has nothing new, and says so by a 304 or by the same
    body: answers stay fresh. Then there is room again, and what is new comes.
    """
    value = 1

    def answer(request: Request) -> Steps:
        body, tag = b"switch_id,rx\nsw1,%d\n" % value, f'"{value}"'
        if not etag:
            return [http(200, body, content_type="text/csv")]
        if request.headers.get("if-none-match") == tag:
            return [http(304, etag=tag)]
        return [http(200, body, content_type="text/csv", etag=tag)]

    file = tmp_path / "sources.toml"
    with RedisServer(free_port(), server=kind.server) as redis, in_thread(Web(answer)) as source:
        file.write_text(
            f"interval = {INTERVAL}\ntimeout = {INTERVAL}\nttl = {TTL}\n"
            f'[[sources]]\nname = "calm"\nurl = "{source.url}"\n'
        )
        options = ["--config", str(file), "--redis-url", redis.url, "--log-format", "json"]
        with Switchboard(options, command="ingester") as system:
            wait_for(lambda: ask(system).state == "fresh", "a fresh answer")
            wait_for(lambda: len(source.requests) > 2, "the source is asked again")
            redis.ask("CONFIG", "SET", "maxmemory", 1)
            with pytest.raises(OutOfMemoryError):
                redis.ask("SET", "more", "than there is room for")
            full_at, asked = time.monotonic(), len(source.requests)
            seen = watch(system, full_at + LONG_TTLS * TTL)
            asked = len(source.requests) - asked
            states = Counter(each.state for each in seen)
            fresh_until = max((each.at - full_at for each in seen if each.state == "fresh"), default=0.0)
            served_until = max((each.at - full_at for each in seen if each.state != "503"), default=0.0)
            print(
                f"fresh until {fresh_until:.1f} s, served until {served_until:.1f} s, {dict(states)}; {asked} scrapes"
            )
            print(system.get("/ready").text)
            assert states["503"] == 0
            assert states["fresh"] > len(seen) / 3
            assert max(each.age for each in seen) <= TTL
            assert fresh_until >= (LONG_TTLS - 1) * TTL
            assert asked > LONG_TTLS  # so it could be confirmed
            value = 2
            redis.ask("CONFIG", "SET", "maxmemory", 0)
            wait_for(lambda: ask(system).value == 2, "what is new")
