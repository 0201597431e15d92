"""Columns of times, read at once: the same times as `times.py` reads, or none at all."""

from __future__ import annotations

from datetime import timedelta, timezone

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from switchboard.inputs.times import FUTURE_US, PLACES, UNITS_PER_SECOND, YEAR_2000_US, Clock, guess_unit

FEW = 64
"""So many texts are read one by one in less time than it takes to read a column of them."""
SOME = 1024
"""Most texts that are read one by one: a chunk in which more of them need it is halved, as after any other failure."""

Int64Array = npt.NDArray[np.int64]


def of_integers(clock: Clock, times: Int64Array) -> Int64Array | None:
    """Times in microseconds since the epoch of a column of integers; None if one of them is not believable."""
    unit = guess_unit(int(times[0]), clock.now_us) if clock.unit == "auto" else clock.unit
    if unit is None:
        return None
    times_us = to_us_array(times, unit)
    if believable(times_us, clock.now_us).all():
        return times_us
    if clock.unit != "auto":
        return None
    times_us = np.zeros_like(times)
    for each in UNITS_PER_SECOND:
        in_unit = to_us_array(times, each)
        np.copyto(times_us, in_unit, where=believable(in_unit, clock.now_us))
    return times_us if times_us.all() else None


def of_texts(clock: Clock, texts: pa.Array) -> Int64Array | None:
    """Times of a column of texts; None if one of them is not believable, or if too many have to be read one by one."""
    encoded = texts.dictionary_encode()  # rows of one time stand together
    distinct = encoded.dictionary
    times_us = None
    if len(distinct) > FEW:
        times_us = (_of_dates if ":" in distinct[0].as_py() else _of_decimals)(clock, distinct)
    if times_us is None and len(distinct) <= SOME:
        times_us = _one_by_one(clock, distinct.to_pylist())
    return None if times_us is None else times_us[encoded.indices.to_numpy()]


def to_us_array(times: Int64Array, unit: str) -> Int64Array:
    """`times.to_us` for an array; a time that does not fit into 64 bits becomes one that ``believable`` refuses."""
    per_second = UNITS_PER_SECOND[unit]
    if per_second >= _MICROSECONDS:
        return times // (per_second // _MICROSECONDS)
    factor = _MICROSECONDS // per_second
    limit = np.iinfo(np.int64).max // factor
    return np.where(np.abs(times) <= limit, times, -1) * factor


def believable(times_us: Int64Array, now_us: int) -> npt.NDArray[np.bool_]:
    """Which times lie between the year 2000 and ten minutes from now."""
    return (times_us >= YEAR_2000_US) & (times_us <= now_us + FUTURE_US)


_MICROSECONDS = 1_000_000
_DECIMAL = "^(?P<whole>[0-9]{1,18})(?:[.](?P<fraction>[0-9]*))?$"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?"
_OFFSET = "(?:[Zz]|[-+](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"


def _one_by_one(clock: Clock, texts: list[str]) -> Int64Array | None:
    times_us = np.empty(len(texts), np.int64)
    for at, text in enumerate(texts):
        reason, times_us[at] = clock.read(text)
        if reason:
            return None
    return times_us


def _of_decimals(clock: Clock, texts: pa.Array) -> Int64Array | None:
    """Numbers of one unit, maybe with a fraction; None if a text is not one, or not believable."""
    parts = pc.extract_regex(texts, _DECIMAL)
    if parts.null_count:
        return None
    whole, fraction = parts.flatten()
    times: Int64Array = whole.cast(pa.int64()).to_numpy()
    unit = guess_unit(int(times[0]), clock.now_us) if clock.unit == "auto" else clock.unit
    if unit is None:
        return None
    times_us = to_us_array(times, unit)
    places = PLACES[unit]
    if places:
        digits = pc.ascii_rpad(pc.utf8_slice_codeunits(fraction, 0, places), places, "0")
        times_us = times_us + digits.cast(pa.int64()).to_numpy()
    return times_us if believable(times_us, clock.now_us).all() else None


def _of_dates(clock: Clock, texts: pa.Array) -> Int64Array | None:
    """Dates and times, all with an offset, or all without one; None if a text is not one, or not believable."""
    offset_us: int = 0
    zone: str | None = "UTC"
    if not pc.all(pc.match_substring_regex(texts, f"{_DATE}{_OFFSET}$")).as_py():
        if not isinstance(clock.zone, timezone) or not pc.all(pc.match_substring_regex(texts, f"{_DATE}$")).as_py():
            return None
        offset_us, zone = clock.zone.utcoffset(None) // timedelta(microseconds=1), None
    texts = pc.replace_substring_regex(pc.ascii_upper(texts), "([.][0-9]{6})[0-9]+", r"\1")
    try:
        times_us = texts.cast(pa.timestamp("us", zone)).cast(pa.int64()).to_numpy() - offset_us
    except pa.ArrowInvalid:
        return None
    return times_us if believable(times_us, clock.now_us).all() else None
