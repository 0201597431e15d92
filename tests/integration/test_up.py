"""`switchboard up`, as a newcomer meets it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.answers import Pulse
from tests.lab.processes import Switchboard, file_server, wait_for
from tests.lab.servers import PATIENCE_SECONDS
from tests.lab.telemetry import Telemetry

DATA = Path(__file__).parent.parent / "data"
REDIS_CLI = shutil.which("redis-cli")


def test_up_prints_what_to_try_and_all_of_it_works() -> None:
    """The curl lines and the redis-cli line that `up` prints answer as they stand."""
    with Switchboard() as system:
        output = wait_for(lambda: system.output if "Try:" in system.output else "", "what to try")
        urls = re.findall(r"^\s+curl (.+)$", output, re.MULTILINE)
        assert len(urls) == 2
        for url in urls:
            (plain,) = shlex.split(url)
            assert system.get(plain.partition(str(system.port))[2]).status == 200, plain
        line = re.search(r"(\S+ -s \S+)", output)
        assert line
        keys = subprocess.check_output([*line[1].split(), "ZRANGE", "sb:sources", "0", "-1"], text=True)
        assert keys.split() == ["generator"]


def test_up_prints_the_addresses_although_a_source_does_not_answer() -> None:
    """With what is missing; once the source answers, what to try."""
    pulse = Pulse(dead=True)
    with Telemetry(pulse) as source:
        options = ["--source", f"pulse={source.url}/counters", "--interval", "1", "--ttl", "30"]
        with Switchboard(options, generator=False, wait=False) as system:
            output = wait_for(lambda: system.output if "Source pulse: " in system.output else "", "what is missing")
            assert f"http://127.0.0.1:{system.port}/docs" in output
            assert "cannot answer yet" in output
            assert "503" in output
            assert "Try:" not in output
            pulse.dead = False
            output = wait_for(lambda: system.output if "Try:" in system.output else "", "what to try")
            assert output.count("/docs") == 1
            assert "TopMetrics?metric=rx&n=3" in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_stops_cleanly(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end everything with exit code 0: no process, no socket, no folder is left."""
    with Switchboard() as system:
        children = system.children()
        assert len(children) == 4, children
        folder = Path(system.redis_socket).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        system.process.send_signal(number)
        assert system.process.wait(15) == 0
        assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
        assert not folder.exists()
        assert "Traceback" not in system.log


def test_up_leaves_nothing_behind_when_it_is_killed() -> None:
    """SIGKILL on the supervisor ends its children too, within seconds."""
    with Switchboard() as system:
        children = system.children()
        system.process.kill()
        system.process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "all children end")


def test_the_next_start_removes_what_a_killed_one_has_left() -> None:
    """The folders of its Redis and of its metrics, and says so; those of one that runs stay."""
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:  # a path that is short enough for a socket
        environ = {"TMPDIR": temporary}
        with Switchboard(environ=environ) as running:
            kept = set(Path(temporary).iterdir())
            with Switchboard(environ=environ) as killed:
                left = set(Path(temporary).iterdir()) - kept
                killed.crash()
            assert (len(kept), len(left)) == (2, 2)
            with Switchboard(environ=environ) as system:
                (line,) = (line for line in system.log_lines if line["event"].startswith("removed the folders"))
                assert left <= set(map(Path, line["folders"]))  # in /tmp there may be more of them
                assert not left & set(Path(temporary).iterdir())
            assert set(Path(temporary).iterdir()) == kept
            assert running.get("/ready").status == 200
        assert list(Path(temporary).iterdir()) == []


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
@pytest.mark.parametrize("command", ["up", "ingester"])
def test_without_a_folder_for_temporary_files_it_says_what_helps(command: str) -> None:
    """As in a read-only container: one line, and nothing was started."""
    # What is in the folders stays readable: this repository may be there.
    read_only = "mount --bind $folder $folder && mount -o remount,bind,ro $folder"
    mounts = f"for folder in /tmp /var/tmp; do {read_only} || exit 77; done; cd /proc; exec "
    words = [sys.executable, "-P", "-m", "switchboard", command, "--port", "0"]
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounts + shlex.join(words)],
        env={name: value for name, value in os.environ.items() if name not in {"TMPDIR", "TEMP", "TMP"}},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if run.returncode == 77 or "unshare" in run.stderr:
        pytest.skip("needs the right to mount a file system")
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line == (
        "switchboard: the folder for temporary files, /tmp, cannot be written: "
        "mount a tmpfs at /tmp, or set TMPDIR to another folder"
    )


@pytest.mark.parametrize("made", [False, True], ids=["switchboard up", "make up"])
def test_up_says_which_ports_are_taken_and_what_to_type(made: bool) -> None:
    """All that are in use at once, and the command with others, in the form that was typed; nothing is started."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2))
        run = subprocess.run(
            [sys.executable, "-m", "switchboard", "up"],
            env={
                **os.environ,
                "SWITCHBOARD_PORT": str(first),
                "SWITCHBOARD_GENERATOR_PORT": str(second),
                "STARTED_WITH_MAKE": "up" if made else "",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert run.returncode == 2
    command = (
        r'make up ARGS="--port \d+ --generator-port \d+"' if made else r"switchboard up --port \d+ --generator-port \d+"
    )
    assert re.fullmatch(
        rf"switchboard: port {first} on 127\.0\.0\.1 and port {second} on 127\.0\.0\.1 are taken: "
        rf"choose another with {command} \(or SWITCHBOARD_PORT, SWITCHBOARD_GENERATOR_PORT\)\n",
        run.stderr,
    )


def test_ufm_file_from_any_static_server_is_answered() -> None:
    """NVIDIA's primary CSV, pulled from `python -m http.server`: the cell of a GUID and port, and all 8 switches."""
    with file_server(DATA) as files:
        system = Switchboard(["--source", f"{files}/ufm_primary.csv"], generator=False)
        with system:
            cell = "switch_id=0x248a070300ef19a0&port=23&metric=Infiniband_PckIn_u_Packets"
            reply = system.get(f"/telemetry/GetMetric?{cell}")
            assert (reply.status, reply.body) == (200, b"244498")
            listed = system.get("/telemetry/ListMetrics").json()
            assert len({switch for item in listed for switch in item}) == 8
            assert system.get("/telemetry/ListSwitches").text.count('"switch_id"') == 8


@pytest.mark.skipif(REDIS_CLI is None, reason="needs redis-cli")
def test_keys_are_time_partitioned_expire_and_the_pointer_is_written_last() -> None:
    """redis-cli shows `…/{timestamp}/{switch_id}`-style keys, one per switch, with a TTL of at most 45 s, the pointer
    with at most 30 s; MONITOR shows that it is written last.
    """
    assert REDIS_CLI
    with Switchboard(["--generator-hold", "2"]) as system:
        redis_cli = [REDIS_CLI, "-s", system.redis_socket]

        def ask(*words: str) -> str:
            return subprocess.check_output([*redis_cli, *words], text=True).strip()

        snapshot = system.get("/telemetry/ListMetrics").headers["x-snapshot-id"]
        blocks = ask("--scan", "--pattern", f"sb:generator:{snapshot}/*").splitlines()
        assert sorted(blocks) == sorted(f"sb:generator:{snapshot}/sw{number}" for number in range(1, 101))
        assert re.fullmatch(r"\d{13}-[0-9a-f]{8}", snapshot)
        assert abs(int(snapshot[:13]) / 1000 - time.time()) < 30
        assert all(0 < int(ask("TTL", key)) <= 45 for key in (*blocks[:5], f"sb:generator:{snapshot}"))
        assert 0 < int(ask("TTL", "sb:{generator}:pointer")) <= 30
        with subprocess.Popen([*redis_cli, "MONITOR"], stdout=subprocess.PIPE, text=True) as monitor:
            assert monitor.stdout
            writes = []
            for line in monitor.stdout:
                if '"set"' in line.lower() and "sb:" in line and not re.search(":(status|lease)", line):
                    writes.append(re.findall(r'"(sb:[^"]+)"', line)[0])
                    if writes[-1] == "sb:{generator}:pointer":
                        break
            monitor.terminate()
    assert len(writes) == 102
    assert "/" not in writes[100]
    assert all("/" in key for key in writes[:100])
    assert {key.split("/")[0] for key in writes[:100]} == {writes[100]}
