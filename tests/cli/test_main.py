from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from switchboard import __version__
from switchboard.cli.main import main
from switchboard.config.layers import GENERAL, GENERATOR
from tests.lab.processes import Switchboard, free_port, get, wait_for
from tests.lab.servers import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
COMMANDS = ["up", "generator", "ingester", "config", "openapi"]


def run(
    *words: str, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, in an environment without settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
    return subprocess.run(
        [sys.executable, "-m", "switchboard", *words],
        env={**inherited, "COLUMNS": "80", **(environ or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In-process calls see no file and no variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in list(os.environ):
        if name.startswith("SWITCHBOARD_"):
            monkeypatch.delenv(name)


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints it."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"switchboard {__version__}\n"


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the commands are listed."""
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_whole_on_a_narrow_terminal(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help has an example, and nothing in it is cut or too wide at 80 columns."""
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"switchboard {command}" in out.partition("╭")[0].partition("[OPTIONS]")[2]
    assert max(map(len, out.splitlines())) <= 80
    assert "…  " not in out
    assert "… │" not in out


def test_help_names_every_setting_with_its_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    """`config --help` has the flag and the variable of each setting."""
    main(["config", "--help"])
    out = capsys.readouterr().out
    for setting in (*GENERAL, *GENERATOR):
        assert setting.long_flag in out
        assert setting.variable in out
    assert "default 8080, SWITCHBOARD_PORT" in out


# Command line -> what the one complaint must say.
MISTAKES = [
    (["nonsense"], ["nonsense"]),
    (["up", "--prot", "1"], ["--prot", "--port"]),
    (["up", "--port"], ["--port", "requires an argument"]),
    (["up", "extra"], ["extra"]),
    (["up", "--port", "http"], ["--port", "'http'", "a whole number from 0 to 65535"]),
    (["up", "--generator-port", "-1"], ["--generator-port", "'-1'"]),
    (["generator", "--port", "70000"], ["--port", "'70000'"]),
    (["generator", "--interval", "3"], ["--interval"]),
    (["up", "--no-generator"], ["--no-generator", "--source", "SWITCHBOARD_SOURCES"]),
    (["up", "--role", "etl"], ["--role"]),
    (["ingester", "--role", "both"], ["--role", "'both'", "all, etl, api"]),
    (["config", "--check", "--ttl", "5"], ["TTL of 5 s"]),
    (["config", "--check", "--generator-switches", "a,a"], ["a", "twice"]),
    (["config", "--config", "nowhere.toml"], ["nowhere.toml"]),
    (["config", "--redis-url", "http://:hunter2@h"], ["--redis-url", "***"]),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_or_two_lines_and_exit_code_2(
    words: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of the user names itself on standard error, without a traceback and without secrets."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert 1 <= len(captured.err.splitlines()) <= 2
    assert [word for word in said if word not in captured.err] == []
    assert "hunter2" not in captured.err


def test_config_prints_what_is_effective(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output is TOML, with the value of each layer and its origin."""
    (tmp_path / "switchboard.toml").write_text("workers = 3\n")
    words = ["config", "--generator-unasked-304", "--source", "A=http://h/?token=hunter2", "--interval", "2"]
    assert main(words) == 0
    out = capsys.readouterr().out
    values = tomllib.loads(out)
    assert values["workers"] == 3
    assert values["generator"]["unasked_304"] is True
    assert values["sources"] == [{"name": "A", "url": "http://h/?token=***", "interval": 2, "timeout": 1.6, "ttl": 6}]
    assert "# --generator-unasked-304" in out


def test_a_negative_flag_overrules_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--no-… turns off what the file turns on."""
    (tmp_path / "switchboard.toml").write_text("[generator]\nunasked_304 = true\n")
    assert main(["config", "--no-generator-unasked-304"]) == 0
    assert "unasked_304 = false  # --no-generator-unasked-304" in capsys.readouterr().out


def test_config_check_only_has_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """--check is silent and 0 if the settings can be used."""
    assert main(["config", "--check"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("variable", "suggested"),
    [
        ("SWITCHBOARD_INTERVL", "SWITCHBOARD_INTERVAL"),
        ("SWITCHBOARD_SOURCE", "SWITCHBOARD_SOURCES"),
        ("SWITCHBOARD_CONFG", "SWITCHBOARD_CONFIG"),
        ("Switchboard_Interval", "SWITCHBOARD_INTERVAL"),
    ],
)
def test_config_check_warns_of_what_is_ignored(
    variable: str, suggested: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable that no setting has is one line with the nearest name; --strict makes it exit code 1."""
    assert main(["config", "--check", "--strict"]) == 0
    monkeypatch.setenv(variable, "5")
    for words, code in ((["--check"], 0), (["--check", "--strict"], 1)):
        assert main(["config", *words]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"switchboard: unknown variables ignored: {variable} (did you mean `{suggested}`?)\n"


def test_strict_is_nothing_without_check(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that forgets --check is told."""
    assert main(["config", "--strict"]) == 2
    assert "--check" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["config", "--check"], ["up", "--no-generator"], ["ingester"]])
def test_files_of_sources_are_checked_at_the_start(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A certificate that is not there is one line that names source, key and file, and exit code 2."""
    (tmp_path / "switchboard.toml").write_text('[[sources]]\nname = "ufm"\nurl = "https://h/"\nca_file = "ca.pem"\n')
    assert main(words) == 2
    assert capsys.readouterr().err == "switchboard: source 'ufm', key `ca_file`: ca.pem: No such file or directory\n"


def test_openapi_prints_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON what /openapi.json serves, as Markdown docs/API.md."""
    assert main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"] == "3.1.0"
    assert main(["openapi", "--markdown"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "API.md").read_text("utf-8")


def test_config_reference_is_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """--reference prints docs/CONFIG.md."""
    assert main(["config", "--reference"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "CONFIG.md").read_text("utf-8")


def test_unknown_variables_are_a_warning() -> None:
    """An unknown variable is one warning, and everything goes on."""
    done = run("config", environ={"SWITCHBOARD_INTERVL": "5"})
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert "SWITCHBOARD_INTERVL" in line
    assert "SWITCHBOARD_INTERVAL" in line


def test_generator_runs_until_it_is_told_to_stop() -> None:
    """`switchboard generator` serves counters, and SIGTERM ends it with exit code 0."""
    with Switchboard(["--switches", "a,b"], command="generator", wait=False) as system:
        counters = wait_for(lambda: get(system.port, "/counters"), "the generator answers")
        assert counters.text.startswith("timestamp,switch_id,")
        assert [line.split(",")[1] for line in counters.text.splitlines()[1:]] == ["a", "b"]
        assert system.stop() == 0
        assert "Traceback" not in system.log
        assert {line["service"] for line in system.log_lines} == {"generator"}


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_it_runs_with_closed_standard_streams(closed: str) -> None:
    """Whichever of them is closed: no socket takes its place, and there is an answer."""
    port = free_port()
    words = f"exec {shlex.quote(sys.executable)} -m switchboard up --port {port} --generator-port 0 {closed}"
    with subprocess.Popen(["/bin/sh", "-c", words], stdin=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: process.poll() is not None or get(port, "/ready").status == 200, "it is ready, or ends")
            assert process.poll() is None
        finally:
            process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    "words", [["generator"], ["up", "--generator-port", "0"], ["ingester"]], ids=lambda words: words[0]
)
def test_a_taken_port_is_named_with_what_changes_it(words: list[str]) -> None:
    """A port in use is one line with port, host, flag and variable, and exit code 2."""
    with Switchboard(command="generator", wait=False) as other:
        wait_for(lambda: get(other.port, "/health"), "the other one answers")
        done = run(*words, "--port", str(other.port))
    variable = "SWITCHBOARD_GENERATOR_PORT" if words == ["generator"] else "SWITCHBOARD_PORT"
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert re.fullmatch(
        rf"switchboard: port {other.port} on 127\.0\.0\.1 is taken "
        rf"\(Switchboard is running already: http://127\.0\.0\.1:{other.port}\): "
        rf"choose another with switchboard {words[0]} \.\.\. --port \d+ \(or {variable}\)",
        line,
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--generator-switches", "a,a"], r"'a'.* twice"),
        (["--generator-switches", "0"], r"switches"),
        (["--interval", "10", "--ttl", "12"], r"TTL of 12 s is too short"),
        (["--interval", "5", "--timeout", "6"], r"timeout of 6 s is longer than the interval of 5 s"),
        (["--source", "ftp://x/y"], r"'ftp://x/y' is not an http"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_settings_that_cannot_work_are_refused_before_anything_starts(words: list[str], sentence: str) -> None:
    """Settings that contradict each other are one line and exit code 2, and no process was started for them."""
    done = run("up", "--port", "0", "--generator-port", "0", *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert re.search(sentence, line)


def test_ingester_without_redis_says_so_once_and_goes_on() -> None:
    """Without a Redis it says so in one line with what names another, lives on, and stops cleanly."""
    url = f"redis://:hunter2@127.0.0.1:{free_port()}/0"
    with Switchboard(["--redis-url", url], command="ingester", wait=False) as system:
        wait_for(lambda: get(system.port, "/health").status == 200, "the API answers")
        lines = wait_for(
            lambda: [line for line in system.log_lines if line["service"] == "ingester" and line["level"] == "error"],
            "it says so",
        )
        assert system.stop() == 0
        assert "hunter2" not in system.log
    assert len(lines) == 1
    assert "--redis-url" in json.dumps(lines)


def test_roles_are_processes_of_their_own(tmp_path: Path) -> None:
    """--role etl has no API but a port of its own; --role api with 2 workers has no ETL."""
    redis_url = f"redis://127.0.0.1:{free_port()}/0"
    etl_port = free_port()
    with Switchboard(
        ["--role", "etl", "--etl-port", str(etl_port), "--redis-url", redis_url], command="ingester", wait=False
    ) as system:
        wait_for(lambda: get(etl_port, "/health").status == 200, "the ETL answers")
        assert len(system.pids("etl")) == 1
        assert len(system.children()) == 1
        assert system.stop() == 0
    with Switchboard(
        ["--role", "api", "--workers", "2", "--redis-url", redis_url], command="ingester", wait=False
    ) as system:
        wait_for(lambda: get(system.port, "/health").status == 200, "the API answers")
        assert len(system.pids("api")) == 2
        assert len(system.children()) == 2
        assert system.stop() == 0
