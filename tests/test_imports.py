"""The arrows between the modules, as a table: what each may import of the others, and of what does I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "switchboard"

VOCABULARY = {"model", "errors", "config", "addresses"}
LEAVES = VOCABULARY | {"serving", "log", "tasks", "clocks"}

# Part (a module at the top, or a folder) -> the parts that it may import, itself aside.
ARROWS: dict[str, set[str]] = {
    "__init__": set(),
    "model": set(),
    "errors": set(),
    "addresses": set(),
    "config": {"errors", "addresses"},
    "access": VOCABULARY,
    "serving": VOCABULARY,
    "log": VOCABULARY,
    "tasks": set(),
    "clocks": set(),
    "settings": VOCABULARY,
    "codec": VOCABULARY,
    "store": VOCABULARY | {"codec", "clocks"},
    "generator": LEAVES,
    "etl": LEAVES | {"access", "codec", "store"},
    "api": LEAVES | {"__init__", "codec", "store"},
    "sockets": VOCABULARY,
    "reference": VOCABULARY | {"settings"},
    "options": VOCABULARY | {"settings"},
    "welcome": VOCABULARY | {"log"},
    "worker": LEAVES | {"generator", "etl", "api"},
    "supervisor": LEAVES | {"store", "worker"},
    "services": LEAVES | {"access", "generator", "store", "settings", "sockets", "supervisor", "welcome", "worker"},
    "cli": LEAVES
    | {
        "__init__",
        "access",
        "api",
        "generator",
        "options",
        "reference",
        "services",
        "settings",
        "sockets",
        "supervisor",
        "worker",
    },
    "__main__": {"cli"},
}

# Only values in, values out: the codec and the vocabulary touch no socket, clock, log, metric or environment.
PURE = VOCABULARY | {"codec"}
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


def part_of(module: str) -> str:
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
            # `from switchboard import codec` imports a part, `from switchboard.codec import csv` a module of it.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def wrong_imports(root: Path) -> list[str]:
    """All wrong arrows in a package folder, as `file:line: what is wrong`."""
    wrong = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        part = relative.parts[0].removesuffix(".py")
        package = ".".join(["switchboard", *relative.parts[:-1]])
        if part not in ARROWS:
            wrong.append(f"{relative}: {part} is not in the table of arrows")
            continue
        for line, name in imports(ast.parse(path.read_text("utf-8")), package):
            if name.split(".")[0] == "switchboard":
                target = part_of(name)
                target = target if target in ARROWS else "__init__"
                if target != part and target not in ARROWS[part]:
                    wrong.append(f"{relative}:{line}: {part} imports {target}")
            elif part in PURE:
                names = {name.rsplit(".", count)[0] for count in range(name.count(".") + 1)}
                if names & IMPURE_MODULES and not names & PURE_NAMES:
                    wrong.append(f"{relative}:{line}: {part} imports {name}")
    return wrong


def test_imports_run_one_way() -> None:
    """No module of the package imports one that it must not know, and the pure ones import nothing that does I/O."""
    assert wrong_imports(PACKAGE) == []


def test_the_table_has_no_circle() -> None:
    """The arrows allow no two parts to know each other, even over several steps."""
    ordered: list[str] = []
    left = dict(ARROWS)
    while left:
        free = [part for part, targets in left.items() if targets <= set(ordered)]
        assert free, f"a circle among {sorted(left)}"
        ordered += free
        for part in free:
            del left[part]


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("etl/run.py", "from switchboard.view.view import View", "etl imports api"),
        ("api/app.py", "def f():\n    import switchboard.etl", "etl"),
        ("generator/app.py", "from switchboard.codec import csv", "generator imports codec"),
        ("codec/csv.py", "from switchboard import store", "codec imports store"),
        ("codec/csv.py", "from ..store import keys", "codec imports store"),
        ("codec/csv.py", "from time import time", "codec imports time.time"),
        ("codec/csv.py", "import os", "codec imports os"),
        ("codec/csv.py", "import redis.asyncio", "codec imports redis.asyncio"),
        ("model.py", "from switchboard.config.settings import MASK", "model imports config"),
        ("serving/guard.py", "from switchboard import cli", "serving imports cli"),
        ("serving/refusals.py", "from switchboard.api.answer import error_answer", "serving imports api"),
        ("novel.py", "", "not in the table"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    """A planted wrong import is named with its file."""
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    (wrong,) = wrong_imports(tmp_path)
    assert complaint in wrong
    assert wrong.startswith(file)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("etl/run.py", "from switchboard.store.keys import pointer\nfrom . import scrape\nimport time, redis"),
        ("store/keys.py", "from switchboard.snapshot.block import Block"),
        ("codec/csv.py", "from urllib.parse import quote\nfrom .kinds import Kind\nimport pyarrow.compute as pc"),
        ("config.py", "from switchboard.errors import ConfigError"),
        ("cli.py", "from switchboard import __version__"),
    ],
)
def test_a_right_import_is_left_alone(tmp_path: Path, file: str, text: str) -> None:
    """What the table allows is no complaint."""
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert wrong_imports(tmp_path) == []
