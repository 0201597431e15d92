"""The header of a CSV: how its line becomes names, and what helps if it does not."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from switchboard.errors import BodyError
from switchboard.inputs.csv.layout import DELIMITERS

BOM = b"\xef\xbb\xbf"
"""A UTF-8 byte order mark: left out at the very beginning of a body, also if it is there twice."""
LOOK_BYTES = 4096
"""If a header cannot be used, so much of the body is looked at for a line that could be one."""
MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, without blanks at their ends."""

    names: list[str]
    padded: bool
    """Whether there were blanks at the end of a name; then blanks at the ends of cells are left out, too."""


def without_marks(line: bytes) -> bytes:
    """The first line of a body without its byte order marks."""
    while line.startswith(BOM):
        line = line.removeprefix(BOM)
    return line


def read_header(line: bytes, delimiter: str = ",") -> Header:
    """Split the header of a body into names. Raises BodyError if it is not one."""
    text = without_marks(line).removesuffix(b"\r")
    if text.lstrip()[:1] == b"<":
        raise BodyError("html", f"the body is markup, not CSV: {shown(text)}")
    if _JSON.match(text):
        raise BodyError("format", f"the body is JSON, not CSV: {shown(text)}")
    if b"\r" in text:
        raise BodyError("lone_cr", f"header: a carriage return without a line feed: {shown(text)}")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyError(
            "schema", f"header: it is not UTF-8; columns.charset names another encoding: {shown(text)}"
        ) from error
    names = _split(decoded, delimiter)
    padded = any(name != name.strip(" ") for name in names)
    if padded:
        names = [name.strip(" ") for name in _split(decoded, delimiter, skipinitialspace=True)]
    for name in names:
        if any(character < " " or character == "\x7f" for character in name):
            raise BodyError("schema", f"header: column name {name[:80]!r} has a control character")
    for name, times in Counter(names).items():
        if name and times > 1:
            raise BodyError("schema", f"header: column {name!r} is there {times} times")
    return Header(names, padded)


def advice(following: bytes, line: int, delimiter: str, switches: Container[str]) -> str:
    """How a sentence goes on that refuses a header: which settings would make a body readable; maybe empty.

    ``following``: the body from the refused header on, which is line ``line``; ``switches``: lower-case names of the
    columns that can name a switch.
    """
    lines = [each.removesuffix(b"\r").decode("utf-8", "replace") for each in following.split(b"\n")]
    for at, text in enumerate(lines):
        for other in (delimiter, *DELIMITERS):
            names = [name.strip(' "\ufeff').lower() for name in text.split(other)]
            if any(name in switches for name in names) and (at or other != delimiter):
                return f": {_looks(line + at, line, other, delimiter, lines[:at])}"
    for other, people_say in DELIMITERS.items() if lines[0].replace("\t", " ").isprintable() else ():
        if lines[0].count(other) > lines[0].count(delimiter):
            names = [name.strip(' "') for name in lines[0].split(other)]
            return f": this looks separated by {people_say}: columns.delimiter = {_toml(other)} ({listed(names)})"
    comment = _COMMENT.match(lines[0])
    return f": line {line} looks like a comment: columns.comment = {_toml(comment[0])}" if comment else ""


def listed(names: list[str]) -> str:
    """The first names, each in quotes, so that blanks and odd characters show."""
    return ", ".join(repr(name[:80]) for name in names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")


def shown(text: bytes) -> str:
    """The beginning of a line, in quotes."""
    return repr(text[:80].decode("utf-8", "replace"))


_JSON = re.compile(rb'\s*(?:\{\s*["}]|\[\s*[\[{"\]]|[\[{]\s*$)')
_COMMENT = re.compile(r"#+|//|--|%|!|;")


def _split(text: str, delimiter: str, *, skipinitialspace: bool = False) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=skipinitialspace), [])
    except csv.Error as error:
        raise BodyError("schema", f"header: it cannot be read ({error}): {shown(text.encode())}") from error


def _looks(line: int, first: int, delimiter: str, current: str, before: list[str]) -> str:
    """The settings that make ``line`` the header; ``before`` are the lines from ``first`` on that stand before it."""
    settings = []
    comments = {comment[0] for text in before if (comment := _COMMENT.match(text))}
    if before and len(comments) == 1 and all(_COMMENT.match(text) for text in before if text):
        settings.append(f"columns.comment = {_toml(comments.pop())}")
    elif before:
        settings.append(f"columns.skip_lines = {line - 1}")
    if delimiter != current:
        settings.append(f"columns.delimiter = {_toml(delimiter)}")
    what = f"line {line} looks like the header" if before else f"this looks separated by {DELIMITERS[delimiter]}"
    return f"{what}: {', '.join(settings)}"


def _toml(text: str) -> str:
    return '"\\t"' if text == "\t" else f'"{text}"'
