from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.settings import GeneratorSettings
from switchboard.errors import ConfigError
from switchboard.generator.ufm.fabric import MOST_SHARDS, Shard, UfmFabric, build_ufm_fabric


def fabric_of(**settings: Any) -> UfmFabric:
    return build_ufm_fabric(GeneratorSettings(profile="ufm", **settings))


def guids_of(**settings: Any) -> dict[str, int]:
    fabric = fabric_of(**settings)
    return dict(zip(fabric.names, fabric.guids.tolist(), strict=True))


@pytest.mark.parametrize(("ports", "last"), [(1, 65), (64, 65), (65, 66), (128, 129)])
def test_aggregation_node_has_a_port_of_its_own(ports: int, last: int) -> None:
    """Beside its ports each switch has port 65, or the next number if it has more ports than 64."""
    assert fabric_of(ports=ports).ports.tolist() == [*range(1, ports + 1), last]


def test_guids_belong_to_names() -> None:
    """A switch has one GUID whatever else is configured; names and seeds have others; numbered ones go up by 64."""
    few = guids_of(switches="sw1,spine,sw3")
    many = guids_of(switches="a,sw3,b,spine,sw1")
    assert few == {name: many[name] for name in few}
    assert len(set(many.values())) == 5
    assert few["sw3"] - few["sw1"] == 128
    assert few == {name: guid for name, guid in {**guids_of(switches="3"), **few}.items() if name in few}
    assert not set(many.values()) & set(guids_of(switches="a,sw3,b,spine,sw1", seed=2).values())


def test_all_guids_of_a_large_fabric_differ() -> None:
    """A hundred thousand switches have as many GUIDs, of 64 bits, with the maker's prefix."""
    guids = guids_of(switches="100000")
    assert len(set(guids.values())) == 100_000
    assert {guid >> 40 for guid in guids.values()} == {0xFC6A1C}


@given(
    count=st.integers(1, MOST_SHARDS),
    by_port=st.booleans(),
    switches=st.integers(1, 200),
    ports=st.integers(1, 100),
)
def test_shards_share_out_all_rows(*, count: int, by_port: bool, switches: int, ports: int) -> None:
    """Every row is in exactly one of the shards of a field."""
    fabric = fabric_of(switches=str(switches), ports=ports)
    whole = fabric.select(None)
    rows: list[tuple[int, int]] = []
    for number in range(count):
        shard = fabric.select(Shard(count, number, by_port))
        assert len(shard) == len(shard.switches) * len(shard.ports)
        rows += [(switch, port) for switch in shard.switches.tolist() for port in shard.ports.tolist()]
    assert sorted(rows) == [(switch, port) for switch in whole.switches.tolist() for port in whole.ports.tolist()]


def test_shard_of_a_switch_does_not_depend_on_the_others() -> None:
    """A switch stays in its shard whatever else is configured."""

    def members(switches: str) -> set[str]:
        fabric = fabric_of(switches=switches)
        return {fabric.names[place] for place in fabric.select(Shard(3, 1, by_port=False)).switches}

    assert members("sw1,sw5,sw7,sw9") == members("20") & {"sw1", "sw5", "sw7", "sw9"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"switches": "0"}, "switches '0' is out of range"),
        ({"switches": "a,a"}, "switches names 'a' twice"),
        ({"switches": "leaf1,Łódź"}, "switches: the name 'Łódź' cannot be written in ISO-8859-1"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"hold": 0.0005}, "hold 0.0005 s is out of range"),
        ({"hold": 0.0015}, "hold 0.0015 s cannot be used by profile 'ufm'"),
        ({"hold": 3601}, "hold 3601 s cannot be used by profile 'ufm'"),
    ],
)
def test_bad_setting_is_refused_by_name_and_value(settings: dict[str, Any], told: str) -> None:
    """A setting that cannot be used is a ConfigError whose text has its name and the bad value."""
    with pytest.raises(ConfigError) as caught:
        fabric_of(**settings)
    assert told in str(caught.value)
