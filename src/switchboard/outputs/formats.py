"""The forms of a list."""

from __future__ import annotations

from typing import Literal, get_args

Format = Literal["json", "ndjson", "csv", "arrow"]

CONTENT_TYPES: dict[Format, bytes] = {
    "json": b"application/json",
    "ndjson": b"application/x-ndjson",
    "csv": b"text/csv; charset=utf-8",
    "arrow": b"application/vnd.apache.arrow.stream",
}
FORMATS: tuple[Format, ...] = get_args(Format)

_MEDIA_TYPES: dict[Format, tuple[str, ...]] = {
    # The clients of the original were served JSON whatever they asked for; those that say text/plain still are.
    "json": ("application/json", "application/problem+json", "text/json", "text/plain"),
    "ndjson": ("application/x-ndjson", "application/ndjson", "application/jsonl"),
    "csv": ("text/csv",),
    "arrow": ("application/vnd.apache.arrow.stream",),
}
