"""A canary in every secret: whatever succeeds or fails, nobody else gets to see it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from redis import Redis

from tests.lab.processes import RedisServer, Switchboard, free_port, listens, wait_for
from tests.lab.servers import PATIENCE_SECONDS
from tests.lab.telemetry import HANG, Answer, Failure, Telemetry

CANARY = "canary-7f3a9c"
BODY = b"switch_id,rx\nsw1,1\n"
GOOD = ("in-header", "in-token", "in-file", "in-password", "in-query")
FAILING = {
    "gone": "credentials",
    "refuses": "http_4xx",
    "redirects": "redirect",
    "repeats": "schema",
    "hangs": "timeout",
    "not-there": "refused",
    "no-tls": "tls",
    "no-name": "dns",
    "forbidden": "forbidden",
}
"""Sources that fail, each with the reason for which it does."""


def _answer(target: str) -> Answer:
    """By path: good, silent, or answers that repeat what was sent."""
    path = target.partition("?")[0]
    if path == "/hangs":
        return HANG
    if path == "/refuses":
        return Failure(401, f"no Bearer {CANARY} and no {CANARY} please")
    if path == "/redirects":
        return Failure(302, f"see http://elsewhere/?token={CANARY}")
    if path == "/repeats":
        return f"{CANARY},{CANARY}x\n1,2\n".encode()
    return BODY


def _file(url: str, folder: Path) -> str:
    """A source for every way to give a secret, and for every way to fail."""
    secret = folder / "secret"
    secret.write_text(f"{CANARY}\n")
    (folder / "gone").write_text(f"{CANARY}\n")
    token, key = f'token = "{CANARY}"', f'headers = {{ X-Key = "{CANARY}" }}'
    sources = {
        "in-header": (f"{url}/good", key),
        "in-token": (f"{url}/good", token),
        "in-file": (f"{url}/good", f'token_file = "{secret}"'),
        "in-password": (f"{url}/good", f'user = "admin"\npassword_file = "{secret}"'),
        "in-query": (f"{url}/good?api_key={CANARY}", ""),
        "gone": (f"{url}/good", f'token_file = "{folder / "gone"}"'),
        "refuses": (f"{url}/refuses?token={CANARY}", token),
        "redirects": (f"{url}/redirects", token),
        "repeats": (f"{url}/repeats", key),
        "hangs": (f"{url}/hangs?token={CANARY}", token),
        "not-there": (f"http://127.0.0.1:{free_port()}/?token={CANARY}", token),
        "no-tls": (f"{url.replace('http:', 'https:')}/good?token={CANARY}", f"{token}\nverify = false"),
        "no-name": (f"http://no-such-host.invalid/?token={CANARY}", token),
        "forbidden": (f"http://0xa9.0xfe.0xa9.0xfe/?token={CANARY}", token),
    }
    tables = (f'[[sources]]\nname = "{name}"\nurl = "{at}"\n{more}\n' for name, (at, more) in sources.items())
    return "interval = 1\nttl = 20\n" + "".join(tables)


def _reasons(system: Switchboard) -> dict[str, str]:
    """Why the last attempt of each source failed, empty if it did not; sources that were not attempted are left out."""
    reply = system.get("/telemetry/ListSources")
    attempts = {each["name"]: each["last_attempt"] for each in reply.json()} if reply.status == 200 else {}
    return {name: attempt["reason"] for name, attempt in attempts.items() if attempt}


def _printed(config: Path, *words: str) -> str:
    command = [sys.executable, "-m", "switchboard", "config", "--config", str(config), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    return done.stdout + done.stderr


def _stored(redis: RedisServer) -> bytes:
    """Every key and value in the store."""
    with Redis(port=redis.port, password=CANARY, protocol=2) as client:
        keys = client.keys("*")
        values = [client.get(key) if client.type(key) == b"string" else client.dump(key) for key in keys]
        return b"\n".join([*keys, *(value or b"" for value in values)])


def test_no_secret_is_shown_anywhere(tmp_path: Path) -> None:
    """At debug level, with sources that succeed and sources that fail in every way: 0 hits in logs, output, metrics,
    answers, the store, command lines and the printed settings; and the sources did get to see it.
    """
    with Telemetry(_answer) as server, RedisServer(free_port(), password=CANARY) as redis:
        config = tmp_path / "canary.toml"
        config.write_text(f'redis_url = "{redis.url}"\n{_file(server.url, tmp_path)}')
        options = ["--config", str(config), "--log-level", "debug", "--log-format", "json"]
        with Switchboard(options, generator=False, wait=False) as system:
            wait_for(lambda: len(_reasons(system)) == len(FAILING) + len(GOOD), "every source was attempted")
            (tmp_path / "gone").unlink()
            wait_for(lambda: _reasons(system) == dict.fromkeys(GOOD, "") | FAILING, "all go well or fail as they must")
            shown = {
                "ListSources": system.get("/telemetry/ListSources").text,
                "ListMetrics": system.get("/telemetry/ListMetrics").text,
                "ready": system.get("/ready").text,
                "metrics": system.get("/metrics").text,
                "miss": system.get("/telemetry/GetMetric?switch_id=x&metric=y").text,
                "store": _stored(redis).decode("latin-1"),
                "processes": "\n".join(system.children().values()),
            }
            assert system.stop() == 0
            shown |= {"log": system.log, "output": system.output}
            warnings = [line["event"] for line in system.log_lines if line["level"] == "warning"]
        shown |= {"config": _printed(config), "check": _printed(config, "--check")}
    sent = [arrival.headers.get("authorization", "") + arrival.headers.get("x-key", "") for arrival in server.arrivals]
    assert sum(CANARY in each for each in sent) > len(GOOD)
    assert '"level":"debug"' in shown["log"]
    assert any("'no-tls'" in warning and "verify = false" in warning for warning in warnings)
    assert [name for name, text in shown.items() if CANARY in text] == []


def test_a_wrong_password_of_redis_is_not_shown(tmp_path: Path) -> None:
    """A store that refuses the password is an error without it, in the log and in every answer."""
    with RedisServer(free_port(), password="right") as redis:
        url = redis.url.replace("right", CANARY)
        options = ["--redis-url", url, "--log-level", "debug", "--log-format", "json"]
        environ = {"SWITCHBOARD_SOURCES": f"http://127.0.0.1:{free_port()}/?token={CANARY}"}
        with Switchboard(options, environ=environ, command="ingester", wait=False) as system:
            wait_for(lambda: listens(system.port) and "error" in system.log, "it says so")
            refused = wait_for(lambda: system.get("/telemetry/ListMetrics"), "an answer")
            assert refused.status == 503
            shown = [refused.text, system.get("/ready").text, system.get("/metrics").text]
            assert system.stop() == 0
            shown += [system.log, system.output]
    assert [text for text in shown if CANARY in text] == []
