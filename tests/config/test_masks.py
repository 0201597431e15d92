"""What is shown of a text that may hold secrets or control characters."""

from __future__ import annotations

from base64 import b64encode

import pytest

from switchboard.config.masks import SecretWords, mask_url, printable

BASIC = b64encode(b"admin:pass:word").decode()
WORDS = SecretWords(
    {"Authorization": f"Basic {BASIC}", "X-Key": "Ab+C/d==", "X-Short": "abc"},
    "http://ufm/p?page=12345&token=T%2Fok%20en&api_key=Qq+Rr",
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no such key: Ab+C/d==", "no such key: ***"),
        ("no such key: ab+c/D==", "no such key: ***"),
        ("/?k=Ab%2BC%2Fd%3D%3D", "/?k=***"),
        (f"Basic {BASIC} is wrong", "*** is wrong"),
        (f"{BASIC.lower()} is wrong", "*** is wrong"),
        ("wrong password PASS:WORD", "wrong password ***"),
        ("admin:pass:word", "***"),
        ("T/ok en", "***"),
        ("t%2fok%20en", "***"),
        ("Qq Rr, Qq+Rr", "***, ***"),
        ("page 12345, abc", "page 12345, abc"),
    ],
)
def test_a_secret_is_masked_however_it_is_written(said: str, shown: str) -> None:
    """In capitals or small letters, percent-encoded or not, and the password alone."""
    assert WORDS.mask(said) == shown


def test_a_secret_that_was_cut_is_masked() -> None:
    """The end of a cut text may be the beginning of a secret."""
    assert WORDS.mask_cut("x Ab+C/…", "…") == "x ***…"
    assert WORDS.mask_cut("x Ab+C/d==…", "…") == "x ***…"
    assert WORDS.mask_cut("x Ab+…", "…") == "x Ab+…"
    assert WORDS.mask_cut("x Ab+C/", "…") == "x Ab+C/"


def test_a_quotation_is_masked_before_it_is_changed() -> None:
    """Escaping and cutting come after: neither may hide a secret from its mask."""
    words = SecretWords({"X-Key": "hunter2\u00a0hunter2"}, "http://a/")
    assert words.quote("a hunter2\u00a0hunter2 \x1b[31m\r\n") == r"a *** \x1b[31m\r\n"
    assert words.quote("x" * 9 + "hunter2\u00a0hunter2", most=12) == "x" * 9 + "***"
    assert words.quote("x" * 13, most=12) == "x" * 12 + "…"


def test_control_characters_are_escaped() -> None:
    """Those that move a cursor, end a line, turn the direction of text, or are not characters at all."""
    assert printable("a\x00\x1b[1m\n\x7f\x9b\u2028\u202e\udcffé交") == r"a\x00\x1b[1m\n\x7f\x9b\u2028\u202e\udcffé交"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a/p?token=x&n=1", "http://a/p?token=***&n=1"),
        ("http://a/p?n=%28&Sig=x%2F", "http://a/p?n=%28&Sig=***"),
        ("http://a/p?%74oken=x", "http://a/p?%74oken=***"),
        ("http://a/p?token", "http://a/p?token"),
        ("http://a/p#access_token=x", "http://a/p#access_token=***"),
        ("http://u:p@a/", "http://u:***@a/"),
        ("http://u@a/", "http://***@a/"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("http://[a/", "***"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Everything else of it stays as it was written."""
    assert mask_url(url) == shown
