from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from switchboard.config.settings import GeneratorSettings
from switchboard.errors import ConfigError
from switchboard.generator.faults.kinds import FAULT_KINDS
from switchboard.generator.service import create_service
from tests.generator.harness import Generator, Start, running_generator
from tests.generator.ufm.test_body import ENVIRONMENT
from tests.lab.servers import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def failing() -> Iterator[Generator]:
    """A generator with a fault, for tests that leave it as it is."""
    with running_generator(1_795_460_003.5, faults_api=True, faults="server_error") as generator:
        yield generator


def send(generator: Generator, method: str, body: bytes = b"") -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", generator.port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request(method, "/faults", body)
        response = connection.getresponse()
        return response.status, response.read().decode()


def active(text: str) -> dict[str, Any]:
    faults: dict[str, Any] = json.loads(text)["active"]
    return faults


def test_endpoint_is_off_by_default(start: Start) -> None:
    """Without the setting there is nothing at the path, and nothing can be switched."""
    generator = start(faults="server_error")
    for method in ("GET", "PUT", "POST", "DELETE"):
        assert send(generator, method, b"{}") == (404, "there is nothing at this path, see /\n")
    assert "/faults" not in generator.ask("/").body.decode()
    assert generator.ask().status == 500


def test_faults_are_switched_at_run_time(start: Start) -> None:
    """PUT sets faults, POST adds some, DELETE clears them, GET shows them, and each takes effect at once."""
    generator = start(faults_api=True, faults="html_page")
    assert active(send(generator, "GET")[1]) == {"html_page": {"share": 1.0, "amount": None}}
    status, text = send(generator, "PUT", b'{"server_error": {"amount": 503}}')
    assert (status, active(text)) == (200, {"server_error": {"share": 1, "amount": 503}})
    assert generator.ask().status == 503
    _, text = send(generator, "POST", b'{"slow_first_byte": {"share": 0}, "server_error": {"share": 1, "amount": 504}}')
    assert set(active(text)) == {"slow_first_byte", "server_error"}
    assert generator.ask().status == 504
    assert send(generator, "DELETE")[0] == 200
    assert active(send(generator, "GET")[1]) == {}
    good = generator.ask()
    assert (good.status, good["ETag"] is None) == (200, False)
    assert "/faults" in generator.ask("/").body.decode()


def test_all_faults_are_listed(failing: Generator) -> None:
    """GET says what there is to switch on, and what it does."""
    listed = json.loads(send(failing, "GET")[1])["known"]
    assert list(listed) == list(FAULT_KINDS)
    assert listed["server_error"] == {
        "does": FAULT_KINDS["server_error"].does,
        "amount": "status",
        "usual": 500,
        "least": 500,
        "most": 599,
    }


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the faults are not JSON"),
        (b"[]", "the faults are not JSON"),
        (b"\xff", "the faults are not JSON"),
        (b'{"slow_drip": 5}', "the faults are not JSON"),
        (b'{"slow_drip": {"shares": 1}}', "unknown field `shares`"),
        (b'{"slow_drip": {"share": 2}}', "<= 1.0"),
        (b'{"slow_drip": {"amount": 0}}', "fault slow_drip: 0 is not between 1 and 1e+09"),
        (b'{"html_page": {}, "nothing": {}}', "there is no fault 'nothing'"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_faults_that_cannot_be_change_nothing(failing: Generator, method: str, body: bytes, told: str) -> None:
    """A body that cannot be used gets 400 with a sentence, and the faults stay as they are."""
    status, text = send(failing, method, body)
    assert (status, told in text) == (400, True), text
    assert list(active(send(failing, "GET")[1])) == ["server_error"]


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_faults_that_are_too_long_are_not_read(failing: Generator, method: str) -> None:
    """More than 64 KiB are refused, and change nothing."""
    assert send(failing, method, b" " * 100_000) == (413, "The body is too large: at most 65536 bytes are taken\n")
    assert list(active(send(failing, "GET")[1])) == ["server_error"]


def test_other_methods_are_refused(failing: Generator) -> None:
    """405 names the methods that are possible here."""
    assert send(failing, "PATCH") == (405, "PATCH is not allowed here, only DELETE, GET, HEAD, POST and PUT\n")


def test_bad_faults_are_told_before_anything_is_served() -> None:
    """A service is not made of faults that cannot be."""
    with pytest.raises(ConfigError, match="no fault 'nothing'"):
        create_service(GeneratorSettings(faults="nothing"))


PROGRAM = """
import asyncio, signal, socket, sys
from switchboard.config.settings import GeneratorSettings
from switchboard.generator.service import serve_generator

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sock = socket.create_server((sys.argv[1], 0))
    print(sock.getsockname()[1], flush=True)
    await serve_generator(GeneratorSettings(faults_api=True, faults=sys.argv[2]), sock, stop)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("host", "faults", "warnings"),
    [
        ("127.0.0.1", "", []),
        ("0.0.0.0", "", ["faults can be switched by others"]),
        ("127.0.0.1", "slow_drip", ["faults are on"]),
    ],
)
def test_dangers_are_logged_at_start(host: str, faults: str, warnings: list[str]) -> None:
    """A warning says that others can switch faults, unless only this machine can; and another that faults are on."""
    program = [sys.executable, "-c", PROGRAM, host, faults]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b"OK"
        process.send_signal(signal.SIGTERM)
        # Not by communicate: what came with the first line would be lost.
        log = process.stdout.read()
    assert process.returncode == 0
    assert [name for name in ("faults are on", "faults can be switched by others") if name in log] == warnings
