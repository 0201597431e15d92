"""The limits of a body, declared once: the general ones, those that one source may change, and those of a source."""

from __future__ import annotations

import re
from typing import Annotated, get_args

import msgspec
from msgspec import Meta

from switchboard.config.declare import HidesSecrets, setting

_MEANING_OF_0 = re.compile(r"; 0: [^;]*")


class GeneralLimits(HidesSecrets, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a body may be, and what the gate tolerates. The fields are settings; see ``Settings``."""

    max_body_mib: Annotated[
        int, setting("largest body accepted from a source, decompressed", "MiB", panel="Limits", ge=1)
    ] = 4096
    max_wire_mib: Annotated[
        int, setting("largest body accepted from a source, as sent (compressed or not)", "MiB", panel="Limits", ge=1)
    ] = 4096
    max_ratio: Annotated[
        int,
        setting("largest ratio of a body to its gzip data; does not count below 1 MiB", panel="Limits", ge=1),
    ] = 200
    max_rows: Annotated[int, setting("most rows of a body, bad ones included", panel="Limits", ge=1)] = 1_000_000
    max_switches: Annotated[int, setting("most switches of a body", panel="Limits", ge=1)] = 100_000
    max_columns: Annotated[int, setting("most columns of a body", panel="Limits", ge=1)] = 1024
    max_line_kib: Annotated[int, setting("longest line of a body", "KiB", panel="Limits", ge=1, le=1024)] = 64
    min_rate_kib: Annotated[
        int,
        setting(
            "slowest transfer of a body, measured over every 2 s of waiting for data; 0: no limit",
            "KiB/s",
            panel="Limits",
            ge=0,
        ),
    ] = 16
    max_dropped_rows: Annotated[
        int,
        setting(
            "number of bad rows that is tolerated in any body, unless they are more than half of it; they are left out "
            "of the snapshot",
            panel="Limits",
            ge=0,
        ),
    ] = 10
    max_dropped_ratio: Annotated[
        float,
        setting(
            "refuse a body if more than this share of its rows is bad, unless all are of one switch; rows with "
            "impossible times and duplicates are each checked against it too",
            "of 1",
            panel="Limits",
            ge=0,
            le=1,
        ),
    ] = 0.01
    max_spread: Annotated[
        float,
        setting(
            "longest time between the oldest and the newest row of a body; beyond it a body is published at the second "
            "look; 0: 2 intervals, and no less than 20 s",
            "s",
            panel="Limits",
            ge=0,
        ),
    ] = 0
    min_rows_ratio: Annotated[
        float,
        setting(
            "hold a body if it has less than this share of the current snapshot's rows; a second body like it is "
            "published",
            "of 1",
            panel="Limits",
            ge=0,
            le=1,
        ),
    ] = 0.5


class Limits(GeneralLimits, frozen=True, kw_only=True):
    """The limits of one source, with nothing left open."""

    allow_empty: bool


def for_source(name: str) -> Meta:
    """Declare a general limit once more as a setting of one source, where 0 stands for the general limit.

    In general, 0 may have a meaning of its own: that clause of the description is left out, and nothing else.
    """
    (field,) = (field for field in msgspec.structs.fields(GeneralLimits) if field.name == name)
    meta: Meta = get_args(field.type)[1]
    meaning = _MEANING_OF_0.sub("", meta.description or "")
    return setting(f"{meaning}; 0: as in general", (meta.extra or {})["unit"], ge=0, le=meta.le)
