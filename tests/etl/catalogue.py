"""The catalogue of bad input as cases: for every variant of tests/data/bad_input.md, bytes and what becomes of them."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from switchboard.config.sources import ColumnSettings
from tests.lab.servers import LAST_CHUNK, Step, Steps, chunked, http

NOW = int(time.time())
GOOD_TIME = NOW - 60
"""Of the rows of the snapshot that is there first."""
TIME = NOW - 50
"""Of the rows that come then."""
SWITCHES = 100
HEADER = "timestamp,switch_id,note,a,b"
COLUMNS = ColumnSettings(labels=("note",))


def rows(count: int = SWITCHES, at: object = TIME, a: int = 0) -> list[str]:
    """Rows of sw1, sw2, … that are as they should be."""
    return [f"{at},sw{number},n{number},{a + number},{number}.5" for number in range(1, count + 1)]


def body(lines: Sequence[str], header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


GOOD = body(rows(at=GOOD_TIME, a=1000))
NEXT = body(rows())


def csv(content: bytes, **headers: Any) -> list[bytes]:
    named: dict[str, Any] = {"content_type": "text/csv", **headers}
    return [http(200, content, **named)]


def with_row(*lines: str | bytes) -> list[bytes]:
    """A good answer in which these lines stand in the place of the rows of sw50, sw51, …"""
    all_lines = [HEADER.encode(), *(row.encode() for row in rows())]
    all_lines[50 : 50 + len(lines)] = [line.encode() if isinstance(line, str) else line for line in lines]
    return csv(b"\n".join(all_lines) + b"\n")


def with_cell(cell: str | bytes) -> list[bytes]:
    """A good answer with this cell in the place of metric ``a`` of sw50."""
    cell = cell.encode() if isinstance(cell, str) else cell
    return with_row(b"%d,sw50,n50,%s,50.5" % (TIME, cell))


def with_id(switch: str | bytes) -> list[bytes]:
    """A good answer with a switch of this name in the place of sw50."""
    switch = switch.encode() if isinstance(switch, str) else switch
    return with_row(b"%d,%s,n50,50,50.5" % (TIME, switch))


Wanted = Mapping[str, Mapping[str, Any] | None]
"""By switch: some of the cells that it has now (None: that it has not), or None if the switch is not there."""
SW50_GONE: Wanted = {"sw50": None, "sw51": {"a": 51}}
SW50_WITHOUT_A: Wanted = {"sw50": {"a": None, "b": 50.5}, "sw51": {"a": 51}}
ALL: Wanted = {"sw1": {"a": 1, "b": 1.5, "note": "n1"}, "sw100": {"a": 100, "b": 100.5}}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Answers to the requests that follow a good one, and what the last of them leads to."""

    name: str
    answers: Sequence[Steps]
    outcomes: Sequence[str]
    """One for each attempt: published, unchanged, held, failed; an attempt may need several requests."""
    reason: str = ""
    rejects: Mapping[str, int] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=dict)
    """What is in the store then, where something was published."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    """Other settings of the source."""
    columns: ColumnSettings = COLUMNS
    good: Sequence[bytes] | None = field(default_factory=lambda: csv(GOOD, etag='"good"'))
    """What the server answered before; None: nothing."""
    url: str = ""
    """In the place of the server's."""
    interval: float = 10.0
    timeout: float = 8.0
    pending: str = ""
    """Why it cannot pass yet."""

    def __str__(self) -> str:
        return self.name


def accept(name: str, answer: Steps, wanted: Wanted = ALL, **more: Any) -> Case:
    return Case(name=name, answers=[answer], outcomes=["published"], wanted=wanted, **more)


def reject(name: str, reason: str, answer: Steps = (), **more: Any) -> Case:
    return Case(name=name, answers=[answer], outcomes=["failed"], reason=reason, **more)


def drop_row(name: str, reason: str, answer: Steps, **more: Any) -> Case:
    return accept(name, answer, SW50_GONE, rejects={reason: 1}, **more)


def drop_cell(name: str, reason: str, cell: str | bytes) -> Case:
    return accept(name, with_cell(cell), SW50_WITHOUT_A, rejects={reason: 1})


def kept_cell(name: str, cell: str, value: float | None) -> Case:
    return accept(name, with_cell(cell), {"sw50": {"a": value}})


def mixed_cells(name: str, *texts: str) -> Case:
    """A good answer in which metric ``a`` has these cells by turns."""
    lines = [f"{TIME},sw{at},n,{texts[at % len(texts)]},1.5" for at in range(1, SWITCHES + 1)]
    values = [int(text) if text.lstrip("-").isdigit() else float(text) for text in texts]
    return accept(name, csv(body(lines)), {f"sw{at}": {"a": values[at % len(texts)]} for at in range(1, 101)})


def kept_id(name: str, switch: str) -> Case:
    return accept(name, with_id(switch), {switch: {"a": 50}, "sw50": None})


def kept_note(name: str, cell: str, note: str) -> Case:
    return accept(name, with_row(f"{TIME},sw50,{cell},50,50.5"), {"sw50": {"note": note, "a": 50}, "sw51": {"a": 51}})


def endless(head: bytes, line: bytes) -> Iterator[bytes]:
    """A body in chunks that never ends; ``%d`` in the line is counted up."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(head)
    number = 0
    while True:
        lines = b"".join(line.replace(b"%d", b"%d" % (number + at)) for at in range(1000))
        number += 1000
        yield chunked(lines)


class Endless:
    """``endless``, from its beginning for every request."""

    def __init__(self, head: bytes, line: bytes) -> None:
        self._made_of = head, line

    def __iter__(self) -> Iterator[bytes]:
        return endless(*self._made_of)


def bomb(mib: int) -> bytes:
    """Gzip of so many MiB of equal rows, without its end; a MiB of them takes about 1 KiB."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    line = b"%d,sw1,n1,1,1.5\n" % TIME
    block = line * ((1 << 20) // len(line))
    begin = compressor.compress(HEADER.encode() + b"\n") + compressor.flush(zlib.Z_FULL_FLUSH)
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush a block depends on nothing before it: it can be repeated as it is.
    return begin + (raw.compress(block) + raw.flush(zlib.Z_FULL_FLUSH)) * mib


CHUNKED_HEAD = http(200, framed=False, content_type="text/csv", transfer_encoding="chunked")


def in_unit(factor: int) -> list[bytes]:
    return csv(body(rows(at=TIME * factor)))


FUTURE = NOW + 3600
NUMBERED_HEADER = HEADER + "".join(f",m{number}" for number in range(20))
GZIPPED = gzip.compress(NEXT)
TWO_MIB = (HEADER + "\n").encode() + b"".join(
    b"%d,sw%d,%s,1,1.5\n" % (TIME, number, b"x" * 1000) for number in range(2200)
)
DRIP: list[bytes | float] = [chunked(b"t"), 0.5] * 20
REORDERED = [f"{number}.5,sw{number},{number},{TIME},n{number}" for number in range(1, SWITCHES + 1)]
IN_MS = ColumnSettings(labels=("note",), timestamp_unit="ms")
WHEN = ColumnSettings(labels=("note",), timestamp="when")
FEW = csv(body(rows(40)))

UNFRAMED: list[bytes | Step] = [http(200, NEXT, framed=False, content_type="text/csv"), Step.CLOSE]
HTML = ("text/html",)
CASES = [
    reject("empty body with 200", "empty", csv(b"")),
    reject("body of blank lines", "empty", csv(b"\n\r\n\n")),
    reject("header only", "empty", csv(body([]))),
    Case(
        name="header only, and allow_empty",
        answers=[csv(body([])), csv(body([]))],
        outcomes=["held", "published"],
        reason="row_collapse",
        limits={"allow_empty": True},
        wanted={"sw1": None},
    ),
    reject("no switch column", "schema", csv(body(rows(), HEADER.replace("switch_id", "name")))),
    reject(
        "no configured column",
        "schema",
        csv(NEXT),
        columns=WHEN,
        good=csv(GOOD.replace(b"timestamp", b"when")),
    ),
    reject("duplicate column", "schema", csv(body(rows(), HEADER.replace("b", "a")))),
    accept(
        "reordered columns",
        csv(body([f"{n}.5,sw{n},{n},{TIME},n{n}" for n in range(1, 101)], "b,switch_id,a,timestamp,note")),
    ),
    accept("extra column", csv(body([f"{row},7" for row in rows()], f"{HEADER},c")), {"sw1": {"a": 1, "c": 7}}),
    accept(
        "extra column excluded",
        csv(body([f"{row},7" for row in rows()], f"{HEADER},c")),
        {"sw1": {"a": 1, "c": None}},
        columns=ColumnSettings(labels=("note",), exclude=("c",)),
    ),
    reject(
        "too many columns",
        "too_many_columns",
        csv(body([row + ",1" * 20 for row in rows()], NUMBERED_HEADER)),
        limits={"max_columns": 24},
    ),
    accept("UTF-8 BOM", csv(b"\xef\xbb\xbf" + NEXT)),
    accept("CRLF", csv(NEXT.replace(b"\n", b"\r\n"))),
    accept("blank lines", csv(NEXT.replace(b"\n", b"\n\n"))),
    accept("no final newline", csv(NEXT.removesuffix(b"\n"))),
    reject("lone CR", "lone_cr", csv(NEXT.replace(b"\n", b"\r").replace(b"\r", b"\n", 1))),
    reject("lone CR in the header", "lone_cr", csv(NEXT.replace(b"note", b"no\rte"))),
    kept_note("U+0085 in a field", "x\x85y", "x\x85y"),
    kept_note("U+2028 in a field", "x\u2028y", "x\u2028y"),
    drop_row("VT in a field", "control", with_row(f"{TIME},sw50,x\vy,50,50.5")),
    drop_row("FF in a field", "control", with_row(f"{TIME},sw50,x\fy,50,50.5")),
    drop_row("FS in a field", "control", with_row(f"{TIME},sw50,x\x1cy,50,50.5")),
    accept(
        "quoted newline",
        with_row(f'{TIME},sw50,"x\ny",50,50.5'),
        {"sw50": {"note": "x\ny", "a": 50}, "sw51": {"a": 51}},
    ),
    kept_note("quoted comma", '"x,y"', "x,y"),
    reject("unterminated quote", "unterminated_quote", with_row(f'{TIME},sw50,"x,50,50.5')),
    drop_row("bare quote in a field", "bad_quote", with_row(f'{TIME},sw50,x"y,50,50.5')),
    drop_row("text after a closing quote", "bad_quote", with_row(f'{TIME},sw50,"x"y,50,50.5')),
    drop_row("NUL", "control", with_row(f"{TIME},sw50,x\0y,50,50.5")),
    drop_row("control byte", "control", with_row(f"{TIME},sw50,x\x01y,50,50.5")),
    reject(
        "many control bytes",
        "too_many_rejects",
        with_row(*[f"{TIME},sw{n},\x7f,50,50.5" for n in range(50, 61)]),
        rejects={"control": 11},
    ),
    drop_row("invalid UTF-8 in an id", "bad_utf8", with_id(b"sw\xff50")),
    reject("invalid UTF-8 in the header", "schema", csv(NEXT.replace(b"note", b"n\xffte"))),
    accept(
        "Latin-1 in a label",
        with_row(f"{TIME},sw50,Z\xfcrich,50,50.5".encode("latin-1")),
        {"sw50": {"note": "Zürich", "a": 50}},
    ),
    accept(
        "declared charset",
        csv(NEXT.replace(b"n50", b"Z\xfcrich \x96 S\xfcd"), content_type='text/csv; charset="Windows-1252"'),
        {"sw50": {"note": "Zürich – Süd", "a": 50}},
    ),
    accept(
        "charset of the settings",
        csv(NEXT.replace(b"n50", b"\xbd"), content_type="text/csv; charset=utf-8"),
        {"sw50": {"note": "œ", "a": 50}},
        columns=ColumnSettings(labels=("note",), charset="iso-8859-15"),
    ),
    reject("unknown charset", "charset", csv(NEXT, content_type="text/csv; charset=klingon")),
    accept("UTF-16 with a BOM", csv(NEXT.decode().encode("utf-16"))),
    accept("UTF-16 without a BOM", csv(NEXT.decode().encode("utf-16-be"), content_type="text/csv; charset=utf-16")),
    reject("truncated UTF-16", "truncated", csv(NEXT.decode().encode("utf-16")[:-1])),
    reject("zip archive", "format", csv(b"PK\x03\x04" + bytes(600))),
    reject("UTF-32", "format", csv(NEXT.decode().encode("utf-32"))),
    accept("two BOMs", csv(b"\xef\xbb\xbf" * 2 + NEXT)),
    accept("names in other cases", csv(NEXT.replace(b"timestamp,switch_id", b"Timestamp,Switch_ID"))),
    accept("blanks after commas", csv(NEXT.replace(b",", b", "))),
    accept(
        "no column with times",
        csv(NEXT.replace(b"timestamp,", b"time,")),
        {"sw1": {"a": 1, "time": TIME}},
        rejects={"no_times": 1},
    ),
    reject("semicolons", "schema", csv(NEXT.replace(b",", b";"))),
    reject("tabs", "schema", csv(NEXT.replace(b",", b"\t"))),
    reject("lines before the header", "schema", csv(b"sep=,\n" + NEXT)),
    reject("comment lines", "schema", csv(b"# by hand\n" + NEXT)),
    accept(
        "semicolons, and delimiter",
        csv(NEXT.replace(b",", b";")),
        columns=ColumnSettings(labels=("note",), delimiter=";"),
        good=csv(GOOD.replace(b",", b";")),
    ),
    accept(
        "comment lines and lines before the header, and the settings for them",
        csv(b"sep=,\n" + NEXT.replace(b"\n", b"\n# by hand\n")),
        columns=ColumnSettings(labels=("note",), comment="#", skip_lines=1),
        good=csv(b"sep=,\n" + GOOD),
    ),
    reject("JSON as text/csv", "format", csv(b'{"switch_id": "sw1"}\n')),
    reject("huge line", "line_too_long", with_row("x" * (64 << 10) + ",y")),
    reject("huge field", "line_too_long", with_row(f'{TIME},sw50,"{"x" * (64 << 10)}",50,50.5')),
    reject("huge header", "line_too_long", csv(NEXT.replace(b"note", b"n" * (64 << 10)))),
    drop_row("more cells than the header", "columns", with_row(f"{TIME},sw50,n50,50,50.5,1")),
    drop_row("less cells than the header", "columns", with_row(f"{TIME},sw50,n50,50")),
    drop_row("comma at the end of a row", "trailing", with_row(f"{TIME},sw50,n50,50,50.5,")),
    accept("comma at the end of every line", csv(NEXT.replace(b"\n", b",\n"))),
    accept(
        "comma at the end of every row, and trailing_delimiter",
        csv(NEXT.replace(b"\n", b",\n").replace(b",\n", b"\n", 1)),
        columns=ColumnSettings(labels=("note",), trailing_delimiter=True),
        good=csv(GOOD.replace(b"\n", b",\n").replace(b",\n", b"\n", 1)),
    ),
    kept_cell("int of 2^63", str(2**63), 2**63),
    kept_cell("int of 2^64 - 1", str(2**64 - 1), 2**64 - 1),
    drop_cell("int of 2^64", "out_of_range", str(2**64)),
    drop_cell("int below -2^63", "out_of_range", str(-(2**63) - 1)),
    drop_cell("int of 4301 digits", "out_of_range", "9" * 4301),
    mixed_cells("-1 and 2^64 - 1 by turns", "-1", str(2**64 - 1)),
    mixed_cells("0.5 and 2^53 + 1 by turns", "0.5", str(2**53 + 1)),
    mixed_cells("-2^63 and 2^63 and 1e300 by turns", str(-(2**63)), str(2**63), "1e300"),
    drop_cell("NaN", "not_finite", "NaN"),
    drop_cell("+Inf", "not_finite", "+Inf"),
    drop_cell("-Inf", "not_finite", "-Inf"),
    drop_cell("1e400", "not_finite", "1e400"),
    drop_cell("infinity", "not_finite", "infinity"),
    kept_cell("-0", "-0", 0),
    kept_cell("-0.0", "-0.0", 0),
    *(drop_cell(f"`{cell}`", "bad_number", cell) for cell in ("1_000", "１２", "٣", " 12 ", "+5", ".5", "5.")),
    drop_cell("hex", "bad_number", "0x1F"),
    drop_cell("`1,5` in quotes", "bad_number", '"1,5"'),
    drop_cell("`1.234,5` in quotes", "bad_number", '"1.234,5"'),
    drop_row("`1,5` without quotes", "columns", with_cell("1,5")),
    kept_cell("empty cell", "", None),
    kept_cell("NA", "NA", None),
    reject(
        "truncated against Content-Length", "truncated", [http(200, NEXT, content_type="text/csv")[:-100], Step.CLOSE]
    ),
    reject("chunked abort", "truncated", [CHUNKED_HEAD + chunked(NEXT), Step.CLOSE]),
    reject("connection reset", "truncated", [CHUNKED_HEAD + chunked(NEXT), 0.05, Step.RESET]),
    reject("Content-Length too small", "misframed", csv(NEXT, content_length=str(len(NEXT) - 9), framed=False)),
    reject(
        "Content-Length too large",
        "truncated",
        [*csv(NEXT, content_length=str(len(NEXT) + 9), framed=False), Step.CLOSE],
    ),
    reject("bytes behind the last chunk", "misframed", [CHUNKED_HEAD + chunked(NEXT) + LAST_CHUNK + NEXT]),
    reject("broken chunks", "bad_http", [CHUNKED_HEAD + chunked(NEXT), 0.05, b"zz\r\n"]),
    reject("no length and no chunks", "unframed", [http(200, NEXT, framed=False, content_type="text/csv"), Step.CLOSE]),
    accept("no length and no chunks, and allow_unframed", UNFRAMED, source={"allow_unframed": True}),
    reject(
        "no length, no chunks and a reset, and allow_unframed",
        "truncated",
        [UNFRAMED[0], 0.05, Step.RESET],
        source={"allow_unframed": True},
    ),
    accept("gzip without a length", [http(200, GZIPPED, framed=False, content_encoding="gzip"), Step.CLOSE]),
    accept("text/html, and content_types", csv(NEXT, content_type="text/html"), source={"content_types": HTML}),
    reject(
        "HTML as text/html, and content_types",
        "html",
        csv(b"<html>no</html>", content_type="text/html"),
        source={"content_types": HTML},
    ),
    reject("text/html", "content_type", csv(b"<html>no</html>", content_type="text/html; charset=utf-8")),
    reject("application/json", "content_type", csv(b"{}", content_type="application/json")),
    reject("HTML as text/csv", "html", csv(b"  <!DOCTYPE html>\n<html></html>")),
    accept("text/plain", csv(NEXT, content_type="text/plain")),
    accept("timestamps in s", in_unit(1)),
    accept("timestamps in ms", in_unit(1000)),
    accept("timestamps in us", in_unit(10**6)),
    accept("timestamps in ns", in_unit(10**9)),
    accept("unit configured", in_unit(1000), columns=IN_MS, good=csv(body(rows(at=GOOD_TIME * 1000)))),
    reject("no unit fits", "no_rows", csv(body(rows(at=12345))), rejects={"bad_timestamp": SWITCHES}),
    drop_row("one row in the future", "future", with_row(f"{FUTURE},sw50,n50,50,50.5")),
    reject(
        "many rows in the future",
        "clock",
        with_row(f"{FUTURE},sw50,n50,50,50.5", f"{FUTURE},sw51,n51,51,51.5"),
        rejects={"future": 2},
    ),
    reject("all rows in the future", "clock", csv(body(rows(at=FUTURE))), rejects={"future": SWITCHES}),
    drop_row("row of 1999", "bad_timestamp", with_row("915148800,sw50,n50,50,50.5")),
    reject("time going backwards", "regress", csv(body(rows(at=GOOD_TIME - 100)))),
    accept("times two intervals apart", csv(body([*rows(99), *rows(at=TIME - 20)[99:]]))),
    reject("times further apart", "torn", csv(body([*rows(99), *rows(at=TIME - 21)[99:]]))),
    drop_row(
        "one duplicate row",
        "duplicate",
        with_row(f"{TIME},sw51,n51,51,51.5", f"{TIME},sw51,n51,0,0.5"),
    ),
    reject(
        "many duplicate rows",
        "duplicates",
        csv(body([*rows(), *rows(5)])),
        rejects={"duplicate": 5},
    ),
    kept_id("id with /", "a/b"),
    kept_id("id with a space", "a b"),
    kept_id("id in unicode", "späti-交换机"),
    *(kept_id(f"id with {character}", f"a{character}b") for character in "*?[]{}%~"),
    kept_id("id of two dots", ".."),
    drop_row("id with CR", "control", with_id('"a\r\nb"')),
    drop_row("id with LF", "control", with_id('"a\nb"')),
    drop_row("id with NUL", "control", with_id("a\0b")),
    kept_id("id of 128 bytes", "é" * 64),
    drop_row("id of 129 bytes", "long_switch", with_id("é" * 64 + "x")),
    drop_row("no id", "no_switch", with_id("")),
    accept("ids that differ in case", with_id("SW51"), {"SW51": {"a": 50}, "sw51": {"a": 51}}),
    accept(
        "Kelvin sign and k",
        with_row(f"{TIME},\u212a,n,1,1.5", f"{TIME},k,n,2,2.5", f"{TIME},K,n,3,3.5"),
        {"\u212a": {"a": 1}, "k": {"a": 2}, "K": {"a": 3}},
    ),
    accept(
        "composed and decomposed é",
        with_row(f"{TIME},\u00e9,n,1,1.5", f"{TIME},e\u0301,n,2,2.5"),
        {"\u00e9": {"a": 1}, "e\u0301": {"a": 2}},
    ),
    reject(
        "rows without end",
        "too_many_rows",
        Endless(b"timestamp,switch_id,port,a\n", b"%d,sw1,%%d,5\n" % TIME),
        limits={"max_rows": 100_000},
    ),
    reject(
        "switches without end",
        "too_many_switches",
        Endless(b"timestamp,switch_id,a\n", b"%d,sw%%d,5\n" % TIME),
        limits={"max_switches": 20_000},
    ),
    reject("larger than max_body_mib", "too_large", csv(TWO_MIB), limits={"max_body_mib": 2}),
    reject("larger than max_wire_mib", "too_large_wire", [CHUNKED_HEAD + chunked(TWO_MIB)], limits={"max_wire_mib": 1}),
    reject("announced larger than max_wire_mib", "too_large_wire", csv(TWO_MIB), limits={"max_wire_mib": 2}),
    reject("slow-drip body", "slow", [CHUNKED_HEAD, *DRIP]),
    reject("body that stops coming", "slow", [CHUNKED_HEAD + chunked(NEXT[:100]), Step.HANG]),
    reject("no answer", "timeout", [Step.HANG], timeout=1.0),
    reject("redirect loop", "redirect", [http(302, location="/counters")]),
    reject("redirect to another host", "redirect", [http(307, location="http://192.0.2.1/counters")]),
    reject("500", "http_5xx", [http(500, b"sorry")]),
    reject("404", "http_4xx", [http(404, NEXT)]),
    reject("refused", "refused", url="http://127.0.0.1:1/"),
    reject("DNS failure", "dns", url="http://switch.invalid/"),
    reject("no HTTP", "bad_http", [b"220 smtp.example.org ready\r\n\r\n"]),
    reject("429 with seconds", "http_4xx", [http(429, retry_after="7")]),
    reject("503 with a date", "http_5xx", [http(503, retry_after=formatdate(NOW + 3600, usegmt=True))]),
    reject("Retry-After of an hour", "http_5xx", [http(503, retry_after="3600")]),
    reject("304 without a snapshot", "unasked_304", [http(304)], good=None),
    accept("ETag reused for another body", csv(NEXT, etag='"good"')),
    Case(
        name="weak ETag",
        answers=[csv(NEXT, etag='W/"weak"'), [http(304, etag='W/"weak"')]],
        outcomes=["published", "unchanged"],
        wanted=ALL,
    ),
    accept("huge ETag", csv(NEXT, etag='"' + "x" * 255 + '"')),
    Case(name="304 with a body", answers=[[http(304, b"test")]], outcomes=["unchanged"]),
    Case(name="304 with a length", answers=[[http(304, content_length="4"), b"test"]], outcomes=["unchanged"]),
    accept("103 before the answer", [http(103, framed=False, link="</a>"), *csv(NEXT)]),
    accept("408 behind the answer", [csv(NEXT)[0] + http(408)]),
    Case(name="304 for hours", answers=[[http(304)]] * 3, outcomes=["unchanged"] * 3),
    Case(name="the same body again", answers=[csv(GOOD)], outcomes=["unchanged"]),
    accept("gzip", csv(GZIPPED, content_encoding="gzip")),
    accept("x-gzip", csv(GZIPPED, content_encoding="X-GZip")),
    accept("gzip file without Content-Encoding", csv(GZIPPED, content_type="application/gzip")),
    reject("gzip file that is a bomb", "gzip_ratio", csv(bomb(64))),
    reject("truncated gzip file", "truncated", csv(GZIPPED[:-9])),
    reject("gzip bomb", "gzip_ratio", csv(bomb(64), content_encoding="gzip")),
    reject("bad gzip", "bad_gzip", csv(NEXT, content_encoding="gzip")),
    reject("truncated gzip", "truncated", csv(GZIPPED[:-9], content_encoding="gzip")),
    reject("multi-member gzip", "bad_gzip", csv(GZIPPED + GZIPPED, content_encoding="gzip")),
    reject("double encoding", "encoding", csv(gzip.compress(GZIPPED), content_encoding="gzip, gzip")),
    reject("br", "encoding", csv(b"\x0b\x02\x80", content_encoding="br")),
    Case(name="most rows gone", answers=[FEW], outcomes=["held"], reason="row_collapse"),
    Case(
        name="most rows gone for good",
        answers=[FEW, csv(body(rows(41)))],
        outcomes=["held", "published"],
        reason="row_collapse",
        wanted={"sw1": {"a": 1}, "sw41": {"a": 41}, "sw42": None},
    ),
    Case(
        name="most rows gone, then others",
        answers=[FEW, csv(body(rows(20))), csv(NEXT)],
        outcomes=["held", "held", "published"],
        reason="row_collapse",
        wanted=ALL,
    ),
    reject(
        "a tenth of the rows bad",
        "too_many_rejects",
        with_row(*["x"] * 11),
        rejects={"columns": 11},
    ),
    reject("all rows bad", "no_rows", csv(body(["x"] * 20)), rejects={"columns": 20}),
]
