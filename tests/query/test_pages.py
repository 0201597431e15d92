"""Pages of ListMetrics: limit, cursor, and what a client needs to follow them; and the formats, over HTTP."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import msgspec
import pyarrow as pa
import pytest

from switchboard.errors import QueryError
from switchboard.query import cursors
from switchboard.query.cursors import Cursor, decode_cursor, encode_cursor
from switchboard.query.requests import ListMetrics
from switchboard.selection.pages import Position
from switchboard.view.sources import Kept
from switchboard.view.view import View
from tests.lab.fabric import NOW, Holder, Row, row, source, view
from tests.lab.processes import Reply
from tests.lab.running_api import ask, running_api

LIST = "/telemetry/ListMetrics"
ROWS = [
    Row(
        f"sw{number // 4}", {"rx": number, "state": "up" if number % 3 else "down", "load": number / 7}, str(number % 4)
    )
    for number in range(2_500)
]


@pytest.fixture(scope="module")
def api() -> Iterator[tuple[Holder, int]]:
    """A server, and the holder whose view a test may set."""
    holder = Holder(listed())
    with running_api(holder) as port:
        yield holder, port


def listed(snapshot: str = "100-a") -> View:
    return view(source("fabric", ROWS, snapshot=snapshot))


def follow(port: int, target: str, *, accept: str = "application/json") -> list[Reply]:
    """A page and all that its links lead to, as any client follows them."""
    url = f"http://127.0.0.1:{port}{target}"
    pages = []
    while url:
        parts = urlsplit(url)
        reply = ask(port, f"{parts.path}?{parts.query}", headers=[("Accept", accept)])
        assert reply.status == 200, reply.text
        pages.append(reply)
        link = re.fullmatch(r'<(\?[^<>]+)>; rel="next"', reply.headers.get("link", ""))
        assert (link is None) == ("x-next-cursor" not in reply.headers)
        url = ""
        if link is not None:
            assert parse_qs(link[1][1:])["cursor"] == [reply.headers["x-next-cursor"]]
            url = urljoin(f"http://127.0.0.1:{port}{target}", link[1])
    return pages


def joined(pages: list[Reply]) -> list[tuple[str, dict[str, object]]]:
    """Pages of a JSON list as one list; a switch that a page cuts goes on in the next one."""
    found: list[tuple[str, dict[str, object]]] = []
    for page in pages:
        for each in page.json():
            for switch, ports in each.items():
                if found and found[-1][0] == switch:
                    found[-1][1].update(ports)
                else:
                    found.append((switch, ports))
    return found


@pytest.mark.parametrize(
    ("query", "limit", "count"),
    [
        ("", 1000, 3),
        ("", 333, 8),
        ("metric=r*&metric=state&switch_id=sw?&since=2020-01-01T00:00:00Z", 7, 6),
        ("where=rx>=2400", 50, 2),
        ("where=rx%3D3&port=3&source=fabric", 1, 1),
        ("switch_id=none", 5, 1),
    ],
)
def test_links_lead_through_the_whole_list(api: tuple[Holder, int], query: str, limit: int, count: int) -> None:
    """All pages together are the list, each has ``limit`` rows but the last one, which has no link."""
    holder, port = api
    holder.view = listed()
    whole = ask(port, f"{LIST}?{query}")
    pages = follow(port, f"{LIST}?{query}&limit={limit}")
    assert joined(pages) == joined([whole])
    sizes = [sum(len(ports) for each in page.json() for ports in each.values()) for page in pages]
    assert len(sizes) == count
    assert all(size == limit for size in sizes[:-1])
    assert len({page.headers["etag"] for page in pages}) == len(pages)
    assert {page.headers["x-snapshot-id"] for page in pages} == {"100-a"}


def test_tables_have_pages_too(api: tuple[Holder, int]) -> None:
    """A client that negotiated its format stays with it from link to link."""
    holder, port = api
    holder.view = listed()
    whole = ask(port, f"{LIST}?format=ndjson").text
    assert "".join(page.text for page in follow(port, f"{LIST}?limit=999", accept="application/x-ndjson")) == whole
    pages = follow(port, f"{LIST}?limit=999", accept="text/csv")
    header, rows = ask(port, f"{LIST}?format=csv").text.split("\r\n", 1)
    assert "".join(page.text.removeprefix(header + "\r\n") for page in pages) == rows
    tables = [
        pa.ipc.open_stream(page.body).read_all()
        for page in follow(port, f"{LIST}?limit=999", accept="application/vnd.apache.arrow.stream")
    ]
    assert pa.concat_tables(tables).equals(pa.ipc.open_stream(ask(port, f"{LIST}?format=arrow").body).read_all())


def test_a_list_stays_in_its_snapshot(api: tuple[Holder, int]) -> None:
    """The next page is from the snapshot of the first one, also when a newer one is there; 410 once it is gone."""
    holder, port = api
    old = listed("100-a").sources[0]
    holder.view = view(old)
    first = ask(port, f"{LIST}?limit=2000")
    following = f"{LIST}{re.split('[<>]', first.headers['link'])[1]}"
    expected = ask(port, following)
    assert old.loaded is not None
    kept = (Kept(old.loaded, old.confirmed_at, old.expires_at),)
    new = source("fabric", [row("sw0", "0", rx=-1)], snapshot="200-a")
    holder.view = view(replace(new, kept=kept))
    again = ask(port, following)
    assert (again.status, again.body, again.headers["x-snapshot-id"]) == (200, expected.body, "100-a")
    assert ask(port, following, headers=[("If-None-Match", again.headers["etag"])]).status == 304
    assert ask(port, LIST).json() == [{"sw0": {"0": {"rx": -1}}}]
    holder.view = view(new)
    gone = ask(port, following)
    assert (gone.status, gone.text) == (410, "the snapshot of this cursor is gone: start again without cursor=\n")
    holder.view = view(replace(old, expires_at=NOW - 1))
    assert ask(port, following).status in {410, 503}


def test_pages_are_not_kept_as_answers_that_hold(api: tuple[Holder, int]) -> None:
    """A page of a replaced snapshot is refused the moment that has expired, however often it was asked for before."""
    holder, port = api
    old = listed("100-a").sources[0]
    assert old.loaded is not None
    kept = (Kept(old.loaded, old.confirmed_at, NOW + 5),)
    holder.view = view(replace(source("fabric", ROWS[:1], snapshot="200-a"), kept=kept))
    cursor = encode_cursor(view(old).standing(NOW), ListMetrics(), Position(0, 2_490))
    for _ in range(3):
        assert ask(port, f"{LIST}?cursor={cursor}").status == 200
    holder.now = NOW + 6
    try:
        assert ask(port, f"{LIST}?cursor={cursor}").status == 410
    finally:
        holder.now = NOW


def test_the_limit_may_change_and_has_a_default(api: tuple[Holder, int]) -> None:
    """A cursor alone asks for 1,000 rows."""
    holder, port = api
    holder.view = listed()
    cursor = ask(port, f"{LIST}?limit=10").headers["x-next-cursor"]
    assert len(joined([ask(port, f"{LIST}?cursor={cursor}&limit=8")])) == 3  # two ports of sw2, four of sw3, two of sw4
    page = ask(port, f"{LIST}?cursor={cursor}")
    assert sum(len(ports) for _, ports in joined([page])) == 1000
    assert "limit" not in page.headers["link"]
    assert ask(port, f"{LIST}?cursor={cursor}&snapshot=100-a").status == 200


@pytest.mark.parametrize(
    "query",
    ["metric=rx", "switch_id=sw1", "port=1", "since=0", "where=rx>5", "source=fabric", "format=csv"],
)
def test_a_cursor_belongs_to_its_query(api: tuple[Holder, int], query: str) -> None:
    """A cursor is refused with another query or in another format, rather than misunderstood."""
    holder, port = api
    holder.view = listed()
    cursor = ask(port, f"{LIST}?limit=10").headers["x-next-cursor"]
    refused = ask(port, f"{LIST}?{query}&cursor={cursor}")
    assert refused.status == 400
    assert "goes on with another query, or is damaged" in refused.text
    assert ask(port, f"{LIST}?format=json&cursor={cursor}").status == 200


def test_a_damaged_cursor_is_refused() -> None:
    """Whichever character is another one, missing or too many: 400."""
    text = encode_cursor(listed().standing(NOW), ListMetrics(), Position(0, 10))
    for at, character in enumerate(text):
        for other in {"A", "B", "-", "!", "", f"{character}="} - {character}:
            with pytest.raises(QueryError, match="Malformed cursor parameter"):
                decode_cursor(ListMetrics(cursor=text[:at] + other + text[at + 1 :]))


@pytest.mark.parametrize("position", [(1, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 2501, 0), (0, 0, -1)])
def test_a_place_that_is_not_in_the_list_is_refused(api: tuple[Holder, int], position: tuple[int, int, int]) -> None:
    """A made-up cursor with a right checksum but an impossible place is told so."""
    holder, port = api
    holder.view = listed()
    cursor = encode_cursor(holder.view.standing(NOW), ListMetrics(), Position(*position))
    refused = ask(port, f"{LIST}?cursor={cursor}")
    assert (refused.status, refused.text.endswith("is no place in the list\n")) == (400, True)


def test_a_snapshot_beside_a_cursor_is_the_same_one(api: tuple[Holder, int]) -> None:
    """Two parameters that contradict each other are refused."""
    holder, port = api
    holder.view = listed()
    cursor = ask(port, f"{LIST}?limit=10&snapshot=100-a").headers["x-next-cursor"]
    assert ask(port, f"{LIST}?cursor={cursor}&snapshot=fabric%3D100-a").status == 200
    assert ask(port, f"{LIST}?cursor={cursor}&snapshot=99-a").status == 400


def test_the_order_of_sources_stays_though_their_states_change(api: tuple[Holder, int]) -> None:
    """Precedence goes by freshness; from page to page it is that of the first one, so no row is lost or there twice."""
    holder, port = api
    one = source("one", [Row(f"sw{number}", {"rx": number}) for number in range(10)], snapshot="100-o")
    two = source("two", [Row(f"sw{number}", {"rx": -number, "tx": 1}) for number in range(15)], snapshot="100-t")
    holder.view = view(one, two)
    for form in ("json", "ndjson"):
        whole = ask(port, f"{LIST}?format={form}").text
        pages = [ask(port, f"{LIST}?format={form}&limit=4")]
        aged = source("one", [Row(f"sw{number}", {"rx": number}) for number in range(10)], age=16.0, snapshot="100-o")
        holder.view = view(aged, two)
        while "x-next-cursor" in pages[-1].headers:
            pages.append(ask(port, f"{LIST}?format={form}&limit=4&cursor={pages[-1].headers['x-next-cursor']}"))
        texts = [page.text for page in pages]
        if form == "json":
            assert [each for text in texts for each in json.loads(text)] == json.loads(whole)
        else:
            assert "".join(texts) == whole
        assert len(pages) == (4 if form == "json" else 7)
        holder.view = view(one, two)


def test_names_with_any_character_survive_cursor_and_link(api: tuple[Holder, int]) -> None:
    """Sources, switches and labels may be called what they like."""
    holder, port = api
    odd = 'a="b",<c>; é%&+'
    holder.view = view(source(odd, [Row(f"{odd}{number}", {odd: odd}) for number in range(5)], snapshot="100-o"))
    query = f"switch_id={quote(odd)}*&metric={quote(odd)}&source={quote(odd)}&since=0.000001&where=x!=1"
    assert ask(port, f"{LIST}?{query}").json() == []
    pages = follow(port, f"{LIST}?{query.removesuffix('&where=x!=1')}&limit=2")
    assert [each for page in pages for each in page.json()] == [{f"{odd}{number}": {odd: odd}} for number in range(5)]


def test_the_link_of_a_long_query_can_be_followed(api: tuple[Holder, int]) -> None:
    """Names with colons and patterns stand in it as they were asked for: escaped it would be refused as too long."""
    holder, port = api
    holder.view = view(source("fabric", [row("sw1", str(number), n=number) for number in range(20)]))
    ports = "".join(f"&port={number}:::::::::::::::::::" for number in range(200))
    pages = follow(port, f"{LIST}?limit=10{ports}&port=*")
    assert [page.json()[0]["sw1"].keys() for page in pages] == [
        {str(number) for number in range(10)},
        {str(number) for number in range(10, 20)},
    ]


def test_a_cursor_says_no_more_than_it_has_to() -> None:
    """A cursor holds the snapshots and the place, after eight bytes of checksum."""
    text = encode_cursor(listed().standing(NOW), ListMetrics(), Position(0, 10))
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert msgspec.msgpack.decode(data[8:], type=Cursor) == Cursor("fabric=100-a", Position(0, 10))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=0.9, application/json;q=0.5", "text/csv; charset=utf-8"),
        ("*/*", "application/json"),
    ],
)
def test_large_tables_stream_and_small_ones_have_a_length(api: tuple[Holder, int], accept: str, kind: str) -> None:
    """Both ways the body is whole; a small one is one of those that clients share, also as gzip and as 304."""
    holder, port = api
    headers = [("Accept", accept)]
    holder.view = view(source("fabric", ROWS[:200]))
    small = ask(port, LIST, headers=headers)
    assert small.headers["content-type"] == kind
    assert small.headers["content-length"] == str(len(small.body))
    zipped = ask(port, LIST, headers=[*headers, ("Accept-Encoding", "gzip")])
    assert zipped.headers["content-encoding"] == "gzip"
    assert ask(port, LIST, headers=[*headers, ("If-None-Match", small.headers["etag"])]).status == 304
    one = ask(port, f"{LIST}?switch_id=sw1", headers=headers)
    assert one.headers["content-length"] == str(len(one.body))

    wide = [Row(f"sw{number}", {f"m{at}": number + at for at in range(300)}) for number in range(2_000)]
    holder.view = view(source("fabric", wide))
    large = ask(port, LIST, headers=headers)
    assert large.headers["transfer-encoding"] == "chunked"
    if kind.endswith("arrow.stream"):
        table = pa.ipc.open_stream(io.BytesIO(large.body)).read_all()
        assert (table.num_rows, sum(table.column("m299").to_pylist())) == (2_000, sum(range(299, 2_299)))
    else:
        assert len(re.findall(rb"\bsw[0-9]", large.body)) == 2_000


def test_a_cursor_that_was_made_up_is_refused() -> None:
    """A made-up cursor that names a snapshot without a source is refused: it has no order of precedence."""
    content = msgspec.msgpack.encode(Cursor("100-a", Position()))
    text = base64.urlsafe_b64encode(cursors._checksum(content, ListMetrics()) + content).rstrip(b"=").decode()
    with pytest.raises(QueryError, match="names a snapshot without its source"):
        decode_cursor(ListMetrics(cursor=text))
