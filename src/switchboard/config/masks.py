"""What may be shown of a text: secrets are replaced by ``***``, control characters are escaped."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

MASK = "***"


def mask_url(url: str) -> str:
    """The URL with its password, and query values whose keys look secret, replaced by ``***``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    netloc = parts.netloc
    if "@" in netloc:
        userinfo, _, host = netloc.rpartition("@")
        user, colon, _ = userinfo.partition(":")
        netloc = f"{user}:{MASK}@{host}" if colon else f"{MASK}@{host}"
    query = parts.query
    if SECRET_WORD.search(query):
        query = "&".join(
            f"{quote(key, safe='')}={MASK if SECRET_WORD.search(key) else quote(value, safe='')}"
            for key, value in parse_qsl(query, keep_blank_values=True)
        )
    if (netloc, query) == (parts.netloc, parts.query):
        return url  # urlunsplit would make unix:/path of unix:///path
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def url_secrets(url: str) -> list[str]:
    """The values in the query of a URL that ``mask_url`` replaces."""
    return [value for key, value in parse_qsl(urlsplit(url).query) if SECRET_WORD.search(key)]


SECRET_WORD = re.compile(r"token|secret|pass|pwd|key|auth|sig|credential", re.IGNORECASE)

# C0 and C1 controls, line and paragraph separators, bidirectional overrides, lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""The text with its control characters escaped, as in ``\x1b``: they could move a cursor, or forge a line."""
    return _CONTROL.sub(escape, text)


def escape(match: re.Match[str]) -> str:
    """One control character as ASCII."""
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
