"""What sources are shown: headers, tokens and certificates; and what nobody else is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from switchboard.config.secrets import tls_context
from switchboard.config.sources import Access
from switchboard.errors import SourceError
from switchboard.etl.pull.scrape import Validators, new_session, scrape
from switchboard.model import Outcome
from tests.etl.conftest import Lab
from tests.etl.limits import source
from tests.lab.certificates import Certificates, make_certificates
from tests.lab.servers import Web, http

CSV = b"switch_id,a\nsw1,5\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with new_session() as session:
        yield session


async def fetch(session: aiohttp.ClientSession, url: str, validators: Validators | None = None, **access: Any) -> bytes:
    asked = msgspec.structs.replace(source(url, interval=1, timeout=1), access=Access(**access))
    tls = tls_context(asked)
    async with scrape(session, asked, validators or Validators(), tls=tls) as response:
        return b"".join([piece async for piece in response.pieces()])


def secure(web: Web) -> str:
    return web.url.replace("http:", "https:")


async def test_headers_and_tokens_are_sent(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Headers of the settings are sent beside our own, and a token is the one that is in its file at each scrape."""
    file = tmp_path / "token"
    async with Web(lambda _request: [http(200, CSV)]) as web:
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            headers = {"X-Site": "lab", "Accept": "text/csv", "Host": "ufm.example"}
            await fetch(session, web.url, Validators('"v1"', None), headers=headers, token_file=str(file))
        first, second = (request.headers for request in web.requests)
    assert [first["authorization"], second["authorization"]] == ["Bearer first", "Bearer second"]
    assert (first["x-site"], first["accept"], first["host"]) == ("lab", "text/csv", "ufm.example")
    assert (first["if-none-match"], first["accept-encoding"]) == ('"v1"', "gzip, identity")


async def test_a_token_that_is_gone_asks_nobody(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Without its token a scrape fails before a request is sent; when the file is back it goes on."""
    file = tmp_path / "token"
    async with Web(lambda _request: [http(200, CSV)]) as web:
        with pytest.raises(SourceError) as raised:
            await fetch(session, web.url, token_file=str(file))
        assert raised.value.reason == "credentials"
        assert web.requests == []
        file.write_text("here")
        assert await fetch(session, web.url, token_file=str(file)) == CSV


@pytest.mark.parametrize(
    ("access", "word"),
    [
        ({"token": "hunter2hunter2"}, "hunter2hunter2"),
        ({"headers": {"X-Key": "hunter2hunter2"}}, "hunter2hunter2"),
        ({"headers": {"Authorization": "Token hunter2hunter2"}}, "hunter2hunter2"),
    ],
)
async def test_a_source_that_repeats_a_secret_does_not_spread_it(
    session: aiohttp.ClientSession, access: dict[str, Any], word: str
) -> None:
    """An answer or a header of a body that holds our secret fails with a sentence that does not."""
    status_line = f"HTTP/1.1 401 no {word} here\r\nContent-Length: 0\r\n\r\n".encode()
    async with Web(lambda _request: [status_line]) as web:
        with pytest.raises(SourceError, match=r"401 no \*\*\* here") as raised:
            await fetch(session, web.url, **access)
    assert "hunter2" not in str(raised.value)


async def test_a_certificate_is_checked_unless_told_otherwise(
    session: aiohttp.ClientSession, certificates: Certificates
) -> None:
    """An unknown authority is refused as ``tls``; with its certificate in ca_file, or verify = false, it is not."""
    async with Web(lambda _request: [http(200, CSV)], tls=certificates.server_context()) as web:
        with pytest.raises(SourceError, match=r"not trusted: .*: ca_file names") as raised:
            await fetch(session, secure(web))
        assert raised.value.reason == "tls"
        assert await fetch(session, secure(web), ca_file=str(certificates.ca)) == CSV
        assert await fetch(session, secure(web), verify=False) == CSV
        other_name = secure(web).replace("127.0.0.1", "localhost")
        with pytest.raises(SourceError, match=r"not trusted: .*localhost.*: url needs a name") as raised:
            await fetch(session, other_name, ca_file=str(certificates.ca))
        assert raised.value.reason == "tls"


async def test_a_source_that_asks_for_a_certificate_gets_it(
    session: aiohttp.ClientSession, certificates: Certificates
) -> None:
    """Mutual TLS: with the client's certificate the scrape passes; without it, it fails and has a reason."""
    ca = str(certificates.ca)
    mine: dict[str, Any] = {
        "client_cert": str(certificates.cert("client")),
        "client_key": str(certificates.key("client")),
    }
    async with Web(lambda _request: [http(200, CSV)], tls=certificates.server_context(ask_client=True)) as web:
        assert await fetch(session, secure(web), ca_file=ca, **mine) == CSV
        with pytest.raises(SourceError) as raised:
            await fetch(session, secure(web), ca_file=ca)
        assert raised.value.reason in {"tls", "connection"}  # with TLS 1.3 the refusal comes after the handshake


async def test_a_secret_that_a_source_repeats_in_its_body_is_masked(lab: Lab, logs: list[Any]) -> None:
    """Rejects show what stood in a cell, but not if that is our own token."""
    token = "CANARY-123456"
    lab.serve([http(200, f"switch_id,a,b\nsw1,1,1\nsw2,2,Bearer {token}\nsw3,3,3\n".encode())])
    async with lab.running(access=Access(token=token)):
        status = await lab.until_status(Outcome.PUBLISHED)
    assert status.rejects == {"bad_number": 1, "no_times": 1}
    assert "CANARY" not in str(status)
    assert "CANARY" not in str(logs)


async def test_a_secret_that_a_source_repeats_as_an_etag_is_masked(lab: Lab, logs: list[Any]) -> None:
    """The warning about an ETag of two bodies shows the tag, but not our token in it."""
    token = "CANARY-123456"
    for value in (1, 2):
        lab.serve([http(200, f"switch_id,a\nsw1,{value}\n".encode(), etag=f'"for {token}"')])
        await lab.attempt(access=Access(token=token))
    assert [log["etag"] for log in logs if log["event"] == "etag reused"] == ['"for ***"']
    assert "CANARY" not in str(logs)
