from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from switchboard.config.addresses import http_url, is_forbidden, is_own

METADATA = "169.254.169.254"


def holding(ipv4: str) -> dict[str, str]:
    """The ways in which an IPv6 address can hold an IPv4 address."""
    one, two, three, four = IPv4Address(ipv4).packed
    high, low = f"{one:02x}{two:02x}", f"{three:02x}{four:02x}"
    inverted = f"{~one & 255:02x}{~two & 255:02x}:{~three & 255:02x}{~four & 255:02x}"
    return {
        "IPv4-compatible": f"::{ipv4}",
        "IPv4-mapped": f"::ffff:{ipv4}",
        "IPv4-translated": f"::ffff:0:{ipv4}",
        "NAT64": f"64:ff9b::{ipv4}",
        "NAT64 of a site, 48 bits": f"64:ff9b:1:{high}:{three:x}:{four:02x}00::",
        "NAT64 of a site, 56 bits": f"64:ff9b:1:aa{one:02x}:{two:x}:{low}::",
        "NAT64 of a site, 64 bits": f"64:ff9b:1:aabb:{one:x}:{two:02x}{three:02x}:{four:02x}00:0",
        "NAT64 of a site, 96 bits": f"64:ff9b:1:aabb:cc:ddee:{high}:{low}",
        "6to4": f"2002:{high}:{low}::1",
        "Teredo, server": f"2001:0:{high}:{low}:8000:63bf:f5f5:f5f5",
        "Teredo, client": f"2001:0:4136:e378:8000:63bf:{inverted}",
        "ISATAP": f"2001:db8::5efe:{ipv4}",
        "ISATAP, global": f"2001:db8::200:5efe:{ipv4}",
    }


@pytest.mark.parametrize(
    "address",
    [
        METADATA,
        "169.254.0.1",
        "169.254.170.2",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "fe80::a9fe:a9fe",
        "fd00:ec2::254",
        "FD00:0EC2:0::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fd00:42::42",
        "fd00:c1::a9fe:a9fe",
        "fd00:100::100:200",
        "fd00:a9fe:a9fe::1",
    ],
)
def test_link_local_and_metadata_addresses_are_forbidden(address: str) -> None:
    """In either family, in any spelling, and with the name of an interface."""
    assert is_forbidden(address)


@pytest.mark.parametrize("form", holding(METADATA))
@pytest.mark.parametrize("ipv4", [METADATA, "100.100.100.200", "192.0.0.192", "168.63.129.16"])
def test_an_ipv4_address_is_forbidden_within_an_ipv6_address(form: str, ipv4: str) -> None:
    """Whatever would take it out: the kernel, a tunnel, a gateway."""
    assert is_forbidden(holding(ipv4)[form])


@pytest.mark.parametrize("form", holding(METADATA))
@pytest.mark.parametrize("ipv4", ["10.0.0.7", "192.168.1.1", "198.51.100.7"])
def test_other_ipv4_addresses_are_allowed_within_an_ipv6_address(form: str, ipv4: str) -> None:
    """A source behind NAT64 is a source like others."""
    assert not is_forbidden(holding(ipv4)[form])
    assert not is_own(holding(ipv4)[form])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "192.168.1.1",
        "169.253.1.1",
        "169.255.1.1",
        "100.100.100.201",
        "192.0.0.191",
        "168.63.129.15",
        "::",
        "::1",
        "fd00::1",
        "fd00:ec1::254",
        "fd20:ce::253",
        "fec0::1",
        "2001:db8::a9fe:a9fe",
        "ufm",
        "",
        "169.254.169.254.nip.io",
    ],
)
def test_other_addresses_and_names_are_not(address: str) -> None:
    """Fabric managers live at loopback, private and public addresses; a name is not an address."""
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
        ("::ffff:0.0.0.0", True),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b:1::10.0.0.7", False),
        ("localhost", True),
        ("LocalHost", True),
        ("10.0.0.7", False),
        ("ufm.example", False),
    ],
)
def test_this_machine_is_known(address: str, own: bool) -> None:
    """Loopback in either family, the unspecified address (a connection to it ends here), and localhost.

    Behind a gateway, loopback is the gateway's.
    """
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
