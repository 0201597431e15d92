"""The sentences that the program can say when something is wrong, as they stand in its code.

A sentence is a text of the source code that is not known to be something else (a help text, the description of a
metric, a pattern): what is new is taken for a sentence until it says what it is. Whatever is filled in at run time is
`…`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "switchboard"
SCRIPT = ROOT / "tools" / "venv"
"""The script behind `make up`."""
NO_TROUBLE = ("api/describe/", "cli/reference.py", "generator/ufm/", "inputs/csv/columns_")
"""Rooms that describe and simulate; their texts say nothing of what is wrong."""
LOUD = {"warning", "error", "critical", "exception"}
"""Methods of a log whose first argument is a sentence, however short."""
HELP = "setting for_source Meta Option Argument _help _option"
METRICS = "Counter Gauge Histogram _Histogram _counter _gauge"
DESCRIPTIONS = "Endpoint Example MetricInfo FaultKind _header _state"
ALL_IS_WELL = "debug info"
NO_WORDS = "compile encode split partition removesuffix removeprefix Thread field _translated Given"
DESCRIBES = {name for names in (HELP, METRICS, DESCRIPTIONS, ALL_IS_WELL, NO_WORDS) for name in names.split()}
"""Functions, classes and methods whose texts are something else."""
_PATTERN = re.compile(r"\(\?P<|\\[dsSw]")
_FIELD = re.compile(r"\{[a-z_]+\}")
FEWEST_WORDS = 3
"""Texts of fewer words are sentences only where they are raised or logged."""


class Sentence(NamedTuple):
    """A sentence, and where it is said."""

    text: str
    place: str


def sentences() -> Iterator[Sentence]:
    """Every sentence of the package, and of the script that sets up."""
    yield from in_script("tools/venv", SCRIPT.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(NO_TROUBLE):
            yield from in_module(name, ast.parse(path.read_text("utf-8")))


def in_module(name: str, module: ast.Module) -> list[Sentence]:
    """The sentences of one module."""
    finder = _Finder(name)
    finder.visit(module)
    return finder.found


def in_script(name: str, script: str) -> list[Sentence]:
    """The sentences of a shell script: what `fail` is given, and what is put into `words`."""
    script = re.sub(r"\$\((?:[^()]|\([^()]*\))*\)|\$\{[^}]*\}|\$\w+", "…", script)
    said = re.finditer(r'^.*?(?:\bfail |\bwords=)"((?:[^"\\]|\\.)*)"', script, re.MULTILINE)
    texts = ((" ".join(match[1].replace("\\", "").split()), script.count("\n", 0, match.start()) + 1) for match in said)
    return [Sentence(text, f"{name}:{line}") for text, line in texts if re.search(r"[a-z]", text)]


class _Finder(ast.NodeVisitor):
    """Walks a module; ``said`` tells whether the place is one where even short texts are sentences."""

    def __init__(self, name: str) -> None:
        self.found: list[Sentence] = []
        self._name = name
        self._said = False

    def visit_Expr(self, node: ast.Expr) -> None:
        """Documentation is no sentence of the program."""
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._within(node, said=True)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in LOUD and node.args:
            self._within(node.args[0], said=True, itself=True)
            for child in (*node.args[1:], *node.keywords):
                self.visit(child)
        elif name not in DESCRIBES:
            self.visit(node.func)
            for child in (*node.args, *node.keywords):
                self.visit(child)
        elif isinstance(node.func, ast.Attribute) and _template(node.func.value) is None:
            self.visit(node.func.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """An annotation may hold a type as text."""
        if node.value is not None:
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._found(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._found(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self._within(part.value, said=False, itself=True)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if _template(node) is None:
            self.generic_visit(node)
        else:
            self._found(node)

    def _within(self, node: ast.AST, *, said: bool, itself: bool = False) -> None:
        before, self._said = self._said, said
        if itself:
            self.visit(node)
        else:
            self.generic_visit(node)
        self._said = before

    def _found(self, node: ast.expr) -> None:
        text = _template(node)
        if text and _PATTERN.search(text):
            return
        text = text and _FIELD.sub("…", text)
        words = re.findall(r"[A-Za-z][A-Za-z'’]+|\bis\b|\ba\b|\bno\b", (text or "").replace("…", " "))
        blanks = " " in (text or "")
        if text and blanks and len(words) >= (1 if self._said else FEWEST_WORDS):
            self.found.append(Sentence(" ".join(text.split()), f"{self._name}:{node.lineno}"))


def _template(node: ast.expr) -> str | None:
    """The text of a literal, with `…` for what is filled in; None if it is no literal."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _template(node.left), _template(node.right)
        return None if left is None or right is None else left + right
    return None
