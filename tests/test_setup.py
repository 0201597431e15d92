"""What a newcomer reads when `make` cannot set up: one sentence, with what mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.servers import PATIENCE_SECONDS

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

# A Python whose venv module works, and whose pip says what the variable PIP_SAYS has.
PYTHON = f"""#!/bin/sh
case "$*" in
    *"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *"-m pip"*) echo "$PIP_SAYS"; test -z "$PIP_SAYS" ;;
    *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The files that the set-up needs, in a folder of their own."""
    for name in ("Makefile", "requirements-dev.lock", "pyproject.toml", "tools/venv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(repository: Path, script: str, *, pip_says: str = "") -> tuple[int, list[str]]:
    """Exit code of `make up` with this Python, and what it says on standard error, but for make's own line."""
    python = repository / "python"
    python.write_text(script)
    python.chmod(0o755)
    run = subprocess.run(
        ["make", "up", f"PYTHON={python}", "ARGS=--help"],
        cwd=repository,
        env={"PATH": os.environ["PATH"], "PIP_SAYS": pip_says},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return run.returncode, [line for line in run.stderr.splitlines() if not line.startswith("make")]


def test_an_old_python_is_named(repository: Path) -> None:
    """Python before 3.11: the version that was found, and how to name another one."""
    code, lines = make(repository, '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" || exit 1\n')
    assert code != 0
    (line,) = lines
    assert "needs Python 3.11 or later (found: Python 3.9.2)" in line
    assert "make up PYTHON=" in line


def test_a_missing_venv_module_is_named(repository: Path) -> None:
    """Debian without python3-venv: the package that mends it."""
    code, lines = make(repository, PYTHON.replace('mkdir -p "$3/bin" && cp "$0" "$3/bin/python"', "exit 1"))
    assert code != 0
    (line,) = lines
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt-get install python{version}-venv" in line
    assert "build/setup.log" in line


@pytest.mark.parametrize(
    ("pip_says", "said"),
    [
        ("WARNING: Retrying: NewConnectionError: Network is unreachable", "package index cannot be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one that requirements-dev.lock pins"),
        ("ERROR: No space left on device", "ERROR: No space left on device"),
    ],
)
def test_what_pip_says_is_one_sentence(repository: Path, pip_says: str, said: str) -> None:
    """No network, wrong hashes and any other failure: the cause, the log file, and what to run next."""
    code, lines = make(repository, PYTHON, pip_says=pip_says)
    assert code != 0
    (line,) = lines
    assert said in line
    assert "build/setup.log" in line
    assert "make up" in line
    assert pip_says in (repository / "build" / "setup.log").read_text()
    assert not (repository / ".venv" / "ready").exists()


def test_the_environment_is_kept_until_the_lock_changes(repository: Path) -> None:
    """A second `make` sets nothing up; one after a change of the lock starts from nothing."""
    program = "#!/bin/sh\necho runs\n"
    for changed in (False, False, True):
        if changed:
            with (repository / "requirements-dev.lock").open("a") as lock:
                lock.write("# changed\n")
        kept = repository / ".venv" / "kept"
        before = kept.exists()
        script = PYTHON.replace('"$3/bin/python"', '"$3/bin/python" && cp switchboard "$3/bin"')
        (repository / "switchboard").write_text(program)
        (repository / "switchboard").chmod(0o755)
        code, lines = make(repository, script)
        assert (code, lines) == (0, [])
        assert kept.exists() == (before and not changed)
        kept.touch()
