"""The README is true: marked blocks are run, and their output is compared with what stands there.

A block marked ``<!-- run -->`` runs against a system with the generator, one marked ``<!-- run: ufm -->`` against one
that scrapes NVIDIA's sample. Numbers, hashes and dates are compared by shape, `…` stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.cases import CASES, Case
from tests.lab.processes import Switchboard, file_server
from tests.lab.servers import PATIENCE_SECONDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
_BLOCK = r"<!-- run(?:: (\w+))? -->\n```(\w+)\n(.*?)```\n(?:\nprints[^\n]*\n\n```\n(.*?)```)?"
BLOCKS = re.findall(_BLOCK, README, re.DOTALL)


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


@pytest.mark.parametrize(("kind", "language", "text", "prints"), BLOCKS, ids=[str(at) for at in range(len(BLOCKS))])
def test_marked_block_prints_what_the_readme_shows(
    systems: dict[str, Switchboard], kind: str, language: str, text: str, prints: str
) -> None:
    """Every command of a marked block runs, and prints what stands under it."""
    system = systems[kind]
    if language == "python":
        assert _agrees(prints, _run([sys.executable, "-c", _placed(text, system)]))
        return
    commands = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    assert commands
    for command, shown in commands:
        quiet = _placed(command, system).replace("curl ", "curl --silent --show-error ", 1)
        printed = _run(["sh", "-c", quiet])
        assert _agrees(shown, printed), f"{command} printed\n{printed}"


def row(case: Case) -> str:
    """A case of the API's tests as a line of the README's table."""
    sent = "".join(f"<br>`{name}: {value}`" for name, value in case.sent.items())
    sent += f"<br>`{case.posted}`" if case.posted else ""
    when = "" if case.world == "live" else f"<br>({case.world})"
    headers = [f"`{name}: {case.headers[name]}`" for name in ("allow", "retry-after", "etag") if name in case.headers]
    body = f"`{case.body}`".replace("\n", "⏎") if case.body else "(none)"
    cells = (f"`{case.method} {case.target}`{sent}{when}", str(case.status), "<br>".join(headers), body)
    return "| " + " | ".join(cells) + " |"


def test_every_row_of_the_table_of_answers_is_a_tested_case() -> None:
    """The table request → status → exact body in the README says what the API's tests hold."""
    rows = re.findall(r"^\| `(?:GET|POST|DELETE|HEAD|OPTIONS) .*\|$", README, re.MULTILINE)
    cases = {row(case) for case in CASES}
    assert len(rows) > 20
    assert [line for line in rows if line not in cases] == []
