"""What a column holds, metric or label, and the rule by which the cells decide it where nobody has said it.

1. `columns.labels` of the settings makes a column a label; `metrics`, `counters`, `gauges` and `units`, a metric.
2. The dialect knows its labels and metrics.
3. What was a metric in the current snapshot stays one.
4. Otherwise the first rows decide. Cells that say neither do not count: missing ones, those that are not finite, and
   words for «no value» (`reasons.NO_VALUE`). Of the others,
   - what was a label in the current snapshot becomes a metric only if all of them are numbers;
   - any other column is a metric if at least half of them are numbers, or if it has more than twice as many different
     numbers as different texts: a few words again and again between the values of a counter.
   Numbers in a spelling that is not read, like ``1,024`` or ``+5``, count as numbers here.

A cell of a metric that is not a number is a reject. If only its first rows make a column a label, and it has a number,
a note says so; likewise if a column turns from one kind to the other. A column of nothing but words for «no value» is a
label until another cell shows what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from switchboard.inputs.csv.context import NUMERIC, ColumnType, Context
from switchboard.inputs.csv.numbers import NUMBER, is_integer, is_not_finite, is_number
from switchboard.model import Reject
from switchboard.reasons import NO_VALUE, is_grouped
from switchboard.snapshot.arrays import IntArray
from switchboard.snapshot.block import LABELS

SMALL_DIGITS = 9
"""A column begins with 32 bits if all its integers are shorter."""
_is_loose_number = re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *", re.ASCII).fullmatch


def decide(context: Context, at: int, cells: Sequence[str]) -> None:
    """Decide from some cells what a column holds; if they do not tell, it stays as it is."""
    unit, missing = context.columns.units.get(at, ""), frozenset(context.columns.missing)
    texts = [cell for cell in cells if cell not in missing]
    if unit:
        bare = [text.removesuffix(unit).removesuffix(" ") for text in texts]
        if any(is_number(number) and number != text for number, text in zip(bare, texts, strict=True)):
            context.with_units.add(at)
        texts = bare
    texts = [text for text in texts if not is_not_finite(text)]
    if not texts:
        return
    numbers = [text for text in texts if is_number(text)]
    telling = numbers if len(numbers) == len(texts) else [text for text in texts if tells(text)]
    if at in context.metrics or telling is numbers or _is_metric(telling, was_label=at in context.were_labels):
        if at in context.were_labels:
            context.turned.add(at)
        context.types[at] = _type(numbers)
        context.guessed.discard(at)
        context.unsure.discard(at)
    else:
        context.types[at] = ColumnType.LABEL
        context.guessed.add(at)
        if telling:
            context.unsure.discard(at)
        else:
            context.unsure.add(at)


def tells(text: str) -> bool:
    """Whether a cell is no word for «no value»."""
    return text.lower().strip() not in NO_VALUE


def _is_metric(telling: Sequence[str], *, was_label: bool) -> bool:
    numbers = [text for text in telling if _is_loose_number(text) or is_grouped(text)]
    words = len(telling) - len(numbers)
    if was_label or not numbers:
        return not words and bool(numbers)
    return len(numbers) >= words or len(set(numbers)) > 2 * len(set(telling) - set(numbers))


def _type(numbers: Sequence[str]) -> ColumnType:
    if not all(is_integer(number) for number in numbers):
        return ColumnType.DOUBLE
    return ColumnType.INT32 if all(len(number) < SMALL_DIGITS for number in numbers) else ColumnType.INT64


def watch(context: Context, columns: pa.RecordBatch, lines: IntArray) -> None:
    """Look through some rows, as they go into blocks, for what ``notes`` tells of."""
    for at in context.guessed - context.first_numbers.keys():
        cells = _column(columns, context.columns.names[at])
        if cells is None:
            continue
        number = pc.index(pc.match_substring_regex(cells, NUMBER), True).as_py()
        if number >= 0:
            context.first_numbers[at] = int(lines[number]), cells[number].as_py()
    for at in [at for at in context.were_metrics if context.types[at] in NUMERIC]:
        cells = _column(columns, context.columns.names[at])
        if cells is not None and cells.null_count < len(cells):
            context.were_metrics.discard(at)


def _column(columns: pa.RecordBatch, name: str) -> pa.Array | None:
    """A label or metric; None in rows that came before the column said what it holds."""
    places = columns.schema.get_all_field_indices(name)
    return columns.column(places[-1]) if places and places[-1] >= LABELS else None


def notes(context: Context) -> Iterator[Reject]:
    """What is to be said of columns, after the last row."""
    names = context.columns.names
    for at in sorted(context.guessed & context.first_numbers.keys()):
        line, value = context.first_numbers[at]
        yield Reject(reason="number_in_text", line=line, column=names[at], value=value)
    for at in sorted(context.were_metrics & context.first_misfits.keys()):
        line, value = context.first_misfits[at]
        yield Reject(reason="no_number_left", line=line, column=names[at], value=value)
    for at in sorted(context.turned):
        yield Reject(reason="text_no_more", line=0, column=names[at])
