"""Why a row or a cell was rejected: what each reason means, and what may help."""

from __future__ import annotations

import re
from dataclasses import dataclass

from switchboard.model import Reject

NO_VALUE = frozenset("- -- --- ? . n/a na n.a. null (null) <null> nil none undef undefined unknown invalid".split())
"""Words for «no value» that sources write into columns of numbers, in lower case."""
is_grouped = re.compile(r" *[+-]?[0-9]{1,3}(?:[,' _][0-9]{3})+(?:\.[0-9]+)? *", re.ASCII).fullmatch
"""Whether a text is a number with separators between groups of digits, as in ``1,024``."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What a reason means. ``cell``: no row is left out for it."""

    meaning: str
    """What is wrong with the value: the sentence goes on after the quoted value."""
    advice: str
    """What a person may do about it."""
    cell: bool = False
    fate: str = ""
    """What became of the row or cell, if it is not what mostly becomes of it."""
    clock: bool = False
    """Only the time of the row cannot be true, which says nothing of other rows."""


REASONS = {
    "bad_number": Reason("is not a decimal number", "if the column is text, name it in columns.labels", cell=True),
    "not_finite": Reason("is not a finite number", "the source should leave the cell empty", cell=True),
    "out_of_range": Reason("does not fit into 64 bits", "if the column is an id, name it in columns.labels", cell=True),
    "mixed": Reason(
        "needs another type than other numbers of its column, as do too many combinations of columns of this body",
        "if the columns are ids, name them in columns.labels",
        cell=True,
    ),
    "no_switch": Reason("names no switch", "the source should name one, or columns.switch another column"),
    "long_switch": Reason("is a switch id of more than 128 bytes", "check that columns.switch is the right column"),
    "bad_port": Reason("is no port: empty, or of more than 128 bytes", 'columns.port = "-" if rows are whole switches'),
    "control": Reason("has a control character in it", "look at the line with `cat -v`"),
    "bad_timestamp": Reason(
        "is no time between the year 2000 and now + 10 minutes",
        "check the clock of the switch; if all rows have this, columns.timestamp and columns.timestamp_unit",
        clock=True,
    ),
    "future": Reason(
        "is a time more than 10 minutes ahead of the clock of this host, and of the source's own (Date) if it tells it",
        "check the clock of the switch; if all rows have this, those of the source and of this host",
        clock=True,
    ),
    "no_offset": Reason(
        "is a date and time without an offset from UTC", 'columns.timestamp_zone = "UTC", or the zone that is meant'
    ),
    "bad_utf8": Reason(
        "is a key with bytes that are not text", "the source should write UTF-8, or columns.charset name its encoding"
    ),
    "bad_quote": Reason("has a quote where none may be", "a cell with a quote in it is quoted, and the quote doubled"),
    "columns": Reason("has another number of cells than the header", "cells with a comma in them have to be quoted"),
    "trailing": Reason(
        "has one cell more than the header, an empty one at its end",
        "columns.trailing_delimiter = true if all rows end so; cells with a comma in them have to be quoted",
    ),
    "no_trailing": Reason(
        "has one cell less than the header, which ends in a delimiter",
        "the source should end all lines with a delimiter, or none",
    ),
    "no_times": Reason(
        "are the columns, and none of them has times",
        'columns.timestamp names the column with times; "-" says that there is none',
        cell=True,
        fate="rows get the time of the scrape",
    ),
    "duplicate": Reason(
        "has an earlier row (of the same port, if rows are ports), which counts",
        "if rows are ports, name their column (columns.port); else ask why the source repeats rows",
    ),
}
"""Every reason for which the parser drops a row or a cell."""

NOTES = {
    "no_times": Reason(
        "have no times, so rows get the time of the scrape",
        'columns.timestamp names the column with times; "-" says that there is none',
    ),
    "number_in_text": Reason(
        "is text by its first rows, and has numbers as well: they are kept as text",
        "name the column in columns.metrics, or in columns.labels if it is text",
    ),
    "no_number_left": Reason(
        "is a metric in the current snapshot, and has no number any more: it stays one, and its cells are left out",
        "if the column is text now, name it in columns.labels",
    ),
    "text_no_more": Reason(
        "is text in the current snapshot, and has numbers and no text now: it is a metric from here on",
        "if the column is text, name it in columns.labels",
    ),
}
"""What is said of columns, once, although nothing in them need be wrong."""

_UNKNOWN = Reason("cannot be used", "the log of the ETL at debug level shows more")


def explain(reject: Reject) -> str:
    """A reject as a sentence: where, what, what became of it, what to do."""
    reason = REASONS.get(reject.reason, _UNKNOWN)
    place = f"Line {reject.line}" + (f", column {reject.column}" if reject.column else "")
    usually = "the cell is missing, the row is kept" if reason.cell else "the row is left out"
    helps = _advice(reject, reason)
    return f"{place}: {reject.value!r} {reason.meaning}; {reason.fate or usually}. What may help: {helps}."


def _advice(reject: Reject, reason: Reason) -> str:
    if reject.reason == "bad_number":
        if reject.value.strip().lower() in NO_VALUE:
            return "if this means that there is no value, name it in columns.missing"
        if is_grouped(reject.value):
            return "the source should write the digits without separators, as in 1024; " + reason.advice
        if reject.value != reject.value.strip():
            return "the source should write the number without blanks; " + reason.advice
    return reason.advice


def explain_note(note: Reject) -> str:
    """A note as a sentence: which column (or all of them), what about it, the first such cell, what to do."""
    subject = f"column {note.column!r}" if note.column else f"the columns {note.value!r}"
    where = f" (line {note.line}: {note.value!r})" if note.column and note.line else ""
    return f"{subject} {NOTES[note.reason].meaning}{where}. What may help: {NOTES[note.reason].advice}."
