"""The query in the body of a POST: unpacked, read as JSON, and refused in our own words."""

from __future__ import annotations

import codecs
import re
import zlib
from typing import Any

import msgspec

from switchboard.api.answer import Request
from switchboard.api.negotiate import RequestError
from switchboard.errors import ErrorKind, QueryError
from switchboard.outputs.formats import FORMATS
from switchboard.query.near import did_you_mean, like
from switchboard.query.requests import BatchCell
from switchboard.query.values import shown

MOST_POSTED_BYTES = 2 << 20
"""Largest body of a request: 10,000 cells of a batch with long names."""

_GZIP_WANTED = (b"accept-encoding", b"gzip")
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


def posted_query(decoder: msgspec.json.Decoder[Any], request: Request) -> Any:
    """The query in a body, which is JSON in UTF-8, with or without a byte order mark, plain or as gzip."""
    if request.query:
        raise malformed_body("this endpoint takes none in its URL, all is in its body", "Unknown parameter")
    media_type = request.content_type.partition(b";")[0].strip().lower()
    if media_type and media_type != b"application/json":
        raise RequestError(415, "Unsupported media type: send application/json")
    body = _unpacked(request).removeprefix(codecs.BOM_UTF8)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise malformed_body(in_own_words(str(error), decoder.type)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if not body:
            raise malformed_body(
                'it is empty: send JSON such as {"cells": [{"switch_id": "sw1", "metric": "m"}]}'
            ) from None
        if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in body[:4]:
            raise malformed_body("send JSON in UTF-8") from None
        if "truncated" in str(error):
            raise malformed_body("the JSON ends too early") from None
        place = _BYTE.search(str(error))
        raise malformed_body(
            f"it is not JSON, from byte {place[1]} on" if place else "it is not JSON in UTF-8"
        ) from None


def malformed_body(what: str, title: str = "Malformed body") -> QueryError:
    """The error for a body that cannot be read."""
    return QueryError(ErrorKind.MALFORMED, f"{title}: {what}")


def in_own_words(complaint: str, query: type[msgspec.Struct]) -> str:
    """What a decoder complains of, as the rest of our sentence: the place in the body, and what is wrong there."""
    what, _, path = complaint.partition(" - at `")
    place = path.rstrip("`").removeprefix("$").removeprefix(".")
    types = _TYPES.fullmatch(what)
    if types is not None:
        return f"{place or 'the body'} {_typed(types)}"
    for pattern, words in _WORDS:
        match = pattern.fullmatch(what)
        if match is not None:
            found = {name: shown(text) for name, text in match.groupdict().items()}
            fields = (BatchCell if place.startswith("cells[") else query).__struct_fields__
            hint = did_you_mean(like(found.get("name", ""), fields))
            return words.format(
                place=place or "the body",
                known=", ".join(fields),
                hint=f"{hint} " if hint else "",
                formats=", ".join(FORMATS),
                **found,
            )
    return f"{place or 'the body'} is not what the description of the API says"


_KINDS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "a truth value", "null": "null",
          "array": "an array", "object": "an object"}  # fmt: skip


def _typed(match: re.Match[str]) -> str:
    wanted = " or ".join(_KINDS.get(word, word) for word in match["wanted"].split(" | ") if word != "null")
    return f"is {_KINDS.get(match['got'], match['got'])}, and has to be {wanted}"


_WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Object missing required field `(?P<name>.*)`", "{place} has no {name}"),
        (
            r"Object contains unknown field `(?P<name>[\s\S]*)`",
            "{place} has an unknown field {name}: {hint}it takes {known}",
        ),
        (r"Expected `array` of length >= \d+", "{place} is empty: name at least one cell"),
        (r"Expected `array` of length <= (?P<most>\d+)", "{place} has more than {most} entries"),
        (r"Expected `str` of length >= 1", "{place} is empty"),
        (r"Expected `int` >= (?P<least>\d+)", "{place} is less than {least}"),
        (r"Expected `int` <= (?P<most>\d+)", "{place} is more than {most}"),
        (r"Integer value out of range", "{place} is too large a number"),
        (r"Expected `str` matching regex [\s\S]*", "{place} is not ID, nor SOURCE=ID,SOURCE=ID with each source once"),
        (r"Invalid enum value '(?P<value>[\s\S]*)'", "{place} is {value}, and has to be one of {formats}"),
    )
)
_TYPES = re.compile(r"Expected `(?P<wanted>[a-z| ]+)`, got `(?P<got>[a-z]+)`")
_BYTE = re.compile(r"\(byte (\d+)\)")


def _unpacked(request: Request) -> bytes:
    """The body without its coding. Unpacking MOST_POSTED_BYTES holds the event loop for some milliseconds."""
    coding = request.content_encoding.strip().lower()
    if coding in {b"", b"identity"}:
        return request.body
    if coding not in {b"gzip", b"x-gzip"}:
        raise RequestError(415, "Unsupported content coding: send the body as it is, or as gzip", _GZIP_WANTED)
    gunzip = zlib.decompressobj(wbits=_GZIP_FORMAT)
    try:
        body = gunzip.decompress(request.body, MOST_POSTED_BYTES)
        if gunzip.unconsumed_tail:
            raise RequestError(413, f"The body is too large: unpacked, at most {MOST_POSTED_BYTES} bytes are taken")
    except zlib.error as error:
        raise malformed_body(f"it is said to be gzip, but {error}") from None
    if not gunzip.eof or gunzip.unused_data:
        raise malformed_body("it is said to be gzip, but does not end where gzip ends")
    return body
