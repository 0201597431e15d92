"""One GUID, one spelling."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.codec.guid import canonical_guid, fold_guids
from tests.codec.parsing import parse


@pytest.mark.parametrize(
    "text", ["0x0002c90300f172a0", "2c90300f172a0", "0x2C90300F172A0", "0X2c90300f172a0", "0002C90300F172A0"]
)
def test_every_spelling_of_a_guid_becomes_the_same(text: str) -> None:
    """With or without 0x, leading zeros and capitals."""
    assert canonical_guid(text) == "0x0002c90300f172a0"


@pytest.mark.parametrize("text", ["", "sw1", "0x", "0xg", "leaf-12", "12", "0x12345678901234567", "１２３４５６７８"])
def test_what_is_no_guid_is_none(text: str) -> None:
    """Names of switches, short numbers and too many digits are no GUIDs."""
    assert canonical_guid(text) is None


@given(st.integers(0, 2**64 - 1))
def test_folding_is_idempotent(guid: int) -> None:
    """The canonical spelling of a canonical spelling is itself."""
    once = canonical_guid(f"{guid:#x}")
    assert once is not None
    assert int(once, 16) == guid
    assert canonical_guid(once) == once


def test_columns_keep_what_is_no_guid() -> None:
    """Folding a column changes GUIDs only."""
    assert fold_guids(pa.array(["2C90300F172A0", "", "N/A"])).to_pylist() == ["0x0002c90300f172a0", "", "N/A"]
    assert fold_guids(pa.array([], pa.string())).to_pylist() == []


def test_rows_of_one_switch_in_two_spellings_are_one_switch() -> None:
    """The fast and the careful way fold node_guid and port_guid of UFM's CSV."""
    header = "node_guid,port_guid,port_num,x\n"
    spellings = "0x0002c90300f172a0,2c90300f172a2,1,5\n2C90300F172A0,0x0002C90300F172A2,2,6\n"
    for odd in ("", '"2c90300f172a0",x,3,"7"\n'):
        parsed = parse((header + spellings + odd).encode())
        assert {row[0] for row in parsed.rows} == {"0x0002c90300f172a0"}
        assert {row[3]["port_guid"] for row in parsed.rows[:2]} == {"0x0002c90300f172a2"}
