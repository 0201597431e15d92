"""The documentation page: what is served, what it may do, and that nothing of it comes from elsewhere."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from switchboard.api.describe.page import POLICY
from tests.lab.cases import WORLDS
from tests.lab.fabric import Holder
from tests.lab.running_api import ask, running_api
from tests.lab.servers import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "src" / "switchboard" / "api" / "describe" / "static"
FILES = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/docs.css": ("docs.css", "text/css; charset=utf-8"),
    "/docs/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A service that has never reached its store: the page is there all the same."""
    with running_api(Holder(WORLDS["never reached"])) as port:
        yield port


@pytest.mark.parametrize("target", FILES)
def test_a_file_is_served(port: int, target: str) -> None:
    """A file is served with its bytes, its type, and headers that allow it nothing from other servers."""
    name, media_type = FILES[target]
    reply = ask(port, target)
    assert reply.status == 200
    assert reply.body == (STATIC / name).read_bytes()
    assert reply.headers["content-type"] == media_type
    assert reply.headers["content-security-policy"] == POLICY
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("target", [*FILES, "/openapi.json"])
def test_tags_hold_for_both_forms(port: int, target: str) -> None:
    """Plain and compressed bytes have a tag each, which gets 304; HEAD says the same without a body."""
    taken = ("Accept-Encoding", "gzip")
    plain, packed = ask(port, target), ask(port, target, headers=[taken])
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.headers["etag"] != packed.headers["etag"]
    for reply, headers in ((plain, []), (packed, [taken])):
        again = ask(port, target, headers=[*headers, ("If-None-Match", reply.headers["etag"])])
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == reply.headers["etag"]
        head = ask(port, target, "HEAD", headers)
        assert (head.status, head.body) == (200, b"")
        assert head.headers.keys() == reply.headers.keys()
    stale = ask(port, target, headers=[taken, ("If-None-Match", plain.headers["etag"])])
    assert stale.status == 200


def test_nothing_comes_from_elsewhere() -> None:
    """The files name no other host, and what the page loads is served."""
    for name, _ in FILES.values():
        assert re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", (STATIC / name).read_text("utf-8")) == []
    page = (STATIC / "docs.html").read_text("utf-8")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {f"/{each}" for each in loaded if not each.startswith("data:")} == {*FILES, "/openapi.json"} - {"/docs"}


def test_the_page_makes_no_markup_of_text() -> None:
    """No inline script or style, and the script has no way to turn text into markup or code."""
    page, script = ((STATIC / name).read_text("utf-8") for name in ("docs.html", "docs.js"))
    assert "style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=", page)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|\.style\b", script
    )


def test_a_wheel_has_the_page(tmp_path: Path) -> None:
    """The page works from an installed package: its files are in the wheel."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name, _ in FILES.values():
            assert archive.read(f"switchboard/api/describe/static/{name}") == (STATIC / name).read_bytes()
