"""JSON Schemas: for the types of bodies, by msgspec, and for query parameters as they stand in a URL.

The meaning of a field is the string after it in the source, where a reader of the code looks for it too.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from switchboard.api.parser import repeats

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"


def schemas_of(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """The schema of each type, and the schemas of structs by name, to which those refer."""
    types = tuple(types)
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    for struct in _structs(types, set()):
        component = components[struct.__name__]
        if "description" in component:
            component["description"] = one_line(component["description"])
        for name, meaning in field_docs(struct).items():
            schema = component["properties"][name]
            if "description" not in schema:
                # Beside a reference a description is allowed since OpenAPI 3.1.
                component["properties"][name] = {"description": meaning, **schema}
    return list(schemas), components


def parameters_of(query: type[msgspec.Struct], examples: dict[str, Any]) -> Iterator[Schema]:
    """Parameter objects of a query struct, one for each field, with these examples by name."""
    hints = get_type_hints(query, include_extras=True)
    for known in msgspec.structs.fields(query):
        schema = _wire_schema(hints[known.name])
        parameter: Schema = {"name": known.name, "in": "query", "required": known.required}
        description = schema.pop("description", "")
        if description:
            parameter["description"] = description
        if not known.required and known.default not in (None, (), msgspec.NODEFAULT):
            schema["default"] = known.default
        if repeats(hints[known.name]):
            parameter |= {"style": "form", "explode": True}
        parameter["schema"] = schema
        if known.name in examples:
            parameter["example"] = _typed(examples[known.name], schema)
        yield parameter


def _typed(example: str | list[str], schema: Schema) -> Any:
    """An example of a parameter, which stands as text in the query string, as a value of its schema."""
    if schema.get("type") == "array":
        return [example] if isinstance(example, str) else example
    if isinstance(example, str) and schema.get("type") in {"integer", "number", "boolean"}:
        return msgspec.json.decode(example)
    return example


def field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The strings after the fields of a struct, by field; empty if the source code is not at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(struct)))
    except (OSError, TypeError):
        return {}
    (definition,) = tree.body
    assert isinstance(definition, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            docs[field.target.id] = one_line(after.value.value)
    return docs


def one_line(text: str) -> str:
    """A docstring as running text: paragraphs stay, the lines of a paragraph are joined, literals are marked once."""
    paragraphs = inspect.cleandoc(text).replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _wire_schema(hint: Any) -> Schema:
    """The schema of a parameter as it is sent: text that is not empty, unless its type says more.

    ``extra_json_schema`` of a Meta describes what is sent if the value has another type: a moment is sent as text.
    """
    sent: Schema = {}
    schema = _value_schema(hint, sent)
    if "type" in sent:
        schema = {key: value for key, value in schema.items() if key == "description"}
    schema |= sent
    texts = [schema, schema.get("items", {})]
    for text in texts:
        if text.get("type") == "string" and not text.keys() & {"enum", "pattern", "format", "anyOf", "minLength"}:
            text["minLength"] = 1
    if schema.get("type") == "array":
        schema.setdefault("minItems", 1)
    return schema


def _value_schema(hint: Any, sent: Schema) -> Schema:
    """The schema of a type without None; what its Metas say about the form that is sent is put into ``sent``."""
    metas: list[Meta] = []
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            metas += more
        elif get_origin(hint) in {Union, UnionType} and NoneType in get_args(hint):
            (hint,) = (each for each in get_args(hint) if each is not NoneType)
        else:
            break
    schema = msgspec.json.schema(hint)
    for meta in reversed(metas):  # the outermost Meta last, because it goes before the others
        schema |= msgspec.json.schema(Annotated[hint, meta])
        sent |= meta.extra_json_schema or {}
    return schema


def _structs(types: Iterable[Any], seen: set[Any]) -> Iterator[type[msgspec.Struct]]:
    """All structs in these types, those in their fields included."""
    for each in types:
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            if each not in seen:
                seen.add(each)
                yield each
                yield from _structs(get_type_hints(each, include_extras=True).values(), seen)
        else:
            yield from _structs(get_args(each), seen)
