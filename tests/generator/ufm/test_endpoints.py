from __future__ import annotations

import gzip
import http.client
import io
from collections.abc import Iterator
from contextlib import closing

import pytest

from switchboard.config.settings import GeneratorSettings
from switchboard.generator.ufm.body import write_body
from switchboard.generator.ufm.columns import SetName
from tests.generator.harness import Generator, Start, running_generator
from tests.lab.servers import PATIENCE_SECONDS

SLOT_DATE = "Tue, 24 Nov 2026 05:33:20 GMT"  # 1795498400
SLOT_TIME = 1_795_498_400
SLOT = SLOT_TIME // 10
PATHS: dict[str, SetName] = {
    "/counters": "primary",
    "/csv/metrics": "primary",
    "/csv/xcset/low_freq_debug": "secondary",
}


@pytest.fixture(scope="module")
def generator() -> Iterator[Generator]:
    """Seven switches, 7 s into a slot, for tests that leave its clock alone."""
    with running_generator(SLOT_TIME + 7, profile="ufm", switches="7") as running:
        yield running


def expected(chosen: SetName, slot: int = SLOT) -> bytes:
    file = io.BytesIO()
    write_body(GeneratorSettings(profile="ufm", switches="7"), chosen, slot, file)
    return file.getvalue()


@pytest.mark.parametrize(("path", "chosen"), PATHS.items())
def test_path_serves_its_set(generator: Generator, path: str, chosen: SetName) -> None:
    """Each path has the body of its set, streamed, with validators and without a charset."""
    answer = generator.ask(path)
    assert answer.status == 200
    assert answer.body == expected(chosen)
    assert answer["Content-Type"] == "text/csv"
    assert answer["Transfer-Encoding"] == "chunked"
    assert answer["Content-Length"] is None
    assert answer["Last-Modified"] == SLOT_DATE
    assert (answer["Cache-Control"], answer["Vary"]) == ("no-cache", "Accept-Encoding")


def test_one_set_has_one_tag_at_all_its_paths(generator: Generator) -> None:
    """The two paths of the primary set name equal bytes by an equal tag; the secondary set has another."""
    tags = [generator.ask(path)["ETag"] for path in PATHS]
    assert tags[0] == tags[1]
    assert tags[0] != tags[2]


def test_slot_ends_for_all_sets(start: Start) -> None:
    """Within the hold bytes and tags stay, and then they are those of the next slot, in every generator."""
    one = start(SLOT_TIME, profile="ufm", switches="7")
    first = one.ask()
    one.clock.seconds += 9.999
    assert one.ask().body == first.body
    one.clock.seconds += 0.001
    after = one.ask()
    assert after.body == expected("primary", SLOT + 1)
    assert after["ETag"] != first["ETag"]
    late = start(one.clock.seconds, profile="ufm", switches="7")
    other = late.ask()
    assert (other.body, other["ETag"], other["Last-Modified"]) == (after.body, after["ETag"], after["Last-Modified"])


@pytest.mark.parametrize("path", PATHS)
def test_known_tag_or_date_gets_304(generator: Generator, path: str) -> None:
    """A client that has the set gets 304 with the validators and nothing else."""
    first = generator.ask(path)
    for condition in ({"If_None_Match": first["ETag"] or ""}, {"If_Modified_Since": SLOT_DATE}):
        answer = generator.ask(path, **condition)
        assert (answer.status, answer.body) == (304, b"")
        assert (answer["ETag"], answer["Last-Modified"]) == (first["ETag"], first["Last-Modified"])
        assert answer["Content-Type"] is answer["Transfer-Encoding"] is None
    assert generator.ask(path, If_None_Match='"other"').status == 200


def test_date_that_cannot_tell_slots_apart_is_not_used(start: Start) -> None:
    """If the hold is not a whole number of seconds, there is no Last-Modified, and no 304 by date."""
    generator = start(SLOT_TIME, profile="ufm", switches="1", hold=0.5)
    answer = generator.ask(If_Modified_Since="Tue, 24 Nov 2037 05:33:20 GMT")
    assert (answer.status, answer["Last-Modified"]) == (200, None)


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_head_has_the_headers_of_get(generator: Generator, coding: str) -> None:
    """HEAD answers as GET would, except for the length, which is not known before the body is made."""
    got = generator.ask(Accept_Encoding=coding)
    head = generator.ask(method="HEAD", Accept_Encoding=coding)
    assert (head.status, head.body) == (200, b"")
    varying = ("date", "transfer-encoding")
    assert {name: value for name, value in head.headers.items() if name not in varying} == {
        name: value for name, value in got.headers.items() if name not in varying
    }
    assert generator.ask(method="HEAD", Accept_Encoding=coding, If_None_Match=got["ETag"] or "").status == 304


def test_gzip_is_sent_to_those_who_ask(generator: Generator) -> None:
    """The gzip form is the same text with a tag of its own; each form's tag is known only for that form."""
    plain, packed = generator.ask(), generator.ask(Accept_Encoding="gzip")
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed["ETag"] != plain["ETag"]
    assert generator.ask(Accept_Encoding="gzip", If_None_Match=packed["ETag"] or "").status == 304
    assert generator.ask(If_None_Match=packed["ETag"] or "").status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("field", ["", "port_guid", "node_guid", "Node_GUID", "source_id", "port_num", "Port_Number"])
def test_shards_are_the_whole(generator: Generator, path: str, field: str) -> None:
    """The rows of all shards of a field are those of the whole body, and each shard has a tag of its own."""
    whole = generator.ask(path)
    header, *rows = whole.body.splitlines()
    field_text = f"&sharding_field={field}" if field else ""
    shards = [generator.ask(f"{path}?num_shards=3&shard={number}{field_text}") for number in range(3)]
    assert [shard.body.splitlines()[0] for shard in shards] == [header] * 3
    assert sorted(row for shard in shards for row in shard.body.splitlines()[1:]) == sorted(rows)
    assert len({whole["ETag"], *(shard["ETag"] for shard in shards)}) == 4
    known = generator.ask(f"{path}?num_shards=3&shard=1{field_text}", If_None_Match=shards[1]["ETag"] or "")
    assert known.status == 304


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("num_shards=3", "num_shards and shard belong together: one of them is missing"),
        ("shard=0", "num_shards and shard belong together: one of them is missing"),
        ("sharding_field=port_guid", "num_shards and shard belong together: one of them is missing"),
        ("num_shards=0&shard=0", "num_shards '0' is no whole number from 1 to 1000"),
        ("num_shards=1001&shard=0", "num_shards '1001' is no whole number from 1 to 1000"),
        ("num_shards=x&shard=0", "num_shards 'x' is no whole number"),
        ("num_shards=%C2%B2&shard=0", "num_shards '²' is no whole number"),
        ("num_shards=&shard=0", "num_shards '' is no whole number"),
        ("num_shards=3&shard=3", "shard '3' is no whole number from 0 to 2"),
        ("num_shards=3&shard=-1", "shard '-1' is no whole number from 0 to 2"),
        ("num_shards=3&shard=1.0", "shard '1.0' is no whole number"),
        ("num_shards=3&shard=" + "9" * 5000, "is no whole number"),
        ("num_shards=3&num_shards=4&shard=0", "num_shards is given 2 times: once is enough"),
        ("num_shards=3&shard=0&sharding_field=lid", "sharding_field 'lid' is none of node_guid, port_guid, port_num"),
    ],
)
def test_shard_that_cannot_be_is_refused(generator: Generator, query: str, told: str) -> None:
    """A shard that cannot be gets 400 with a sentence that names parameter and value, whatever the client has."""
    answer = generator.ask(f"/csv/metrics?{query}", If_None_Match="*")
    assert answer.status == 400
    assert told in answer.body.decode()
    assert answer.body.endswith(b"\n")
    assert len(answer.body) < 200
    assert answer["Cache-Control"] == "no-store"
    assert answer["ETag"] is None


def test_other_parameters_are_ignored(generator: Generator) -> None:
    """What UFM's clients may add beside the shard changes nothing."""
    assert generator.ask("/counters?port_type__in__1__2__4").body == generator.ask().body


def test_unasked_304_after_the_first_get_of_each_set(start: Start) -> None:
    """With unasked_304, the first GET of a set or shard gets 200 and all others of the slot 304."""
    generator = start(SLOT_TIME, profile="ufm", switches="2", unasked_304=True)
    for _ in range(2):
        for path in ("/counters", "/csv/xcset/low_freq_debug", "/counters?num_shards=2&shard=1"):
            assert generator.ask(path, method="HEAD").status == 200
            assert generator.ask(path, If_None_Match="*").status == 200
            assert [generator.ask(path).status, generator.ask(path, method="HEAD").status] == [304, 304]
        generator.clock.seconds += 10


def test_client_that_does_not_read_holds_up_nobody(start: Start) -> None:
    """While a client leaves a large body unread, others are answered, and it gets the body when it wants it."""
    generator = start(SLOT_TIME, profile="ufm", switches="300", counters=195)
    whole = generator.ask()
    with closing(http.client.HTTPConnection("127.0.0.1", generator.port, timeout=PATIENCE_SECONDS)) as slow:
        slow.request("GET", "/counters")
        response = slow.getresponse()
        assert generator.ask("/health").body == b"OK"
        assert generator.ask().body == whole.body
        assert response.read() == whole.body


def test_client_that_goes_away_is_forgotten(start: Start) -> None:
    """A client that closes in the middle of a body leaves a generator that serves the next one."""
    generator = start(SLOT_TIME, profile="ufm", switches="100", counters=195)
    for _ in range(3):
        with closing(http.client.HTTPConnection("127.0.0.1", generator.port, timeout=PATIENCE_SECONDS)) as hasty:
            hasty.request("GET", "/counters")
            assert hasty.getresponse().read(1000)
    assert generator.ask().body.count(b"\n") == 1 + 100 * 65


def test_root_and_health(generator: Generator) -> None:
    """`/` lists the paths, and what else there is is as in the other profiles."""
    listed = generator.ask("/").body.decode()
    assert all(path in listed for path in (*PATHS, "/health"))
    assert generator.ask("/health").body == b"OK"
    assert generator.ask("/csv/metrics/").status == 404
    assert generator.ask(method="POST").status == 405
