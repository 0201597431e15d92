"""The text of a body, whatever its encoding, and what is not text."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.charsets import MULTIBYTE, SINGLE_BYTE
from switchboard.errors import BodyError
from switchboard.inputs.signatures import FIRST_BYTES
from switchboard.inputs.text import Text
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse, pieces

HEADER = "timestamp,switch_id,site,rx\n"
BODY = HEADER + "1795460000,sw1,Zürich – Süd,1\n" * 40
CUTS = st.lists(st.integers(0, 2 * len(BODY)), max_size=6)


def decoded(body: bytes, cuts: Iterable[int] = (), declared: str = "", configured: str = "") -> bytes:
    text = Text(declared, configured)
    found = [text.feed(piece) for piece in pieces(body, cuts)]
    return b"".join([*found, text.finish()])


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("windows-1252", "cp1252"),
        ("Windows-1252", "cp1252"),
        ("cp1252", "cp1252"),
        ("iso-8859-1", "cp1252"),  # as in browsers
        ("latin1", "cp1252"),
        ("iso-8859-15", "iso8859-15"),
        ("windows-1250", "cp1250"),
        ("macintosh", "mac-roman"),
        ("gbk", "gb18030"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("utf-16le", "utf-16-le"),
        ("utf-16be", "utf-16-be"),
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8-sig"),
    ],
)
@fuzz(0.1)
@given(cuts=CUTS)
def test_a_declared_charset_is_read(charset: str, codec: str, cuts: list[int]) -> None:
    """Also a charset of the settings, before what the source declares. Cut anywhere."""
    text = BODY.replace("–", "-") if codec == "iso8859-15" else BODY
    body = text.encode(codec)
    for found in (decoded(body, cuts, charset), decoded(body, cuts, "koi8-r", charset)):
        assert found.decode("utf-8-sig") == text


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["", "utf-8", "us-ascii"])
@fuzz(0.1)
@given(cuts=CUTS)
def test_utf_16_is_known_without_being_declared(codec: str, declared: str, cuts: list[int]) -> None:
    """By its byte order mark, or by the NULs between its characters."""
    assert decoded(BODY.encode(codec), cuts, declared).decode("utf-8-sig") == BODY


@pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_is_believed_before_anything_else(codec: str) -> None:
    """A source that declares what it does not send is read all the same, as in browsers."""
    for found in (decoded(BODY.encode(codec), (), "iso-8859-1"), decoded(BODY.encode(codec), (), "", "koi8-r")):
        assert found.decode("utf-8-sig") == BODY


def test_text_that_is_not_declared_stays_as_it_is() -> None:
    """Bytes are passed on, so UTF-8 costs nothing, and cells of another encoding are seen to one by one."""
    body = BODY.encode("cp1252")
    assert decoded(body) == decoded(body, (), "utf-8") == decoded(body, (), "us-ascii") == body
    text = Text()
    piece = BODY.encode() * 9
    assert text.feed(piece) is not None
    assert text.feed(piece) is piece


@pytest.mark.parametrize("charset", ["klingon", "idna", "hex", "utf-7", "cp037", "x" * 1000, "\x1b[2J", "iso-2022-jp"])
def test_a_charset_that_cannot_be_read_is_named(charset: str) -> None:
    """The body is refused in one line that names the setting."""
    with pytest.raises(BodyError, match=r"columns\.charset") as raised:
        decoded(BODY.encode(), (), charset)
    assert raised.value.reason == "charset"
    assert len(str(raised.value)) < 200
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_that_ends_within_a_character_is_truncated(codec: str) -> None:
    """An odd byte at the end was part of something."""
    with pytest.raises(BodyError) as raised:
        decoded(BODY.encode(codec)[:-1], (), codec)
    assert raised.value.reason == "truncated"


@pytest.mark.parametrize(
    ("charset", "first", "second"),
    [
        ("utf-16-le", "\ud800x", "\udc00x"),
        ("shift_jis", b"x\x85", b"x\x86"),
        ("windows-1253", b"x\xd2", b"x\xff"),
        ("euc-kr", b"x\xff", b"x\xfe"),
    ],
)
def test_keys_that_are_not_text_are_rejects(charset: str, first: bytes | str, second: bytes | str) -> None:
    """Two names whose bytes are not text do not become one switch."""
    names = [name.encode(charset, "surrogatepass") if isinstance(name, str) else name for name in (first, second)]
    lines = [f"{end}".encode(charset) for end in ("switch_id,rx\n", ",1\n", ",2\nsw3,3\n")]
    parsed = parse(decoded(lines[0] + names[0] + lines[1] + names[1] + lines[2], (), charset))
    assert [row[0] for row in parsed.rows] == ["sw3"]
    assert parsed.parser.rejects.counts == {"bad_utf8": 2}


@pytest.mark.parametrize("codec", sorted(SINGLE_BYTE | MULTIBYTE))
@fuzz(0.1)
@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_in_any_charset_are_read_however_they_are_cut(codec: str, body: bytes, cuts: list[int]) -> None:
    """What has a character is it, and nothing is raised."""
    body = b"switch_id,note\n" + body
    whole = decoded(body, (), codec)
    assert decoded(body, cuts, codec) == whole
    try:
        expected = body.decode(codec)
    except UnicodeDecodeError:
        return
    assert whole.decode("utf-8", "surrogatepass") == expected


def packed(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, BODY)
    return file.getvalue()


def parquet() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"switch_id": ["sw1"]}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (packed("export.csv"), "zip"),
        (packed("[Content_Types].xml"), "Excel"),
        (packed("xl/workbook.xml"), "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel"),
        (codecs.encode(BODY.encode(), "bz2"), "bzip2"),
        (gzip.compress(BODY.encode()), "gzip"),
        (pa.compress(BODY.encode(), "zstd", asbytes=True), "zstd"),
        (b"\xfd7zXZ\x00rest", "xz"),
        (parquet(), "Parquet"),
        (b"ARROW1\0\0", "Arrow"),
        (b"export.csv".ljust(257, b"\0") + b"ustar\x0000".ljust(300, b"\0"), "tar"),
        (BODY.encode("utf-32"), "UTF-32"),
        (BODY.encode("utf-32-le"), "UTF-32"),
        (BODY.encode("utf-32-be"), "UTF-32"),
        (b"%PDF-1.7\n", "PDF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("cuts", [[], range(FIRST_BYTES + 9)], ids=["whole", "byte by byte"])
def test_what_is_not_text_is_named(body: bytes, word: str, cuts: list[int] | range) -> None:
    """The sentence says what the body is, and shows none of its bytes."""
    with pytest.raises(BodyError, match=rf"the body is .*{word}.*, not CSV") as raised:
        decoded(body, cuts)
    assert raised.value.reason == "format"


@pytest.mark.parametrize("body", [b"", b"s", b"PK,switch_id\n", b"BZhome,switch_id\n", b"PAR,switch_id\n", b"\xff,x\n"])
def test_text_is_not_taken_for_something_else(body: bytes) -> None:
    """A short body, and a header that begins like the name of a format."""
    assert decoded(body) == body
