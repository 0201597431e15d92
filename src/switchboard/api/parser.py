"""Parsing query strings into the query of an endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Meta

from switchboard.errors import ErrorKind, QueryError
from switchboard.query.near import did_you_mean, like
from switchboard.query.values import malformed, parse_moment, parse_where, shown


class Parameter(NamedTuple):
    """A parameter as its struct declares it."""

    name: str
    required: bool
    repeats: bool
    ordered: bool
    """Whether the values of a parameter that repeats stay in the order in which they were given."""
    convert: Callable[[str, str], Any] | None


class Parser:
    """Reads the query strings of one endpoint."""

    def __init__(self, query: type[msgspec.Struct], endpoint: str) -> None:
        self.parameters = {parameter.name: parameter for parameter in _parameters(query)}
        self._query = query
        self._endpoint = endpoint
        self._as_bytes = {name.encode(): parameter for name, parameter in self.parameters.items()}
        self._known: dict[tuple[bytes | None, ...], list[str]] = {}
        """The names of few texts that were parsed before, as they were sent and as they are."""

    def parse(self, raw: bytes) -> msgspec.Struct:
        """Read what follows the ``?``. Raises QueryError (MALFORMED) with a sentence that names the parameter."""
        values: dict[str, Any]
        few = _FEW_TEXTS.fullmatch(raw)
        if few is not None:
            name, text, second, second_text, third, third_text = few.groups()
            known = self._known.get((name, second, third))
            if known is not None:
                values = {known[0]: text.decode()}
                if second is not None:
                    values[known[1]] = second_text.decode()
                if third is not None:
                    values[known[2]] = third_text.decode()
                return self._query(**values)
        values = {}
        plain = raw.isascii() and b"%" not in raw and b"+" not in raw
        for pair in raw.split(b"&"):
            if not pair:
                continue
            raw_name, _, raw_value = pair.partition(b"=")
            parameter = self._as_bytes.get(raw_name) or self._named(raw_name, raw_value)
            name, value = parameter.name, raw_value.decode() if plain else _unquote(raw_value)
            if parameter.repeats:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise QueryError(ErrorKind.MALFORMED, f"Repeated {name} parameter: it may be given once")
            else:
                values[name] = value
        for name, parameter in self.parameters.items():
            if name not in values:
                if parameter.required:
                    raise QueryError(ErrorKind.MALFORMED, f"Missing {name} parameter")
                continue
            value = values[name]
            if not value or (parameter.repeats and "" in value):
                raise QueryError(ErrorKind.MALFORMED, f"Missing {name} parameter")
            if parameter.repeats:
                convert = parameter.convert
                each = value if convert is None else [convert(name, text) for text in value]
                # One spelling for equal queries: bodies are kept by it.
                values[name] = tuple(dict.fromkeys(each) if parameter.ordered else sorted(set(each)))
            elif parameter.convert is not None:
                values[name] = parameter.convert(name, value)
        query = self._query(**values)
        if few is not None and all(self._is_text(name) for name in values):
            self._known[few.groups()[::2]] = list(values)
        return query

    def _is_text(self, name: str) -> bool:
        """Whether the value of a parameter is the text that was given."""
        return not self.parameters[name].repeats and self.parameters[name].convert is None

    def _named(self, raw_name: bytes, raw_value: bytes) -> Parameter:
        name, _ = _unquote(raw_name), _unquote(raw_value)  # a name or value that cannot be decoded is the first error
        parameter = self.parameters.get(name)
        if parameter is None:
            known = f"takes {', '.join(self.parameters)}" if self.parameters else "takes none"
            hint = did_you_mean(like(name, tuple(self.parameters)))
            raise QueryError(
                ErrorKind.MALFORMED,
                f"Unknown parameter {shown(name)}: {f'{hint} ' if hint else ''}{self._endpoint} {known}",
            )
        return parameter


_CONVERTERS: dict[str, Callable[[str, str], Any]] = {"since": parse_moment, "where": parse_where}
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FEW_TEXTS = re.compile(
    rb"([a-z_]+)=([!-$'-*,-<>-~]+)(?:&([a-z_]+)=([!-$'-*,-<>-~]+))?(?:&([a-z_]+)=([!-$'-*,-<>-~]+))?"
)
"""Up to three parameters, none empty, whose bytes mean themselves: visible ASCII but for % & + and =."""
_WHOLE_NUMBER = re.compile("([+-]?)0*([0-9]+)")
_MOST_DIGITS = 18


def _parameters(query: type[msgspec.Struct]) -> list[Parameter]:
    hints = get_type_hints(query, include_extras=True)
    return [
        Parameter(
            known.name,
            known.required,
            repeats(hints[known.name]),
            any((meta.extra or {}).get("ordered") for meta in _metas(hints[known.name])),
            _converter(known.name, hints[known.name]),
        )
        for known in msgspec.structs.fields(query)
    ]


def repeats(hint: Any) -> bool:
    """Whether a parameter of this type may be given several times."""
    return get_origin(_plain(hint)) is tuple


def _plain(hint: Any) -> Any:
    """A type without its description, and without None."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
        return _plain(hint)
    return hint


def _converter(name: str, hint: Any) -> Callable[[str, str], Any] | None:
    """The function from a parameter's name and text to its value; None: the text is the value."""
    plain = _plain(hint)
    if name in _CONVERTERS:
        return _CONVERTERS[name]
    if plain is bool:
        return _truth
    if plain is int:
        return partial(_whole_number, *_bounds(hint))
    if get_origin(plain) is Literal:
        return partial(_one_of, get_args(plain))
    return None


def _metas(hint: Any) -> Iterator[Meta]:
    """What the declaration of a parameter says beside its type."""
    while get_origin(hint) is Annotated:
        hint, *metas = get_args(hint)
        yield from metas


def _bounds(hint: Any) -> tuple[int, int]:
    """The lowest and the highest value of a whole number."""
    (meta,) = (meta for meta in _metas(hint) if meta.ge is not None)
    return int(meta.ge or 0), int(meta.le or 0)


def _truth(name: str, text: str) -> bool:
    """``true`` and ``false`` as languages write them: ``True`` in Python, ``1`` in many forms."""
    if text.lower() in {"true", "1"}:
        return True
    if text.lower() in {"false", "0"}:
        return False
    raise malformed(name, text, "is neither true nor false")


def _one_of(words: tuple[str, ...], name: str, text: str) -> str:
    if text.lower() not in words:
        raise malformed(name, text, f"is none of {', '.join(words)}")
    return text.lower()


def _whole_number(least: int, most: int, name: str, text: str) -> int:
    match = _WHOLE_NUMBER.fullmatch(text)
    if match is None:
        raise malformed(name, text, f"is no whole number from {least} to {most}")
    number = int(f"{match[1]}{match[2][:_MOST_DIGITS]}")  # a longer one is out of range in any case
    if number < least:
        raise malformed(name, text, f"is less than {least}")
    if number > most:
        raise malformed(name, text, f"is more than {most}")
    return number


def _unquote(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        if _BAD_ESCAPE.search(raw):
            raise QueryError(
                ErrorKind.MALFORMED, "Malformed query string: % must be followed by two hexadecimal digits"
            )
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise QueryError(ErrorKind.MALFORMED, "Malformed query string: it is not UTF-8") from None
