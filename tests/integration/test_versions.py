"""Two versions of Switchboard on one Redis, as during an upgrade: this one beside an older or a newer one."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from switchboard.model import FORMAT
from switchboard.store import keys
from tests.integration.answers import Pulse, ask
from tests.lab.processes import RedisServer, Switchboard, free_port, wait_for
from tests.lab.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
OLDER = "53819f0d922bbd3ae1dae5ab7dee2e54ab308544"
"""A version that says which format it reads at most."""
INTERVAL = 1.0
THIS: dict[str, str] = {}
"""The environment of this version."""


def environ_of(source: Path) -> dict[str, str]:
    """An environment in which Python runs the Switchboard of a source folder."""
    # It is not ours to measure: coverage finds nothing to start with.
    environ = {"PYTHONPATH": str(source), "COVERAGE_PROCESS_CONFIG": ""}
    probe = "import switchboard.api.run, switchboard.etl.run; print(switchboard.__file__)"
    run = subprocess.run([sys.executable, "-P", "-c", probe], env=environ, capture_output=True, text=True, check=False)
    assert run.stdout.startswith(str(source)), run.stderr
    return environ


@pytest.fixture
def older(tmp_path: Path) -> dict[str, str]:
    """The environment of an older version, from the history of the repository."""
    if shutil.which("git") is None:
        pytest.skip("needs git, for an older version of Switchboard")
    archive = subprocess.run(["git", "archive", OLDER, "src"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip("needs the history of the repository, for an older version of Switchboard")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path / "older", filter="data")
    return environ_of(tmp_path / "older" / "src")


@pytest.fixture
def newer(tmp_path: Path) -> dict[str, str]:
    """The environment of a newer version: this one, but that its pointers have the next format."""
    shutil.copytree(ROOT / "src", tmp_path / "newer", ignore=shutil.ignore_patterns("__pycache__"))
    model = tmp_path / "newer" / "switchboard" / "model.py"
    text, count = re.subn(rf"^FORMAT = {FORMAT}$", f"FORMAT = {FORMAT + 1}", model.read_text(), flags=re.MULTILINE)
    assert count == 1
    model.write_text(text)
    return environ_of(tmp_path / "newer")


class Site:
    """One Redis, one source whose only value grows, and ETLs and APIs of several versions."""

    def __init__(self, folder: Path, stack: ExitStack, ttl: float) -> None:
        self._folder = folder
        self._stack = stack
        self._ttl = ttl
        self._count = 0
        self.pulse = Pulse()
        self.redis = stack.enter_context(RedisServer(free_port()))
        self._source = stack.enter_context(Telemetry(self.pulse))
        self.states: Counter[str] = Counter()
        """States of the answers that ``moves_on`` has seen."""
        self.systems: list[Switchboard] = []

    def start(self, role: str, environ: Mapping[str, str]) -> Switchboard:
        """An ETL or an API; the API is ready."""
        self._count += 1
        file = self._folder / f"{self._count}.toml"
        file.write_text(
            f"interval = {INTERVAL}\nttl = {self._ttl}\netl_port = {free_port()}\n"
            f'[[sources]]\nname = "pulse"\nurl = "{self._source.url}/counters"\n'
        )
        options = ["--config", str(file), "--redis-url", self.redis.url, "--role", role, "--log-format", "json"]
        system = Switchboard(options, command="ingester", environ=environ, wait=role == "api")
        self.systems.append(self._stack.enter_context(system))
        return system

    def moves_on(self, *apis: Switchboard) -> None:
        """Every one of them shows a value that is made from now on."""
        value = self.pulse.value

        def moved() -> bool:
            seen = [ask(api) for api in apis]
            self.states.update(each.state for each in seen)
            return all(each.state == "fresh" and each.value > value for each in seen)

        wait_for(moved, "new data")

    def format(self) -> int:
        """The format of the pointer in Redis."""
        found = re.search(r'"format":(\d+)', self.redis.ask("GET", keys.pointer("pulse")) or "")
        return int(found[1]) if found else 0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends all processes of a test."""
    with ExitStack() as stack:
        yield stack


def test_an_upgrade_without_a_gap(tmp_path: Path, stack: ExitStack, older: dict[str, str]) -> None:
    """APIs first: they read what the older ETL writes. Then ETLs: the next one waits for the lease. Whoever is asked,
    answers are there and move on all the time.
    """
    site = Site(tmp_path, stack, ttl=20)
    old_etl, old_api = site.start("etl", older), site.start("api", older)
    site.moves_on(old_api)
    new_api = site.start("api", THIS)
    site.moves_on(old_api, new_api)
    old_api.stop()
    new_etl = site.start("etl", THIS)
    wait_for(lambda: "etl started" in new_etl.log, "the new ETL waits")
    site.moves_on(new_api)
    old_etl.stop()
    wait_for(lambda: "lease taken" in new_etl.log, "the new ETL takes over")
    site.moves_on(new_api)
    assert site.format() == FORMAT
    assert site.states["503"] == 0
    assert not any("Traceback" in system.log for system in site.systems)


def test_what_a_newer_version_has_written_is_left_alone(
    tmp_path: Path, stack: ExitStack, newer: dict[str, str]
) -> None:
    """ETLs first, which is the wrong order: an API of this version keeps what it has until the TTL is over, then says
    503 and who has to be upgraded, and never an answer that it may have misread. An API of the newer version reads
    both. Back again, an ETL of this version replaces what the newer one has written.
    """
    site = Site(tmp_path, stack, ttl=6)
    etl, api, newer_api = site.start("etl", THIS), site.start("api", THIS), site.start("api", newer)
    site.moves_on(api, newer_api)
    assert site.format() == FORMAT
    last = site.pulse.value
    newer_etl = site.start("etl", newer)
    etl.stop()
    wait_for(lambda: site.format() == FORMAT + 1, "the newer ETL writes")
    limit = max(last, site.pulse.value)
    site.moves_on(newer_api)

    def gives_up() -> bool:
        seen = ask(api)
        assert seen.value <= limit + 1
        return seen.state == "503"

    wait_for(gives_up, "the TTL is over")
    trouble = api.get("/ready").json()["sources"]["pulse"]["trouble"]
    assert f"format {FORMAT + 1}" in trouble
    assert "upgrade this process" in trouble
    site.moves_on(newer_api)
    newer_etl.stop()
    site.start("etl", THIS)
    site.moves_on(api, newer_api)
    assert site.format() == FORMAT
    assert not any("Traceback" in system.log for system in site.systems)
