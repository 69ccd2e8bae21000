"""What a column of a table is, and where its values stand among the features that networks see.

The features of a row are the values of its columns, in order, then one flag for each column that may be missing:

    number, integer, time   1 feature: (value - offset) / scale, 0 where missing
    boolean                 1 feature: 0 or 1, 0 where missing
    category                as many as it has categories: one 1, all 0 where missing
    flag                    1 where the column is missing; seen by the encoder, never reconstructed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "integer", "boolean", "category", "time"]


def is_number(text: str) -> bool:
    """Whether a text reads as a number, NaN and infinity included."""
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Column:
    """One column of a table, as learnt from the data; part of a `DataSpec`."""

    name: str
    kind: Kind
    dtype: str
    """The type in which it came: int64, float32, bool, str, category, datetime64[s], ..."""
    categories: tuple[str, ...] = ()
    """Text of the categories 0, 1, ...; of a boolean what stands for false and for true, where that is not plain."""
    missing: bool = False
    """Whether values are missing in the data that was trained on."""
    minimum: float | None = None
    maximum: float | None = None
    """Least and largest value in the training rows, which bound a decoded one; not for categories."""

    @property
    def width(self) -> int:
        """Number of features that its values take."""
        return len(self.categories) if self.kind == "category" else 1


@dataclass(frozen=True)
class Places:
    """Where the features of each column stand. Built once from the columns of a table."""

    first: tuple[int, ...]
    """The first feature of each column."""
    numbers: tuple[int, ...]
    """Columns of one scaled number: kinds number, integer and time."""
    booleans: tuple[int, ...]
    categories: tuple[int, ...]
    flagged: tuple[int, ...]
    """Columns with a flag for missing values."""
    flags: int
    """The first flag's feature."""
    features: int
    """All features, flags included."""

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Places:
        first, at = [], 0
        for column in columns:
            first.append(at)
            at += column.width
        booleans = tuple(i for i, column in enumerate(columns) if column.kind == "boolean")
        categories = tuple(i for i, column in enumerate(columns) if column.kind == "category")
        numbers = tuple(i for i in range(len(columns)) if i not in booleans and i not in categories)
        flagged = tuple(i for i, column in enumerate(columns) if column.missing)
        return cls(tuple(first), numbers, booleans, categories, flagged, at, at + len(flagged))
