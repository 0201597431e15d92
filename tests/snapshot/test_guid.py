"""One device has one name, however its GUID is written."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.snapshot.guid import canonical_guid, fold_guids
from tests.lab.fuzz import fuzz
from tests.lab.parsing import parse

GUID = "0xb83fd20300a1b2c4"
ZEROS = "0x0002c90300f172a0"


@pytest.mark.parametrize(
    ("text", "guid"),
    [
        (GUID, GUID),
        ("0XB83FD20300A1B2C4", GUID),
        ("0xB83fd20300a1b2C4", GUID),
        ("b83fd20300a1b2c4", GUID),
        ("B83FD20300A1B2C4", GUID),
        ("b83f:d203:00a1:b2c4", GUID),
        (ZEROS, ZEROS),
        ("0002c90300f172a0", ZEROS),
        ("2c90300f172a0", ZEROS),
        ("0x2c90300f172a0", ZEROS),
        ("0x1", "0x0000000000000001"),
        ("0x0", "0x0000000000000000"),
    ],
)
def test_every_spelling_is_folded(text: str, guid: str) -> None:
    """With or without 0x, in capitals, without leading zeros, with colons: lower case, 0x and 16 digits."""
    assert canonical_guid(text) == guid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "sw1",
        "7",
        "cafe",
        "deadbeef",
        "0xb83fd20300a1b2c4f",
        "b83fd20300a1b2c4f",
        "0xb83fd20300a1b2cg",
        " 0xb83fd20300a1b2c4",
        "0xb83fd20300a1b2c4\n",
        "-0x1",
        "0x1_0",
        "b83f:d203:00a1",
        "b83f:d203:00a1:b2c4:0000",
        "b83fd203:00a1:b2c4",
        "0xb83f:d203:00a1:b2c4",
        "0x１２",
    ],
)
def test_what_is_no_guid_is_left_alone(text: str) -> None:
    """Names of switches, too many digits, blanks and digits of other scripts are not GUIDs."""
    assert canonical_guid(text) is None


@given(st.integers(0, 2**64 - 1))
@fuzz()
def test_folding_twice_changes_nothing(number: int) -> None:
    """Any 64-bit number has one spelling, which is its own."""
    guid = f"0x{number:016x}"
    assert canonical_guid(guid) == canonical_guid(guid.upper()) == canonical_guid(guid[2:]) == guid


def test_columns_keep_what_is_no_guid() -> None:
    """Folding a column changes GUIDs only."""
    assert fold_guids(pa.array(["2C90300F172A0", "", "N/A"])).to_pylist() == [ZEROS, "", "N/A"]
    assert fold_guids(pa.array([], pa.string())).to_pylist() == []


def test_rows_of_one_switch_in_two_spellings_are_one_switch() -> None:
    """The fast and the careful way fold node_guid and port_guid of UFM's CSV."""
    header = "node_guid,port_guid,port_num,x\n"
    spellings = "0x0002c90300f172a0,2c90300f172a2,1,5\n2C90300F172A0,0x0002C90300F172A2,2,6\n"
    for odd in ("", '"2c90300f172a0",x,3,"7"\n'):
        parsed = parse((header + spellings + odd).encode())
        assert {row[0] for row in parsed.rows} == {ZEROS}
        assert {row[3]["port_guid"] for row in parsed.rows[:2]} == {"0x0002c90300f172a2"}
