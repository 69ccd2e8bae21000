"""Points out of a CSV file: numbers, a row for each point, under one line of names or none."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from aae.columns import is_number
from aae.errors import DataError

Array = np.ndarray
SEPARATORS = ",;\t"
LABELS = ("label", "labels", "class")
"""Names of the column that holds classes."""


def read_sheet(path: Path, text: str) -> tuple[dict[str, Array], list[int]]:
    """`points` float64 [n, latent], `labels` int64 [n] where there are any, and the line of each point from 1 on.

    Separated by commas, semicolons or tabs, whichever the first line has most of. DataError names the line.
    """
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(SEPARATORS, key=first.count))
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    names: list[str] = []
    if rows and not is_number(rows[0][1][0]):
        names = [name.strip().lower() for name in rows.pop(0)[1]]
    if not rows:
        raise DataError(f"{path} has no points: {'nothing but a line of names' if names else 'it is empty'}")
    width = len(names) or len(rows[0][1])
    for line, row in rows:
        if len(row) != width or not all(map(is_number, row)):
            raise DataError(
                f"{path}: line {line} must hold {width} numbers, separated by commas, semicolons or tabs; got "
                f"{' | '.join(row)[:60]}"
            )
    lines, table = [line for line, _ in rows], np.array([row for _, row in rows], dtype=np.float64)
    for name in LABELS:
        if name in names:
            place = names.index(name)
            return {"points": np.delete(table, place, 1), "labels": _whole(path, name, table[:, place], lines)}, lines
    return {"points": table}, lines


def _whole(path: Path, name: str, column: Array, lines: list[int]) -> Array:
    fine = np.isfinite(column) & (column == np.round(column)) & (np.abs(column) < 2**53)
    if not fine.all():
        i = int(np.argmin(fine))
        raise DataError(f"{path}: the column {name} must hold whole numbers; line {lines[i]} has {column[i]:g}")
    return column.astype(np.int64)
