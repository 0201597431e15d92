"""The responses of the OpenAPI document: statuses, when they are given, and the headers that go with them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from switchboard.api.answer import PROBLEM
from switchboard.api.endpoint import Endpoint
from switchboard.model import State
from switchboard.outputs.formats import DEFAULT_FORMAT, FORMATS
from switchboard.query.requests import Pinned
from switchboard.serving import refusals

Object = dict[str, Any]


class Problem(msgspec.Struct, frozen=True):
    """An error as JSON (RFC 9457), for a client whose Accept header asks for JSON."""

    type: str
    title: Annotated[str, Meta(description="the standard phrase of the status")]
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="what is wrong, as a sentence; plain text says the same")]


def _header(description: str, *, required: bool = False, **schema: Any) -> Object:
    return {"description": description, "required": required, "schema": {"type": "string"} | schema}


HEADERS: dict[str, Object] = {
    "Allow": _header("The methods that the path takes.", required=True, examples=["GET, HEAD"]),
    "Cache-Control": _header(
        "`no-cache`: keep it, and ask with `If-None-Match` before using it again. `no-store`: do not keep it.",
        required=True,
        enum=["no-cache", "no-store"],
    ),
    "Content-Encoding": _header("Present if the body is compressed, for a client that takes it.", enum=["gzip"]),
    "Content-Security-Policy": _header("What a page may load and do: nothing from elsewhere."),
    "ETag": _header(
        "Strong name of exactly these bytes; absent where the body contains an age.",
        pattern='^"[!#-~]+"$',
        examples=['"04239e7bfc0b0b1e3fdf79e3"'],
    ),
    "Last-Modified": _header(
        "Time of the newest row, to the second.", required=True, examples=["Mon, 23 Nov 2026 18:53:25 GMT"]
    ),
    "Link": _header(
        'Where the next page is, `rel="next"`; absent on the last page. With a 404, what exists and is like it, '
        '`rel="alternate"`.'
    ),
    "Retry-After": _header("Seconds after which it is worth asking again.", type="integer", minimum=1),
    "Vary": _header("The request headers on which the body depends.", examples=["Accept, Accept-Encoding"]),
    "X-Content-Type-Options": _header("The body is what `Content-Type` says.", enum=["nosniff"]),
    "X-Next-Cursor": _header("The `cursor` of the next page; absent on the last page.", minLength=1),
    "X-Snapshot-Id": _header(
        "The snapshot that the answer was drawn from, or `SOURCE=ID,SOURCE=ID` where there are several, or a short "
        "form that begins with `~` where there are very many: a value for `snapshot=`.",
        examples=["1795460000500-a1b2"],
        minLength=1,
    ),
    "X-Snapshot-Missing": _header("The sources that have no live snapshot, where the state is `partial`."),
    "X-Snapshot-Omitted": _header("The headers that would be too long, and where to find what they would say."),
    "X-Snapshot-State": _header(
        "`fresh`: confirmed by a scrape within 1.5 intervals; `late`: longer ago; `stale`: store or source cannot be "
        "reached; `partial`: a source is missing.",
        required=True,
        enum=[state.value for state in State],
    ),
    "X-Snapshot-Timestamp": _header(
        "Time of the newest row, RFC 3339.", required=True, format="date-time", examples=["2026-11-23T18:53:25.000Z"]
    ),
}
"""Every header that an answer may have, except those of the connection; by name, in alphabetical order."""

_SNAPSHOT_HEADERS = ("Last-Modified", "X-Snapshot-Id", "X-Snapshot-Timestamp", "X-Snapshot-State")
_ERROR_HEADERS = ("Cache-Control", "Vary", "X-Content-Type-Options")

# Status -> name of the shared response, when it is given, an example, headers of its own.
_ERRORS: dict[int, tuple[str, str, str, tuple[str, ...]]] = {
    400: (
        "BadRequest",
        "A parameter is missing, empty, unknown, malformed or given too often; or body or request is malformed.",
        "Missing metric parameter",
        (),
    ),
    404: (
        "NotFound",
        "What was asked for does not exist. With `Retry-After`: a snapshot that this process has not seen yet.",
        "switch_id does not exist",
        ("Retry-After", "Link"),
    ),
    405: ("MethodNotAllowed", "The path has other methods.", "Method PUT is not allowed: use GET or HEAD", ("Allow",)),
    406: (
        "NotAcceptable",
        "No form of the answer is acceptable by the Accept header.",
        "Not acceptable: the Accept header takes none of application/json",
        (),
    ),
    408: ("RequestTimeout", "The request did not arrive in time.", refusals.SLOW_BODY.sentence, ()),
    410: (
        "Gone",
        "The snapshot that was asked for is no longer kept.",
        "snapshot is gone: ask without snapshot= for the current one",
        (),
    ),
    413: ("ContentTooLarge", "The body is too large.", "The body is too large: at most 2097152 bytes are taken", ()),
    414: ("UriTooLong", "The target of the request is too long.", refusals.TARGET.sentence, ()),
    415: ("UnsupportedMediaType", "The body is not JSON.", "Unsupported media type: send application/json", ()),
    431: ("HeadersTooLarge", "The headers are too many or too large.", refusals.HEADERS.sentence, ()),
    500: (
        "InternalError",
        "A failure of the service itself.",
        "Internal error: the log of the service says why",
        (),
    ),
    503: (
        "Unavailable",
        "No live snapshot can answer. `Retry-After` says when the next scrape is due.",
        "No snapshot yet: no source is known: no ETL process runs, or it cannot write to this Redis",
        ("Retry-After",),
    ),
    505: ("VersionNotSupported", "Another version of HTTP.", refusals.VERSION.sentence, ()),
}
_OF_THE_SERVER = frozenset({400, 405, 408, 414, 431, 500, 505})
"""Errors that any request may get, whatever it asks for: malformed, too slow, too large, or our own failure."""


def shared_responses(problem: Object) -> dict[str, Object]:
    """The responses that operations refer to, by name; ``problem`` is the schema of an error as JSON."""
    return {
        name: {
            "description": description,
            "headers": _references((*_ERROR_HEADERS, *headers)),
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": f"{sentence}\n"},
                PROBLEM.decode(): {
                    "schema": problem,
                    "example": {
                        "type": "about:blank",
                        "title": HTTPStatus(status).phrase,
                        "status": status,
                        "detail": sentence,
                    },
                },
            },
        }
        for status, (name, description, sentence, headers) in _ERRORS.items()
    }


def responses_of(endpoint: Endpoint, schemas: dict[int, Object], example: Any) -> Object:
    """The responses of an endpoint by status; ``schemas`` of its bodies by status, ``example`` of a 200 or None."""
    responses = {
        status: _answer(endpoint, status, schema, example if status == 200 else None)
        for status, schema in schemas.items()
    }
    if endpoint.tagged:
        headers = [name for name in _headers(endpoint, 200) if not name.startswith("Content-Encoding")]
        responses[304] = {
            "description": "The client has it already, by `If-None-Match`.",
            "headers": _references(headers),
        }
    for status in _failures(endpoint):
        responses.setdefault(status, {"$ref": f"#/components/responses/{_ERRORS[status][0]}"})
    return {str(status): responses[status] for status in sorted(responses)}


def statuses_of(endpoint: Endpoint) -> set[int]:
    """The statuses that an answer of the endpoint may have; requests that are refused never reach it."""
    statuses = {200, 405, *endpoint.content_by_status} | (_failures(endpoint) - _OF_THE_SERVER) | {500}
    return statuses | ({400} if endpoint.query is not None else set()) | ({304} if endpoint.tagged else set())


def _failures(endpoint: Endpoint) -> set[int]:
    """The errors that a request for an endpoint can get."""
    statuses = set(_OF_THE_SERVER)
    if endpoint.query is not None:
        statuses.add(503)
    if endpoint.negotiated:
        statuses.add(406)
    if endpoint.posted:
        statuses |= {413, 415}
    if endpoint.query is not None and {"source", "switch_id"} & set(endpoint.query.__struct_fields__):
        statuses.add(404)
    if endpoint.takes(Pinned):
        statuses |= {404, 410}
    return statuses


def _headers(endpoint: Endpoint, status: int) -> list[str]:
    headers = ["Cache-Control", "Vary"]
    if endpoint.tagged:
        headers += ["ETag", "Content-Encoding"]
    if endpoint.takes(Pinned) or endpoint.tells_snapshots:
        headers += [*_SNAPSHOT_HEADERS, "X-Snapshot-Missing", "X-Snapshot-Omitted"]
    if endpoint.paged:
        headers += ["Link", "X-Next-Cursor"]
    if endpoint.static:
        headers += ["X-Content-Type-Options", "Content-Security-Policy"]
    if status == 503:
        headers.append("Retry-After")
    return headers


def _answer(endpoint: Endpoint, status: int, schema: Object, example: Any) -> Object:
    description = endpoint.summary if status == 200 else f"{HTTPStatus(status).phrase}, in the same form."
    headers = _references(_headers(endpoint, status))
    if endpoint.tells_snapshots:  # they are absent while no snapshot is live
        headers |= {name: HEADERS[name] | {"required": False} for name in _SNAPSHOT_HEADERS}
    content: Object = {}
    for form in endpoint.formats or (None,):
        media_type = endpoint.media_type.decode().partition(";")[0] if form is None else FORMATS[form].media_type
        if form in {None, DEFAULT_FORMAT}:
            content[media_type] = {"schema": schema} | ({} if example is None else {"example": example})
        elif FORMATS[form].binary:
            content[media_type] = {
                "schema": {"type": "string", "format": "binary", "contentMediaType": media_type},
            }
        else:
            content[media_type] = {"schema": {"type": "string"}}
    return {"description": description, "headers": headers, "content": content}


def _references(names: Any) -> Object:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
