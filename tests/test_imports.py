"""The arrows between the rooms, as a table: what each may import of the others, and of what does I/O."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "switchboard"

VOCABULARY = {"model", "errors", "moments", "reasons"}
LEAVES = VOCABULARY | {"config", "log", "tasks", "clocks", "serving"}

# Room (a folder, or a module at the top) -> the rooms that it may import, itself aside. From the bottom to the top.
ARROWS: dict[str, set[str]] = {
    "__init__": set(),
    "model": set(),
    "errors": set(),
    "moments": set(),
    "negotiation": set(),
    "reasons": {"model"},
    "tasks": set(),
    "clocks": set(),
    "folders": {"errors"},
    "config": {"errors", "moments"},
    "log": {"config"},
    "exposition": {"__init__"},
    "serving": {"config"},
    "snapshot": {"model", "errors"},
    "inputs": VOCABULARY | {"config", "snapshot"},
    "selection": {"snapshot"},
    "outputs": {"selection", "snapshot"},
    "store": {"model", "errors", "config", "clocks", "folders", "snapshot"},
    "etl": LEAVES | {"exposition", "inputs", "snapshot", "store"},
    "view": VOCABULARY | {"clocks", "log", "snapshot"},
    "query": VOCABULARY | {"outputs", "selection", "snapshot", "view"},
    "api": LEAVES | {"__init__", "exposition", "negotiation", "query", "view", "outputs", "snapshot", "store"},
    "generator": LEAVES | {"exposition", "negotiation"},
    "process": LEAVES | {"__init__", "folders", "generator", "etl", "api", "store"},
    "cli": LEAVES | {"__init__", "api", "generator", "process"},
    "__main__": {"cli"},
}
MOST_MODULES, MOST_LINES = 20, 450
"""Of a folder, and of a file."""

# Only values in, values out: these touch no socket, clock, log, metric or environment.
PURE = VOCABULARY | {"config", "negotiation", "snapshot", "inputs", "selection", "outputs", "query"}
# The client, and a command line that answers at once, stand on these: they and all that they import are light.
LIGHT = ("switchboard.errors", "switchboard.query.requests", "switchboard.query.reports")
HEAVY_MODULES = {"pyarrow", "numpy", "redis"}
IMPURE_MODULES = {
    "aiohttp",
    "asyncio",
    "http",
    "logging",
    "os",
    "prometheus_client",
    "redis",
    "socket",
    "starlette",
    "structlog",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
    "uvicorn",
}
# Modules with a part that is pure.
PURE_NAMES = {"os.path", "urllib.parse"}


def room_of(module: str) -> str:
    """`store` of `switchboard.store.keys`; `__init__` of `switchboard` itself."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a module imports, wherever it does; `package` is where relative ones start."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            # `from switchboard import inputs` imports a room, `from switchboard.inputs import csv` a module of it.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def wrong_imports(root: Path) -> list[str]:
    """All wrong arrows in a package folder, as `file:line: what is wrong`."""
    wrong = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        room = relative.parts[0].removesuffix(".py")
        package = ".".join(["switchboard", *relative.parts[:-1]])
        if room not in ARROWS:
            wrong.append(f"{relative}: {room} is not in the table of arrows")
            continue
        for line, name in imports(ast.parse(path.read_text("utf-8")), package):
            if name.split(".")[0] == "switchboard":
                target = room_of(name)
                target = target if target in ARROWS else "__init__"
                if target != room and target not in ARROWS[room]:
                    wrong.append(f"{relative}:{line}: {room} imports {target}")
            elif room in PURE:
                names = {name.rsplit(".", count)[0] for count in range(name.count(".") + 1)}
                if names & IMPURE_MODULES and not names & PURE_NAMES:
                    wrong.append(f"{relative}:{line}: {room} imports {name}")
    return wrong


def test_imports_run_one_way() -> None:
    """No module of the package imports one that it must not know, and the pure ones import nothing that does I/O."""
    assert wrong_imports(PACKAGE) == []


def test_the_table_has_no_circle() -> None:
    """The arrows allow no two parts to know each other, even over several steps."""
    ordered: list[str] = []
    left = dict(ARROWS)
    while left:
        free = [room for room, targets in left.items() if targets <= set(ordered)]
        assert free, f"a circle among {sorted(left)}"
        ordered += free
        for room in free:
            del left[room]


def test_every_room_is_in_the_table_and_nothing_else() -> None:
    """A room that is gone leaves no row behind."""
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert rooms - {"__pycache__"} == ARROWS.keys()


def test_what_the_client_stands_on_is_light() -> None:
    """Queries, reports and errors are imported without pyarrow, numpy and redis."""
    program = f"import sys, {', '.join(LIGHT)}; print(*sorted(set(sys.modules) & {HEAVY_MODULES}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_no_folder_and_no_file_is_too_large_to_overlook() -> None:
    """No folder of the package has more than 20 modules, and no file more than 450 lines."""
    folders = Counter(path.parent for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    assert {str(folder.relative_to(PACKAGE)): count for folder, count in folders.items() if count > MOST_MODULES} == {}
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(PACKAGE)): count for path, count in lines.items() if count > MOST_LINES} == {}


def test_tests_mirror_the_rooms() -> None:
    """Beside the laboratory, the data and the tests of the whole, each folder of tests has the name of a room."""
    tests = Path(__file__).parent
    folders = {path.name for path in tests.iterdir() if path.is_dir() and not path.name.startswith(("__", "."))}
    assert folders - {"lab", "data", "integration"} <= ARROWS.keys()
    for room in folders & ARROWS.keys():
        inner = {path.name for path in (tests / room).iterdir() if path.is_dir() and not path.name.startswith("__")}
        assert {name for name in inner if not (PACKAGE / room / name).is_dir()} == set(), room


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("etl/run.py", "from switchboard.view.view import View", "etl imports view"),
        ("api/app.py", "def f():\n    import switchboard.etl", "etl"),
        ("generator/service.py", "from switchboard.inputs import csv", "generator imports inputs"),
        ("inputs/csv/parser.py", "from switchboard import store", "inputs imports store"),
        ("inputs/csv/parser.py", "from ...store import keys", "inputs imports store"),
        ("inputs/csv/parser.py", "from time import time", "inputs imports time.time"),
        ("outputs/json.py", "import os", "outputs imports os"),
        ("snapshot/block.py", "import redis.asyncio", "snapshot imports redis.asyncio"),
        ("snapshot/order.py", "from switchboard.selection.globs import Names", "snapshot imports selection"),
        ("selection/merge.py", "from switchboard.outputs.json import encode_json", "selection imports outputs"),
        ("query/cells.py", "from switchboard.api.answer import Answer", "query imports api"),
        ("query/lists.py", "from switchboard.serving import serve", "query imports serving"),
        ("query/lists.py", "from switchboard.store.store import Store", "query imports store"),
        ("view/watch.py", "from switchboard.api import metrics", "view imports api"),
        ("view/view.py", "from switchboard.query.result import Result", "view imports query"),
        ("store/sources.py", "from switchboard.view.view import View", "store imports view"),
        ("model.py", "from switchboard.config.masks import MASK", "model imports config"),
        ("serving/guard.py", "from switchboard import cli", "serving imports cli"),
        ("serving/refusals.py", "from switchboard.api.answer import error_answer", "serving imports api"),
        ("process/worker.py", "from switchboard.cli.main import main", "process imports cli"),
        ("novel.py", "", "not in the table"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    """A planted wrong import is named with its file."""
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    (wrong,) = wrong_imports(tmp_path)
    assert complaint in wrong
    assert wrong.startswith(file)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("etl/run.py", "from switchboard.store.keys import pointer\nfrom . import loop\nimport time, redis"),
        ("store/keys.py", "from switchboard.snapshot.block import Block"),
        (
            "inputs/csv/parser.py",
            "from urllib.parse import quote\nfrom .context import Context\nimport pyarrow",
        ),
        ("query/lists.py", "from switchboard.outputs.formats import FORMATS\nfrom switchboard.view.view import View"),
        ("config/layers.py", "from switchboard.errors import ConfigError"),
        ("cli/main.py", "from switchboard import __version__"),
    ],
)
def test_a_right_import_is_left_alone(tmp_path: Path, file: str, text: str) -> None:
    """What the table allows is no complaint."""
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert wrong_imports(tmp_path) == []
