"""Queries as they stand in a URL: one struct per endpoint, and the parser that both doors use.

A parameter that is unknown, empty, malformed or given twice is refused with 400: a mistyped name must never silently
widen an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Meta

from switchboard.api.formats import Format
from switchboard.codec.where import MOST_CONDITIONS, PATTERN, BadCondition, parse_condition, spelled
from switchboard.errors import QueryError

Source = Annotated[str | None, Meta(description="ask this source only")]
_SNAPSHOT = "^([^,=]+|[^,=]+=[^,=]+(,[^,=]+=[^,=]+)*)$"
Snapshot = Annotated[
    str | None,
    Meta(
        description="answer from exactly this snapshot, the X-Snapshot-Id of an earlier answer; 410 once it is gone",
        extra_json_schema={"type": "string", "pattern": _SNAPSHOT},
    ),
]
FormatName = Annotated[
    Format | None, Meta(description="form of the answer; goes before the Accept header, and is json without either")
]

Order = Literal["desc", "asc"]
_Text = Annotated[str, Meta(min_length=1)]

MOST_CELLS = 10_000
"""Cells of one batch."""
MOST_RANKED = 1_000
"""Rows of one ranking."""


MOST_LIMIT = 10_000
DEFAULT_LIMIT = 1_000
"""Rows of a page that is asked for by a cursor alone."""
_PATTERNS = "* is any text, ? any character, and a name that exists as it is written is that name"


class GetMetric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One metric or label of one switch."""

    switch_id: Annotated[str, Meta(description="the switch; a GUID in any spelling")]
    metric: Annotated[str, Meta(description="a numeric column of the source (a metric), or a text column (a label)")]
    port: Annotated[str | None, Meta(description="the port; without it, a switch with ports answers for all")] = None
    source: Source = None
    snapshot: Snapshot = None
    verbose: Annotated[
        bool, Meta(description="value, unit, time, age, state, source and labels, in place of the value")
    ] = False


class ListMetrics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All metrics of all switches, or those that the parameters choose."""

    switch_id: Annotated[
        tuple[str, ...],
        Meta(description=f"only these switches; a GUID in any spelling, or a pattern: {_PATTERNS}; may be repeated"),
    ] = ()
    metric: Annotated[
        tuple[str, ...],
        Meta(
            description="only these metrics and labels, and rows that have any of them; "
            f"names or patterns: {_PATTERNS}; may be repeated; without it, all metrics and no labels"
        ),
    ] = ()
    port: Annotated[
        tuple[str, ...], Meta(description=f"only these ports; names or patterns: {_PATTERNS}; may be repeated")
    ] = ()
    where: Annotated[
        tuple[Annotated[str, Meta(pattern=PATTERN)], ...],
        Meta(
            max_length=MOST_CONDITIONS,
            description="only rows that meet this condition: METRIC OP VALUE, where OP is one of > >= < <= = != and "
            "VALUE a decimal number, or for = and != a label's text; a missing cell meets none; may be repeated, "
            "then all have to be met",
        ),
    ] = ()
    source: Source = None
    snapshot: Snapshot = None
    since: Annotated[
        int | None,
        Meta(
            description="only rows whose own time is later: Unix seconds or milliseconds, or RFC 3339",
            extra_json_schema={
                "type": "string",
                "anyOf": [{"pattern": r"^[0-9]{1,14}(\.[0-9]{0,40})?$"}, {"format": "date-time"}],
            },
        ),
    ] = None
    """In microseconds since the epoch."""
    limit: Annotated[
        int | None,
        Meta(
            ge=1,
            le=MOST_LIMIT,
            description="rows of a page, switches or their ports; Link and X-Next-Cursor say how the list goes on",
        ),
    ] = None
    cursor: Annotated[
        str | None,
        Meta(
            description="go on where an earlier page of the same query ended, by its X-Next-Cursor: in the same "
            f"snapshot, or 410 once that is gone; {DEFAULT_LIMIT} rows unless limit says otherwise",
        ),
    ] = None
    format: FormatName = None


class BatchCell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One cell of a batch, asked for as GetMetric is."""

    switch_id: Annotated[_Text, Meta(description="the switch; a GUID in any spelling")]
    metric: Annotated[_Text, Meta(description="a metric or a label")]
    port: Annotated[_Text | None, Meta(description="the port; without it, a switch with ports answers for all")] = None
    source: Annotated[_Text | None, Meta(description="ask this source only, whatever the batch says")] = None


class GetMetrics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Many cells at once, all from one snapshot of each source.

    A cell that cannot be answered says why, with the status that GetMetric would have; the others are answered.
    """

    cells: Annotated[
        tuple[BatchCell, ...],
        Meta(description="the cells, answered in this order", min_length=1, max_length=MOST_CELLS),
    ]
    source: Source = None
    snapshot: Annotated[
        Annotated[str, Meta(pattern=_SNAPSHOT)] | None,
        Meta(description="answer from exactly these snapshots, the X-Snapshot-Id of an earlier answer"),
    ] = None


class TopMetrics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rows of the fabric with the highest or lowest values of a metric.

    Rows without a value are left out; equal values stand in the order in which the sources list their rows.
    """

    metric: Annotated[str, Meta(description="a metric (labels cannot be ranked)")]
    n: Annotated[int, Meta(description="how many rows at most", ge=1, le=MOST_RANKED)] = 10
    order: Annotated[Order, Meta(description="desc: the highest values first; asc: the lowest")] = "desc"
    switch_id: Annotated[
        tuple[str, ...], Meta(description="rank only these switches; a GUID in any spelling; may be repeated")
    ] = ()
    port: Annotated[tuple[str, ...], Meta(description="rank only these ports; may be repeated")] = ()
    source: Source = None
    snapshot: Snapshot = None


class ListSwitches(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The switches that can be asked for."""

    source: Source = None
    snapshot: Snapshot = None


class Rejects(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What could not be used of the last body of each source."""

    source: Source = None


class ListSources(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sources that can be asked for."""


class Parameter(NamedTuple):
    """A parameter as its struct declares it."""

    name: str
    required: bool
    repeats: bool
    convert: Callable[[str, str], Any] | None


class Parser:
    """Reads the query strings of one endpoint."""

    def __init__(self, query: type[msgspec.Struct], endpoint: str) -> None:
        self.parameters = {parameter.name: parameter for parameter in _parameters(query)}
        self._query = query
        self._endpoint = endpoint
        self._as_bytes = {name.encode(): parameter for name, parameter in self.parameters.items()}
        self._required = {name for name, parameter in self.parameters.items() if parameter.required}

    def parse(self, raw: bytes) -> msgspec.Struct:
        """Read what follows the ``?``. Raises QueryError 400 with a sentence that names the parameter."""
        values: dict[str, Any] = {}
        as_they_are = True  # every value is the text that was given
        plain = raw.isascii() and b"%" not in raw and b"+" not in raw
        for pair in raw.split(b"&"):
            if not pair:
                continue
            raw_name, _, raw_value = pair.partition(b"=")
            parameter = self._as_bytes.get(raw_name) or self._named(raw_name, raw_value)
            name, value = parameter.name, raw_value.decode() if plain else _unquote(raw_value)
            if not value or parameter.repeats or parameter.convert is not None:
                as_they_are = False
            if parameter.repeats:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise QueryError(400, f"Repeated {name} parameter: it may be given once")
            else:
                values[name] = value
        if as_they_are and self._required <= values.keys():
            return self._query(**values)
        for name, parameter in self.parameters.items():
            if name not in values:
                if parameter.required:
                    raise QueryError(400, f"Missing {name} parameter")
                continue
            value = values[name]
            if not value or (parameter.repeats and "" in value):
                raise QueryError(400, f"Missing {name} parameter")
            if parameter.repeats:
                convert = parameter.convert
                each = value if convert is None else [convert(name, text) for text in value]
                values[name] = tuple(sorted(set(each)))  # one spelling of one query: its entity tag depends on it
            elif parameter.convert is not None:
                values[name] = parameter.convert(name, value)
        return self._query(**values)

    def _named(self, raw_name: bytes, raw_value: bytes) -> Parameter:
        name, _ = _unquote(raw_name), _unquote(raw_value)  # what cannot be read at all is said first
        parameter = self.parameters.get(name)
        if parameter is None:
            known = f"takes {', '.join(self.parameters)}" if self.parameters else "takes none"
            raise QueryError(400, f"Unknown parameter {_shown(name)}: {self._endpoint} {known}")
        return parameter


def parse_since(name: str, text: str) -> int:
    """A moment as microseconds since the epoch, rounded down. Raises QueryError 400.

    A number up to 1e11 counts seconds (until the year 5138), a larger one up to 1e14 milliseconds.
    """
    number = _NUMBER.fullmatch(text)
    if number is not None:
        whole, fraction = int(number[1]), number[2] or ""
        if whole <= _MOST_SECONDS:
            return whole * 1_000_000 + _digits(fraction, 6)
        if whole <= _MOST_SECONDS * 1000:
            return whole * 1_000 + _digits(fraction, 3)
        raise malformed(name, text, "is too large for Unix milliseconds")
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise malformed(name, text, "is neither Unix seconds or milliseconds nor RFC 3339 (2026-11-24T06:00:00Z)")
    day, clock, fraction, offset = match.groups()
    if offset is None:
        raise malformed(name, text, "has no offset: end it with Z or +HH:MM")
    # In a query string a + that is not written %2B arrives as a space; only a + can have stood there.
    offset = "+00:00" if offset in {"Z", "z"} else offset.replace(" ", "+")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset}")
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        raise malformed(name, text, "is no date and time that exists") from None
    return seconds * 1_000_000 + _digits(fraction or "", 6)


def parse_where(name: str, text: str) -> str:
    """A condition in the spelling that all of its spellings share. Raises QueryError 400."""
    try:
        return spelled(parse_condition(text))
    except BadCondition as error:
        raise malformed(name, text, str(error)) from None


_CONVERTERS: dict[str, Callable[[str, str], Any]] = {"since": parse_since, "where": parse_where}
_MOST_SECONDS = 10**11
_NUMBER = re.compile(r"([0-9]{1,40})(?:\.([0-9]{0,40}))?")
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,40}))?([Zz]|[-+ ][0-9]{2}:[0-9]{2})?"
)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SHOWN_CHARACTERS = 60
_MOST_DIGITS = 18


def _parameters(query: type[msgspec.Struct]) -> list[Parameter]:
    hints = get_type_hints(query, include_extras=True)
    return [
        Parameter(known.name, known.required, repeats(hints[known.name]), _converter(known.name, hints[known.name]))
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
    """What makes a value of the text of a parameter that is given once; None: the text is the value."""
    plain = _plain(hint)
    if name in _CONVERTERS:
        return _CONVERTERS[name]
    if plain is bool:
        return partial(_one_of, {"true": True, "false": False})
    if plain is int:
        return partial(_whole_number, _bounded(hint))
    if get_origin(plain) is Literal:
        return partial(_one_of, {word: word for word in get_args(plain)})
    return None


def _bounded(hint: Any) -> Any:
    """An int with the bounds of a type that may be None as well."""
    bounds: dict[str, Any] = {}
    while get_origin(hint) is Annotated:
        hint, *metas = get_args(hint)
        bounds |= {name: getattr(meta, name) for meta in metas for name in ("ge", "le")}
    return Annotated[int, Meta(**bounds)]


def _one_of(words: dict[str, Any], name: str, text: str) -> Any:
    if text not in words:
        raise malformed(name, text, f"is none of {', '.join(words)}")
    return words[text]


def _whole_number(hint: Any, name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise malformed(name, text, "is no whole number")
    try:
        return msgspec.convert(int(text), hint)  # type: ignore[no-any-return]  # the hint is a type known at run time only
    except msgspec.ValidationError as error:
        raise malformed(name, text, f"is out of range: {error}") from None


def _unquote(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        if _BAD_ESCAPE.search(raw):
            raise QueryError(400, "Malformed query string: % must be followed by two hexadecimal digits")
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise QueryError(400, "Malformed query string: it is not UTF-8") from None


def _digits(fraction: str, digits: int) -> int:
    return int(fraction[:digits].ljust(digits, "0"))


def malformed(name: str, text: str, reason: str) -> QueryError:
    """400 for a parameter that cannot be read; ``reason`` goes on where the text ends."""
    return QueryError(400, f"Malformed {name} parameter: {_shown(text)} {reason}")


def _shown(text: str) -> str:
    """Text of a client as a sentence may repeat it: printable and short."""
    printable = "".join(character if character.isprintable() else "?" for character in text[:_SHOWN_CHARACTERS])
    return printable if len(text) <= _SHOWN_CHARACTERS else f"{printable}…"
