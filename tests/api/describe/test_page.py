"""The documentation page: what is served, what it may do, and that nothing of it comes from elsewhere."""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from switchboard.api.describe.page import POLICY
from switchboard.api.endpoints import ENDPOINTS
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


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    return found


def dom(chromium: str, url: str, profile: Path, *, width: int = 1280) -> str:
    """The page after its scripts have run."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", f"--window-size={width},900"]
    done = subprocess.run(
        [chromium, *flags, "--virtual-time-budget=20000", "--dump-dom", url],
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return html.unescape(done.stdout.decode())


def test_the_page_is_built(chromium: str, port: int, tmp_path: Path) -> None:
    """In a browser: an article per endpoint, links to those, and nothing that only a machine would read."""
    page = dom(chromium, f"http://127.0.0.1:{port}/docs", tmp_path)
    shown = [each.path for each in ENDPOINTS if not each.path.startswith("/docs/")]
    assert re.findall(r'<article id="[^"]+"><h2><span[^>]*>\w+</span><span class="path">([^<]+)', page) == shown
    nav = page[page.index("<nav") : page.index("</nav>")]
    assert re.findall(r'title="(/[^"]+)"', nav) == shown
    assert "docs.css" not in nav
    for kind in re.findall(r'<span class="type">([^<]*)', page):
        assert not re.search(r"[\[\]^$\\]", kind), kind


@pytest.mark.parametrize(("width", "is_open"), [(1280, True), (600, False)])
def test_links_are_folded_on_phones(chromium: str, port: int, tmp_path: Path, width: int, is_open: bool) -> None:
    """They would fill the first screen of a narrow one."""
    page = dom(chromium, f"http://127.0.0.1:{port}/docs", tmp_path, width=width)
    assert ('<details open=""><summary>Endpoints' in page) is is_open


JSONS = [
    '[{"sw1":{"a":18446744073709551615,"b":-0.10,"c":"x, \\"y\\": {[\\\\"}},{}]',
    "[]",
    "3704.32",
    '"a b"',
    '{"a":[],"b":{"c":[1,2,null,true]}}',
    '[{"a":1},{"b":"cut of',
]


@pytest.mark.parametrize("text", JSONS)
def test_answers_are_indented_and_lose_nothing(chromium: str, tmp_path: Path, text: str) -> None:
    """All but the blanks between is as it came, also a number of 64 bits, and a body of which a part is shown."""
    page = f"<main id=main></main><script>{(STATIC / 'docs.js').read_text('utf-8')}</script><pre id=out></pre>"
    (tmp_path / "page.html").write_text(
        f"<!doctype html><meta charset=utf-8>{page}"
        f"<script>document.getElementById('out').textContent = indented({json.dumps(text)})</script>"
    )
    shown = dom(chromium, f"file://{tmp_path}/page.html", tmp_path / "profile")
    out = shown[shown.index('<pre id="out">') + 14 : shown.rindex("</pre>")]
    try:
        expected = json.dumps(json.loads(text, parse_float=_as_written, parse_int=_as_written), indent=2)
    except ValueError:
        assert "".join(out.split()) == "".join(text.split())
    else:
        assert out.replace('"<', "").replace('>"', "") == expected.replace('"<', "").replace('>"', "")


def _as_written(number: str) -> str:
    return f"<{number}>"


def test_without_script_the_page_says_so(port: int) -> None:
    """It is not empty, and says where all of it is."""
    page = ask(port, "/docs").text
    seen = page[page.index("<noscript>") : page.index("</noscript>")]
    assert "JavaScript is off" in seen
    assert "<h1>" in page
    assert 'href="openapi.json"' in page[page.index("<main") : page.index("<noscript>")]


def test_inputs_have_room_for_underscores() -> None:
    """A browser makes the line of an input as high as its font says, which cuts off what hangs below in some fonts."""
    (rule,) = re.findall(
        r"^input, textarea, select \{([^}]*)\}", (STATIC / "docs.css").read_text("utf-8"), re.MULTILINE
    )
    height = re.search(r"line-height: ([\d.]+);", rule)
    assert height is not None
    assert float(height[1]) >= 1.5
