"""An endpoint: what it takes, what answers, and what comes back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

import msgspec

from switchboard.api.answer import JSON, Answer
from switchboard.api.parser import Parser
from switchboard.outputs.formats import DEFAULT_FORMAT, FORMATS
from switchboard.query.requests import Formatted, Paged, Pinned
from switchboard.query.result import Result
from switchboard.view.view import View


class Runs(Enum):
    """Where the function of an endpoint runs."""

    LOOP = "in the event loop, in the callback that brings the request"
    THREAD = "in a thread: it takes longer than an event loop may be held"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One path of the API: a row of the table in ``endpoints``."""

    path: str
    summary: str
    query: type[msgspec.Struct] | None
    """Type of the query: parameters of the URL or, if ``posted``, the JSON body of a POST. None: the endpoint takes no
    query and ignores the query string."""
    answer: Callable[[View, float, Any], Result | Answer]
    """A function of the view, the present moment (on the view's clock) and the query. It may raise QueryError."""
    content: Any
    """The type of the body of a 200."""
    posted: bool = False
    variants: tuple[Any, ...] = ()
    """Other types that the body may have, depending on the query. msgspec has no union of two kinds of object, so they
    are listed here instead of in ``content``."""
    content_by_status: Mapping[int, Any] = field(default_factory=dict)
    """Type of the body by status, for statuses other than 200 that carry an answer."""
    media_type: bytes = JSON
    """Content type of a body whose format cannot be chosen."""
    negotiated: bool = False
    """Whether the Accept header is looked at: it may choose the format of a ``Formatted`` query; the answer is 406 if
    it takes none."""
    bare: bool = False
    """Whether JSON is sent without a line end, as the original system does."""
    static: bool = False
    """Whether the answer stays the same while the process lives."""
    tells_snapshots: bool = False
    """Whether the headers name snapshots although the query is not ``Pinned``."""
    runs: Runs = Runs.LOOP

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods that the endpoint answers."""
        return ("POST",) if self.posted else ("GET", "HEAD")

    @cached_property
    def label(self) -> str:
        """The name under which its requests are counted: the path, and one name for all files."""
        return "files" if self.static else self.path

    @cached_property
    def checksum(self) -> int:
        """A checksum of the path, from which that of a query goes on."""
        return zlib.crc32(self.path.encode())

    @cached_property
    def parser(self) -> Parser | None:
        """The parser of the query in the URL; None if there is no query in the URL."""
        return None if self.query is None or self.posted else Parser(self.query, self.path.rpartition("/")[2])

    @cached_property
    def body_decoder(self) -> msgspec.json.Decoder[Any] | None:
        """The decoder of the query in the body; None if there is no query in the body."""
        return msgspec.json.Decoder(self.query) if self.posted else None

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """The formats that a client may choose from, the default first; empty: the Accept header is not looked at."""
        if not self.negotiated:
            return ()
        return tuple(FORMATS) if self.takes(Formatted) else (DEFAULT_FORMAT,)

    @cached_property
    def tagged(self) -> bool:
        """Whether the answers carry entity tags, so that ``If-None-Match`` may get 304."""
        return not self.posted and (self.static or self.takes(Pinned))

    @cached_property
    def pinned(self) -> bool:
        """Whether its query may name the snapshots to answer from."""
        return self.takes(Pinned)

    @cached_property
    def paged(self) -> bool:
        """Whether its answers may be pages of a list."""
        return self.takes(Paged)

    def takes(self, kind: type[msgspec.Struct]) -> bool:
        """Whether the query is of this kind: Pinned, Paged or Formatted."""
        return self.query is not None and issubclass(self.query, kind)
