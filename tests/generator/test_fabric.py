from __future__ import annotations

from typing import Any

import pytest

from switchboard.config.settings import GeneratorSettings
from switchboard.errors import ConfigError
from switchboard.generator.fabric import build_fabric


def test_number_of_switches_names_them_in_order() -> None:
    """A number of switches means sw1, sw2 and so on."""
    assert build_fabric(GeneratorSettings(switches=" 3 ")).switches == ("sw1", "sw2", "sw3")


def test_names_of_switches_are_taken_as_written() -> None:
    """Anything but one number is a list of names, which may have spaces, slashes and letters of any script."""
    fabric = build_fabric(GeneratorSettings(switches="leaf 1, pod/2:spine ,10,Zürich"))
    assert fabric.switches == ("leaf 1", "pod/2:spine", "10", "Zürich")


def test_limits_are_counted_in_the_smallest_step() -> None:
    """The more exact of LOW and HIGH sets the decimals, and both are whole numbers of that step."""
    fabric = build_fabric(GeneratorSettings(metrics="a=-1.5:20.25,b=0:9223372036854775807,c=7:7"))
    assert [(m.name, m.low, m.high, m.decimals) for m in fabric.metrics] == [
        ("a", -150, 2025, 2),
        ("b", 0, 2**63 - 1, 0),
        ("c", 7, 7, 0),
    ]


@pytest.mark.parametrize(
    ("name", "counter", "link"),
    [
        ("packet_errors=0:100", True, False),
        ("Infiniband_PckIn_u_Packets=0:100", True, False),
        ("octets=0.0:100.0", False, False),
        ("bandwidth_mbps=0:100", False, True),
        ("throughput=0.0:1.0", False, True),
        ("temperature=0:100", False, False),
    ],
)
def test_name_tells_what_a_metric_is(name: str, counter: bool, link: bool) -> None:
    """Whole numbers whose name says that they count are counters; bandwidth-like gauges follow the link."""
    (metric,) = build_fabric(GeneratorSettings(metrics=name)).metrics
    assert (metric.is_counter, metric.follows_link) == (counter, link)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"switches": "0"}, "'0' is out of range: 1 to 1,000,000"),
        ({"switches": "-5"}, "'-5' is out of range"),
        ({"switches": "1000001"}, "'1000001' is out of range"),
        ({"switches": "9" * 5000}, "is out of range"),
        ({"switches": "," * 1_000_000}, "1,000,001 names"),
        ({"switches": "a,,b"}, "'a,,b' has an empty name"),
        ({"switches": "a,"}, "'a,' has an empty name"),
        ({"switches": " "}, "' ' has an empty name"),
        ({"switches": "a,b,a"}, "names 'a' twice"),
        ({"switches": 'a"b'}, "'a\"b' has a quote"),
        ({"switches": "a\nb"}, "'a\\nb' has a quote or a character that cannot be printed"),
        ({"switches": "a\tb"}, "cannot be printed"),
        ({"switches": "a\x85b"}, "cannot be printed"),
        ({"switches": "a\u2028b"}, "cannot be printed"),
        ({"switches": "a\udc80"}, "cannot be printed"),
        ({"switches": "ü" * 65}, "is longer than 128 bytes"),
        ({"metrics": ""}, "'' has an empty name"),
        ({"metrics": "=1:2"}, "'=1:2' has an empty name"),
        ({"metrics": "a=1:2,"}, "has an empty name"),
        ({"metrics": "a=1:2,a=1:2"}, "names 'a' twice"),
        ({"metrics": "timestamp=1:2"}, "'timestamp' is reserved"),
        ({"metrics": "Switch_ID=1:2"}, "'Switch_ID' is reserved"),
        ({"metrics": "port=1:2"}, "'port' is reserved"),
        ({"metrics": 'a"=1:2'}, "has a quote"),
        ({"metrics": "a"}, "'a' is not NAME=LOW:HIGH"),
        ({"metrics": "a=1"}, "'a=1' is not NAME=LOW:HIGH"),
        ({"metrics": "a=1:2:3"}, "is not NAME=LOW:HIGH"),
        ({"metrics": "a=b=1:2"}, "is not NAME=LOW:HIGH"),
        ({"metrics": "a=1:1e5"}, "is not NAME=LOW:HIGH"),
        ({"metrics": "a=nan:5"}, "is not NAME=LOW:HIGH"),
        ({"metrics": "a=1.:5"}, "is not NAME=LOW:HIGH"),
        ({"metrics": "a=٣:5"}, "is not NAME=LOW:HIGH"),
        ({"metrics": "a=5:1"}, "'a=5:1' is reversed"),
        ({"metrics": "a=0:0.0000001"}, "has 7 decimals"),
        ({"metrics": "a=0:9223372036854775808"}, "is too wide"),
        ({"metrics": "a=-9223372036854775808:0"}, "is too wide"),
        ({"metrics": "a=0:1000000000000000.000"}, "18 digits"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"hold": 0.0001}, "hold 0.0001 s is out of range"),
        ({"hold": float("inf")}, "hold inf s is out of range"),
        ({"hold": float("nan")}, "hold nan s is out of range"),
        ({"profile": "encoded", "switches": "10000"}, "9,999 switches and 99 metrics, not for 10,000 and 3"),
        ({"profile": "encoded", "metrics": ",".join(f"m{i}=0:1" for i in range(100))}, "not for 100 and 100"),
    ],
)
def test_bad_setting_is_refused_by_name_and_value(settings: dict[str, Any], told: str) -> None:
    """A setting that cannot be used is a ConfigError whose text has its name and the bad value, and stays short."""
    with pytest.raises(ConfigError) as caught:
        build_fabric(GeneratorSettings(**settings))
    assert told in str(caught.value)
    assert next(iter(settings)) in str(caught.value)
    assert len(str(caught.value)) < 300
