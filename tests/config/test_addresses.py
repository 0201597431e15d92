from __future__ import annotations

import pytest

from switchboard.config.addresses import http_url, is_forbidden, is_own


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.169.254", "fd00:ec2::254"],
)
def test_link_local_and_metadata_addresses_are_forbidden(address: str) -> None:
    """In either family, mapped from one into the other, and with the name of an interface."""
    assert is_forbidden(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.7", "192.168.1.1", "169.253.1.1", "::1", "fd00::1", "fec0::1", "::ffff:10.0.0.7", "ufm", ""],
)
def test_other_addresses_and_names_are_not(address: str) -> None:
    """Fabric managers live at loopback, private and public addresses; a name is no address."""
    assert not is_forbidden(address)


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("::", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LocalHost", True),
        ("10.0.0.7", False),
        ("ufm.example", False),
    ],
)
def test_this_machine_is_known(address: str, own: bool) -> None:
    """Loopback in either family, the unspecified address (a connection to it ends here), and localhost."""
    assert is_own(address) is own


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("localhost", "http://localhost:8080"),
        ("::1", "http://[::1]:8080"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:8080"),
    ],
)
def test_an_ipv6_address_stands_in_brackets(host: str, url: str) -> None:
    """Without brackets the colons of the address could not be told from the one before the port."""
    assert http_url(host, 8080) == url
