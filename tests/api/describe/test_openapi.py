"""The OpenAPI document: complete, valid, derived from the table, and true where examples can show it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from msgspec import Meta

from switchboard.api.answer import Answer
from switchboard.api.describe.examples import EXAMPLES
from switchboard.api.describe.markdown import render_markdown
from switchboard.api.describe.openapi import describe
from switchboard.api.endpoint import Endpoint
from switchboard.api.endpoints import ENDPOINTS
from switchboard.view.view import View
from tests.lab.cases import CASES, SNAPSHOT, WORLDS
from tests.lab.fabric import Holder
from tests.lab.processes import Reply
from tests.lab.running_api import ask, running_api

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads(msgspec.json.encode(describe(ENDPOINTS)))
BODILESS = {"204", "304"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for key in value["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    assert isinstance(found, dict)
    return found


def empty_schemas(schema: Any, at: str) -> Iterator[str]:
    """Paths of the places at which a schema says nothing about a value."""
    if not isinstance(schema, dict) or not schema.keys() & {"type", "$ref", "anyOf", "enum"}:
        yield at
        return
    for name, inner in schema.get("properties", {}).items():
        yield from empty_schemas(inner, f"{at}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from empty_schemas(schema[key], f"{at}.{key}")
    for number, inner in enumerate(schema.get("anyOf", [])):
        if "type" not in schema:
            yield from empty_schemas(inner, f"{at}.anyOf[{number}]")


def schemas() -> Iterator[tuple[str, Any]]:
    """Every schema of the document, with where it is."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        yield f"schemas.{name}", schema
    for name, header in DOCUMENT["components"]["headers"].items():
        yield f"headers.{name}", header["schema"]
    for name, response in DOCUMENT["components"]["responses"].items():
        for media_type, content in response["content"].items():
            yield f"responses.{name} {media_type}", content["schema"]
    for path, method, operation in operations():
        for parameter in operation.get("parameters", []):
            yield f"{method} {path} {parameter['name']}", parameter["schema"]
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{method} {path} body {media_type}", content.get("schema")
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                yield f"{method} {path} {status} {media_type}", content.get("schema")


def test_the_document_is_valid() -> None:
    """The document fits the OpenAPI 3.1 schema, and each schema in it fits JSON Schema 2020-12."""
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for at, schema in schemas():
        assert jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema), at
    assert DOCUMENT["openapi"] == "3.1.0"


def test_an_invalid_document_is_found() -> None:
    """The validator of the test above refuses a document that is wrong."""
    wrong = DOCUMENT | {"paths": {"/x": {"get": {"responses": 1}}}}
    with pytest.raises(Exception, match="responses"):
        schemathesis.openapi.from_dict(wrong).validate()
    assert not jsonschema_rs.meta.is_valid({"type": "nothing"})


def test_every_route_is_in_it() -> None:
    """The document has exactly the paths and methods of the table; HEAD is said for all in the description."""
    described = {(path, method.upper()) for path, method, _ in operations()}
    assert described == {(endpoint.path, endpoint.methods[0]) for endpoint in ENDPOINTS}
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


def test_no_schema_is_empty() -> None:
    """Every response with a body has a schema, and no schema anywhere leaves a value open; the document itself may."""
    for path, _, operation in operations():
        for status, response in operation["responses"].items():
            assert status in BODILESS or resolved(response)["content"], f"{path} {status}"
    assert [each for at, schema in schemas() for each in empty_schemas(schema, at)] == []


@pytest.mark.parametrize(
    "schema",
    [None, {}, {"type": "array", "items": {}}, {"type": "object", "properties": {"a": {"description": "a"}}}],
)
def test_an_empty_schema_is_found(schema: Any) -> None:
    """What the test above relies on sees each way in which a schema may say nothing."""
    assert list(empty_schemas(schema, "x")) != []


def test_references_lead_somewhere() -> None:
    """Everything that is referred to exists, and everything shared is referred to."""
    text = json.dumps(DOCUMENT)
    for kind, components in DOCUMENT["components"].items():
        for name in components:
            assert f'"#/components/{kind}/{name}"' in text, f"{kind} {name} is not used"
    found = set(json.dumps(DOCUMENT).split('"#/components/')[1:])
    for reference in {each.partition('"')[0] for each in found}:
        kind, name = reference.split("/")
        assert name in DOCUMENT["components"][kind]


def test_every_case_of_the_table_is_documented() -> None:
    """Each answer that the API's tests hold, of a documented method, has a documented status, type and headers."""
    seen = 0
    for case in CASES:
        item = DOCUMENT["paths"].get(case.target.partition("?")[0])
        if item is None or case.method.lower() not in item:
            continue
        response = resolved(item[case.method.lower()]["responses"][str(case.status)])
        assert case.headers.keys() - {"content-type"} <= {name.lower() for name in response["headers"]}, case
        if "content-type" in case.headers:
            assert str(case.headers["content-type"]).partition(";")[0] in response["content"], case
        seen += 1
    assert seen > 60


@pytest.fixture(scope="module")
def live() -> Iterator[int]:
    with running_api(Holder(WORLDS["live"])) as port:
        yield port


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples_are_real(live: int, path: str) -> None:
    """Asking as the example asks gets the answer that the example shows."""
    example = EXAMPLES[path]
    if next(endpoint for endpoint in ENDPOINTS if endpoint.path == path).posted:
        reply = ask(live, path, "POST", body=example.asked.encode())
    else:
        reply = ask(live, f"{path}?{example.asked}" if example.asked else path)
    assert reply.status == 200
    assert reply.body.decode().rstrip("\n") == example.answer


def test_examples_are_of_their_types() -> None:
    """Each example of a parameter, a body or an answer is valid by the schema beside it: no number is a string."""
    seen = 0
    for path, method, operation in operations():
        shown = [(each["name"], each) for each in operation.get("parameters", [])]
        shown += [("body", each) for each in operation.get("requestBody", {}).get("content", {}).values()]
        shown += [("200", each) for each in operation["responses"]["200"].get("content", {}).values()]
        for name, each in shown:
            if "example" in each:
                schema = each["schema"] | {"components": DOCUMENT["components"]}
                assert jsonschema_rs.is_valid(schema, each["example"]), f"{method} {path} {name}: {each['example']!r}"
                seen += 1
    assert seen > 15


def test_security_is_said() -> None:
    """Nobody has to say who they are, and the document says so."""
    assert DOCUMENT["security"] == []


def test_strict_forms_come_before_loose_ones() -> None:
    """A generated client takes the first form that fits: an object of values would take what is a report."""
    content = DOCUMENT["paths"]["/telemetry/GetMetric"]["get"]["responses"]["200"]["content"]
    forms = content["application/json"]["schema"]["anyOf"]
    report, reports, values = forms[-3:]
    assert [each["type"] for each in forms[:-3]] == ["integer", "number", "string"]
    assert report == {"$ref": "#/components/schemas/CellReport"}
    assert reports["additionalProperties"] == report
    assert values["additionalProperties"]["anyOf"] == forms[:-3]


def test_every_endpoint_of_data_has_an_example() -> None:
    """A new endpoint needs an entry in api/describe/examples.py: the page and docs/API.md show it."""
    data = {endpoint.path for endpoint in ENDPOINTS if endpoint.path.startswith("/telemetry/")}
    assert data <= EXAMPLES.keys()
    assert EXAMPLES.keys() <= {endpoint.path for endpoint in ENDPOINTS}


@pytest.mark.parametrize(
    ("target", "method", "accept"),
    [
        ("/telemetry/GetMetric?switch_id=sw1", "GET", ""),
        ("/telemetry/GetMetric?switch_id=sw9&metric=latency_ms", "GET", ""),
        ("/telemetry/GetMetric", "PUT", ""),
        ("/telemetry/GetMetric?switch_id=sw1&metric=latency_ms", "GET", "image/png"),
        ("/telemetry/GetMetric?switch_id=sw1&metric=latency_ms&snapshot=1-a", "GET", ""),
        (f"/telemetry/GetMetric?switch_id={'x' * 9000}", "GET", ""),
    ],
)
def test_examples_of_errors_are_real(live: int, target: str, method: str, accept: str) -> None:
    """The sentence and the problem that a shared response shows are what a client gets."""
    reply = ask(live, target, method, [("Accept", accept)] if accept else [])
    (response,) = (
        each
        for each in DOCUMENT["components"]["responses"].values()
        if each["content"]["application/problem+json"]["example"]["status"] == reply.status
    )
    assert response["content"]["text/plain"]["example"] == reply.body.decode()
    if not accept:
        problem = ask(live, target, method, [("Accept", "application/json")])
        assert response["content"]["application/problem+json"]["example"] == json.loads(problem.body)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """First.

    Second paragraph.
    """

    name: Annotated[str, Meta(description="the name", pattern="^[a-z]+$")]
    count: Annotated[int, Meta(ge=1, le=1000)] = 10
    order: Literal["asc", "desc"] = "desc"
    verbose: bool = False
    several: Annotated[tuple[Annotated[str, Meta(max_length=9)], ...], Meta(max_length=4)] = ()
    moment: Annotated[int | None, Meta(extra_json_schema={"type": "string", "format": "date-time"})] = None
    source: str | None = None


class Told(msgspec.Struct, frozen=True):
    """An answer."""

    age_seconds: float
    """Since then, in
    seconds."""
    bare: int


def _nothing(view: View, now: float, query: Asked) -> Answer:
    return Answer(200, [])


def test_a_new_endpoint_describes_itself() -> None:
    """Parameters, limits, defaults, bodies, statuses and the words for them come from the row and its types."""
    planted = Endpoint(path="/telemetry/New", summary="New", query=Asked, answer=_nothing, content=list[Told])
    posted = Endpoint(
        path="/telemetry/Posted", summary="Posted", query=Asked, posted=True, answer=_nothing, content=Told
    )
    document = json.loads(msgspec.json.encode(describe([planted, posted])))
    new = document["paths"]["/telemetry/New"]["get"]
    parameters = {each.pop("name"): each for each in new["parameters"]}
    assert new["description"] == "Second paragraph."
    assert parameters["name"] == {
        "in": "query",
        "required": True,
        "description": "the name",
        "schema": {"type": "string", "pattern": "^[a-z]+$"},
    }
    assert parameters["count"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}
    assert parameters["order"]["schema"] == {"enum": ["asc", "desc"], "default": "desc"}
    assert parameters["verbose"]["schema"] == {"type": "boolean", "default": False}
    assert parameters["several"] == {
        "in": "query",
        "required": False,
        "style": "form",
        "explode": True,
        "schema": {
            "type": "array",
            "items": {"type": "string", "maxLength": 9, "minLength": 1},
            "maxItems": 4,
            "minItems": 1,
        },
    }
    assert parameters["moment"]["schema"] == {"type": "string", "format": "date-time"}
    assert set(new["responses"]) == {"200", "400", "404", "405", "408", "414", "431", "500", "503", "505"}
    told = document["components"]["schemas"]["Told"]
    assert told["properties"]["age_seconds"] == {"description": "Since then, in seconds.", "type": "number"}
    assert told["properties"]["bare"] == {"type": "integer"}
    post = document["paths"]["/telemetry/Posted"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Asked"}
    assert {"413", "415"} <= set(post["responses"])


def test_api_reference_is_the_document() -> None:
    """docs/API.md is what `switchboard openapi --markdown` prints."""
    assert (ROOT / "docs" / "API.md").read_text("utf-8") == render_markdown(describe(ENDPOINTS))


def test_the_document_is_served(live: int) -> None:
    """/openapi.json is the document, with a strong tag that holds, compressed where that is taken."""
    reply = ask(live, "/openapi.json")
    assert json.loads(reply.body) == DOCUMENT
    assert reply.headers["content-type"] == "application/json"
    assert not _again(live, "/openapi.json", reply).body
    assert SNAPSHOT in reply.body.decode()


def _again(port: int, target: str, reply: Reply) -> Reply:
    again = ask(port, target, headers=[("If-None-Match", reply.headers["etag"])])
    assert again.status == 304
    return again
