"""Cells for property tests: numbers, names and times that parsers are known to read wrongly."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.lab.reference import NOW_US

PLAIN_INTEGERS = st.integers(0, 10**6).map(str)
PLAIN_DECIMALS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: f"{value:.2f}")
LARGE_INTEGERS = st.sampled_from(
    [2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**19, 10**20, 10**30]
).flatmap(lambda value: st.sampled_from([str(value), f"-{value}", f"-{value + 1}", f"000{value}"]))
ODD_WORDS = (
    " 5|5 | 5 |+5|.5|-.5|5.|-5.|.|-|--1|-+1|1-|1-2|1.e5|1.E5|-1.e5|1e|1e+|1e-|e5|1e5|1E5|1e+5|1e-5|-1.5e-7|1e400|-1e400"
    "|1e-400|-1e-400|1.7976931348623157e308|1.7976931348623159e308|4.9e-324|1e0000000000000000000001|inf|-inf|+inf|Inf"
    "|infinity|-Infinity|nan|-nan|NaN|NAN|NA|N/A|-NA|na|n/a|null|NULL|None|true|false|0x1F|0X1F|-0x1|0x|0b1|0o7|1x2|0.x1"
    "|0.0x1|007|-007|00|-0|-0.0|0.0|000.5|00000000000000000000000000000000007|0.00000000000000000000000000000000007"
    "|1_0|1_000.5|１２|٣|²|½|1,5e|1.2.3|1.5f|5L|37C|0C|1 000|1'000|$5|5%|1e5.5|9223372036854775807|9223372036854775808"
    "|-9223372036854775808|-9223372036854775809|18446744073709551615|18446744073709551616|9007199254740993"
    "|-9007199254740993|9007199254740993.0|9007199254740991.5|\ufeff5|5\ufeff|\u00a05|5\u2028|\x85"
).split("|")
ODD_BYTES = st.sampled_from(["\t", "5\t", "\t5", "\x00", "5\x00", "\x7f", "5\x0b", "\x1c", "\x1b[2J"])
DIGIT_SOUP = st.text("0123456789.-+eExXnaifNA_/ ", max_size=24)
NUMERIC_LOOKING = st.one_of(
    st.sampled_from(ODD_WORDS).filter(lambda word: "," not in word), LARGE_INTEGERS, DIGIT_SOUP, ODD_BYTES
)
"""Cells that look like a number, or nearly so; without commas, quotes and line ends."""

NAMES = st.one_of(
    st.sampled_from(
        ["sw1", "sw2", "sw 3", "\ufeffsw1", "NA", "N/A", "-", "a/b", "a%2Fb~2", "{x}*?[y]", "..", "K", "é" * 64]
    ),
    st.text(st.characters(exclude_characters='",', exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8),
)
ODD_NAMES = st.sampled_from(["", "x" * 128, "x" * 129, "é" * 65, "\x00", "a\tb", "sw\x7f"])
TIMES = st.integers(NOW_US - 10**9, NOW_US + 10**8).map(str)
ODD_TIMES = st.one_of(
    NUMERIC_LOOKING,
    st.sampled_from([str(NOW_US + 600_000_000), str(NOW_US + 600_000_001), "946684800000000", "946684799999999"]),
    st.just(f"{NOW_US:030}"),
)


def quoted(cell: str) -> str:
    """The cell as RFC 4180 quotes it."""
    return '"' + cell.replace('"', '""') + '"'
