"""Addresses: how they are written in a URL, and which ones a source must not have.

An ingester fetches the URLs that it is given, so it must not become a way into the host (OWASP: server-side request
forgery). Link-local addresses are forbidden: at 169.254.169.254 clouds keep the credentials of a machine. Loopback and
private addresses are allowed: fabric managers have such addresses.
"""

from __future__ import annotations

import ipaddress

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})

_METADATA = ipaddress.ip_address("fd00:ec2::254")
"""The metadata service of AWS over IPv6, which is not link-local."""


def http_url(host: str, port: int) -> str:
    """The URL of an HTTP server; an IPv6 address is put in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_forbidden(address: str) -> bool:
    """Whether a literal address is link-local or a cloud's metadata service; False for a name."""
    found = _parse(address)
    return found is not None and (found.is_link_local or found == _METADATA)


def is_own(address: str) -> bool:
    """Whether a literal address, or a well-known name, is this machine itself: loopback or unspecified."""
    found = _parse(address)
    if found is None:
        return address.lower() in LOOPBACK_NAMES
    return found.is_loopback or found.is_unspecified


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text is, an IPv4 address in IPv6 form as IPv4; None for a name."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])  # after % comes the name of an interface
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
