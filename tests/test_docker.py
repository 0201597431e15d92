"""The image and the compose file, as far as they can be checked without Docker."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import textwrap
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

from switchboard.config.layers import load
from switchboard.config.resolve import resolve_sources
from switchboard.config.settings import Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()
OURS = {"generator": Settings().generator.port, "ingester": Settings().port}
"""Our services, and the port on which each listens."""


def instructions(stage: int) -> list[tuple[str, str]]:
    """The instructions of a stage of the Dockerfile as (word, rest), comments left out and lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    stages: list[list[tuple[str, str]]] = []
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, " ".join(rest.split())))
    return stages[stage]


def rests(stage: int, word: str) -> list[str]:
    return [rest for name, rest in instructions(stage) if name == word]


def services() -> dict[str, str]:
    """The text of each service of the compose file, by name."""
    _, *parts = re.split(r"^  (\w+):\n", COMPOSE, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def environment(service: str) -> dict[str, str]:
    """What a container of the service has in its environment that we put there."""
    image = dict(pair.split("=", 1) for rest in rests(-1, "ENV") for pair in rest.split())
    return image | dict(re.findall(r"^      (SWITCHBOARD_\w+): (\S+)$", services()[service], flags=re.MULTILINE))


def health_check(service: str) -> str:
    """The Python program that checks the health of one of our services."""
    found = re.search(
        r"^ +test:\n +- CMD\n +- python\n +- -c\n +- \|\n((?: {10}.*\n)+)", services()[service], flags=re.MULTILINE
    )
    assert found, f"the health check of {service} is not a Python program that is run without a shell"
    return textwrap.dedent(found[1])


@contextmanager
def answering(status: int, asked: list[str]) -> Iterator[int]:
    """A server that answers everything with this status and keeps the paths; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    """The last USER of the image is a number above 0, for the group too."""
    user, group = rests(-1, "USER")[-1].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_entry_point_is_the_command_line_without_a_shell() -> None:
    """The entry point is our script in exec form, so that signals reach it."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (entry,) = rests(-1, "ENTRYPOINT")
    assert json.loads(entry) == ["switchboard"]
    assert "switchboard" in scripts


def test_nothing_is_installed_unhashed() -> None:
    """Every pip command takes hashed packages of a lock file, or looks at no index."""
    commands = [
        part for run in rests(0, "RUN") for part in run.split("&&") if re.search(r"\bpip .*(install|wheel)", part)
    ]
    assert len(commands) == 4
    for command in commands:
        assert "--require-hashes" in command or "--no-index" in command


def test_what_builds_the_package_is_picked_from_the_lock() -> None:
    """The packages picked from the lock of the developers are hatchling and all that it needs, no more."""
    found = re.search(r"\^\\\((hatchling.*?)\\\)==", DOCKERFILE)
    assert found
    needed: set[str] = set()
    todo = ["hatchling"]
    while todo:
        name = todo.pop()
        needed.add(name)
        requirements = map(Requirement, importlib.metadata.requires(name) or [])
        here = {
            requirement.name for requirement in requirements if not requirement.marker or requirement.marker.evaluate()
        }
        todo.extend(here - needed)
    assert set(found[1].split(r"\|")) == needed


def test_what_is_copied_is_in_the_context() -> None:
    """Every file that the build copies exists and is not ignored, and every exception of the ignored is copied."""
    copied = {source.rstrip("/") for rest in rests(0, "COPY") for source in rest.split()[:-1]}
    ignore = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignore
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert not any(fnmatch(name, line) for name in copied for line in ignore if line and line[0] not in "*!#")


def test_no_address_is_written_down() -> None:
    """No index, mirror or proxy stands in the files; the only hosts are the services themselves."""
    assert "://" not in DOCKERFILE
    assert not re.search(r"_proxy|trusted-host|index-url", DOCKERFILE + COMPOSE, flags=re.IGNORECASE)
    assert {urlsplit(url).hostname for url in re.findall(r"\w+://\S+", COMPOSE)} <= set(services())


def test_the_settings_fit_the_network(tmp_path: Path) -> None:
    """Both services listen on all addresses, and the ingester finds Redis and the generator by their names."""
    for service in OURS:
        loaded = load({}, environment(service), tmp_path)
        assert loaded.warnings == []
        assert (loaded.settings.host, loaded.settings.generator.host) == ("0.0.0.0", "0.0.0.0")
    loaded = load({}, environment("ingester"), tmp_path)
    assert urlsplit(loaded.settings.redis_url).hostname == "redis"
    (source,) = resolve_sources(loaded.settings)
    assert (source.name, source.url) == ("fabric", f"http://generator:{OURS['generator']}/counters")


def test_only_our_services_are_published_and_only_locally() -> None:
    """Each of our services has its default port on 127.0.0.1; Redis has none."""
    published = {name: re.findall(r"^    ports: (.*)$", text, flags=re.MULTILINE) for name, text in services().items()}
    assert published == {"redis": []} | {name: [f'["127.0.0.1:{port}:{port}"]'] for name, port in OURS.items()}
    assert {int(port) for port in rests(-1, "EXPOSE")[0].split()} == {*OURS.values(), Settings().etl_port}


def test_the_ingester_waits_for_the_health_of_the_others() -> None:
    """The ingester starts when Redis and the generator are healthy, and both say when they are."""
    waits_for = re.findall(
        r"^      (\w+):\n        condition: service_healthy$", services()["ingester"], flags=re.MULTILINE
    )
    assert waits_for == ["redis", "generator"]
    assert all("\n    healthcheck:\n" in text for text in services().values())


def test_one_image_is_built_and_used_twice() -> None:
    """Both services run the same image, which one of them builds."""
    images = [re.findall(r"^    image: (\S+)", services()[name], flags=re.MULTILINE) for name in OURS]
    assert images == [["switchboard"], ["switchboard"]]
    assert COMPOSE.count("\n    build:") == 1


def test_redis_keeps_nothing_and_evicts_nothing() -> None:
    """Redis writes no file and drops no key of a snapshot."""
    (command,) = re.findall(r"^    command: \[(redis-server.*)\]$", services()["redis"], flags=re.MULTILINE)
    assert '--save, ""' in command
    assert '--appendonly, "no"' in command
    assert "--maxmemory-policy, noeviction" in command


@pytest.mark.parametrize(("service", "path"), [("generator", "/health"), ("ingester", "/ready")])
def test_the_health_check_says_what_the_service_says(service: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service is healthy if it answers 200 on its own port, whatever proxy the environment names."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    program = health_check(service)
    assert f'127.0.0.1", {OURS[service]},' in program

    def exit_code(port: int) -> int:
        here = program.replace(str(OURS[service]), str(port))
        return subprocess.run([sys.executable, "-c", here], stderr=subprocess.DEVNULL, check=False).returncode

    asked: list[str] = []
    with answering(200, asked) as port:
        assert exit_code(port) == 0
    assert exit_code(port) == 1  # nobody listens there any more
    with answering(503, asked) as port:
        assert exit_code(port) == 1
    assert asked == [path, path]
