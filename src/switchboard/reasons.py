"""Why a row or a cell was rejected: what each reason means, and what may help."""

from __future__ import annotations

from dataclasses import dataclass

from switchboard.model import Reject


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

_UNKNOWN = Reason("cannot be used", "the log of the ETL at debug level shows more")


def explain(reject: Reject) -> str:
    """A reject as a sentence: where, what, what became of it, what to do."""
    reason = REASONS.get(reject.reason, _UNKNOWN)
    place = f"Line {reject.line}" + (f", column {reject.column}" if reject.column else "")
    usually = "the cell is missing, the row is kept" if reason.cell else "the row is left out"
    return f"{place}: {reject.value!r} {reason.meaning}; {reason.fate or usually}. What may help: {reason.advice}."
