"""Two versions of Switchboard on one Redis, as during an upgrade: this one, and one whose pointers have format 1."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from switchboard.store import keys
from tests.integration.answers import Pulse, ask
from tests.lab.processes import RedisServer, Switchboard, free_port, wait_for
from tests.lab.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
FORMAT_1 = "2a2198138381030dc40c5253e35206e209b386af"
"""The last version without numbered confirmations."""
INTERVAL, TTL = 1.0, 20.0


@pytest.fixture
def older(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python runs that version."""
    if shutil.which("git") is None:
        pytest.skip("needs git, for an older version of Switchboard")
    archive = subprocess.run(["git", "archive", FORMAT_1, "src"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip("needs the history of the repository, for an older version of Switchboard")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path / "older", filter="data")
    # Its source is not ours to measure: coverage finds nothing to start with.
    environ = {"PYTHONPATH": str(tmp_path / "older" / "src"), "COVERAGE_PROCESS_CONFIG": ""}
    probe = "import switchboard.api.app, switchboard.etl.run, switchboard.model as m; assert not hasattr(m, 'FORMAT')"
    if subprocess.run([sys.executable, "-c", probe], env=environ, capture_output=True, check=False).returncode:
        pytest.skip("the older version of Switchboard does not run with the packages that are installed")
    return environ


def test_etls_are_upgraded_first_and_then_apis(tmp_path: Path, older: dict[str, str]) -> None:
    """All is of the older version; an ETL of this one joins and takes over, the older one is stopped; an API of this
    one joins and the older one is stopped. Whoever is asked, answers are there and move on all the time.
    """
    pulse = Pulse()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(free_port()))
        source = stack.enter_context(Telemetry(pulse))

        def start(role: str, environ: dict[str, str], folder: str) -> Switchboard:
            file = tmp_path / f"{folder}.toml"
            file.write_text(
                f"interval = {INTERVAL}\nttl = {TTL}\netl_port = {free_port()}\n"
                f'[[sources]]\nname = "pulse"\nurl = "{source.url}/counters"\n'
            )
            options = ["--config", str(file), "--redis-url", redis.url, "--role", role, "--log-format", "json"]
            system = Switchboard(options, command="ingester", environ=environ, wait=role == "api")
            return stack.enter_context(system)

        states: Counter[str] = Counter()

        def moves_on(*apis: Switchboard) -> None:
            """Every one of them shows a value that is made from now on; none answers 503 meanwhile."""
            value = pulse.value

            def moved() -> bool:
                seen = [ask(api) for api in apis]
                states.update(each.state for each in seen)
                return all(each.state == "fresh" and each.value > value for each in seen)

            wait_for(moved, "new data")

        old_etl = start("etl", older, "old-etl")
        old_api = start("api", older, "old-api")
        moves_on(old_api)
        new_api = start("api", {}, "new-api")  # too early, as somebody will do
        moves_on(old_api, new_api)
        assert new_api.log.count("older version") == 1
        new_etl = start("etl", {}, "new-etl")
        wait_for(lambda: "lease taken" in new_etl.log, "the new ETL takes over")
        moves_on(old_api, new_api)
        wait_for(lambda: '"format":2' in redis.ask("GET", keys.pointer("pulse")), "a pointer of this version")
        old_etl.stop()
        moves_on(old_api, new_api)
        old_api.stop()
        moves_on(new_api)
        assert states["503"] == 0
        assert not any("Traceback" in each.log for each in (old_etl, old_api, new_etl, new_api))
