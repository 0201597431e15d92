"""Descriptions in ISO-8859-1, read as windows-1252, beside UTF-8."""

from __future__ import annotations

import pytest

from tests.lab.parsing import parse

HEADER = b"node_guid,port_num,node_description,x\n"


@pytest.mark.parametrize("quote", [b"", b'"'], ids=["fast", "careful"])
def test_labels_are_read_in_either_encoding(quote: bytes) -> None:
    """A label is UTF-8 if it can be, else windows-1252, cell by cell; nothing is lost or replaced."""
    cells = ["Zürich".encode(), "Zürich".encode("latin-1"), b"plain", "日本".encode(), b"\xff\xfe", b"S\x96d \x80\x81"]
    rows = [b"a,%d,%b%b%b,5\n" % (port, quote, cell, quote) for port, cell in enumerate(cells)]
    parsed = parse(HEADER + b"".join(rows))
    assert [row[3]["node_description"] for row in parsed.rows] == [
        "Zürich",
        "Zürich",
        "plain",
        "日本",
        "ÿþ",
        "S–d €\x81",
    ]
    assert parsed.rejects == []


def test_a_switch_or_port_must_be_utf8() -> None:
    """A key that is not UTF-8 is a reject: guessing could make two keys one."""
    parsed = parse(HEADER + b"Z\xfcrich,1,x,5\na,\xfc,x,5\na,1,x,5\n")
    assert [(reject.line, reject.reason) for reject in parsed.parser.rejects.examples] == [
        (2, "bad_utf8"),
        (3, "bad_utf8"),
    ]
    assert len(parsed.rows) == 1
