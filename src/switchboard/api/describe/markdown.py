"""The OpenAPI document as Markdown, for readers of the repository: docs/API.md."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

Object = dict[str, Any]

_BEGINNING = """\
Made by `switchboard openapi --markdown` from what `/openapi.json` serves. `/docs` of a running service shows the same,
with a form to try each endpoint."""
_WHERE = "http://localhost:8080"


def render_markdown(document: Object) -> str:
    """The document as Markdown."""
    info = document["info"]
    lines = [
        f"# The {info['title']} API",
        "",
        _BEGINNING,
        "",
        info["description"],
    ]
    for tag in document["tags"]:
        lines += ["", f"## {tag['description']}"]
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if tag["name"] in operation["tags"]:
                    lines += ["", *_operation(document, path, method, operation)]
    lines += ["", "## Errors", "", *_errors(document)]
    lines += ["", "## Headers of answers", "", *_headers(document)]
    lines += ["", "## Objects", *_objects(document)]
    return "\n".join(lines) + "\n"


def _operation(document: Object, path: str, method: str, operation: Object) -> Iterator[str]:
    yield from (f"### {method.upper()} {path}", "", operation["summary"] + ".")
    if "description" in operation:
        yield from ("", operation["description"])
    parameters = operation.get("parameters", [])
    if parameters:
        rows = ((f"`{each['name']}`", _type(each["schema"]), _meaning(each)) for each in parameters)
        yield from ("", *_table(("parameter", "type", "meaning"), rows))
    body = operation.get("requestBody")
    if body:
        content = body["content"]["application/json"]
        yield from ("", f"Body: {_type(content['schema'])}.")
    yield from ("", "```sh", _curl(path, method, operation), "```")
    good = operation["responses"]["200"]["content"]
    for media_type, content in good.items():
        yield from ("", f"200: `{media_type}`, {_type(content['schema'])}.")
        if "example" in content:
            yield from ("", "```json", *_json(content["example"]), "```")
    yield from ("", "Also: " + ", ".join(status for status in operation["responses"] if status != "200") + ".")


def _meaning(parameter: Object) -> str:
    words = [parameter.get("description", "")]
    if parameter["in"] == "header":
        words.append("a header")
    if parameter["required"]:
        words.append("required")
    if "default" in parameter["schema"]:
        words.append(f"default `{json.dumps(parameter['schema']['default'])}`")
    return "; ".join(filter(None, words))


def _curl(path: str, method: str, operation: Object) -> str:
    pairs = [
        (each["name"], str(each["example"]).lower() if isinstance(each["example"], bool) else each["example"])
        for each in operation.get("parameters", [])
        if each["in"] == "query" and "example" in each
    ]
    query = urlencode(pairs, doseq=True)
    url = f"{_WHERE}{path}?{query}" if query else f"{_WHERE}{path}"
    if method != "post":
        return shlex.join(["curl", url])
    example = operation["requestBody"]["content"]["application/json"].get("example", {})
    return shlex.join(["curl", "-H", "Content-Type: application/json", "-d", json.dumps(example), url])


def _errors(document: Object) -> Iterable[str]:
    """The shared responses, each with the status that its example names."""
    yield "A sentence as `text/plain`; `application/problem+json` where the Accept header asks for JSON."
    yield ""
    rows = []
    for response in document["components"]["responses"].values():
        problem = response["content"]["application/problem+json"]["example"]
        rows.append((str(problem["status"]), response["description"], problem["detail"]))
    yield from _table(("status", "when", "for example"), rows)


def _headers(document: Object) -> Iterable[str]:
    rows = ((f"`{name}`", header["description"]) for name, header in document["components"]["headers"].items())
    return _table(("header", "meaning"), rows)


def _objects(document: Object) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        yield from ("", f"### {name}", "")
        if "description" in schema:
            yield from (schema["description"], "")
        required = schema.get("required", [])
        rows = (
            (
                f"`{field}`" + ("" if field in required else " (may be absent)"),
                _type(known),
                known.get("description", ""),
            )
            for field, known in schema.get("properties", {}).items()
        )
        yield from _table(("field", "type", "meaning"), rows)


def _type(schema: Object) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "string" and "anyOf" in schema:
        return "string: " + " or ".join(_limits(each) for each in schema["anyOf"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if schema["type"] == "array":
        return f"array of {_type(schema['items'])}"
    if schema["type"] == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) else "object"
    limits = _limits(schema)
    return f"{schema['type']} {limits}" if limits else str(schema["type"])


def _limits(schema: Object) -> str:
    words = []
    if "pattern" in schema:
        words.append(f"`{schema['pattern']}`")
    if "format" in schema:
        words.append(f"({schema['format']})")
    if "minimum" in schema or "maximum" in schema:
        words.append(f"{schema.get('minimum', '')} … {schema.get('maximum', '')}")
    return " ".join(words)


def _json(value: Any) -> list[str]:
    """The lines of a JSON value: one line if that is short, else indented."""
    line = json.dumps(value, ensure_ascii=False)
    return [line] if len(line) <= 120 else json.dumps(value, ensure_ascii=False, indent=2).split("\n")


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (header, ("---",) * len(header), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
