"""Several sources, on real processes: shards of one fabric, conflicts, and sources that hang or are not there."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.lab.processes import Reply, Switchboard, free_port, get, wait_for
from tests.lab.telemetry import DATA, HANG, Answer, Failure, Telemetry, ufm

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "ufm.toml"
SHARDS = 3


def secondary() -> list[dict[str, str]]:
    """The rows of the sample of the secondary set."""
    with (DATA / "ufm_secondary.csv").open(newline="", encoding="latin-1") as file:
        return list(csv.DictReader(file))


def shards(url: str, field: str) -> str:
    """Three sources, one for each shard."""
    query = f"num_shards={SHARDS}&sharding_field={field}"
    return "".join(
        f'[[sources]]\nname = "shard-{number}"\nurl = "{url}/csv/xcset/low_freq_debug?{query}&shard={number}"\n'
        for number in range(SHARDS)
    )


def system(folder: Path, file: str) -> Switchboard:
    """A system that scrapes what the file says, and is not waited for."""
    path = folder / "sources.toml"
    path.write_text(file)
    return Switchboard(["--config", str(path), "--log-format", "json"], generator=False, wait=False)


def all_reported(running: Switchboard) -> bool:
    return all(each["last_attempt"] for each in running.get("/telemetry/ListSources").json())


def all_live(running: Switchboard, count: int) -> bool:
    ready = running.get("/ready").json()
    return len(ready["sources"]) == count and all(each["ready"] for each in ready["sources"].values())


def value(running: Switchboard, **query: str) -> Any:
    target = "/telemetry/GetMetric?" + "&".join(f"{name}={word}" for name, word in query.items())
    reply = running.get(target)
    return reply.json() if reply.status == 200 else (reply.status, reply.text)


def test_shards_of_one_fabric_are_one_view(tmp_path: Path) -> None:
    """The ports of each switch are spread over three sources: every switch is listed once with all its ports, every
    port is found, and a source that is named answers alone.
    """
    rows = secondary()
    with Telemetry(ufm) as server, system(tmp_path, shards(server.url, "Port_Number")) as running:
        wait_for(lambda: all_live(running, SHARDS), "all shards are live")
        reply = running.get("/telemetry/ListMetrics")
        assert reply.status == 200
        assert re.fullmatch(r"shard-0=[\w-]+,shard-1=[\w-]+,shard-2=[\w-]+", reply.headers["x-snapshot-id"])
        listed = [next(iter(each.items())) for each in reply.json()]
        expected: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            expected[row["Node_GUID"]].add(row["Port_Number"])
        assert len(listed) == len(expected)
        assert {switch: set(ports) for switch, ports in listed} == expected
        for row in rows[::7]:
            query = {"switch_id": row["Node_GUID"], "port": row["Port_Number"]}
            assert value(running, **query, metric="PortXmitDataExtended") == int(row["PortXmitDataExtended"])
            assert value(running, **query, metric="node_description") == row["node_description"]
        guid = rows[0]["Node_GUID"]
        by_source = [
            set(value(running, switch_id=guid, metric="PortXmitDataExtended", source=f"shard-{number}"))
            for number in range(SHARDS)
        ]
        assert set.union(*by_source) == expected[guid]
        assert sum(map(len, by_source)) == len(expected[guid])
        other = next(port for port in by_source[1])
        assert value(running, switch_id=guid, metric="lid", port=other, source="shard-0") == (
            404,
            "port does not exist\n",
        )
        bare = guid.removeprefix("0x").upper()
        assert value(running, switch_id=bare, metric="node_description", port=other) == rows[0]["node_description"]


def test_while_a_shard_is_missing_nothing_is_denied(tmp_path: Path) -> None:
    """One shard fails from the start: what it may have is 503 and not 404, lists are partial and name it, what others
    have is answered; then it comes, and a miss is a miss.
    """
    broken = True

    def answer(target: str) -> Answer:
        return Failure() if broken and "shard=1" in target else ufm(target)

    rows = secondary()
    file = f"interval = 1\nttl = 20\n{shards('URL', 'Port_Number')}"
    with Telemetry(answer) as server, system(tmp_path, file.replace("URL", server.url)) as running:

        def partial() -> Reply | None:
            reply = running.get("/telemetry/ListMetrics")
            ids = reply.headers.get("x-snapshot-id", "")
            return reply if "shard-0=" in ids and "shard-2=" in ids else None

        reply = wait_for(partial, "the other shards are live")
        assert (reply.status, reply.headers["x-snapshot-state"]) == (200, "partial")
        assert reply.headers["x-snapshot-missing"] == "shard-1"
        guid = rows[0]["Node_GUID"]
        there = value(running, switch_id=guid, metric="PortXmitDataExtended")
        missing = next(row["Port_Number"] for row in rows if row["Port_Number"] not in there)
        status, sentence = value(running, switch_id=guid, metric="PortXmitDataExtended", port=missing)
        assert status == 503
        assert "shard-1" in sentence
        assert "500" in sentence
        assert value(running, switch_id="nobody", metric="lid")[0] == 503
        assert value(running, switch_id="nobody", metric="lid", source="shard-0")[0] == 404
        broken = False
        wait_for(lambda: all_live(running, SHARDS), "the missing shard comes")
        whole = running.get("/telemetry/ListMetrics")
        assert "x-snapshot-missing" not in whole.headers
        assert isinstance(value(running, switch_id=guid, metric="PortXmitDataExtended", port=missing), int)
        assert value(running, switch_id="nobody", metric="lid")[0] == 404


def test_of_two_sources_the_first_that_is_fresh_answers(tmp_path: Path) -> None:
    """Both have the cell: the first in configured order gives it; when that one goes silent, the second does, until
    the first is back; ``source=`` overrules the order.
    """
    silent = False

    def answer(target: str) -> Answer:
        if silent and target == "/first":
            return Failure(503)
        return b"switch_id,port,rx\nsw1,1,%d\n" % (1 if target == "/first" else 2)

    with Telemetry(answer) as server:
        file = "interval = 1\nttl = 20\n" + "".join(
            f'[[sources]]\nname = "{name}"\nurl = "{server.url}/{name}"\n' for name in ("first", "second")
        )
        query = {"switch_id": "sw1", "port": "1", "metric": "rx"}
        with system(tmp_path, file) as running:
            wait_for(lambda: all_live(running, 2), "both are live")
            assert value(running, **query) == 1
            assert value(running, **query, source="second") == 2
            silent = True
            wait_for(lambda: value(running, **query) == 2, "the second one answers")
            assert value(running, **query, source="first") == 1  # within its TTL, and marked
            silent = False
            wait_for(lambda: value(running, **query) == 1, "the first one answers again")


def test_a_slow_or_dead_source_delays_no_other(tmp_path: Path) -> None:
    """One source hangs for ever, one until its timeout, one is refused, one has a name that nobody knows: the good one
    is scraped again and again, while the first attempt at the first one has not ended.
    """
    scrapes = 8

    def answer(target: str) -> Answer:
        return HANG if target.startswith("/hangs") else b"switch_id,rx\nsw1,1\n"

    with Telemetry(answer) as server:
        urls = {
            "hangs": f"{server.url}/hangs",
            "refused": f"http://127.0.0.1:{free_port()}/",
            "unknown": "http://no-such-host.invalid/",
            "good": f"{server.url}/good",
        }
        file = f'interval = 1\n[[sources]]\nname = "endless"\nurl = "{server.url}/hangs/endless"\ninterval = 3600\n'
        file += "".join(f'[[sources]]\nname = "{name}"\nurl = "{url}"\nttl = 60\n' for name, url in urls.items())
        with system(tmp_path, file) as running:
            wait_for(lambda: server.seen("/hangs/endless"), "the first one is asked")
            before = len(server.seen("/good"))
            wait_for(lambda: len(server.seen("/good")) >= before + scrapes, f"{scrapes} scrapes")
            assert len(server.seen("/hangs/endless")) == 1

            def reasons() -> dict[str, str | None]:
                sources = {each["name"]: each["last_attempt"] for each in running.get("/telemetry/ListSources").json()}
                return {name: (sources[name] or {}).get("reason") for name in ("hangs", "refused", "unknown")}

            expected = {"hangs": "timeout", "refused": "refused", "unknown": "dns"}
            wait_for(lambda: reasons() == expected, "each is told with its reason")
            assert value(running, switch_id="sw1", metric="rx", source="good") == 1


def test_the_example_for_ufm_runs(tmp_path: Path) -> None:
    """examples/ufm.toml, with other intervals, host and ports and nothing else, is one view of both sets of a fabric
    that the generator simulates, with all its dirt.
    """
    options = ["--profile", "ufm", "--switches", "20", "--ports", "16", "--hold", "600"]
    with Switchboard(options, command="generator", wait=False) as server:
        wait_for(lambda: get(server.port, "/health").status == 200, "the generator answers")
        file, places = re.subn(r"ufm\.example:900[12]", f"127.0.0.1:{server.port}", EXAMPLE.read_text("utf-8"))
        file = file.replace("interval = 300\n", "interval = 3\n").replace("interval = 30\n", "interval = 1\n")
        assert places == 1 + SHARDS
        served = get(server.port, "/csv/xcset/low_freq_debug").body.decode("latin-1")
        rows = list(csv.DictReader(io.StringIO(served)))
        with system(tmp_path, file) as running:
            wait_for(lambda: all_live(running, 1 + SHARDS), "all sources are live")
            wait_for(lambda: all_reported(running), "the ETL has told of all of them")  # after it has announced them
            sources = {each["name"]: each for each in running.get("/telemetry/ListSources").json()}
            listed = running.get("/telemetry/ListMetrics").json()
            assert list(sources) == ["primary", "secondary-0", "secondary-1", "secondary-2"]
            assert [each["interval_seconds"] for each in sources.values()] == [1, 3, 3, 3]
            assert sources["secondary-2"]["labels"] == {"fabric": "lab", "set": "secondary"}
            assert sum(sources[f"secondary-{number}"]["rows"] for number in range(SHARDS)) == len(rows)
            ports = {switch: inner for each in listed for switch, inner in each.items()}
            assert len(ports) == len(listed)
            assert [row for row in rows if row["Port_Number"] not in ports[row["Node_GUID"]]] == []
            guid, port = rows[0]["Node_GUID"], rows[0]["Port_Number"]
            assert {"Infiniband_PckIn_u_Packets", "PortXmitDataExtended"} <= set(ports[guid][port])
            temperatures = [inner.get("Module_Temperature") for each in ports.values() for inner in each.values()]
            assert any(isinstance(one, int | float) for one in temperatures)
            assert not any(isinstance(one, str) for one in temperatures)
            query = {"switch_id": guid.removeprefix("0x").upper(), "port": port}
            assert isinstance(value(running, **query, metric="PortXmitDataExtended"), int)
            assert value(running, **query, metric="node_description") == rows[0]["node_description"]
