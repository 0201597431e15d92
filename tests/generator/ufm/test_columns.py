from __future__ import annotations

import pytest

from switchboard.generator.ufm.columns import KEYS, Label, SetName, columns_of

# Columns of published samples, in their order.
PRIMARY = (
    "timestamp,source_id,tag,node_guid,port_guid,port_num,Infiniband_MBOut_u_Gb,Infiniband_MBIn_u_Gb,"
    "Infiniband_PckOut_u_Packets,Infiniband_PckIn_u_Packets,Infiniband_SymbolErrors_u_Errors,"
    "Infiniband_LinkDowned_u_Errors,Infiniband_RcvSwRelayErrors_u_Errors,Infiniband_XmitWait_u_Ticks,hist0_u_count,"
    "Infiniband_CBW_f_u_Gbps,Infiniband_Normalized_MBOut_f_u_Percent"
).split(",")
SECONDARY = (
    "timestamp,source_id,tag,Node_GUID,port_guid,Port_Number,Device_ID,node_description,lid,port_label,"
    "Phy_Manager_State,phy_state,logical_state,Link_speed_active,Link_width_active,Active_FEC,Total_Raw_BER,"
    "Effective_BER,Symbol_BER,Raw_Errors_Lane_0,Effective_Errors,Symbol_Errors,Time_since_last_clear_Min,hist0,hist1,"
    "FW_Version,Chip_Temp,Module_Temperature,Link_Down,Link_Down_IB,PortXmitDataExtended,PortRcvDataExtended,"
    "PortRcvPktsExtended,PortRcvErrors,PortRcvRemotePhysicalErrors,PortXmitDiscards,PortXmitWait,Cable_PN,Cable_SN,"
    "cable_type,Status_Message,Advanced_Status_Opcode,local_reason_opcode,remote_reason_opcode,"
    "link_partner_description,link_partner_node_guid,link_partner_port_num"
).split(",")
SETS: list[SetName] = ["primary", "secondary"]


@pytest.mark.parametrize(("chosen", "sample"), [("primary", PRIMARY), ("secondary", SECONDARY)])
def test_columns_have_the_names_and_order_of_the_samples(chosen: SetName, sample: list[str]) -> None:
    """All columns of the sample are there in its order; further columns stand between them."""
    names = [*KEYS[chosen], *(column.name for column in columns_of(chosen, 120))]
    assert [name for name in names if name in sample] == sample
    assert names[:6] == sample[:6]


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("counters", [1, 25, 30, 31, 120, 195, 500, 10_000])
def test_set_has_as_many_numeric_columns_as_asked_for(chosen: SetName, counters: int) -> None:
    """The number of counters leaves labels alone, and no two columns have one name."""
    columns = columns_of(chosen, counters)
    labels = [column.name for column in columns if isinstance(column, Label)]
    assert len(columns) - len(labels) == counters
    assert len(labels) == {"primary": 0, "secondary": 24}[chosen]
    assert len({column.name for column in columns}) == len(columns)


@pytest.mark.parametrize("chosen", SETS)
def test_columns_stay_when_more_are_asked_for(chosen: SetName) -> None:
    """A set with more counters has all columns of one with fewer, in the same order."""
    few = [column.name for column in columns_of(chosen, 40)]
    many = [column.name for column in columns_of(chosen, 300)]
    assert [name for name in many if name in few] == few


def test_primary_set_has_the_documented_counters_first() -> None:
    """The 25 counters of the documentation come before those that continue the families."""
    names = [column.name for column in columns_of("primary", 30)]
    assert names[0] == "Infiniband_MBOut_u_Gb"
    assert names[24:] == [
        "Infiniband_Normalized_MBOut_f_u_Percent",
        *(f"hist{number}_u_count" for number in range(5, 10)),
    ]
