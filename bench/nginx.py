"""nginx in a folder of its own, serving our answers as static files: the same bodies, heads of the same length."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

from bench.plain import Raw, ask
from tests.lab.processes import children_of, free_port, listens, wait_for

_TEMPLATE = Template((Path(__file__).parent / "nginx.conf").read_text())
_OWN = {"date", "server", "connection", "content-type", "content-length", "last-modified"}
"""Headers that nginx writes itself."""
_OWN_LINES = (
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: {date}\r\nLast-Modified: {date}\r\nConnection: keep-alive\r\n\r\n"
)
_DATE = "Tue, 24 Nov 2026 06:00:00 GMT"


def find_nginx() -> str | None:
    """Its path, if it is installed; Debian's is in /usr/sbin, which is not on everyone's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class Nginx:
    """One master and one worker on a port of 127.0.0.1. Use as a context manager.

    ``answers``: by path, what is served there: the body as it is, and our headers.
    """

    def __init__(self, program: str, answers: Mapping[str, Raw]) -> None:
        self.port = free_port()
        self._program = program
        self._answers = answers

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="switchboard-nginx-")
        folder = Path(self._folder.name)
        (folder / "files").mkdir()
        for path, answer in self._answers.items():
            (folder / "files" / path.lstrip("/")).write_bytes(answer.body)
        (folder / "nginx.conf").write_text(self._configuration(folder))
        command = [self._program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            wait_for(self._serves, "nginx listens")
            ((self.pid, _),) = children_of(self._process.pid)
            for path, answer in self._answers.items():
                self._check(path, answer)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()

    def _serves(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"nginx ended with {self._process.returncode}; what it said is above")
        return listens(self.port)

    def _check(self, path: str, answer: Raw) -> None:
        served = ask(self.port, path)
        assert served.status == 200, served.head
        assert served.body == answer.body, f"nginx serves another body under {path}"
        difference = abs(len(served.head) - len(answer.head))
        assert difference <= 0.05 * len(answer.head), f"the heads differ by {difference} bytes:\n{served.head!r}"

    def _configuration(self, folder: Path) -> str:
        names = ("client_body", *(name for name in ("proxy", "fastcgi", "uwsgi", "scgi") if self._has(name)))
        return _TEMPLATE.substitute(
            user="user root;" if os.geteuid() == 0 else "",  # else the worker may not enter the folder
            folder=folder,
            port=self.port,
            temporary="\n".join(f"    {name}_temp_path {folder}/{name};" for name in names),
            locations="\n".join(_location(path, answer) for path, answer in self._answers.items()),
        )

    def _has(self, module: str) -> bool:
        version = subprocess.run([self._program, "-V"], capture_output=True, text=True, check=True, timeout=10)
        return f"--without-http_{module}_module" not in version.stderr


def _location(path: str, answer: Raw) -> str:
    """Our headers in their order, until the head is as long as ours; the last one is cut to fit."""
    left = len(answer.head) - len(_OWN_LINES.format(date=_DATE))
    lines = []
    for name, value in answer.headers:
        if name.lower() in {"content-type", "content-length"}:
            left -= len(f"{name}: {value}\r\n")
    for name, value in answer.headers:
        if name.lower() not in _OWN:
            fitting = value[: max(left - len(f"{name}: \r\n"), 0)]
            if fitting:
                lines.append(f"            add_header {name} {_quoted(fitting)};")
                left -= len(f"{name}: {fitting}\r\n")
    return "\n".join([f"        location = {path} {{", *lines, "        }"])


def _quoted(value: str) -> str:
    assert "$" not in value, f"nginx would take {value!r} for a variable"
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
