"""The documentation page: three files of the package, and the form in which any fixed content is answered.

The page reads ``/openapi.json`` and builds itself. It needs nothing from other servers, and may load nothing from them.
"""

from __future__ import annotations

from hashlib import blake2b
from importlib.resources import files
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from switchboard.api.answer import LEAST_CELLS_COMPRESSED, NO_CACHE, VARY, Answer
from switchboard.api.bodies import CELL_BYTES
from switchboard.serving.message import lines_of
from switchboard.view.view import View

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""What the page may load and ask: its own files and its own service; nobody may frame it."""
_HEADER_LINES = lines_of(
    [NO_CACHE, VARY, (b"x-content-type-options", b"nosniff"), (b"content-security-policy", POLICY.encode())]
)
_TAG_BYTES = 12


class Document(msgspec.Struct, frozen=True):
    """An OpenAPI 3.1 document."""

    openapi: Annotated[str, Meta(pattern=r"^3\.1\.")]
    info: dict[str, str | dict[str, str]]
    servers: list[dict[str, str]]
    tags: list[dict[str, str]]
    paths: Annotated[dict[str, dict[str, Any]], Meta(description="path, then method in lower case")]
    components: Annotated[dict[str, dict[str, Any]], Meta(description="what the paths refer to: schemas, responses …")]


class StaticFile:
    """Content that stays the same while the process lives; its tag is a hash of it."""

    def __init__(self, content: bytes, media_type: bytes) -> None:
        self.media_type = media_type
        self._content = content
        self._tag = blake2b(content, digest_size=_TAG_BYTES).hexdigest().encode()

    def answer(self, view: View, now: float, query: None) -> Answer:
        """The content as a shared answer, which is compressed once and kept for all clients."""
        return Answer(
            200,
            [],
            iter((self._content,)),
            self.media_type,
            _HEADER_LINES,
            self._tag,
            shared=True,
            cells=max(LEAST_CELLS_COMPRESSED, len(self._content) // CELL_BYTES),
        )


def _packaged(name: str, media_type: bytes) -> StaticFile:
    return StaticFile(files("switchboard.api.describe").joinpath("static", name).read_bytes(), media_type)


PAGE = _packaged("docs.html", b"text/html; charset=utf-8")
STYLE = _packaged("docs.css", b"text/css; charset=utf-8")
SCRIPT = _packaged("docs.js", b"text/javascript; charset=utf-8")
