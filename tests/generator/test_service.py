from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

import switchboard
from switchboard.config.settings import GeneratorSettings
from switchboard.errors import ConfigError
from switchboard.generator.profiles import decode
from switchboard.generator.service import create_service
from switchboard.generator.snapshots import Simulator
from tests.generator.harness import Answer, Generator, Start, ask, running_generator
from tests.lab.servers import PATIENCE_SECONDS

SLOT_DATE = "Tue, 24 Nov 2026 05:33:20 GMT"  # 1795498400
SLOT_TIME = 1_795_498_400


@pytest.fixture(scope="module")
def generator() -> Iterator[Generator]:
    """One with the default settings, 7 s into a slot, for tests that leave its clock alone."""
    with running_generator(SLOT_TIME + 7) as running:
        yield running


def test_every_client_gets_the_same_bytes_within_the_hold(start: Start) -> None:
    """For ten seconds all GETs have the same body and headers; then there is a new snapshot."""
    generator = start(SLOT_TIME)
    first = generator.ask()
    assert first.status == 200
    assert first["Content-Type"] == "text/csv; charset=utf-8"
    assert first["Last-Modified"] == SLOT_DATE
    assert first["Cache-Control"] == "no-cache"
    assert first["Vary"] == "Accept-Encoding"
    assert first.body == Simulator(GeneratorSettings()).snapshot(SLOT_TIME // 10).plain.body
    generator.clock.seconds += 9.999
    again = generator.ask()
    assert (again.body, again["ETag"]) == (first.body, first["ETag"])
    generator.clock.seconds += 0.001
    after = generator.ask()
    assert after.body != first.body
    assert after["ETag"] != first["ETag"]
    assert after.body.split(b"\n")[1].startswith(b"1795498410,sw1,")


def test_generator_started_later_serves_the_same(start: Start) -> None:
    """Of two generators with one seed, the second started 3 slots later, both serve the same bytes in every slot."""
    early = start(SLOT_TIME)
    for _ in range(3):
        early.ask()
        early.clock.seconds += 10
    late = start(early.clock.seconds)
    for _ in range(3):
        one, other = early.ask(), late.ask()
        assert (one.body, one["ETag"], one["Last-Modified"]) == (other.body, other["ETag"], other["Last-Modified"])
        zipped, other_zipped = early.ask(Accept_Encoding="gzip"), late.ask(Accept_Encoding="gzip")
        assert (zipped.body, zipped["ETag"]) == (other_zipped.body, other_zipped["ETag"])
        early.clock.seconds += 10
        late.clock.seconds += 10


def test_known_tag_gets_304_without_body(start: Start) -> None:
    """A client that sends the tag it has gets 304 with the headers of the 200 and nothing else, until the slot ends."""
    generator = start()
    first = generator.ask()
    tag = first["ETag"] or ""
    for known in (tag, f"W/{tag}", f'"a,b", W/{tag}', "*"):
        answer = generator.ask(If_None_Match=known)
        assert (answer.status, answer.body) == (304, b"")
        for header in ("ETag", "Last-Modified", "Cache-Control", "Vary"):
            assert answer[header] == first[header]
        assert answer["Content-Type"] is answer["Content-Length"] is answer["Content-Encoding"] is None
    generator.clock.seconds += 10
    assert generator.ask(If_None_Match=tag).status == 200


@pytest.mark.parametrize(
    ("date", "status"),
    [
        (SLOT_DATE, 304),
        ("Tuesday, 24-Nov-26 05:33:20 GMT", 304),
        ("Tue Nov 24 05:33:20 2026", 304),
        ("Tue, 24 Nov 2026 05:33:27 GMT", 304),
        ("Tue, 24 Nov 2026 05:33:19 GMT", 200),
        ("Tue, 24 Nov 2026 05:33:20 CET", 200),
        ("yesterday", 200),
        ("", 200),
    ],
)
def test_date_of_the_slot_or_later_gets_304(generator: Generator, date: str, status: int) -> None:
    """If-Modified-Since is answered by the slot's start; a text that is not an HTTP date is ignored."""
    assert generator.ask(If_Modified_Since=date).status == status


def test_tag_wins_over_date(generator: Generator) -> None:
    """With both conditions the date is ignored, whichever way the tag decides."""
    tag = generator.ask()["ETag"] or ""
    assert generator.ask(If_None_Match='"other"', If_Modified_Since=SLOT_DATE).status == 200
    assert generator.ask(If_None_Match="malformed", If_Modified_Since=SLOT_DATE).status == 200
    assert generator.ask(If_None_Match=tag, If_Modified_Since="Tue, 24 Nov 1998 05:33:20 GMT").status == 304


@pytest.mark.parametrize("hold", [0.2, 1.5])
def test_date_that_cannot_tell_slots_apart_is_not_used(start: Start, hold: float) -> None:
    """If the hold is not a whole number of seconds, there is no Last-Modified, and no 304 by date."""
    generator = start(SLOT_TIME, hold=hold)
    answer = generator.ask(If_Modified_Since="Tue, 24 Nov 2037 05:33:20 GMT")
    assert answer.status == 200
    assert answer["Last-Modified"] is None
    assert generator.ask(If_None_Match=answer["ETag"] or "").status == 304


def test_several_lines_of_a_header_are_one_list(generator: Generator) -> None:
    """A tag in the second line of If-None-Match counts; two dates are no date."""
    tag = generator.ask()["ETag"] or ""
    tags = [("If-None-Match", '"other"'), ("If-None-Match", tag)]
    assert ask(generator.port, "/counters", headers=tags).status == 304
    dates = [("If-Modified-Since", SLOT_DATE)] * 2
    assert ask(generator.port, "/counters", headers=dates).status == 200


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_head_has_the_headers_of_get(generator: Generator, coding: str) -> None:
    """HEAD answers as GET would, length included, without the body; conditions hold for it too."""
    got = generator.ask(Accept_Encoding=coding)
    head = generator.ask(method="HEAD", Accept_Encoding=coding)
    assert head.status == 200
    assert head.body == b""
    assert head["Content-Length"] == str(len(got.body))
    assert {name: value for name, value in head.headers.items() if name != "date"} == {
        name: value for name, value in got.headers.items() if name != "date"
    }
    assert generator.ask(method="HEAD", Accept_Encoding=coding, If_None_Match=got["ETag"] or "").status == 304


def test_gzip_is_sent_to_those_who_ask(generator: Generator) -> None:
    """The gzip form is the same text with a tag of its own; each form's tag is known only for that form."""
    plain, packed = generator.ask(), generator.ask(Accept_Encoding="deflate, gzip;q=0.8, br")
    assert packed["Content-Encoding"] == "gzip"
    assert plain["Content-Encoding"] is None
    assert gzip.decompress(packed.body) == plain.body
    assert packed["ETag"] != plain["ETag"]
    assert packed["Vary"] == plain["Vary"] == "Accept-Encoding"
    known = generator.ask(Accept_Encoding="gzip", If_None_Match=packed["ETag"] or "")
    assert (known.status, known["ETag"]) == (304, packed["ETag"])
    assert generator.ask(If_None_Match=packed["ETag"] or "").status == 200
    assert generator.ask(Accept_Encoding="gzip", If_None_Match=plain["ETag"] or "").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(generator: Generator, method: str) -> None:
    """Whatever is not GET or HEAD gets 405, with the methods that are."""
    answer = generator.ask(method=method)
    assert (answer.status, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.body == f"{method} is not allowed here, only GET and HEAD\n".encode()


@pytest.mark.parametrize("path", ["/counter", "/counters/", "/Counters", "/health/x"])
def test_unknown_path_is_404(generator: Generator, path: str) -> None:
    """A path that is not served gets a sentence, not a redirect."""
    answer = generator.ask(path)
    assert (answer.status, answer.body) == (404, b"there is nothing at this path, see /\n")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"


def test_health_and_root(generator: Generator) -> None:
    """`/health` says OK, and `/` lists what there is."""
    health = generator.ask("/health")
    assert (health.status, health.body, health["Content-Type"]) == (200, b"OK", "text/plain; charset=utf-8")
    assert b"/counters" in generator.ask("/").body


def test_unasked_304_after_the_first_get(start: Start) -> None:
    """With unasked_304, the first GET of a slot gets 200, and the others of any client 304; HEAD uses nothing up."""
    generator = start(unasked_304=True)
    for _ in range(2):
        assert generator.ask(method="HEAD").status == 200
        first = generator.ask(If_None_Match="*")
        assert first.status == 200
        later = [generator.ask(), generator.ask(If_None_Match='"other"'), generator.ask(method="HEAD")]
        assert [(answer.status, answer.body, answer["ETag"]) for answer in later] == [(304, b"", first["ETag"])] * 3
        generator.clock.seconds += 10


def test_simultaneous_clients_get_one_snapshot(start: Start) -> None:
    """Many clients that ask at once for a snapshot not yet made all get the same."""
    generator = start(switches="2000")
    answers: list[Answer] = []
    threads = [Thread(target=lambda: answers.append(generator.ask(Accept_Encoding="gzip"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.status, answer.body, answer["ETag"]) for answer in answers} == {
        (200, answers[0].body, answers[0]["ETag"])
    }
    assert len(answers) == 16


def test_bad_settings_are_told_before_anything_is_served() -> None:
    """A service is not made of settings that cannot be used."""
    with pytest.raises(ConfigError, match="reversed"):
        create_service(GeneratorSettings(metrics="a=2:1"))


PROGRAM = """
import asyncio, logging, signal, socket
import structlog
from switchboard.config.settings import GeneratorSettings
from switchboard.generator.service import serve_generator

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sock = socket.create_server(("127.0.0.1", 0))
    print(sock.getsockname()[1], flush=True)
    await serve_generator(GeneratorSettings(profile="encoded", switches="50", hold=0.2), sock, stop)

asyncio.run(main())
"""


def test_two_processes_serve_equal_slots() -> None:
    """Two real generators on the real clock, the second started 3 slots later, agree on bytes and tag of each slot."""
    environment = os.environ | {"PYTHONPATH": str(Path(switchboard.__file__).parents[1])}

    def launch() -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    def slot_of(answer: Answer) -> int:
        return decode(int(answer.body.splitlines()[1].split(b",")[2])).slot

    early, early_port = launch()
    try:
        began = slot_of(ask(early_port, "/counters"))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while slot_of(ask(early_port, "/counters")) < began + 3:
            assert time.monotonic() < deadline
        late, late_port = launch()
        try:
            equal = 0
            while equal < 3:
                one, other = ask(early_port, "/counters"), ask(late_port, "/counters")
                if slot_of(one) == slot_of(other):
                    assert (one.body, one["ETag"]) == (other.body, other["ETag"])
                    equal += 1
                assert time.monotonic() < deadline
        finally:
            late.terminate()
            assert "generator stopped" in late.communicate(timeout=PATIENCE_SECONDS)[0]
            assert late.returncode == 0
    finally:
        early.terminate()
        early.communicate(timeout=PATIENCE_SECONDS)
