"""Text columns. All text is ISO-8859-1, and some of it is not ASCII."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.generator.draws import UInts, draw, hash64, purpose
from switchboard.generator.ufm.cells import Vocabulary
from switchboard.generator.ufm.ports import Ports
from switchboard.generator.ufm.traits import (
    AGGREGATION,
    CABLE_KINDS,
    FIRMWARES,
    REASONS,
    UP,
    CableKind,
    cable_kinds,
    firmwares,
    has_cable,
    reasons,
    status,
    writes_words,
)

TextColumn = Callable[[Ports], pa.Array]

_SKEW, _SERIAL, _PARTNER, _BLAME, _NODE = (purpose(n) for n in range(64, 69))
_MOST_SKEW_US = 5_000
_PARTNER_GUIDS = 0xB83FD203 << 32

_NODES = Vocabulary(
    ["Quantum Aggregation Node", "Quantum Aggregation Nöde", "Noeud d'agrégation Quantum", "Mellanox Aggregation Node"]
)
_HOSTS = Vocabulary([*["gpu-node-"] * 7, "stockage-données-"])
_NUMBERS = [str(number) for number, _ in REASONS]
_REASONS = Vocabulary([*_NUMBERS, *(word for _, word in REASONS), ""])
_BLAMES = Vocabulary(["Unknown", "Local_phy", "Remote_phy", ""])


def head(ports: Ports) -> pa.Array:
    """The first five cells of a row: time in microseconds, GUID as source, an empty tag, GUID as node, GUID as port.

    All ports of a switch were read at one time, a few milliseconds after the slot's start.
    """
    skews = draw(ports.fabric.keys[ports.switches], _SKEW) % np.uint64(min(_MOST_SKEW_US, ports.fabric.hold_ms * 1000))
    guids = ports.fabric.guids[ports.switches]
    texts = [
        f"{ports.start_ms * 1000 + skew},0x{guid:016x},,0x{guid:016x},0x{guid:016x}"
        for skew, guid in zip(skews.tolist(), guids.tolist(), strict=True)
    ]
    return pa.array(texts, pa.string()).take(pa.array(ports.switch))


def port_number(ports: Ports) -> pa.Array:
    """The port's number, which is its key within the switch."""
    return _digits(ports.number)


def _by_status(*words: str) -> TextColumn:
    """A column with one word per state of a port: up, unplugged, flapping, aggregation node."""
    vocabulary = Vocabulary(words)
    return lambda ports: vocabulary.pick(status(ports))


def _of_cable(attribute: Callable[[CableKind], str], unplugged: str) -> TextColumn:
    """A column with one attribute of the cable in the port; empty for an aggregation node."""
    vocabulary = Vocabulary([*map(attribute, CABLE_KINDS), unplugged, ""])

    def column(ports: Ports) -> pa.Array:
        none = len(CABLE_KINDS) + ports.aggregation
        return vocabulary.pick(np.where(has_cable(ports), cable_kinds(ports).kinds, none))

    return column


def _description(ports: Ports) -> pa.Array:
    """Description of the node: type, name, model and unit of a switch; one of a few texts for an aggregation node."""
    names = ports.fabric.names
    switches = Vocabulary([f"MF0;{names[switch]}:MQM9700/U1" for switch in ports.switches.tolist()])
    nodes = draw(ports.fabric.keys[ports.switches], _NODE) % np.uint64(len(_NODES.texts))
    return pc.if_else(
        pa.array(ports.aggregation), _NODES.pick(nodes[ports.switch].view(np.int64)), switches.pick(ports.switch)
    )


def _port_label(ports: Ports) -> pa.Array:
    """Cage and port in it, as printed on the switch: two ports per cage."""
    cage, place = np.divmod(ports.number - 1, 2)
    label = pc.binary_join_element_wise(_digits(cage + 1), _digits(place + 1), "/")
    return _unless(ports.aggregation, label)


def _firmware(ports: Ports) -> pa.Array:
    return _FIRMWARE_WORDS.pick(firmwares(ports)[ports.switch])


_FIRMWARE_WORDS = Vocabulary(FIRMWARES)


def _serial_number(ports: Ports) -> pa.Array:
    """Serial number of the cable: year and week of making, then a number. A replaced cable has another one."""
    bits = hash64(ports.keys + ports.cable, _SERIAL)
    week = 2101 + bits % 52 + (bits >> 8) % 4 * 100
    number = 100_000 + (bits >> 32) % 900_000
    serial = pc.binary_join_element_wise("MT", _digits(week), "FT", _digits(number), "")
    return _unless(ports.aggregation, pc.if_else(pa.array(ports.unplugged), "NA", serial))


def _local_reason(ports: Ports) -> pa.Array:
    """Why the link is down: a word, or a number where the firmware is old."""
    places = reasons(ports) + len(REASONS) * writes_words(ports)
    return _REASONS.pick(np.where(ports.aggregation, 2 * len(REASONS), places))


def _remote_reason(ports: Ports) -> pa.Array:
    """Why the link is down, as the other end says it: a number, 0 for a port without a cable."""
    places = np.where(ports.unplugged, 0, reasons(ports))
    return _REASONS.pick(np.where(ports.aggregation, 2 * len(REASONS), places))


def _blame(ports: Ports) -> pa.Array:
    state = status(ports)
    side = 1 + (draw(ports.keys + ports.flaps, _BLAME) % 2).view(np.int64)
    return _BLAMES.pick(np.select([state == AGGREGATION, state == UP], [3, 0], side))


def _partner(ports: Ports) -> pa.Array:
    """What the cable leads to: an adapter of a host."""
    bits = hash64(ports.keys, _PARTNER)
    host = _digits(100 + (bits >> 32) % 99_900)
    adapter = _digits(bits % 8)
    prefix = _HOSTS.pick(((bits >> 8) % 8).view(np.int64))
    return _unless(~has_cable(ports), pc.binary_join_element_wise(prefix, host, " mlx5_", adapter, ""))


def _partner_guid(ports: Ports) -> pa.Array:
    guids = np.uint64(_PARTNER_GUIDS) | draw(ports.keys, _PARTNER)
    return _unless(~has_cable(ports), _hexadecimal(guids))


def _partner_port(ports: Ports) -> pa.Array:
    return _unless(~has_cable(ports), "1")


def _unless(without: np.ndarray, texts: pa.Array | str) -> pa.Array:
    return pc.if_else(pa.array(without), "", texts)


def _digits(numbers: np.ndarray) -> pa.Array:
    return pc.cast(pa.array(numbers), pa.string())


def _hexadecimal(numbers: UInts) -> pa.Array:
    """``0x`` and 16 digits."""
    shifts = np.arange(60, -4, -4, dtype=np.uint64)
    nibbles = (numbers[:, np.newaxis] >> shifts & 15).astype(np.uint8)
    text = np.empty((len(numbers), 18), np.uint8)
    text[:, 0], text[:, 1] = ord("0"), ord("x")
    text[:, 2:] = np.frombuffer(b"0123456789abcdef", np.uint8)[nibbles]
    ends = np.arange(0, 18 * (len(numbers) + 1), 18, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(numbers), [None, pa.py_buffer(ends), pa.py_buffer(text)])


LABELS: dict[str, TextColumn] = {
    "Device_ID": _by_status("54002", "54002", "54002", "53001"),
    "node_description": _description,
    "port_label": _port_label,
    "Phy_Manager_State": _by_status("Active", "Polling", "Disabled", "Active"),
    "phy_state": _by_status("Link Up", "Polling", "Disabled", "Link Up"),
    "logical_state": _by_status("ACT", "DOWN", "DOWN", "ACT"),
    "Link_speed_active": _by_status("NDR", "", "", "NDR"),
    "Link_width_active": _by_status("4x", "", "", "4x"),
    "Active_FEC": _by_status("Int_KP4_FEC_PLR", "", "", ""),
    "FW_Version": _firmware,
    "Cable_PN": _of_cable(lambda kind: kind.part_number, "NA"),
    "Cable_SN": _serial_number,
    "cable_type": _of_cable(lambda kind: kind.technology, ""),
    "cable_vendor": _of_cable(lambda kind: kind.vendor, ""),
    "cable_identifier": _of_cable(lambda kind: kind.identifier, ""),
    "vendor_rev": _of_cable(lambda kind: kind.revision, ""),
    "cable_fw_version": _of_cable(lambda kind: kind.firmware, ""),
    "Status_Message": _by_status("No issue was observed", "Cable is unplugged", "Bad signal integrity", ""),
    "local_reason_opcode": _local_reason,
    "remote_reason_opcode": _remote_reason,
    "down_blame": _blame,
    "link_partner_description": _partner,
    "link_partner_node_guid": _partner_guid,
    "link_partner_port_num": _partner_port,
}
"""The text columns beside the head of a row, by name."""
