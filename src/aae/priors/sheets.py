"""Points out of a CSV file: numbers, a row for each point, under one line of names or none."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from aae.columns import is_number
from aae.errors import DataError

Array = np.ndarray
SEPARATORS = ",;\t"
QUOTED = re.compile(r'"[^"]*"')
LABELS = ("label", "labels", "class")
"""Names of the column that holds classes."""


def read_sheet(path: Path, text: str) -> tuple[dict[str, Array], list[int]]:
    """`points` float64 [n, latent], `labels` int64 [n] where there are any, and the line of each point from 1 on.

    Separated by commas, semicolons or tabs, whichever the first line has most of, quoted names apart. DataError names
    the line.
    """
    first = QUOTED.sub("", text.lstrip()).partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read: {error}") from None
    names: list[str] = []
    if rows and not is_number(rows[0][1][0]) and not _decimal_commas(rows[0][1], separator):
        names = [name.strip().lower() for name in rows.pop(0)[1]]
    if not rows:
        raise DataError(f"{path} has no points: {'nothing but a line of names' if names else 'it is empty'}")
    width = len(names) or len(rows[0][1])
    for line, row in rows:
        if len(row) != width or not all(map(is_number, row)):
            if _decimal_commas(row, separator):
                raise DataError(
                    f"{path}: line {line} has decimal commas; write 2.5 instead of 2,5; got {separator.join(row)[:60]}"
                )
            raise DataError(
                f"{path}: line {line} must hold {width} numbers, separated by commas, semicolons or tabs; got "
                f"{' | '.join(row)[:60]}"
            )
    lines, table = [line for line, _ in rows], np.array([row for _, row in rows], dtype=np.float64)
    for name in LABELS:
        if name in names:
            if width == 1:
                raise DataError(f"{path} has no points: it has a column {name}, and none of numbers beside it")
            place = names.index(name)
            return {"points": np.delete(table, place, 1), "labels": _whole(path, name, table[:, place], lines)}, lines
    return {"points": table}, lines


def _decimal_commas(row: list[str], separator: str) -> bool:
    """Whether the cells of a row, or what semicolons and tabs separate, are numbers once their commas are points."""
    for cells in (row, re.split(r"[;\t]", separator.join(row))):
        with_commas = any("," in cell for cell in cells) and (len(cells) > 1 or separator != ",")
        if with_commas and all(is_number(cell.replace(",", ".", 1)) for cell in cells):
            return True
    return False


def _whole(path: Path, name: str, column: Array, lines: list[int]) -> Array:
    fine = np.isfinite(column) & (column == np.round(column)) & (np.abs(column) < 2**53)
    if not fine.all():
        i = int(np.argmin(fine))
        raise DataError(f"{path}: the column {name} must hold whole numbers; line {lines[i]} has {column[i]:g}")
    return column.astype(np.int64)
