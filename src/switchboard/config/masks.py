"""What may be shown of a text: secrets are replaced by ``***``, control characters are escaped."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from urllib.parse import quote, unquote, unquote_plus, urlsplit, urlunsplit

MASK = "***"
LEAST_SECRET_CHARACTERS = 4
"""A shorter word is not masked in what others say: it would be found in ordinary words."""

SECRET_WORD = re.compile(r"token|secret|pass|pwd|key|auth|sig|credential", re.IGNORECASE)
# C0 and C1 controls, line and paragraph separators, bidirectional overrides, lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def mask_url(url: str) -> str:
    """The URL with its password, and the values of keys that look secret, replaced by ``***``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    netloc = parts.netloc
    if "@" in netloc:
        userinfo, _, host = netloc.rpartition("@")
        user, colon, _ = userinfo.partition(":")
        netloc = f"{user}:{MASK}@{host}" if colon else f"{MASK}@{host}"
    query, fragment = _mask_pairs(parts.query), _mask_pairs(parts.fragment)
    if (netloc, query, fragment) == (parts.netloc, parts.query, parts.fragment):
        return url  # urlunsplit would make unix:/path of unix:///path
    return urlunsplit(parts._replace(netloc=netloc, query=query, fragment=fragment))


def _mask_pairs(query: str) -> str:
    return "&".join(f"{pair.partition('=')[0]}={MASK}" if _is_secret(pair) else pair for pair in query.split("&"))


def _is_secret(pair: str) -> bool:
    key, equals, _ = pair.partition("=")
    return bool(equals and SECRET_WORD.search(unquote(key)))


class SecretWords:
    """The secrets that a source is shown: it may repeat them in what it says.

    ``headers`` are those that carry credentials; of ``url`` the values count that ``mask_url`` replaces.
    """

    def __init__(self, headers: Mapping[str, str], url: str) -> None:
        self._values, self._url = tuple(headers.values()), url

    @cached_property
    def _words(self) -> list[str]:
        """Found when something is to be masked: most answers need none of this."""
        words = {word for value in self._values for word in _words_of(value)}
        for pair in filter(_is_secret, urlsplit(self._url).query.split("&")):
            value = pair.partition("=")[2]
            words |= {value, unquote(value), unquote_plus(value)}
        words |= {quote(word, safe="") for word in words}
        # A longer word first: it may begin with a shorter one.
        return sorted((word for word in words if len(word) >= LEAST_SECRET_CHARACTERS), key=len, reverse=True)

    def mask(self, text: str) -> str:
        """The text with the secrets in it replaced, however they are written in capitals and small letters."""
        if not self._words:
            return text
        return re.sub("|".join(map(re.escape, self._words)), MASK, text, flags=re.IGNORECASE)

    def mask_cut(self, text: str, end: str) -> str:
        """Like ``mask``, for a text that was cut where ``end`` stands: it may end with the beginning of a secret."""
        text = self.mask(text)
        if not text.endswith(end):
            return text
        kept = text.removesuffix(end)
        begun = max((_overlap(kept.lower(), word.lower()) for word in self._words), default=0)
        return f"{kept[: len(kept) - begun]}{MASK}{end}" if begun >= LEAST_SECRET_CHARACTERS else text

    def quote(self, text: str, most: int = 200) -> str:
        """What a source said, for a sentence: masked before anything else is done to it, escaped, and not too long."""
        text = printable(self.mask(text))
        return text if len(text) <= most else f"{text[:most]}…"


def _words_of(value: str) -> Iterator[str]:
    """A header's value, its last word, and what is in it if that is ``Basic``: also the password alone."""
    yield value
    scheme, _, last = value.rpartition(" ")
    yield last
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(last, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            return
        yield pair
        yield pair.partition(":")[2]


def _overlap(text: str, word: str) -> int:
    """How many of the first characters of a word are the end of a text."""
    return next((size for size in range(min(len(word), len(text)), 0, -1) if text.endswith(word[:size])), 0)


def printable(text: str) -> str:
    r"""The text with its control characters escaped, as in ``\x1b``: they could move a cursor, or forge a line."""
    return _CONTROL.sub(escape, text)


def escape(match: re.Match[str]) -> str:
    """One control character as ASCII."""
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
