"""The formats of a list: one row says all that is to be said of one.

Whoever adds a format adds its row here, and a test for what it writes; the parameter ``format=``, the Accept header,
the content type and the description of the API follow. See docs/howto/add-an-output-format.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from switchboard.selection.choose import Listed
    from switchboard.selection.pages import Page

    FormatName = str


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format."""

    name: str
    """What ``format=`` says."""
    content_type: str
    """The Content-Type of an answer."""
    accepted: tuple[str, ...]
    """Media types in an Accept header that ask for it, in lower case."""
    binary: bool = False
    """Whether it is bytes rather than text."""
    merges: bool = False
    """Whether it puts the rows of several sources together, so that a switch and port stands once."""
    function: str
    """``module:function`` that writes it. It is imported when it is first used: the names of the formats are wanted
    where pyarrow is not."""

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.content_type.partition(";")[0]

    def write(self, sources: Sequence[Listed], page: Page) -> Iterator[bytes]:
        """The rows of a page, in pieces that take a millisecond or so to make; a piece may be empty."""
        module, _, name = self.function.partition(":")
        write: Callable[[Sequence[Any], Any], Iterator[bytes]] = getattr(import_module(module), name)
        return write(sources, page)


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            name="json",
            content_type="application/json",
            # The clients of the original were served JSON whatever they asked for; those that say text/plain still are.
            accepted=("application/json", "application/problem+json", "text/json", "text/plain"),
            merges=True,
            function="switchboard.outputs.json:render_json",
        ),
        Format(
            name="ndjson",
            content_type="application/x-ndjson",
            accepted=("application/x-ndjson", "application/ndjson", "application/jsonl"),
            function="switchboard.outputs.tables:render_ndjson",
        ),
        Format(
            name="csv",
            content_type="text/csv; charset=utf-8",
            accepted=("text/csv",),
            function="switchboard.outputs.tables:render_csv",
        ),
        Format(
            name="arrow",
            content_type="application/vnd.apache.arrow.stream",
            accepted=("application/vnd.apache.arrow.stream",),
            binary=True,
            function="switchboard.outputs.arrow:render_arrow",
        ),
    )
}
"""All formats by name."""
DEFAULT_FORMAT = "json"

if not TYPE_CHECKING:
    FormatName = Literal[tuple(FORMATS)]
