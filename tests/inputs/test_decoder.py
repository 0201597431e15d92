"""The decoder of a body is chosen by its media type or its first bytes."""

from __future__ import annotations

import pytest

from switchboard.config.sources import ColumnSettings
from switchboard.errors import BodyError
from switchboard.inputs.decoder import CSV, DECODERS, Decoder, DecoderEntry, choose_decoder
from tests.etl.limits import limits
from tests.lab.reference import NOW_US


def nothing(columns: ColumnSettings, limits: object, now_us: int) -> Decoder:
    raise NotImplementedError


XML = DecoderEntry(
    name="xml",
    media_types=frozenset({"text/xml"}),
    recognises=lambda first: first.lstrip().startswith(b"<?xml"),
    make=nothing,
    fingerprint=bytes,
)


@pytest.mark.parametrize(
    ("media_type", "first", "name"),
    [
        ("text/csv", b"switch_id,a\n", "csv"),
        ("text/csv", b"<?xml", "csv"),  # what the source says goes before what it looks like
        ("text/xml", b"switch_id,a\n", "xml"),
        ("text/plain", b" <?xml", "xml"),
        ("text/plain", b"switch_id,a\n", "csv"),
        ("", b"", "csv"),
    ],
)
def test_a_decoder_is_chosen(media_type: str, first: bytes, name: str) -> None:
    """The media type decides if it names a decoder, else the first bytes, and CSV takes what nobody recognises."""
    assert choose_decoder(media_type, first, (XML, CSV)).name == name


@pytest.mark.parametrize("first", [b"", b"\x00\xff", b"<html>", b"switch_id,a\n"])
def test_the_last_decoder_takes_every_body(first: bytes) -> None:
    """There is one for every body, and it is the one that says what is wrong with it."""
    assert DECODERS[-1].recognises(first)


@pytest.mark.parametrize("entry", DECODERS, ids=lambda entry: entry.name)
def test_a_decoder_of_nothing_has_nothing(entry: DecoderEntry) -> None:
    """Before the first byte all counts are zero, and the end of an empty body is an error."""
    decoder = entry.make(ColumnSettings(), limits(), NOW_US)
    assert (decoder.rows, decoder.values, decoder.data_min_us, decoder.data_max_us) == (0, 0, None, None)
    assert (decoder.columns, decoder.is_readable, decoder.has_times) == ([], False, False)
    with pytest.raises(BodyError) as raised:
        list(decoder.finish())
    assert raised.value.reason == "empty"
