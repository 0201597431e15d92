"""The sentences about answers that are not used: what they show of the source, and what they say that helps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from switchboard.config.sources import Access
from switchboard.errors import SourceError
from switchboard.etl.pull.scrape import Validators, new_session, scrape
from switchboard.model import Outcome
from tests.etl.conftest import Lab
from tests.etl.limits import source
from tests.lab.servers import Web

TOKEN = "HunTer2/HunTer2"
CONTROL = "\x1b[31mred\x9b \u202e"
ESCAPED = r"\x1b[31mred\x9b \u202e"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with new_session() as session:
        yield session


async def sentence(session: aiohttp.ClientSession, status: str, *headers: str, query: str = "", **access: Any) -> str:
    """What is said of an answer with this status line and these headers."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "")).encode()
    async with Web(lambda _request: [head]) as web:
        asked = msgspec.structs.replace(source(f"{web.url}{query}", interval=2, timeout=2), access=Access(**access))
        with pytest.raises(SourceError) as raised:
            async with scrape(session, asked, Validators()):
                pass
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        ("401 Unauthorized", [], "401 Unauthorized: it wants credentials: set user and password_file, or token_file"),
        (
            "401 No",
            ['WWW-Authenticate: Basic realm="ufm"'],
            'it wants credentials (Basic realm="ufm"): set user and password_file, or token_file',
        ),
        ("403 Forbidden", [], "403 Forbidden: credentials may help: user and password_file, or token_file"),
        ("404 Not Found", [], "404 Not Found: there is nothing at this path: check url"),
        ("405 No", ["Allow: POST"], "405 No: GET is not allowed at this path: check url"),
        ("406 No", [], "another Accept can be set in headers"),
        ("407 No", [], "407 No: a proxy wants credentials"),
        ("429 Slow", ["Retry-After: 5"], "429 Slow: it is asked too often: a longer interval helps"),
        ("204 No Content", [], "204 No Content: the answer has no body"),
        ("500 Oops", [], "500 Oops"),
        ("500", [], "the source answers 500"),
        ("302 Found", ["Location: /login"], "302 Found: redirects are not followed, and it leads to /login: check url"),
        ("302 Found", ["Location: http://u:p@b/?token=xyz"], "it leads to http://u:***@b/?token=***: check url"),
        ("301 Moved", [], "redirects are not followed, and it leads nowhere"),
    ],
)
async def test_a_status_comes_with_what_helps(
    session: aiohttp.ClientSession, status: str, headers: list[str], told: str
) -> None:
    """The status line as it came, and the setting that may have to be changed."""
    said = await sentence(session, status, *headers)
    assert said.startswith(f"the source answers {status}")
    assert told in said


@pytest.mark.parametrize(
    ("access", "named"),
    [
        ({"token": TOKEN}, "token"),
        ({"headers": {"authorization": f"Token {TOKEN}"}}, "headers.Authorization"),
        ({"user": "admin"}, "user and password_file"),
    ],
)
async def test_credentials_that_are_not_accepted_are_named(
    session: aiohttp.ClientSession, tmp_path: Any, access: dict[str, Any], named: str
) -> None:
    """By their settings, not by what they are."""
    if "user" in access:
        file = tmp_path / "password"
        file.write_text(TOKEN)
        access = {**access, "password_file": str(file)}
    said = await sentence(session, f"401 {TOKEN} is wrong", **access)
    assert said == f"the source answers 401 *** is wrong: it does not accept {named}"
    assert f"with {named}" in await sentence(session, "403 Forbidden", **access)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("401 {}", []),
        ("500 {}", []),
        ("302 Found", ["Location: http://a/{}"]),
        ("401 No", ["WWW-Authenticate: {}"]),
        ("200 OK", ["Content-Encoding: {}"]),
        ("200 OK", ["Content-Type: text/html", "X: {}"]),
    ],
)
async def test_what_a_source_says_is_masked_and_escaped(
    session: aiohttp.ClientSession, status: str, headers: list[str]
) -> None:
    """Wherever it stands, and in whatever letters: nothing of it reaches a terminal as a command."""
    for word in (TOKEN, TOKEN.upper(), TOKEN.lower(), TOKEN.replace("/", "%2f")):
        filled = [line.replace("{}", f"{word}{CONTROL}") for line in headers]
        said = await sentence(session, status.replace("{}", f"{word}{CONTROL}"), *filled, query=f"?token={TOKEN}")
        assert "hunter2" not in said.lower()
        assert said.isprintable()
        if "{}" in status or filled[0] != "Content-Type: text/html":
            assert f"***{ESCAPED}" in said


async def test_log_and_status_have_the_same_sentence(lab: Lab, logs: list[Any]) -> None:
    """Masked and escaped; also where a name of a column is quoted."""
    answers = [
        f"HTTP/1.1 500 {TOKEN.upper()}{CONTROL}\r\nContent-Length: 0\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{TOKEN[:7]}\x1b,b\n1\n".encode()[:-1] + b"\n",
    ]
    for answer in answers:
        lab.serve([answer])
        lab.restart()
        async with lab.running(access=Access(token=TOKEN)):
            status = await lab.until_status(Outcome.FAILED, "http_5xx" if answer is answers[0] else "schema")
        assert status.error.isprintable()
        assert TOKEN.lower() not in status.error.lower()
        (line,) = [each for each in logs if each["event"] == "scrape failed"]
        assert line["error"] == status.error
        logs.clear()
