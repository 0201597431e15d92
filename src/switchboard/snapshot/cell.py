"""The value of a cell."""

from __future__ import annotations

Cell = int | float | str
"""A number, or the text of a label."""
Cells = dict[str, Cell]
