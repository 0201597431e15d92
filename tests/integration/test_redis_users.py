"""ETL and API as Redis users with the rights that docs/operation.md gives them, and no others."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.answers import Pulse, ask
from tests.lab.processes import RedisServer, Switchboard, free_port, get, wait_for
from tests.lab.servers import RedisKind, redis_kinds
from tests.lab.telemetry import Telemetry

DOCUMENT = Path(__file__).parents[2] / "docs" / "operation.md"
INTERVAL, TTL = 1.0, 8.0
KINDS = [kind for kind in redis_kinds() if not kind.cluster]


def rights(user: str, redis: RedisServer) -> list[str]:
    """The rules of a user in the document, as the server's version understands them."""
    (rules,) = re.findall(rf"^user {user} on >PASSWORD (.*)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    is_old = str(redis.ask("INFO", "server")["redis_version"]).startswith("6.")
    return [rule.replace("%R~", "~") if is_old else rule for rule in rules.split()]


def denied(redis: RedisServer) -> list[Any]:
    """What the server has refused to its users so far."""
    return [entry for entry in redis.ask("ACL", "LOG") if "auth" not in entry]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_documented_rights_are_enough(tmp_path: Path, kind: RedisKind) -> None:
    """Both run for whole cycles: a start, new snapshots, confirmations, a source that is forgotten, a list that is
    replaced, scripts that are flushed, a lost lease and an end. The server denies no call.
    """
    pulse = Pulse()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(free_port(), server=kind.server))
        files = {}
        for user in ("etl", "api"):
            files[user] = tmp_path / f"{user}.password"
            files[user].write_text(f"{user}-hunter2\n")
            redis.ask("ACL", "SETUSER", user, "on", f">{user}-hunter2", *rights(user, redis))
        redis.ask("ZADD", "sb:sources", 9, "nobody")
        source = stack.enter_context(Telemetry(pulse))
        file = tmp_path / "sources.toml"
        file.write_text(
            f"interval = {INTERVAL}\nttl = {TTL}\netl_port = {free_port()}\n"
            f'[[sources]]\nname = "pulse"\nurl = "{source.url}"\n'
        )
        systems = {}
        for user in ("etl", "api"):
            options = ["--config", str(file), "--redis-url", f"redis://{user}@127.0.0.1:{redis.port}/0"]
            options += ["--redis-password-file", str(files[user]), "--role", user, "--log-format", "json"]
            systems[user] = stack.enter_context(Switchboard(options, command="ingester", wait=False))
        api = systems["api"]
        wait_for(lambda: ask(api).state == "fresh", "a fresh answer")

        def goes_on(what: str) -> None:
            value = ask(api).value
            wait_for(lambda: ask(api).state == "fresh" and ask(api).value > value, what)

        goes_on("the next snapshot")
        wait_for(lambda: redis.ask("ZRANGE", "sb:sources", 0, -1) == ["pulse"], "the other source is forgotten")
        redis.ask("SCRIPT", "FLUSH")
        goes_on("scripts are loaded again")
        redis.ask("SET", "sb:sources", "of another type")
        redis.ask("DEL", "sb:{pulse}:lease")
        goes_on("a new lease")
        wait_for(lambda: redis.ask("ZRANGE", "sb:sources", 0, -1) == ["pulse"], "the list is mended")
        pulse_port = re.search(r"etl_port = (\d+)", file.read_text())
        assert pulse_port is not None
        wait_for(lambda: get(int(pulse_port[1]), "/ready").status == 200, "the ETL is ready")
        assert systems["etl"].stop() == 0
        assert redis.ask("EXISTS", "sb:{pulse}:lease") == 0
        assert denied(redis) == []
        log = systems["etl"].log + api.log
        assert "NOPERM" not in log
        assert "hunter2" not in log
