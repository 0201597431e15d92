"""Addresses: how they are written in a URL, and which ones a source must not have.

An ingester fetches the URLs that it is given, so it must not become a way into the host (OWASP: server-side request
forgery). Forbidden are link-local addresses, and those at which a cloud keeps the credentials of a machine. Loopback
and private addresses are allowed: fabric managers have such addresses.

An IPv6 address can stand for an IPv4 address: the kernel, a tunnel or a gateway takes it out and connects to that one.
So an IPv6 address is judged by itself, and by every IPv4 address that may be meant by it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})

Address = IPv4Address | IPv6Address

_FORBIDDEN = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local: the metadata service of most clouds is at 169.254.169.254
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure: the agent of the host
        "192.0.0.192",  # Oracle Cloud Classic
        "fe80::/10",  # link-local
        "fd00:42::42",  # Scaleway
        "fd00:100::100:200",  # Alibaba Cloud
        "fd00:a9fe:a9fe::1",  # Akamai (Linode)
        "fd00:c1::a9fe:a9fe",  # Oracle Cloud
        "fd00:ec2::/32",  # AWS: metadata, credentials of pods
        "fd20:ce::254",  # Google Cloud
    )
)
"""Networks with nothing that a source could be."""

_EMBEDDING = tuple(
    (ip_network(network), bits_behind)
    for network, bits_behind in (
        ("::/96", 0),  # IPv4-compatible (RFC 4291, 2.5.5.1)
        ("::ffff:0:0/96", 0),  # IPv4-mapped (RFC 4291, 2.5.5.2)
        ("::ffff:0:0:0/96", 0),  # IPv4-translated (RFC 2765, 2.1)
        ("64:ff9b::/96", 0),  # NAT64 (RFC 6052, 2.1)
        ("64:ff9b:1::/48", 0),  # NAT64 within a site (RFC 8215), with a prefix of 96 bits
        ("2002::/16", 80),  # 6to4 (RFC 3056, 2)
        ("2001::/32", 64),  # Teredo (RFC 4380, 4): the server
    )
)
"""IPv6 networks whose addresses hold an IPv4 address, and how many bits stand behind it."""

_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
_TEREDO = ip_network("2001::/32")
_ISATAP = {0x0000_5EFE, 0x0200_5EFE}
"""ISATAP: bits 64 to 95 of an address with an IPv4 address behind them (RFC 5214, 6.1)."""
_ALL = 0xFFFF_FFFF


def http_url(host: str, port: int) -> str:
    """The URL of an HTTP server; an IPv6 address is put in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_forbidden(address: str) -> bool:
    """Whether a literal address is link-local or a cloud's metadata service; False for a name."""
    return any(meant in network for meant in _meant(address) for network in _FORBIDDEN)


def is_own(address: str) -> bool:
    """Whether a literal address, or a well-known name, is this machine itself: loopback or unspecified."""
    found = _parse(address)
    if found is None:
        return address.lower() in LOOPBACK_NAMES
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped  # the kernel connects to that one; loopback behind a gateway is not this machine's
    return found.is_loopback or found.is_unspecified


def _parse(text: str) -> Address | None:
    """The address that a text is; None for a name."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])  # after % comes the name of an interface
    except ValueError:
        return None


def _meant(text: str) -> Iterator[Address]:
    """The address that a text is, and the IPv4 addresses that it may stand for; nothing for a name."""
    address = _parse(text)
    if address is None:
        return
    yield address
    if isinstance(address, IPv6Address):
        yield from (IPv4Address(bits & _ALL) for bits in _embedded(address))


def _embedded(address: IPv6Address) -> Iterator[int]:
    """The IPv4 addresses that an IPv6 address holds, in the last 32 bits of each number."""
    bits = int(address)
    yield from (bits >> behind for network, behind in _EMBEDDING if address in network)
    if address in _TEREDO:
        yield ~bits  # the client, with all its bits inverted
    if (bits >> 32) & _ALL in _ISATAP:
        yield bits
    if address in _LOCAL_NAT64:
        # With a prefix of 48, 56 or 64 bits, IPv4 begins behind it and leaves out bits 64 to 71 (RFC 6052, 2.2).
        joined = (bits >> 64 << 56) | (bits & ((1 << 56) - 1))
        yield from (joined >> shift for shift in (40, 32, 24))
