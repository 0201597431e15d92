"""Addresses that no source may have: an ingester fetches what it is told to, and must not be a way into the host.

Link-local addresses are where clouds keep the credentials of a machine (169.254.169.254; OWASP, Server-Side Request
Forgery). Loopback and private addresses are allowed: fabric managers live there.
"""

from __future__ import annotations

import ipaddress

_METADATA = ipaddress.ip_address("fd00:ec2::254")
"""The metadata service of AWS over IPv6, which is not link-local."""
LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


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
    try:
        found = ipaddress.ip_address(address.partition("%")[0])  # what follows is the name of an interface
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
