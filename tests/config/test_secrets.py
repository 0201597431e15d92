from __future__ import annotations

import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from switchboard.config.resolve import resolve_sources
from switchboard.config.secrets import check_access, request_headers, tls_context
from switchboard.config.settings import Settings
from switchboard.config.sources import Access, Source, SourceSettings
from switchboard.errors import ConfigError, SourceError
from tests.lab.certificates import Certificates, make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def source(url: str = "https://ufm/", **access: Any) -> Source:
    (resolved,) = resolve_sources(Settings(sources=(SourceSettings(name="ufm", url=url, **access),)))
    return resolved


def test_headers_are_made_of_settings_and_files(tmp_path: Path) -> None:
    """Headers as they are, a token as Bearer, user and password as Basic."""
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    assert request_headers(Access()) == {}
    assert request_headers(Access(headers={"X-Site": "a b"}, token="t0k")) == {
        "X-Site": "a b",
        "Authorization": "Bearer t0k",
    }
    assert request_headers(Access(token_file=str(file))) == {"Authorization": "Bearer hunter2"}
    file.write_text("pâss wörd\r\n")
    basic = b64encode("admin:pâss wörd".encode()).decode()
    assert request_headers(Access(user="admin", password_file=str(file))) == {"Authorization": f"Basic {basic}"}


def test_a_secret_in_a_file_can_be_replaced(tmp_path: Path) -> None:
    """Each time it is the token that is in the file then."""
    file = tmp_path / "token"
    for token in ("first", "second"):
        file.write_text(token)
        assert request_headers(Access(token_file=str(file))) == {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"hunter2 hunter2", b"hunter2\nhunter2\n", b"hunter2\x00", b"hunter2\xff", b"h\xc3\xbcnter2"],
)
def test_a_file_without_a_usable_token_is_a_failure(tmp_path: Path, content: bytes) -> None:
    """What cannot be sent is a failed scrape that names the file, and never what is in it."""
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(SourceError) as raised:
        request_headers(Access(token_file=str(file)))
    assert raised.value.reason == "credentials"
    assert str(file) in str(raised.value)
    assert "nter2" not in str(raised.value)


def test_a_missing_file_is_a_failure(tmp_path: Path) -> None:
    """A token that cannot be read is a failed scrape, with the reason of the system."""
    with pytest.raises(SourceError, match="No such file") as raised:
        request_headers(Access(token_file=str(tmp_path / "token")))
    assert raised.value.reason == "credentials"


def test_tls_is_the_usual_one_unless_something_is_set(certificates: Certificates) -> None:
    """Without settings nothing is changed; verify = false checks neither name nor chain; the oldest version is 1.2."""
    assert tls_context(source()) is None
    unchecked = tls_context(source(verify=False))
    assert unchecked is not None
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)
    checked = tls_context(source(ca_file=str(certificates.ca)))
    assert checked is not None
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert checked.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert [each["subject"] for each in checked.get_ca_certs()] == [((("commonName", "authority"),),)]


def mistakes(folder: Path, made: Certificates) -> dict[str, tuple[dict[str, str], str, str]]:
    """Name -> settings, the key that the error names, and what it says."""
    plain = folder / "plain"
    plain.write_text("hunter2 is no PEM")
    missing, client = str(folder / "missing"), str(made.cert("client"))
    return {
        "no ca": ({"ca_file": missing}, "ca_file", "No such file"),
        "ca is a folder": ({"ca_file": str(folder)}, "ca_file", str(folder)),
        "ca is no PEM": ({"ca_file": str(plain)}, "ca_file", "no certificate in PEM"),
        "no certificate": ({"client_cert": missing}, "client_cert", "No such file"),
        "certificate is no PEM": ({"client_cert": str(plain)}, "client_cert", "PEM"),
        "no key in it": ({"client_cert": client}, "client_cert", "PEM"),
        "no key": ({"client_cert": client, "client_key": missing}, "client_key", "No such file"),
        "key is no PEM": ({"client_cert": client, "client_key": str(plain)}, "client_cert", "PEM"),
        "key of another": ({"client_cert": client, "client_key": str(made.key("server"))}, "client_cert", "belong"),
        "locked key": ({"client_cert": client, "client_key": str(made.key("locked"))}, "client_cert", "encrypted"),
        "no token": ({"token_file": missing}, "missing", "No such file"),
        "bad token": ({"token_file": str(plain)}, "plain", "not one line"),
    }


NAMES = (
    "no ca,ca is a folder,ca is no PEM,no certificate,certificate is no PEM,no key in it,no key,key is no PEM,"
    "key of another,locked key,no token,bad token"
).split(",")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_cannot_be_used_is_found_at_the_start(
    tmp_path: Path, certificates: Certificates, name: str
) -> None:
    """The error names source, key and file, is one line, and shows nothing of the content."""
    access, key, said = mistakes(tmp_path, certificates)[name]
    with pytest.raises(ConfigError) as raised:
        check_access([source(**access)])
    message = str(raised.value)
    assert "'ufm'" in message
    assert key in message
    assert said in message
    assert "\n" not in message
    assert "hunter2" not in message


def test_every_mistake_is_a_case(tmp_path: Path, certificates: Certificates) -> None:
    """No row of the table above is left out."""
    assert set(mistakes(tmp_path, certificates)) == set(NAMES)


def test_what_is_dangerous_is_a_warning(certificates: Certificates) -> None:
    """An unchecked certificate, and a secret on a connection without encryption; nothing where all is well."""
    client, key = str(certificates.cert("client")), str(certificates.key("client"))
    assert check_access([source(), source(ca_file=str(certificates.ca), client_cert=client, client_key=key)]) == []
    (unchecked,) = check_access([source(verify=False)])
    assert "'ufm'" in unchecked
    assert "verify" in unchecked
    (plain,) = check_access([source("http://ufm/", token="hunter2")])
    assert "without encryption" in plain
    assert "hunter2" not in plain
