"""One endpoint: what it takes, what answers, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from switchboard.api.answer import JSON, Answer
from switchboard.api.parser import Parser
from switchboard.outputs.formats import Format
from switchboard.view.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path. ``answer`` is a function of the view, the moment (monotonic) and the query.

    ``query`` None: the query string is not looked at. ``posted``: the query is the JSON body of a POST, of this type.
    ``content``: the type of a 200's body, ``variants``: other types that it may have by what is asked for (msgspec has
    no union of two kinds of object), and ``other``: that of another status which is an answer too.
    ``formats``: what a client may choose from, the default first; none: the body always has the ``media_type``.
    ``static``: the answer stays the same while the process lives. ``threaded``: the answer takes longer than an event
    loop may be held. ``hot``: asked so often that the fast door answers it. ``tells_snapshots``: its headers say which
    snapshots there are, though no query chooses one.
    """

    path: str
    summary: str
    query: type[msgspec.Struct] | None
    answer: Callable[[View, float, Any], Answer]
    content: Any
    posted: type[msgspec.Struct] | None = None
    variants: tuple[Any, ...] = ()
    other: Mapping[int, Any] = field(default_factory=dict)
    media_type: bytes = JSON
    formats: tuple[Format, ...] = ()
    static: bool = False
    threaded: bool = False
    hot: bool = False
    tells_snapshots: bool = False
    methods: tuple[str, ...] = field(init=False)
    """The methods it answers."""
    parser: Parser | None = field(init=False)
    body_decoder: msgspec.json.Decoder[Any] | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", ("GET", "HEAD") if self.posted is None else ("POST",))
        parser = None if self.query is None else Parser(self.query, self.path.rpartition("/")[2])
        object.__setattr__(self, "parser", parser)
        object.__setattr__(self, "body_decoder", None if self.posted is None else msgspec.json.Decoder(self.posted))

    @property
    def query_fields(self) -> tuple[str, ...]:
        """The names of all that a query may say, in the URL or in the body."""
        asked = self.query if self.posted is None else self.posted
        return () if asked is None else asked.__struct_fields__

    @property
    def tagged(self) -> bool:
        """Whether its answers carry entity tags, so that ``If-None-Match`` may get 304."""
        return self.posted is None and (self.static or "snapshot" in self.query_fields)
