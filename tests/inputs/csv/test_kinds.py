"""What a column holds: by settings, dialect, the current snapshot, and else by its cells."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.inputs.csv.parser import CsvParser
from switchboard.reasons import NO_VALUE, explain, explain_note
from switchboard.snapshot.block import LABELS
from switchboard.snapshot.metrics import Role
from tests.lab import cells as lab_cells
from tests.lab.fuzz import fuzz
from tests.lab.parsing import pieces
from tests.lab.reference import NOW_US

METRIC, LABEL, EMPTY = Role.METRIC, Role.LABEL, Role.EMPTY
WORDS = st.sampled_from(["up", "down", "A7", "MQM9700", "0x1f", "leaf 3", "10.0.0.1", "5GB"])
NUMBERS = st.one_of(lab_cells.PLAIN_INTEGERS, lab_cells.PLAIN_DECIMALS)
LOOSE = st.sampled_from(["1,024", " 5", "7 ", "+5", ".5", "12,345,678.9", "1 000"])
MISSING = st.sampled_from(["", "NA", "N/A", "nan", "-inf"])
NO_WORDS = st.sampled_from(sorted(NO_VALUE))


def read(
    cells: Sequence[str],
    before: Role | None = None,
    settings: ColumnSettings | None = None,
    *,
    header: str = "switch_id,rx",
    cuts: Sequence[int] = (),
) -> tuple[Role, list[object], CsvParser]:
    """Role and values of the column ``rx`` with these cells, and the parser."""
    parser = CsvParser(settings or ColumnSettings(timestamp="-"), NOW_US)
    parser.before = {} if before is None else {"rx": before}
    lines = (f's{at},"{cell}"' if "," in cell else f"s{at},{cell}" for at, cell in enumerate(cells))
    body = "\n".join([header, *lines, ""]).encode()
    batches = [batch for piece in pieces(body, cuts) for batch in parser.feed(piece)]
    batches += parser.finish()
    values = [cell for batch in batches for column in batch.rows.columns[LABELS:] for cell in column.to_pylist()]
    return parser.columns[1].role, values, parser


def notes(parser: CsvParser) -> list[str]:
    return [note.reason for note in parser.rejects.notes]


@pytest.mark.parametrize(
    ("cells", "role"),
    [
        (["null", "null", "5"], METRIC),
        (["1,024", "2,048", "7"], METRIC),
        ([" 5", " 6", "7"], METRIC),
        (["-"] * 200 + ["5"], METRIC),
        (["-"] * 100_000 + ["5"] * 3, METRIC),
        (["down"] * 40 + [str(number) for number in range(24)], METRIC),
        (["12", "A7", "B8"], LABEL),
        (["active"] * 62 + ["4", "5"], LABEL),
        (["248a070300ef19a0", "b83fd20300000003", "1234567890123456"], LABEL),
        (["-"] * 100, LABEL),
        (["-"] * 100_000 + ["leaf"], LABEL),
        (["", "NA"], EMPTY),
    ],
    ids=[
        "null", "thousands", "padded", "dashes first", "a chunk of dashes first", "a word between values",
        "serial numbers", "states", "GUIDs", "dashes only", "a chunk of dashes, then text", "missing",
    ],
)  # fmt: skip
def test_cells_decide_where_nobody_has(cells: list[str], role: Role) -> None:
    """Numbers make a metric, also where more cells are words for «no value», or have separators or blanks."""
    found, values, parser = read(cells)
    assert found is role
    numbers = [int(cell) for cell in cells if cell.isascii() and cell.isdigit()]
    if role is METRIC:
        assert [value for value in values if value is not None] == numbers
        assert parser.rejects.counts == {"bad_number": len(cells) - len(numbers)}
    else:
        assert parser.rejects.counts == {}
        assert notes(parser) == (["number_in_text"] if numbers else [])


@fuzz(0.4)
@given(
    st.lists(st.one_of(NUMBERS, LOOSE), min_size=1, max_size=30),
    st.lists(WORDS, max_size=30),
    st.lists(st.one_of(MISSING, NO_WORDS), max_size=60),
    st.randoms(use_true_random=False),
    st.sampled_from([None, METRIC, LABEL, EMPTY]),
)
def test_numbers_stay_numbers(
    numbers: list[str], words: list[str], others: list[str], random: object, before: Role | None
) -> None:
    """The rule, in the order of rows that happens to be: what says nothing changes nothing, and a metric stays one."""
    cells = [*numbers, *words, *others]
    random.shuffle(cells)  # type: ignore[attr-defined]
    cells = cells[:64]
    numbers, words = [cell for cell in cells if cell in numbers], [cell for cell in cells if cell in words]
    role, values, _ = read(cells, before)
    if before is METRIC:
        assert role is METRIC
    elif before is LABEL:
        assert role is not METRIC or not words
        assert role is METRIC or words or not numbers
    elif numbers and (len(numbers) >= len(words) or len(set(numbers)) > 2 * len(set(words))):
        assert role is METRIC
    elif words:
        assert role is LABEL
    if role is LABEL:
        assert values == cells
    elif role is METRIC:
        plain = [
            cell
            for cell in numbers
            if cell == cell.strip() and cell[0] not in "+." and "," not in cell and " " not in cell
        ]
        assert len([value for value in values if value is not None]) == len(plain)


@fuzz(0.1)
@given(
    st.lists(st.one_of(NUMBERS, LOOSE, WORDS, NO_WORDS, MISSING), min_size=1, max_size=40),
    st.sampled_from([None, METRIC, LABEL]),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_chunking_decides_nothing(cells: list[str], before: Role | None, cuts: list[int]) -> None:
    """However the bytes arrive: the same kind, values, rejects and notes."""
    (role, values, parser), (cut_role, cut_values, cut_parser) = read(cells, before), read(cells, before, cuts=cuts)
    assert (role, values, parser.rejects.counts, parser.rejects.notes) == (
        cut_role, cut_values, cut_parser.rejects.counts, cut_parser.rejects.notes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "before", "role", "said"),
    [
        (["up", "down"], METRIC, METRIC, ["no_number_left"]),
        (["up", "down", "5"], METRIC, METRIC, []),
        (["", "NA"], METRIC, METRIC, []),
        (["5", "6"], LABEL, METRIC, ["text_no_more"]),
        (["null", "6"], LABEL, METRIC, ["text_no_more"]),
        (["5", "6", "7", "A8"], LABEL, LABEL, ["number_in_text"]),
        (["up"], LABEL, LABEL, []),
    ],
)
def test_a_column_does_not_flip(cells: list[str], before: Role, role: Role, said: list[str]) -> None:
    """What was a metric stays one, a label becomes a metric if it has nothing but numbers, and a change is said."""
    found, _, parser = read(cells, before)
    assert (found, notes(parser)) == (role, said)


UFM = "node_guid,rx"


@pytest.mark.parametrize(
    ("settings", "header", "name", "before", "role"),
    [
        (ColumnSettings(labels=("rx",)), "switch_id,rx", "rx", METRIC, LABEL),
        (ColumnSettings(metrics=("rx",)), "switch_id,rx", "rx", LABEL, METRIC),
        (ColumnSettings(counters=("rx",)), "switch_id,rx", "rx", None, METRIC),
        (ColumnSettings(gauges=("rx",)), "switch_id,rx", "rx", None, METRIC),
        (ColumnSettings(units={"rx": "C"}), "switch_id,rx", "rx", None, METRIC),
        (ColumnSettings(), "node_guid,port_label", "port_label", METRIC, LABEL),
        (ColumnSettings(metrics=("port_label",)), "node_guid,port_label", "port_label", None, METRIC),
        (ColumnSettings(), "node_guid,PortXmitDataExtended", "PortXmitDataExtended", LABEL, METRIC),
        (ColumnSettings(labels=("PortXmitDataExtended",)), "node_guid,PortXmitDataExtended", "", METRIC, LABEL),
    ],
)
def test_settings_go_before_the_dialect_and_that_before_the_cells(
    settings: ColumnSettings, header: str, name: str, before: Role | None, role: Role
) -> None:
    """Mostly text with a number in it is what settings, dialect and snapshot say, in this order."""
    parser = CsvParser(settings, NOW_US)
    parser.before = {} if before is None else {name: before}
    list(parser.feed(f"{header}\ns1,up\ns2,down\ns3,left\ns4,5\n".encode()))
    list(parser.finish())
    assert parser.columns[1].role is role


@pytest.mark.parametrize(
    ("cell", "words"),
    [("null", "columns.missing"), ("1,024", "without separators"), (" 5", "without blanks"), ("up", "columns.labels")],
)
def test_a_reject_names_what_helps(cell: str, words: str) -> None:
    """By what the cell looks like."""
    _, _, parser = read([cell, "5"])
    assert words in explain(parser.rejects.examples[0])


def test_a_note_is_a_sentence_to_act_on() -> None:
    """It names column, line, value and the setting."""
    _, _, parser = read(["A7", "12", "B8"])
    (note,) = parser.rejects.notes
    assert explain_note(note) == (
        "column 'rx' is text by its first rows, and has numbers as well: they are kept as text (line 3: '12'). "
        "What may help: name the column in columns.metrics, or in columns.labels if it is text."
    )
