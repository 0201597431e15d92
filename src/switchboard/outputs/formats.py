"""The formats of a list, as a table: one entry says everything about a format.

To add a format, add its entry here and a test for its bytes. The parameter ``format=``, the Accept header, the content
type and the description of the API follow from the entry. See docs/howto/add-an-output-format.md.
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
    """One format of a list."""

    name: str
    """The value of the parameter ``format=``."""
    content_type: str
    """The Content-Type of an answer, with its parameters."""
    accepted: tuple[str, ...]
    """The media types in an Accept header that ask for this format, in lower case; each stands in one format only."""
    binary: bool = False
    """Whether the format is bytes rather than text."""
    merges: bool = False
    """Whether rows of several sources are merged, so that a switch and port is there once."""
    function: str
    """``module:function`` that writes a list. It is imported when it is first used, because some processes need the
    names of the formats but not pyarrow."""

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.content_type.partition(";")[0]

    def write(self, sources: Sequence[Listed], page: Page) -> Iterator[bytes]:
        """The rows of a page as bytes, in pieces that take about a millisecond each to make; a piece may be empty."""
        module, _, name = self.function.partition(":")
        write: Callable[[Sequence[Any], Any], Iterator[bytes]] = getattr(import_module(module), name)
        return write(sources, page)


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            name="json",
            content_type="application/json",
            # The original served JSON whatever a client asked for: clients that ask for text/plain still get it.
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
"""All formats by name; the first is the default."""
DEFAULT_FORMAT = next(iter(FORMATS))
"""The name of the format of an answer where the client does not choose one."""

if not TYPE_CHECKING:
    FormatName = Literal[tuple(FORMATS)]
