from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import switchboard
from switchboard.config.settings import GeneratorSettings
from switchboard.generator.ufm import body
from switchboard.generator.ufm.body import UfmSimulator, column_totals, write_body
from switchboard.generator.ufm.columns import KEYS, Label, SetName, columns_of
from switchboard.generator.ufm.fabric import Shard

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(switchboard.__file__).parents[1])}
START = 179_546_000
SETS: list[SetName] = ["primary", "secondary"]
UNITS = re.compile(r"(-?[0-9.]+(?:e-[0-9]+)?)C?")


def settings_of(**settings: Any) -> GeneratorSettings:
    return GeneratorSettings(profile="ufm", **settings)


def body_of(chosen: SetName, slot: int = START, shard: Shard | None = None, **settings: Any) -> bytes:
    return b"".join(UfmSimulator(settings_of(**settings)).pieces(chosen, slot, shard))


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode("latin-1"), newline="\n"), strict=True))


@pytest.fixture(scope="module")
def secondary() -> list[dict[str, str]]:
    """Two thousand ports, with all that may happen to one."""
    return rows_of(body_of("secondary", switches="31"))


@pytest.mark.parametrize(
    ("chosen", "digest"),
    [("primary", "6f3635b3fa1ca42096e8013786ba47ff"), ("secondary", "c40aebc581282a5ec933a645c8ea6db1")],
)
def test_bytes_of_a_slot_never_change(chosen: SetName, digest: str) -> None:
    """A slot has these bytes on every machine and with every version of the libraries.

    If they have to change, the number in the tag (_FORMAT) has to change with them.
    """
    text = body_of(chosen, switches="sw1,sw2,Zürich", ports=70, counters=400)
    assert body._FORMAT == 1
    assert hashlib.blake2b(text, digest_size=16).hexdigest() == digest


@given(
    slots=st.lists(st.integers(0, 2**33), min_size=1, max_size=4),
    seed=st.integers(0, 2**70),
    hold=st.sampled_from([0.001, 0.2, 10.0, 300.0, 3600.0]),
    chosen=st.sampled_from(SETS),
)
def test_bodies_are_pure(*, slots: list[int], seed: int, hold: float, chosen: SetName) -> None:
    """Whatever slots were made before, in whatever order, a slot has the bytes of a generator just started."""
    settings = settings_of(switches="2", ports=5, seed=seed, hold=hold)
    old = UfmSimulator(settings)
    for slot in slots:
        text = b"".join(old.pieces(chosen, slot))
        assert text == b"".join(UfmSimulator(settings).pieces(chosen, slot))
        assert len({line.count(b",") for line in text.splitlines()}) == 1


@pytest.mark.parametrize("chosen", SETS)
def test_bytes_do_not_depend_on_how_many_rows_are_made_at_once(
    chosen: SetName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut into pieces of 16 rows or made in one, a body is the same."""
    whole = body_of(chosen, switches="3", ports=9)
    monkeypatch.setattr(body, "_CELLS_AT_ONCE", 1)
    assert body_of(chosen, switches="3", ports=9) == whole


def test_file_has_the_body_of_the_slot() -> None:
    """`write_body` writes what is served and tells how many bytes that is."""
    file = io.BytesIO()
    count = write_body(settings_of(switches="3"), "primary", START, file)
    assert file.getvalue() == body_of("primary", switches="3")
    assert count == len(file.getvalue())


@pytest.mark.parametrize("chosen", SETS)
def test_every_row_has_its_place(chosen: SetName) -> None:
    """One line per port, switch by switch, with a time per switch of the slot's first milliseconds, and line ends."""
    text = body_of(chosen, switches="3")
    assert text.endswith(b"\n")
    assert b"\r" not in text
    assert b'"' not in text
    rows = rows_of(text)
    *_, guid, _, port = KEYS[chosen]
    assert [int(row[port]) for row in rows] == [*range(1, 66)] * 3
    assert len({(row[guid], row["timestamp"]) for row in rows}) == 3
    for row in rows:
        assert re.fullmatch(r"0x[0-9a-f]{16}", row[guid])
        assert row["source_id"] == row["port_guid"] == row[guid]
        assert row["tag"] == ""
        assert 0 <= int(row["timestamp"]) - START * 10_000_000 < 5_000


@pytest.mark.parametrize("chosen", SETS)
def test_totals_are_those_of_what_is_written(chosen: SetName) -> None:
    """Numbers read back, units and words for «missing» set aside, have the cells and the exact sums of the totals."""
    settings = settings_of(switches="31", counters=195)
    rows = rows_of(body_of(chosen, switches="31", counters=195))
    totals = column_totals(settings, chosen, START)
    assert list(totals) != []
    assert set(totals) == {column.name for column in columns_of(chosen, 195) if not isinstance(column, Label)}
    for name, total in totals.items():
        texts = [match[1] for row in rows if (match := UNITS.fullmatch(row[name]))]
        assert total.cells == len(texts), name
        if all(text.lstrip("-").isdigit() for text in texts):
            assert total.sum == sum(map(int, texts)), name
        else:
            assert float(total.sum) == math.fsum(map(float, texts)), name
            assert abs(total.sum - sum(map(Fraction, texts))) < Fraction(1, 10**9), name


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("by_port", [False, True])
def test_shards_are_the_rows_of_the_whole(chosen: SetName, by_port: bool) -> None:
    """Each row is in one shard, with the bytes that it has in the whole body; all shards have the header."""
    header, *rows = body_of(chosen, switches="9").splitlines()
    shards = [body_of(chosen, shard=Shard(4, number, by_port), switches="9").splitlines() for number in range(4)]
    assert [shard[0] for shard in shards] == [header] * 4
    assert Counter(row for shard in shards for row in shard[1:]) == Counter(rows)
    assert max(Counter(rows).values()) == 1


def test_tag_names_the_bytes() -> None:
    """All that changes the bytes changes the tag, and nothing else does."""
    shards = (
        None,
        Shard(3, 0, by_port=False),
        Shard(3, 1, by_port=False),
        Shard(4, 0, by_port=False),
        Shard(3, 0, True),
    )
    tags = {
        UfmSimulator(settings_of(**settings)).tag(chosen, slot, shard)
        for chosen in SETS
        for slot in (8, 9)
        for shard in shards
        for settings in ({}, {"seed": 2}, {"switches": "99"}, {"ports": 63}, {"counters": 31}, {"hold": 20.0})
    }
    assert len(tags) == 2 * 2 * 5 * 6
    assert all(re.fullmatch(r'"[0-9a-f]{32}"', tag) for tag in tags)
    assert UfmSimulator(settings_of()).tag("primary", 8) == UfmSimulator(settings_of(metrics="a=0:1")).tag("primary", 8)


def test_aggregation_node_is_dirty_as_in_real_life(secondary: list[dict[str, str]]) -> None:
    """Port 65 has a device of its own, counts nothing, and its description may have letters of ISO-8859-1."""
    rows = [row for row in secondary if row["Port_Number"] == "65"]
    assert len(rows) == 31
    for row in rows:
        assert row["Device_ID"] == "53001"
        assert row["port_label"] == row["hist0"] == row["Total_Raw_BER"] == row["Cable_SN"] == ""
        assert row["Module_Temperature"] == "N/A"
        assert row["PortXmitDataExtended"] == row["PortRcvPktsExtended"] == "0"
    descriptions = {row["node_description"] for row in rows}
    assert {"Quantum Aggregation Nöde", "Noeud d'agrégation Quantum"} <= descriptions


def test_port_without_cable_says_so(secondary: list[dict[str, str]]) -> None:
    """A port that is down has states that tell it, empty cells, and has counted nothing."""
    rows = [row for row in secondary if row["Status_Message"] == "Cable is unplugged"]
    assert 20 < len(rows) < 150
    for row in rows:
        assert (row["Phy_Manager_State"], row["phy_state"], row["logical_state"]) == ("Polling", "Polling", "DOWN")
        assert (row["Cable_PN"], row["Cable_SN"], row["Module_Temperature"]) == ("NA", "NA", "NA")
        assert row["Advanced_Status_Opcode"] == "1024"
        assert row["local_reason_opcode"] in {"23", "Cable_was_unplugged"}
        for empty in ("Link_speed_active", "Active_FEC", "Total_Raw_BER", "Symbol_BER", "hist15", "rx_power_lane_0"):
            assert row[empty] == ""
        assert row["PortRcvPktsExtended"] == row["Raw_Errors_Lane_0"] == "0"


def test_port_that_is_up_has_all_its_cells(secondary: list[dict[str, str]]) -> None:
    """Labels and numbers of a working port have the form of UFM's."""
    forms = {
        "node_description": r"MF0;sw[0-9]+:MQM9700/U1",
        "port_label": r"[0-9]{1,2}/[12]",
        "Phy_Manager_State": "Active",
        "Link_speed_active": "NDR",
        "Total_Raw_BER": r"[0-9]\.[0-9]e-0[3-9]",
        "Effective_BER": r"1\.5e-254|[0-9]\.[0-9]e-(?:0[89]|1[0-5])",
        "FW_Version": r"31\.20[0-9]{2}\.[0-9]{4}",
        "Module_Temperature": r"[0-9]{2}C|NA|N/A||0C|0",
        "Module_Voltage": r"3[0-9]{3}\.[0-9]|",
        "Cable_PN": r"M[A-Z0-9-]+",
        "Cable_SN": r"MT[0-9]{4}FT[0-9]{6}",
        "local_reason_opcode": r"0|No_link_down_indication",
        "link_partner_description": r"(?:gpu-node|stockage-données)-[0-9]{3,6} mlx5_[0-7]",
        "link_partner_node_guid": r"0xb83fd203[0-9a-f]{8}",
        "PortXmitDataExtended": r"[0-9]{1,20}",
    }
    rows = [row for row in secondary if row["logical_state"] == "ACT" and row["Port_Number"] != "65"]
    assert len(rows) > 1_800
    for name, form in forms.items():
        assert {row[name] for row in rows if not re.fullmatch(form, row[name])} == set(), name
    for varied in ("Module_Temperature", "local_reason_opcode", "FW_Version", "cable_type"):
        assert len({row[varied] for row in rows}) > 1, varied
    assert {"NA", "N/A", "", "0C", "0"} <= {row["Module_Temperature"] for row in rows}


def test_sick_port_shows_in_rates_and_temperature() -> None:
    """On a port that is going bad error rates and temperature rise together from slot to slot."""
    early, late = (rows_of(body_of("secondary", slot, switches="31")) for slot in (START, START + 2_000))
    worse = [
        (before, after)
        for before, after in zip(early, late, strict=True)
        if after["Symbol_BER"] not in {"", "1.5e-254"} and before["Symbol_BER"] == "1.5e-254"
    ]
    assert worse
    for before, after in worse:
        assert float(after["Total_Raw_BER"]) > 10 * float(before["Total_Raw_BER"])
        assert float(after["Effective_BER"]) > float(before["Effective_BER"])
        assert before["Cable_SN"] == after["Cable_SN"]


def test_cells_of_a_primary_set_change_between_whole_and_decimal() -> None:
    """A gauge that is 0 is written as a whole number, among others that are not."""
    cells = {row["Infiniband_CBW_f_u_Gbps"] for row in rows_of(body_of("primary", switches="2"))}
    assert "0" in cells
    assert all(re.fullmatch(r"0|[0-9]{1,3}\.[0-9]{2}", cell) for cell in cells)


MEMORY = """
import resource, sys
from switchboard.config.settings import GeneratorSettings
from switchboard.generator.ufm.body import write_body

class Nowhere:
    def write(self, data):
        return len(data)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

write_body(GeneratorSettings(profile="ufm", switches="10", counters=195), "secondary", 1, Nowhere())
before = peak()
size = write_body(GeneratorSettings(profile="ufm", switches="1000", counters=195), "secondary", 1, Nowhere())
print(size, (peak() - before) * 1024)
"""


def test_memory_does_not_grow_with_the_fabric() -> None:
    """A body of 65,000 rows takes hardly more memory than one of 650."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    size, more = map(int, done.stdout.split())
    assert size > 100_000_000
    assert more < 40_000_000
