"""Tables as they are read: named columns of cells with gaps, in memory or in a file that is read a part at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.columns import Column
from aae.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Cells:
    """The values of one column, as read."""

    values: Array
    """[n] numbers, truth values, datetime64, text (type str), or objects (see `problem`); anything where missing."""
    missing: NDArray[np.bool_]
    dtype: str
    """The type of the column where it came from."""
    categories: tuple[str, ...] | None = None
    """The categories that the column declares, in their order; None where it does not."""
    words: tuple[str, ...] = ()
    """Of truth values read from text: what was written for false and for true, where that is not False and True."""
    problem: str | None = None
    """Why no model can learn from the column, whose values are then objects; None if one can."""

    @classmethod
    def unusable(cls, items: Sequence[Any], missing: NDArray[np.bool_], problem: str) -> Cells:
        """A column that is only carried along: it can be left out, and comes back as it was."""
        values = np.empty(len(items), object)
        values[:] = items
        return cls(values, missing, "object", problem=problem)

    def head(self, n: int) -> Cells:
        """A copy of the first n cells, which does not hold on to the others."""
        return dataclasses.replace(self, values=self.values[:n].copy(), missing=self.missing[:n].copy())

    def usable(self, name: str, where: str) -> Cells:
        """These cells; DataError if they are of a type that no model learns from."""
        if self.problem is not None:
            raise DataError(f"{where}: column {name!r} {self.problem}; or leave it out with --drop {quoted(name)}")
        return self

    @classmethod
    def of(cls, values: Array, missing: NDArray[np.bool_] | None = None) -> Cells:
        """A plain array; NaN and NaT are missing too."""
        gap = np.zeros(len(values), bool) if missing is None else missing
        if values.dtype.kind in "fM":
            gap = gap | np.isnan(values)
        return cls(values, gap, "str" if values.dtype.kind == "U" else values.dtype.name)

    def filled(self, other: Cells) -> Cells:
        """These values, and those of `other` where they are missing; all of `other` where the types are unlike."""
        kinds, gap = self.values.dtype.kind + other.values.dtype.kind, self.missing
        if set(kinds) <= set("iuf"):
            values = np.where(gap, other.values, self.values)
            if kinds[1] in "iu" and bool((self.known == np.rint(self.known)).all()):
                values = values.astype(other.values.dtype)
            return Cells.of(values)
        if kinds not in ("MM", "UU", "bb"):
            return other
        values = np.where(gap, other.values.astype(self.values.dtype) if kinds == "MM" else other.values, self.values)
        words = None if self.categories is None else tuple(dict.fromkeys((*self.categories, *values[gap].tolist())))
        return Cells(values, np.zeros(len(gap), bool), self.dtype, words, self.words)

    @property
    def known(self) -> Array:
        return self.values[~self.missing]

    def labels(self) -> Array:
        """As labels: numbers or text, NaN or empty text where missing."""
        if self.values.dtype.kind in "UM":
            return np.where(self.missing, "", self.values.astype(str))
        return np.where(self.missing, np.nan, self.values) if self.missing.any() else self.values


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length by name, as read: nothing is scaled or numbered yet."""

    columns: Mapping[str, Cells]
    store: Stored | None = None
    """Where the table lies, if it is read a column or a block of rows at a time; None if it is in memory."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def __len__(self) -> int:
        if self.store is not None:
            return self.store.rows
        return len(next(iter(self.columns.values())).values) if self.columns else 0

    def take(self, names: Sequence[str]) -> Table:
        """The named columns, in that order."""
        if self.store is not None:
            return Table(Unread(tuple(names), self.store.column), self.store)
        return Table({name: self.columns[name] for name in names})

    def head(self, n: int) -> Table:
        """The first n rows, in memory."""
        return Table({name: cells.head(n) for name, cells in self.columns.items()})

    def replaced(self, other: Table) -> Table:
        """This table with the columns of `other`, a table of as many rows, in the place of those of the same name."""
        return Table({name: other.columns.get(name, cells) for name, cells in self.columns.items()})

    def filled(self, other: Table) -> Table:
        """The columns that have gaps, where `other` has them too: what is known as it is here, the gaps as there."""
        shared = ((name, self.columns[name]) for name in self.names if name in other.names)
        return Table({name: cells.filled(other.columns[name]) for name, cells in shared if cells.missing.any()})


@dataclass(frozen=True, eq=False)
class Stored:
    """A table in a file that is larger than memory should be asked to hold.

    column: the cells of one column. blocks: the named columns of all rows in order, some rows at a time, each time with
    the name of the file that they are from and the number of the first of them there. kept: where the values of these
    columns are kept once they are worked out.
    """

    rows: int
    column: Callable[[str], Cells]
    blocks: Callable[[Sequence[str]], Iterator[tuple[str, int, Table]]]
    kept: Callable[[Sequence[Column]], Path]


@dataclass(frozen=True)
class Unread(Mapping[str, Cells]):
    """Columns that are read each time they are looked at."""

    order: tuple[str, ...]
    read: Callable[[str], Cells]

    def __getitem__(self, name: str) -> Cells:
        if name not in self.order:
            raise KeyError(name)
        return self.read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
