"""The table of all faults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One way to misbehave, and the one number by which it can be adjusted."""

    does: str
    amount: str = ""
    """Meaning and unit of the number; empty if there is nothing to adjust."""
    usual: float = 0
    least: float = 0
    most: float = 0


_HOUR, _YEAR = 3_600, 31_536_000

FAULT_KINDS: dict[str, FaultKind] = {
    "server_error": FaultKind("answers with an error of the server and no rows", "status", 500, 500, 599),
    "too_many_requests": FaultKind("answers 429 with Retry-After", "seconds to wait", 2, 0, _HOUR),
    "redirect_loop": FaultKind("redirects to itself, each time at another URL"),
    "html_page": FaultKind("answers 200 with an error page in HTML"),
    "slow_first_byte": FaultKind("lets the answer wait", "seconds", 5, 0, _HOUR),
    "slow_drip": FaultKind("sends the body drop by drop", "bytes per second", 64, 1, 1e9),
    "truncated_body": FaultKind(
        "closes the connection before the announced Content-Length is reached", "share of the bytes sent", 0.5, 0, 0.99
    ),
    "aborted_chunks": FaultKind("closes the connection before the last chunk", "share of the bytes sent", 0.5, 0, 0.99),
    "truncated_gzip": FaultKind("sends all rows with gzip, but not the end of the gzip data"),
    "gzip_bomb": FaultKind(
        "sends a row again and again, packed hundreds of times smaller", "MiB unpacked", 1024, 1, 1e6
    ),
    "ragged_rows": FaultKind("rows with a cell too many or too few", "share of the rows", 0.05, 0, 1),
    "bad_cells": FaultKind("rows with a cell that is no number we take for one", "share of the rows", 0.05, 0, 1),
    "duplicate_rows": FaultKind("rows twice", "share of the rows", 0.05, 0, 1),
    "row_collapse": FaultKind("most rows are missing", "share of the rows sent", 0.1, 0, 1),
    "mixed_timestamps": FaultKind("half of the rows are older than the others", "seconds", _HOUR, 0, _YEAR),
    "clock_ahead": FaultKind("all rows have times of the future", "seconds", _HOUR, 0, _YEAR),
    "clock_behind": FaultKind("all rows have times of the past", "seconds", _HOUR, 0, _YEAR),
    "restart": FaultKind(
        "serves what was served some time ago, as after a restart with a wrong clock", "seconds", 600, 0, _YEAR
    ),
}
"""The faults that can be switched on, by name, in the order in which they take effect."""
