"""The API as an OpenAPI 3.1 document, derived from the table of endpoints: /openapi.json.

Nothing about a single endpoint is written here: its parameters are the fields of its query, its schemas are the types
of its bodies, and its statuses and headers follow from what it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from switchboard import __version__
from switchboard.api.describe.examples import EXAMPLES
from switchboard.api.describe.responses import HEADERS, Problem, responses_of, shared_responses
from switchboard.api.describe.schemas import one_line, parameters_of, schemas_of
from switchboard.api.endpoint import Endpoint

_DESCRIPTION = """\
Counters of the switches of a fabric, from the latest complete snapshot of each source.

Every path that takes GET takes HEAD, with the same headers and no body; OPTIONS answers 204 with `Allow`, and any other
method 405. A parameter that is unknown, empty, malformed or given too often is refused with 400: a mistyped name never
widens an answer. Errors are one sentence of plain text, or a problem (RFC 9457) where the Accept header asks for JSON.

An answer with an `ETag` is drawn from the snapshots that `X-Snapshot-Id` names. Send the tag as `If-None-Match`, and
get 304 until there is something new; send the id as `snapshot=`, and several calls are consistent with each other."""

_TAGS = {
    "telemetry": "The data, and where it comes from",
    "service": "The service itself",
    "documentation": "This description",
}
_CONDITIONAL = (
    {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "the ETag of an earlier answer, or several, or *; 304 if it still holds",
        "schema": {"type": "string"},
    },
    {
        "name": "Accept-Encoding",
        "in": "header",
        "required": False,
        "description": "gzip is used for longer bodies where it is taken",
        "schema": {"type": "string"},
    },
)


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document, as a value that JSON can write."""
    types = [
        Problem,
        *(each for endpoint in endpoints for each in _bodies(endpoint)),
        *(endpoint.query for endpoint in endpoints if endpoint.posted),
    ]
    (problem, *schemas), components = schemas_of(types)
    known = iter(schemas)
    bodies = [_by_status(endpoint, known) for endpoint in endpoints]
    posted = [next(known) if endpoint.posted else None for endpoint in endpoints]
    operations = [
        _operation(endpoint, answers, body) for endpoint, answers, body in zip(endpoints, bodies, posted, strict=True)
    ]
    paths = {
        endpoint.path: {endpoint.methods[0].lower(): operation}
        for endpoint, operation in zip(endpoints, operations, strict=True)
    }
    responses = _used("responses", shared_responses(problem), paths)
    headers = _used("headers", HEADERS, (paths, responses))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Switchboard",
            "summary": "Telemetry of network fabrics",
            "description": one_line(_DESCRIPTION),
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [],
        "servers": [{"url": "/", "description": "where this document is"}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": paths,
        "components": {"schemas": components, "responses": responses, "headers": headers},
    }


def encoded_document(endpoints: Sequence[Endpoint]) -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(describe(endpoints)) + b"\n"


def _bodies(endpoint: Endpoint) -> tuple[Any, ...]:
    return (endpoint.content, *endpoint.variants, *endpoint.content_by_status.values())


def _by_status(endpoint: Endpoint, schemas: Iterator[Any]) -> dict[int, Any]:
    """The schema of each body by status. ``schemas`` yields those of ``_bodies``, in that order."""
    usual, *variants = (next(schemas) for _ in (endpoint.content, *endpoint.variants))
    if variants:
        usual = {"anyOf": sorted([*usual.get("anyOf", [usual]), *variants], key=_looseness)}
    bodies = {200: usual}
    return bodies | {status: next(schemas) for status in endpoint.content_by_status}


def _looseness(schema: dict[str, Any]) -> int:
    """How much a form of a body may hold that is meant by another: generated clients take the first that fits."""
    if "$ref" in schema:
        return 1
    return 0 if schema["type"] != "object" else 2 if "$ref" in schema.get("additionalProperties", {}) else 3


def _operation(endpoint: Endpoint, schemas: dict[int, Any], posted: Any) -> dict[str, Any]:
    example = EXAMPLES.get(endpoint.path)
    asked = endpoint.query
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", endpoint.path.rpartition("/")[2]),
        "tags": [_tag(endpoint)],
        "summary": endpoint.summary,
    }
    _, _, more = one_line((asked and asked.__doc__) or "").partition(
        "\n\n"
    )  # its first sentence says what the summary says
    if more:
        operation["description"] = more
    parameters: list[dict[str, Any]] = []
    if endpoint.query is not None and not endpoint.posted:
        parameters += parameters_of(endpoint.query, {} if example is None else example.parameters)
    if endpoint.tagged:
        parameters += _CONDITIONAL
    if parameters:
        operation["parameters"] = parameters
    if posted is not None:
        content = {"schema": posted}
        if example is not None:
            content["example"] = msgspec.json.decode(example.asked)
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    operation["responses"] = responses_of(endpoint, schemas, None if example is None else example.value)
    return operation


def _used(kind: str, components: dict[str, Any], by: Any) -> dict[str, Any]:
    """The components that ``by`` refers to."""
    text = msgspec.json.encode(by).decode()
    return {name: each for name, each in components.items() if f'"#/components/{kind}/{name}"' in text}


def _tag(endpoint: Endpoint) -> str:
    if endpoint.path.startswith("/telemetry/"):
        return "telemetry"
    return "documentation" if endpoint.static else "service"
