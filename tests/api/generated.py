"""Requests for the API in all their variety, as raw bytes; the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

GET_METRIC = "/telemetry/GetMetric"
LIST_METRICS = "/telemetry/ListMetrics"
SLOWER = ["/telemetry/ListSwitches", "/telemetry/ListSources", "/health", "/ready", "/nowhere"]
"""Endpoints that are left to the ordinary door."""


@dataclass(frozen=True)
class Case:
    """What is sent on one connection: ``pieces`` one after the other, with one request for each of ``methods``."""

    kind: str
    pieces: tuple[bytes, ...]
    methods: tuple[str, ...] = ("GET",)

    @property
    def sent(self) -> bytes:
        return b"".join(self.pieces)


@dataclass(frozen=True)
class World:
    """What there is to ask for. ``tags``: the entity tags of targets, for conditional requests that match."""

    switches: Sequence[str]
    metrics: Sequence[str]
    ports: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def known_targets(world: World) -> list[str]:
    """Targets that have an answer, as a client would write them; their tags are worth knowing."""
    return [
        *(f"{GET_METRIC}?switch_id={quote(s)}&metric={quote(m)}" for s in world.switches for m in world.metrics),
        LIST_METRICS,
        *(f"{LIST_METRICS}?switch_id={quote(s)}" for s in world.switches),
    ]


def request(
    target: str | bytes,
    *headers: str | bytes,
    method: str = "GET",
    version: str = "1.1",
    host: tuple[str, ...] = ("Host: x",),
    body: bytes = b"",
) -> bytes:
    """A request; text is sent as ISO-8859-1."""
    lines = [b"%s %s HTTP/%s" % (method.encode(), _raw(target), version.encode()), *map(_raw, (*host, *headers)), b""]
    return b"\r\n".join(lines) + b"\r\n" + body


def generate(world: World, count: int = 400, seed: int = 1) -> list[Case]:
    """``count`` cases of each kind."""
    cases = []
    for kind, make in KINDS.items():
        rng = random.Random(f"{seed} {kind}")
        for _ in range(count):
            made = make(rng, world)
            pieces, methods = made if isinstance(made, tuple) else ([made], ["GET"])
            cases.append(Case(kind, tuple(pieces), tuple(methods)))
    return cases


Made = bytes | tuple[list[bytes], list[str]]


def _methods(rng: random.Random, world: World) -> Made:
    method = rng.choice(["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "BREW", "get", "CONNECT"])
    target = _any_target(rng, world)
    body = rng.choice([b"", b"{}"]) if method in {"POST", "PUT", "PATCH"} else b""
    return [request(target, *([f"Content-Length: {len(body)}"] if body else []), method=method, body=body)], [method]


def _parameters(rng: random.Random, world: World) -> Made:
    known = [
        ("switch_id", rng.choice(world.switches)),
        ("metric", rng.choice(world.metrics)),
        ("port", rng.choice([*world.ports, "99"])),
        ("source", "fabric"),
        ("since", rng.choice(["0", "1795460000", "2026-11-23T18:53:20Z", "soon"])),
        ("format", rng.choice(["json", "csv", "ndjson", "nonsense"])),
        ("where", rng.choice([f"{rng.choice(world.metrics)}>=0", "x!=1", "x>y", "x"])),
        ("limit", rng.choice(["1", "2", "0"])),
        ("cursor", "nonsense"),
        ("switch_id", rng.choice(["*", "?w*", "*1"])),
        ("snapshot", "nonsense"),
        ("switch_id", ""),
        ("metric", "nonsense"),
        ("switch_id", "nonsense"),
        ("unknown", "1"),
        ("Switch_ID", rng.choice(world.switches)),
    ]
    chosen = rng.choices(known[:2], k=rng.randint(0, 3)) + rng.sample(known, rng.randint(0, 3))
    rng.shuffle(chosen)
    parts = [f"{name}={quote(value)}" for name, value in chosen]
    parts += rng.sample(["", "metric", "=", "=x", "&", "metric=&metric=", "a;b"], rng.choice([0, 0, 0, 1, 2]))
    return request(rng.choice([GET_METRIC, LIST_METRICS]) + rng.choice(["?", "?", "?", "??", ""]) + "&".join(parts))


def _percent(rng: random.Random, world: World) -> Made:
    text = rng.choice([*world.switches, "a b", "a+b", "ä", "é", "x\0y", "%", "\u2028", "sw1\r\n", "..", "/"])
    strange = ["%", "%4", "%zz", "%00", "%ff", "%C3%28", "%c0%af", "%2525", "+", "%2B", "%ED%A0%80", "%0d%0a", "%20"]
    encoded = "".join(_percented(rng, byte) for byte in text.encode())
    value = rng.choice([encoded, encoded, encoded + rng.choice(strange), rng.choice(strange)])
    name = rng.choice(["switch_id", "switch_id", "switch%5Fid", "switch%5fid", "%73witch_id"])
    metric = "".join(_percented(rng, byte) for byte in rng.choice(world.metrics).encode())
    return request(f"{rng.choice([GET_METRIC, LIST_METRICS])}?{name}={value}&metric={metric}")


def _percented(rng: random.Random, byte: int) -> str:
    if chr(byte).isalnum() and chr(byte).isascii() and rng.random() < 0.7:
        return chr(byte)
    return rng.choice(["%%%02x", "%%%02X"]) % byte


def _accept(rng: random.Random, world: World) -> Made:
    types = ["*/*", "application/json", "text/plain", "text/csv", "application/x-ndjson", "application/*", "text/html"]
    types += ["application/vnd.apache.arrow.stream", "application/problem+json", "image/png", "", ";", "nonsense"]
    qualities = ["", "", "", ";q=0", ";q=0.5", "; q=1", ";q=nonsense", ";q=1.001", ";Q=0.1", ";charset=utf-8"]
    values = [f"{rng.choice(types)}{rng.choice(qualities)}" for _ in range(rng.randint(1, 4))]
    lines = [f"Accept: {rng.choice([',', ', ', ' , ']).join(values)}"]
    return request(_any_target(rng, world), *lines * rng.choice([1, 1, 1, 2]))


def _encoding(rng: random.Random, world: World) -> Made:
    codings = ["gzip", "GZIP", "x-gzip", "identity", "*", "br", "deflate", "zstd", ""]
    qualities = ["", "", "", ";q=0", ";q=0.0", "; q=0.5", ";q=1", ";q=nonsense"]
    values = [f"{rng.choice(codings)}{rng.choice(qualities)}" for _ in range(rng.randint(1, 4))]
    method = rng.choice(["GET", "GET", "HEAD"])
    line = f"Accept-Encoding: {rng.choice([',', ', ']).join(values)}"
    return [request(_any_target(rng, world), line, method=method)], [method]


def _pipeline(rng: random.Random, world: World) -> Made:
    methods = rng.choices(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST"], k=rng.randint(2, 20))
    requests = [request(rng.choice([_any_target(rng, world), rng.choice(SLOWER)]), method=method) for method in methods]
    if rng.random() < 0.1:
        requests[-1] = request("/health", "Connection: close")
        methods[-1] = "GET"
    sent = b"".join(requests)
    if rng.random() < 0.5:
        return [sent], methods
    return _cut(rng, sent), methods


def _cut(rng: random.Random, sent: bytes) -> list[bytes]:
    cuts = sorted(rng.sample(range(1, len(sent)), min(len(sent) - 1, rng.randint(1, 6))))
    return [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]


def _pieces(rng: random.Random, world: World) -> Made:
    return _cut(rng, request(_any_target(rng, world), _any_header(rng))), ["GET"]


def _old(rng: random.Random, world: World) -> Made:
    method = rng.choice(["GET", "GET", "HEAD", "POST"])
    lines = rng.sample(
        ["Connection: keep-alive", "Connection: close", "Accept: application/json", "X: y"], rng.randint(0, 2)
    )
    host = rng.choice([(), ("Host: x",)])
    return [request(_any_target(rng, world), *lines, method=method, version="1.0", host=host)], [method]


def _connection(rng: random.Random, world: World) -> Made:
    tokens = ["close", "keep-alive", "Close", "KEEP-ALIVE", "foo", "", "upgrade", "te", "closed", "x-close", "close;a"]
    value = rng.choice([",", ", ", " ,\t"]).join(rng.choices(tokens, k=rng.randint(1, 3)))
    lines = [f"{rng.choice(['Connection', 'connection', 'CONNECTION'])}: {value}"] * rng.choice([1, 1, 2])
    lines += rng.choice([[], [], ["Keep-Alive: timeout=5"], ["Proxy-Connection: close"], ["TE: trailers"]])
    return request(_any_target(rng, world), *lines)


def _conditional(rng: random.Random, world: World) -> Made:
    target = rng.choice(sorted(world.tags) or known_targets(world))
    tag = world.tags.get(target, '"none"')
    value = rng.choice(
        [tag, tag, f"W/{tag}", f'"a", {tag}', f'{tag},"b"', "*", " * ", '"wrong"', 'W/"wrong"', tag.strip('"'), "", '"',
         f'"a,b", W/{tag} ', f"{tag} {tag}"]
    )  # fmt: skip
    lines = [f"If-None-Match: {value}"] * rng.choice([1, 1, 1, 2])
    dates = ["Mon, 23 Nov 2026 18:53:25 GMT", "Mon, 23 Nov 2099 18:53:25 GMT", "nonsense"]
    lines += rng.choice(
        [[], [], [f"If-Modified-Since: {rng.choice(dates)}"], [f"If-Match: {tag}"], ["Range: bytes=0-1"]]
    )
    method = rng.choice(["GET", "GET", "HEAD"])
    lines += rng.choice([[], [], ["Accept-Encoding: gzip"]])
    return [request(target, *lines, method=method)], [method]


def _lines(rng: random.Random, world: World) -> Made:
    name, _, value = _any_header(rng).partition(": ")
    name = rng.choice([name.lower(), name.upper(), name.swapcase()])
    line = rng.choice([f"{name}:{value}", f"{name}:  {value}", f"{name}:\t{value} \t", f"{name}: {value}"])
    strange = [
        f"{name} : {value}",
        f" {name}: {value}",
        f"{name}",
        f"{name}: a\tb",
        f"{name}: é",
        f"{name}:",
        f"{name}: \x7f",
    ]
    line = rng.choice([line, line, line, *strange])
    return request(_any_target(rng, world), line, "X-Other: 1", host=(rng.choice(["Host: x", "hOST:x", "HOST:\tx "]),))


def _repeated(rng: random.Random, world: World) -> Made:
    lines = [_any_header(rng) for _ in range(rng.randint(1, 3))]
    lines += rng.choices(lines, k=rng.randint(1, 4))
    if rng.random() < 0.1:
        lines += ["X-Many: 1"] * rng.choice([60, 64, 90, 120])
    return request(_any_target(rng, world), *lines)


def _body(rng: random.Random, world: World) -> Made:
    method = rng.choice(["GET", "GET", "HEAD", "POST", "DELETE"])
    content = rng.choice([b"", b"x", b'{"cells":[]}', b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * 5000])
    if rng.random() < 0.5:
        lines = [f"Content-Length: {len(content)}"]
    else:
        lines = ["Transfer-Encoding: chunked"]
        chunks = [b"%x\r\n%s\r\n" % (len(content), content)] if content else []
        content = b"".join((*chunks, b"0\r\n", rng.choice([b"", b"Trailer: 1\r\n"]), b"\r\n"))
    sent = request(_any_target(rng, world), *lines, method=method, body=content)
    after = request(_any_target(rng, world))
    pieces = rng.choice([[sent + after], [sent, after], [sent[:-1], sent[-1:] + after]])
    return pieces, [method, "GET"]


def _paths(rng: random.Random, world: World) -> Made:
    target = _any_target(rng, world)
    path, mark, query = target.partition("?")
    query = mark + query
    choices = [
        f"http://x{target}", f"HTTP://other:80{target}", "http://x", "http://x?a=b", f"https://u:p@x{target}",
        f"/{target}", f"/%54elemetry/{path.rpartition('/')[2]}{query}", f"{path}/{query}", f"{target}#fragment",
        f"{path}#a{query}", f"{path};a{query}", f"{path};a=b{query}", f"{path.lower()}{query}",
        f"{path.upper()}{query}",
        f"/telemetry/../{path[1:]}{query}", f"/./{path[1:]}{query}", f"/telemetry//{path.rpartition('/')[2]}{query}",
        f"{path}%3F{query[1:]}", f"{path}%00{query}", f"{path}%20{query}", "*", "/", "//", "", path[1:], f"{path}?",
        f"{target}&x=\"<>^`{{|}}", f"{path} {query}", f"{target}\xe9", f"{target}\\", f"{path}?{'a' * 9000}",
        f"{LIST_METRICS}?{'&'.join(f'switch_id={n}' for n in range(500))}",
    ]  # fmt: skip
    return request(rng.choice(choices))


def _hints(rng: random.Random, world: World) -> Made:
    choices = [
        ["Expect: 100-continue"], ["Expect: 200-ok"], ["expect: 100-Continue", "Content-Length: 0"],
        ["Connection: Upgrade", "Upgrade: h2c"],
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"],
        ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBs", "Sec-WebSocket-Version: 13"],
        ["Upgrade: h2c"], ["Connection: upgrade"], ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https"],
        ["Authorization: Bearer x"], ["Cookie: a=b; c=d"], ["Origin: http://x"], ["X-HTTP-Method-Override: DELETE"],
    ]  # fmt: skip
    sent = request(_any_target(rng, world), *rng.choice(choices))
    after = request(_any_target(rng, world))
    return rng.choice([[sent + after], [sent, after]]), ["GET", "GET"]


def _hosts(rng: random.Random, world: World) -> Made:
    hosts = [
        (),
        ("Host: x",),
        ("Host: x", "Host: x"),
        ("Host: x", "host: y"),
        ("Host:",),
        ("Host: x, y",),
        ("Host: [::1]:80",),
    ]
    version = rng.choice(["1.1", "1.1", "1.0"])
    return request(_any_target(rng, world), _any_header(rng), host=rng.choice(hosts), version=version)


KINDS: dict[str, Callable[[random.Random, World], Made]] = {
    "methods": _methods,
    "parameters": _parameters,
    "percent-encoding": _percent,
    "accept": _accept,
    "accept-encoding": _encoding,
    "pipelining": _pipeline,
    "pieces": _pieces,
    "HTTP/1.0": _old,
    "connection": _connection,
    "conditional": _conditional,
    "header lines": _lines,
    "repeated headers": _repeated,
    "bodies": _body,
    "paths": _paths,
    "hints": _hints,
    "hosts": _hosts,
}


def _any_target(rng: random.Random, world: World) -> str:
    switch, metric = quote(rng.choice([*world.switches, "nonsense"])), quote(rng.choice([*world.metrics, "nonsense"]))
    port = f"&port={quote(rng.choice(world.ports))}" if world.ports and rng.random() < 0.3 else ""
    return rng.choice(
        [
            f"{GET_METRIC}?switch_id={switch}&metric={metric}{port}",
            f"{GET_METRIC}?metric={metric}&switch_id={switch}{port}",
            f"{LIST_METRICS}?switch_id={switch}&metric={metric}{port}",
            rng.choice([LIST_METRICS, f"{LIST_METRICS}?metric={metric}", GET_METRIC, rng.choice(SLOWER)]),
        ]
    )


def _any_header(rng: random.Random) -> str:
    return rng.choice(
        [
            "Accept: application/json",
            "Accept: */*",
            "Accept: text/csv",
            "Accept-Encoding: gzip",
            "Accept-Encoding: identity",
            "If-None-Match: *",
            'If-None-Match: "a"',
            "User-Agent: curl/8.0",
            "X-Custom: y",
            "Connection: keep-alive",
            "Cache-Control: no-cache",
            "Content-Type: application/json",
        ]
    )


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
