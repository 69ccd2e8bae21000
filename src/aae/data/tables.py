"""Tables: named columns of numbers, text, truth values and times, with gaps.

file or frame -> Table -> typed -> Columns -> values  [n, columns] float64: numbers, category numbers, NaN where missing
the way out:  values -> untyped -> Table -> file or frame, in the types and words that came in
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aae.columns import Column, Places, is_number
from aae.config import Data
from aae.data.cells import Cells, Stored, Table, Unread, quoted
from aae.data.layout import LARGEST
from aae.data.scaling import SMALLEST, Fitted, statistics
from aae.data.spool import AT_ONCE, kept_at, key_of, spool
from aae.data.streaming import mapped, pieces, position
from aae.errors import ConfigError, DataError

Array = NDArray[Any]

MOST_CATEGORIES = 200
"""More different texts than this in one column are taken for free text or an identifier."""
SHOWN = 6
LIMITED = "expected a finite number of at most 1e30"


def from_array(array: Array, where: str) -> Table:
    """A Table of an array [n, d] of numbers, columns named 0, 1, ...; NaN is missing. Of a mapped one, stored."""
    if array.ndim != 2:
        raise DataError(f"{where}: has shape {array.shape}; --data.layout table needs rows and columns, [n, d]")
    if (file := mapped(array)) is not None and file.filename is not None:
        return _from_mapped(array, file, where)
    return Table({str(i): Cells.of(array[:, i]) for i in range(array.shape[1])})


def _from_mapped(array: Array, file: np.memmap[Any, Any], where: str) -> Table:
    names = tuple(map(str, range(array.shape[1])))

    def column(name: str) -> Cells:
        return Cells.of(np.concatenate([array[part, int(name)].copy() for part in pieces(array)]))

    def blocks(wanted: Sequence[str]) -> Iterator[tuple[str, int, Table]]:
        for part in pieces(array, AT_ONCE):
            cells = {name: Cells.of(array[part, int(name)].copy()) for name in wanted}
            yield where, part.start, Table(cells)

    def kept(columns: Sequence[Column]) -> Path:
        place = (position(array, file), array.shape, array.strides, array.dtype.str)
        return kept_at(key_of([Path(str(file.filename))], "columns", place, *columns))

    return Table(Unread(names, column), Stored(len(array), column, blocks, kept))


def chosen(source: Table, config: Data, where: str) -> Table:
    """The columns to model: those of `config.columns` or all, less `config.drop` and the label."""
    for option, names in (("columns", config.columns), ("drop", config.drop), ("categories", config.categories)):
        # the label is among the columns of the file, and has been taken out of the table
        check_names([name for name in names if name != config.label], option, source.names, where)
    kept, left_out = config.columns or source.names, {*config.drop, *config.condition, config.label}
    kept = tuple(name for name in kept if name not in left_out)
    if not kept:
        raise ConfigError(f"{where}: --columns, --drop, --condition and --label leave no column to learn from")
    return source.take(kept)


def check_names(names: Sequence[str], option: str, known: Sequence[str], where: str) -> None:
    """ConfigError for a name, given by an option, that is none of the `known` columns."""
    for name in names:
        if name not in known:
            raise ConfigError(f"--{option}: {where} has no column {name!r}; it has {_list(known)}")


def typed(source: Table, config: Data, train: NDArray[np.int64], where: str) -> tuple[Column, ...]:
    """What each column is. DataError for one that is empty, or has too many texts to be categories."""
    return tuple(_column(name, cells, config, train, where) for name, cells in source.columns.items())


def _column(name: str, cells: Cells, config: Data, train: NDArray[np.int64], where: str) -> Column:
    cells.usable(name, where)
    known, declared, dtype, asked = cells.known, cells.categories, cells.dtype, name in config.categories
    gaps = bool(cells.missing.any())
    if not len(known):
        raise DataError(f"{where}: column {name!r} is empty; leave it out with --drop {quoted(name)}")
    if declared is not None or asked or known.dtype.kind == "U":
        words = declared or tuple(map(str, np.unique(known)))
        if declared is None and not asked and len(words) > min(MOST_CATEGORIES, max(2, len(known) // 2)):
            _refuse_among_numbers(cells, name, where)
            raise DataError(
                f"{where}: column {name!r} holds {len(words)} different texts in {len(known)} rows, such as "
                f"{words[0][:40]!r}; leave it out with --drop {quoted(name)}, or say --categories {quoted(name)} if "
                "they are categories all the same"
            )
        return Column(name, "category", dtype, words, gaps)
    seen = cells.values[train][~cells.missing[train]]
    seen = known if not len(seen) else seen
    if known.dtype.kind == "b" or (known.dtype.kind in "iu" and known.min() == 0 and known.max() == 1):
        return Column(name, "boolean", dtype, cells.words, gaps)
    if known.dtype.kind == "M":
        seen = _seconds(seen)
        return Column(name, "time", dtype, (), gaps, float(seen.min()), float(seen.max()))
    whole = known.dtype.kind in "iu" or bool((known == np.rint(known)).all() and np.isfinite(known).all())
    low, high = float(seen.min()), float(seen.max())
    return Column(name, "integer" if whole else "number", dtype, (), gaps, low, high)


def values_of(source: Table, columns: Sequence[Column], where: str, first: int = 0) -> NDArray[np.float64]:
    """[n, columns]: numbers, seconds since 1970, 0 or 1, the number of a category; NaN where missing.

    DataError, naming the row and the column, for a column that is not there, a value of another type, a category that
    was not in the data that was trained on, and a number that is infinite or beyond 1e30. first: the number of the
    first row. The values of a stored table are written to its cache, and mapped.
    """
    absent = [column.name for column in columns if column.name not in source.names]
    if absent:
        raise DataError(f"{where}: has no column {absent[0]!r}; it has {_list(source.names)}")
    if source.store is not None and columns:
        blocks = source.store.blocks([column.name for column in columns])
        values = (values_of(block, columns, place, start) for place, start, block in blocks)
        return spool(values, source.store.kept(columns), len(source) * len(columns) * 8)
    out = np.empty((len(source), len(columns)))
    for i, column in enumerate(columns):
        out[:, i] = _numbers(source.columns[column.name].usable(column.name, where), column, where, first)
    return out


def _numbers(cells: Cells, column: Column, where: str, row: int = 0) -> NDArray[np.float64]:
    out = np.full(len(cells.values), np.nan)
    known, missing = cells.known, cells.missing
    if column.kind == "category":
        words = np.array(column.categories)
        text = known.astype(str)
        order = np.argsort(words)
        at = order[np.searchsorted(words[order], text).clip(max=len(words) - 1)]
        expected = f"it was trained on {_list(column.categories)}"
        _refuse(missing, words[at] != text, text, column.name, where, expected, row)
        out[~missing] = at
        return out
    if column.kind == "time" and known.dtype.kind == "U":
        known = _parsed(cells, column, where, row)
    if known.dtype.kind == "M" and column.kind == "time":
        out[~missing] = _seconds(known)
    elif known.dtype.kind in "biuf" and column.kind != "time":
        out[~missing] = known
    elif len(known):
        _refuse_among_numbers(cells, column.name, where, row)
        raise DataError(
            f"{where}: column {column.name!r} holds {'text' if known.dtype.kind == 'U' else known.dtype}, such as "
            f"{str(known[0])[:40]!r}; expected {column.kind} values"
        )
    found = out[~missing]
    if column.kind == "boolean":
        _refuse(missing, (found != 0) & (found != 1), known, column.name, where, "expected 0 or 1", row)
    _refuse(missing, ~(np.abs(found) <= LARGEST), known, column.name, where, LIMITED, row)
    return out


def _parsed(cells: Cells, column: Column, where: str, before: int) -> Array:
    try:
        return cells.known.astype("datetime64[us]")
    except ValueError:
        wrong = np.array([not is_time(text) for text in cells.known.tolist()])
        _refuse(cells.missing, wrong, cells.known, column.name, where, "expected times of ISO 8601", before)
        raise


def is_time(text: str) -> bool:
    """Whether a text is a time of ISO 8601."""
    try:
        np.datetime64(text, "us")
    except ValueError:
        return False
    return True


def _refuse(
    missing: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    known: Array,
    column: str,
    where: str,
    expected: str,
    before: int = 0,
) -> None:
    """DataError for the first wrong value of a column. before: rows ahead of these."""
    if wrong.any():
        first = int(np.argmax(wrong))
        row = before + int(np.flatnonzero(~missing)[first])
        raise DataError(
            f"{where}: row {row} (counted from 0), column {column!r} holds {str(known[first])[:40]!r}; {expected}"
        )


def _refuse_among_numbers(cells: Cells, name: str, where: str, before: int = 0) -> None:
    """DataError for the first text in a column of text that is nine tenths numbers. before: rows ahead of these."""
    known = cells.known.astype(str)
    wrong = np.array([not is_number(text) for text in known])
    if 0 < wrong.sum() <= len(known) / 10:
        numbers = f"{len(known) - wrong.sum()} other rows hold numbers; mend it, or leave its field empty"
        _refuse(cells.missing, wrong, known, name, where, numbers, before)


def check_values(
    values: NDArray[np.float64], columns: Sequence[Column], where: str, first: int = 0
) -> NDArray[np.float64]:
    """An array [n, columns] that is in the form of `values_of` already; DataError if a value cannot be.

    first: the number of the first row.
    """
    for i, column in enumerate(columns):
        known = values[:, i][~np.isnan(values[:, i])]
        most = len(column.categories) - 1 if column.kind == "category" else 1 if column.kind == "boolean" else None
        bad = ~(np.abs(known) <= LARGEST) if most is None else (known < 0) | (known > most) | (known != np.rint(known))
        expected = "a finite number of at most 1e30" if most is None else f"whole numbers from 0 to {most}"
        _refuse(np.isnan(values[:, i]), bad, known, column.name, where, f"expected {expected}", first)
    return values


def fit_table(values: NDArray[np.float64], columns: Sequence[Column], train: NDArray[np.int64], choice: str) -> Fitted:
    """Offset and scale of every feature, from the known values of the training rows.

    `standardize` and `auto`: mean and deviation (over n) of each column of numbers; `range`: its least value and its
    range; `none`: 0 and 1. Truth values, categories and flags stay 0 and 1. A column of one value becomes 0.
    """
    places = Places.of(columns)
    offset, scale, constant = np.zeros(places.features), np.ones(places.features), []
    kind: Literal["range", "standardize", "none"] = (
        "none" if choice == "none" else "range" if choice == "range" else "standardize"
    )
    if kind == "none":
        return Fitted(kind, tuple(offset.tolist()), tuple(scale.tolist()))
    found = statistics(values, train)
    for i in places.numbers:
        if not found.count[i]:
            continue
        middle, spread = found.mean[i], found.deviation[i]
        if kind == "range":
            middle, spread = found.low[i], found.high[i] - found.low[i]
        if found.high[i] == found.low[i] or spread < SMALLEST:
            middle, spread = found.low[i], 1.0
            constant.append(i)
        offset[places.first[i]], scale[places.first[i]] = middle, spread
    return Fitted(
        kind,
        tuple(offset.tolist()),
        tuple(scale.tolist()),
        constant=tuple(constant),
    )


def untyped(values: Array, columns: Sequence[Column]) -> Table:
    """The inverse of `values_of`: a Table in the types and words that came in."""
    cells = {}
    for i, column in enumerate(columns):
        declared = column.categories if column.dtype == "category" else None
        words = column.categories if column.kind == "boolean" else ()
        cells[column.name] = Cells(
            _original(values[:, i], column), np.isnan(values[:, i]), column.dtype, declared, words
        )
    return Table(cells)


def _original(values: Array, column: Column) -> Array:
    filled = np.nan_to_num(values)
    if column.kind == "category":
        words = np.array(column.categories)[filled.astype(np.int64)]
        return words if column.dtype in ("str", "category") else words.astype(column.dtype)
    if column.kind == "time":
        return (filled * 1e6).astype(np.int64).astype("datetime64[us]").astype(column.dtype)
    whole = np.rint(filled) if column.kind in ("integer", "boolean") else filled
    dtype = np.dtype(column.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole = whole.clip(float(limits.min), np.nextafter(float(limits.max), 0) if limits.max > 2**53 else limits.max)
    return whole.astype(dtype)


def _seconds(times: Array) -> NDArray[np.float64]:
    return times.astype("datetime64[us]").astype(np.int64) / 1e6


def describe(columns: Sequence[Column], rows: int, values: NDArray[np.float64]) -> list[str]:
    """What was inferred about the columns, a line for each kind, and about gaps."""
    lines = []
    for kind in ("number", "integer", "boolean", "category", "time"):
        names = [
            f"{c.name} ({len(c.categories)})" if c.categories and kind == "category" else c.name
            for c in columns
            if c.kind == kind
        ]
        if names:
            lines.append(f"{kind}: {_list(names)}")
    gaps, counting = _survey(values)
    if gaps.any():
        found = [f"{c.name} ({gap / rows:.1%})" for c, gap in zip(columns, gaps, strict=True) if gap]
        lines.append(f"missing values, left out of the loss: {_list(found)}")
    for i, column in enumerate(columns):
        if column.kind == "integer" and rows > 2 and counting[i]:
            lines.append(f"column {column.name!r} counts the rows; leave it out with --drop {quoted(column.name)}")
    return lines


def _survey(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each column, how many values are missing, and whether each is one more than that above it."""
    gaps, counting = np.zeros(values.shape[1], np.int64), np.ones(values.shape[1], bool)
    above = values[:0]
    for piece in pieces(values):
        block = values[piece]
        gaps += np.isnan(block).sum(axis=0)
        counting &= (np.diff(np.concatenate([above, block]), axis=0) == 1).all(axis=0)
        above = block[-1:].copy()
    return gaps, counting


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
