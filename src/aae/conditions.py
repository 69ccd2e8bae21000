"""Conditions as people give them, by name, as an array or as a table, to values of the columns a decoder is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aae.columns import Column, is_number
from aae.config import DataSpec
from aae.data import Scaling, rows
from aae.data.cells import Cells, Table
from aae.data.layout import LARGEST
from aae.data.tables import is_time, untyped
from aae.errors import ConfigError, DataError

WORDS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def condition_values(given: Any, n: int, spec: DataSpec) -> Tensor:
    """The conditions of n rows, float64 [n, columns], as in `Dataset.conditions`.

    given: a mapping from every column's name to one value or to n of them; an array [columns] for all rows or
    [n, columns]; a table or frame that has the columns. DataError names what is missing or of the wrong kind.
    """
    if isinstance(given, Mapping):
        given = _table(given, n, spec.columns)
    elif not isinstance(given, Table) and isinstance(given, (Sequence, np.ndarray, Tensor)):
        given = np.asarray(given)
        given = given[None] if given.ndim == 1 else given
    values = rows(given, spec)
    if len(values) not in (1, n):
        raise DataError(f"there must be one condition for all rows, or one for each of {n}; got {len(values)}")
    if values.isnan().any():
        row, column = values.isnan().nonzero()[0].tolist()
        raise DataError(f"the condition of row {row} has no value for {spec.columns[column].name!r}; give every column")
    return values.expand(n, -1)


def condition_block(given: Any, n: int, spec: DataSpec) -> Tensor:
    """What stands beside n codes for these conditions, float32 [n, features]: scaled numbers, one-hot categories."""
    return Scaling(spec).apply(condition_values(given, n, spec))


def written_conditions(words: Sequence[str], columns: Sequence[Column]) -> dict[str, Any]:
    """NAME=VALUE words of a command line as a mapping from the name of every column.

    ConfigError for another form, a wrong name, a value that the column cannot have, and a column left out.
    """
    known, found = {column.name: column for column in columns}, dict[str, Any]()
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise ConfigError(f"--condition {word}: expected NAME=VALUE, such as {next(iter(known))}=...")
        if name not in known:
            raise ConfigError(f"--condition {word}: there is no condition {name!r}; there are {', '.join(known)}")
        found[name] = _read(value, known[name])
    if len(found) < len(known):
        raise ConfigError(f"--condition: given for {', '.join(found)}; expected {', '.join(known)}")
    return found


def _read(text: str, column: Column) -> Any:
    """The value of a column that stands for `text`; ConfigError, naming the option, where there is none."""
    expected = {
        "category": f"one of {', '.join(column.categories)}",
        "boolean": f"one of {', '.join(column.categories or ('true', 'false'))}",
        "time": "a time of ISO 8601, such as 2024-05-31",
        "integer": "a whole number",
    }.get(column.kind, "a number")
    if (column.kind == "category" and text in column.categories) or (column.kind == "time" and text and is_time(text)):
        return text
    if column.kind == "boolean" and text in column.categories:  # false and true in the file's own words
        return column.categories.index(text) == 1
    if column.kind == "boolean" and text.lower() in WORDS:
        return WORDS[text.lower()]
    if column.kind in ("number", "integer") and is_number(text) and abs(float(text)) <= LARGEST:  # which NaN is not
        return float(text)
    raise ConfigError(f"--condition {column.name}={text}: expected {expected}")


def middle_condition(values: NDArray[np.float64], columns: Sequence[Column]) -> NDArray[np.float64]:
    """One condition [columns] in the middle of many [n, columns]: the lower median of what is ordered, else the mode.

    So it is a value that rows have, of every kind of column.
    """
    found = [
        np.bincount(column.astype(np.int64)).argmax()
        if about.kind in ("category", "boolean")
        else np.quantile(column, 0.5, method="lower")
        for about, column in zip(columns, values.T, strict=True)
    ]
    return np.array(found, np.float64)


def spelt_condition(values: NDArray[np.float64], columns: Sequence[Column]) -> str:
    """A condition [columns] in words, such as "age = 49.3, town = Oslo"."""
    cells = untyped(values[None], columns).columns
    spelt = {name: cell.values[0] for name, cell in cells.items()}
    return ", ".join(f"{n} = {f'{v:.4g}' if isinstance(v, np.floating) else v}" for n, v in spelt.items())


def _table(given: Mapping[str, Any], n: int, columns: Sequence[Column]) -> Table:
    names = [column.name for column in columns]
    if set(given) != set(names):
        has = ", ".join(map(str, given)) or "nothing"
        raise DataError(f"conditions are given for {has}; expected {', '.join(names)}")
    arrays = {name: np.atleast_1d(np.asarray(given[name])) for name in names}
    length = max(map(len, arrays.values()))
    if any(len(array) not in (1, length) for array in arrays.values()) or length not in (1, n):
        raise DataError(f"each condition takes one value, or one for each of {n} rows")
    return Table({name: Cells.of(np.resize(array, length)) for name, array in arrays.items()})
