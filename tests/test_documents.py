"""The documents are true: what they show is run, and what is printed is compared with what stands there.

A block marked ``<!-- run -->`` runs against a system with the generator, one marked ``<!-- run: ufm -->`` against one
that scrapes NVIDIA's sample. Numbers, hashes and dates are compared by shape, `…` stands for anything. A block of
commands with their output (```` ```console ````) must be marked, so that nothing is shown that was not run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest

from switchboard.cli.main import app
from tests.lab.cases import CASES, Case
from tests.lab.processes import Switchboard, file_server
from tests.lab.servers import PATIENCE_SECONDS

ROOT = Path(__file__).parent.parent
GENERATED = {"docs/API.md", "docs/CONFIG.md"}
"""Tests of their own compare them with the code."""
DOCUMENTS = {
    name: path.read_text("utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    if (name := path.relative_to(ROOT).as_posix()) not in GENERATED
}
_MARK = r"<!-- run(?:: (\w+))? -->\n"
_BLOCK = rf"{_MARK}```(\w+)\n(.*?)```\n(?:\nprints[^\n]*\n\n```\n(.*?)```)?"


class Block(NamedTuple):
    """A marked block of a document."""

    document: str
    number: int
    kind: str
    language: str
    text: str
    prints: str

    def __str__(self) -> str:
        return f"{self.document}-{self.number}"


BLOCKS = [
    Block(document, number, *groups)
    for document, text in DOCUMENTS.items()
    for number, groups in enumerate(re.findall(_BLOCK, text, re.DOTALL), 1)
]


@pytest.fixture(scope="module")
def systems() -> Iterator[dict[str, Switchboard]]:
    """One system per kind of block. The generator holds its snapshot: values stand still, however old they are."""
    with file_server(ROOT / "tests" / "data") as files:
        ufm = Switchboard(["--source", f"{files}/ufm_primary.csv"], generator=False)
        with Switchboard(["--generator-hold", "100000", "--max-data-age", "0"]) as basic, ufm:
            yield {"": basic, "ufm": ufm}


def _shape(text: str) -> str:
    """The text with everything that differs from run to run replaced by what it is."""
    text = re.sub(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", "DATE", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"\d{13}-[0-9a-f]{8}", "SNAPSHOT", text)
    text = re.sub(r'"[0-9a-f]{24}"', "ETAG", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    return re.sub(r"(?<![\w.])-?\d+(\.\d+)?(?![\w.])", "N", text)


def _agrees(shown: str, printed: str) -> bool:
    pattern = re.escape(_shape(shown.strip())).replace("…", ".*")
    return re.fullmatch(pattern, _shape(printed.strip()), re.DOTALL) is not None


def _run(command: list[str]) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        command, cwd=ROOT, env={"PATH": path}, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    return run.stdout


def _placed(text: str, system: Switchboard) -> str:
    text = text.replace("localhost:8080", f"127.0.0.1:{system.port}")
    return text.replace("localhost:9001", f"127.0.0.1:{system.generator_port}")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_marked_block_prints_what_the_document_shows(systems: dict[str, Switchboard], block: Block) -> None:
    """Every command of a marked block runs, and prints what stands under it."""
    system = systems[block.kind]
    if block.language == "python":
        assert _agrees(block.prints, _run([sys.executable, "-c", _placed(block.text, system)]))
        return
    commands = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
    assert commands
    for command, shown in commands:
        quiet = _placed(command, system).replace("curl ", "curl --silent --show-error ", 1)
        printed = _run(["sh", "-c", quiet])
        assert _agrees(shown, printed), f"{command} printed\n{printed}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_with_its_output_is_marked(document: str) -> None:
    """A block of commands that no test runs may show what is not true any more."""
    marks = re.findall(r"^(.*)\n```console$", DOCUMENTS[document], re.MULTILINE)
    assert [mark for mark in marks if not re.fullmatch(_MARK, f"{mark}\n")] == []


def anchor(heading: str) -> str:
    """What a link to a heading of a document ends with, as GitHub has it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", [*DOCUMENTS, *sorted(GENERATED)])
def test_links_lead_somewhere(document: str) -> None:
    """Every relative link names a file that exists, and a heading in it."""
    path = ROOT / document
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            broken.append(link)
        elif heading and target.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            if heading not in map(anchor, headings):
                broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_commands_exist(document: str) -> None:
    """Each target of make and each command of switchboard that a document names is there."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    commands = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    text = DOCUMENTS[document]
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:`|^|/)switchboard ([a-z][a-z-]*)", text, re.MULTILINE)) <= commands


SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.glob("*/**/*.py")}
_MADE_UP = {"src/switchboard/inputs/csv/columns_opa.py", "tests/query/test_counts.py"}
"""Files that recipes make."""


def named_files(name: str) -> list[str]:
    """The files that a name in a document may mean: a path from the root, from the package, or the end of one."""
    whole = [each for each in (name, f"src/switchboard/{name}") if each in SOURCES]
    return whole or [each for each in SOURCES if each.endswith(f"/{name}")]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_files_exist(document: str) -> None:
    """Each Python file that a document names exists, and has the name that stands with it: `model.py`: `State`."""
    text = re.sub(r"^```diff$.*?^```$", "", DOCUMENTS[document], flags=re.DOTALL | re.MULTILINE)
    named = re.findall(r"`([\w/.]+\.py)(?:::\w+)?`(?:: `([\w.]+)`)?", text)
    named += re.findall(r"`([\w/.]+\.py)(?:: |::)(\w+)`", text)
    wrong = []
    for file, name in named:
        files = named_files(file)
        if not files and file not in _MADE_UP:
            wrong.append(file)
        if files and name and not any(re.search(rf"\b{name.split('.')[-1]}\b", SOURCES[each]) for each in files):
            wrong.append(f"{file}: {name}")
    assert document == "CHANGELOG.md" or wrong == []


RECIPES = [document for document, text in DOCUMENTS.items() if "```diff\n" in text]
_LINE = r"(?!--- (?:a/|/dev/null))[ +\-].*\n"
_HUNK = rf"^@@ .*\n((?:{_LINE})*)"
_FILE = rf"^--- (\S+)\n\+\+\+ b/(\S+)\n((?:@@ .*\n(?:{_LINE})*)+)"
_RUN = r"^ (.*)\n|((?:^-.*\n)+)((?:^\+.*\n)*)"


def diffs_of(document: str) -> str:
    """All diffs that a document shows, as one."""
    return "".join(re.findall(r"^```diff\n(.*?)^```$", DOCUMENTS[document], re.DOTALL | re.MULTILINE))


def packed(text: str) -> str:
    """The text without blanks and line ends, because a formatter moves them."""
    return re.sub(r"\s+", "", text)


def common_beginning(one: str, other: str) -> str:
    return "".join(first for first, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def anchors(hunk: str) -> Iterator[str]:
    """What a file must have, in this order, for a hunk to make sense there: the lines that stay, and those that go.

    Of a line that another one replaces, only what both have in common: whoever has followed the recipe has changed it.
    """
    for stays, gone, come in re.findall(_RUN, hunk, re.MULTILINE):
        yield packed(stays)
        old, new = ([packed(line[1:]) for line in lines.splitlines()] for lines in (gone, come))
        for before, after in zip_longest(old, new[: len(old)]):
            if after is None:
                yield before
                continue
            begins = common_beginning(before, after)
            yield begins
            yield common_beginning(before[len(begins) :][::-1], after[len(begins) :][::-1])[::-1]


def misfits(diffs: str, sources: Mapping[str, str]) -> list[str]:
    """Anchors of hunks that are missing in the files, or stand there in another order."""
    missing = []
    for before, name, hunks in re.findall(_FILE, diffs, re.MULTILINE):
        if before == "/dev/null":
            continue
        text, at = packed(sources.get(name, "")), 0
        for hunk in re.findall(_HUNK, hunks, re.MULTILINE):
            for anchor in anchors(hunk):
                found = text.find(anchor, at)
                if found < 0:
                    missing.append(f"{name}: {anchor}")
                else:
                    at = found + len(anchor)
    return missing


@pytest.mark.parametrize("document", RECIPES)
def test_recipes_fit_the_code(document: str) -> None:
    """What the diffs of a recipe leave, remove or replace is in the code, in the same order.

    The lines beside it may have changed: whoever follows a recipe adds a row where the recipe adds its own.
    """
    diffs = diffs_of(document)
    assert len(re.findall(_FILE, diffs, re.MULTILINE)) == diffs.count("\n+++ b/")
    assert misfits(diffs, SOURCES) == []


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("document", RECIPES)
def test_diffs_of_recipes_are_well_formed(document: str) -> None:
    """`git apply` can read them: each hunk has as many lines as its head says."""
    command = ["git", "apply", "--numstat", "-"]
    run = subprocess.run(command, input=diffs_of(document), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


_PLANTED = """\
--- a/colours.py
+++ b/colours.py
@@ -1,4 +1,5 @@
-from colours import GREEN, RED
+from colours import BLUE, GREEN, RED
 ALL = (
     GREEN,
+    BLUE,
     RED,
"""


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("from colours import GREEN, RED\nALL = (\n    GREEN,\n    RED,\n)\n", True),
        ("from colours import GREY, GREEN, RED\nALL = (\n    GREEN,\n    GREY,\n    RED,\n)\n", True),
        ("from colours import (\n    GREEN, RED\n)\nALL = (GREEN, RED,)\n", True),
        ("from colours import GREEN, RED\nEVERY = (\n    GREEN,\n    RED,\n)\n", False),
        ("from colours import GREEN, RED\nALL = (\n    RED,\n    GREEN,\n)\n", False),
        ("from shades import GREEN, RED\nALL = (\n    GREEN,\n    RED,\n)\n", False),
        ("", False),
    ],
    ids=["as it is", "with a neighbour", "in other lines", "renamed", "in another order", "moved", "gone"],
)
def test_a_recipe_that_does_not_fit_is_found(text: str, fits: bool) -> None:
    """A row beside the place of a recipe's own does no harm; a name that is gone does."""
    assert (misfits(_PLANTED, {"colours.py": text}) == []) is fits


def test_generated_documents_are_replaced_only_by_whole_ones() -> None:
    """`switchboard … > docs/API.md` would empty the file if the command fails."""
    wrong = [name for name, text in DOCUMENTS.items() if re.search(r"(?<!>)> ?docs/\w+\.md", text)]
    assert wrong == []


def row(case: Case) -> str:
    """A case of the API's tests as a line of the table of answers."""
    sent = "".join(f"<br>`{name}: {value}`" for name, value in case.sent.items())
    sent += f"<br>`{case.posted}`" if case.posted else ""
    when = "" if case.world == "live" else f"<br>({case.world})"
    headers = [f"`{name}: {case.headers[name]}`" for name in ("allow", "retry-after", "etag") if name in case.headers]
    body = f"`{case.body}`".replace("\n", "⏎") if case.body else "(none)"
    cells = (f"`{case.method} {case.target}`{sent}{when}", str(case.status), "<br>".join(headers), body)
    return "| " + " | ".join(cells) + " |"


def test_every_row_of_the_table_of_answers_is_a_tested_case() -> None:
    """The table request → status → exact body in docs/answers.md says what the API's tests hold."""
    rows = re.findall(r"^\| `(?:GET|POST|DELETE|HEAD|OPTIONS) .*\|$", DOCUMENTS["docs/answers.md"], re.MULTILINE)
    cases = {row(case) for case in CASES}
    assert len(rows) > 20
    assert [line for line in rows if line not in cases] == []
