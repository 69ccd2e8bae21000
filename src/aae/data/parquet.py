"""Parquet: one file, or a folder of files with the same columns, as a table or as one column of lists.

What fits in memory is read into it. A larger table is looked at a column at a time, to find what each column is, and
then a block of rows at a time, whose values go to the cache (`aae.data.spool`); so do the rows of a large column of
lists. So memory is bounded by a column and a block, not by the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.columns import Column
from aae.data.arrays import MAPPED_FROM
from aae.data.cells import Cells, Stored, Table, Unread
from aae.data.files import wanted
from aae.data.frames import from_frame
from aae.data.spool import AT_ONCE, kept_at, key_of, spool, stored
from aae.errors import ConfigError, DataError

Array = NDArray[Any]
ENDING = ".parquet"
MOST_ROWS = 65_536
"""Rows of a block, or as many as fit in AT_ONCE bytes."""


def parts_of(folder: Path) -> list[Path]:
    """The Parquet files of a folder, by name; hidden ones and those that begin with _ are no data."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if path.name[0] not in "._")


@dataclass(frozen=True)
class Parquet:
    """Files of the same columns, in order."""

    where: str
    files: tuple[Path, ...]
    schema: Any
    rows: int

    @classmethod
    def of(cls, path: Path) -> Parquet:
        """A file, or every Parquet file of a folder. DataError names one that is damaged, or has other columns."""
        files = tuple(parts_of(path)) if path.is_dir() else (path,)
        schema, rows = None, 0
        for file in files:
            with _opened(file) as found:
                mine = found.schema_arrow.remove_metadata()
                rows += found.metadata.num_rows
            if schema is not None and not mine.equals(schema):
                raise DataError(
                    f"{file}: {_difference(mine, schema)} in {files[0].name}; give all parts the same columns"
                )
            schema = mine
        names = schema.names if schema is not None else []
        if len(set(names)) < len(names):
            raise DataError(f"{path}: two columns have the name {next(n for n in names if names.count(n) > 1)!r}")
        return cls(str(path), files, schema, rows)

    @property
    def lists(self) -> list[str]:
        """The columns that hold a list in each row."""
        types = wanted("pyarrow", "tables", self.where).types
        return [f.name for f in self.schema if types.is_list(f.type) or types.is_fixed_size_list(f.type)
                or types.is_large_list(f.type)]  # fmt: skip

    def blocks(self, names: Sequence[str], rows: int = MOST_ROWS) -> Iterator[tuple[str, int, Any]]:
        """The named columns of at most so many rows at a time, with their file and the number of their first row."""
        pa = wanted("pyarrow", "tables", self.where)
        for file in self.files:
            first = 0
            with _opened(file) as found:
                for batch in found.iter_batches(rows, columns=list(names), use_threads=False):
                    yield str(file), first, pa.Table.from_batches([batch]).select(list(names))
                    first += len(batch)

    def read(self, names: Sequence[str]) -> Any:
        """The named columns of all rows."""
        pa = wanted("pyarrow", "tables", self.where)
        empty = pa.schema([self.schema.field(name) for name in names]).empty_table()
        return pa.concat_tables([table for _, _, table in self.blocks(names)] or [empty])

    def table(self) -> Table:
        """All columns as a table: in memory, or read as they are needed if their values are many."""
        if self.rows * len(self.schema.names) * 8 < MAPPED_FROM:
            return from_frame(self.read(self.schema.names), self.where)
        rows = max(1, min(MOST_ROWS, AT_ONCE // (8 * len(self.schema.names))))

        def column(name: str) -> Cells:
            return from_frame(self.read([name]), self.where).columns[name]

        def blocks(names: Sequence[str]) -> Iterator[tuple[str, int, Table]]:
            return ((place, first, from_frame(block, place)) for place, first, block in self.blocks(names, rows))

        def kept(columns: Sequence[Column]) -> Path:
            return kept_at(key_of(self.files, "table", *columns))

        return Table(Unread(tuple(self.schema.names), column), Stored(self.rows, column, blocks, kept))

    def listed(self, label: str | None, left_out: Sequence[str] = ()) -> tuple[Array, Array | None]:
        """The only column of lists as rows [n, d], and the labels; ConfigError where other columns are left over."""
        name, *more = (n for n in self.lists if n not in left_out)
        rest = [n for n in self.schema.names if n not in (name, label, *left_out)]
        if more or rest:
            raise ConfigError(
                f"{self.where}: holds a column of lists, {name!r}, beside {', '.join(map(repr, rest))}; keep one "
                "column of lists and, if there is one, the column that --label names, and --drop the others"
            )
        if not self.rows:
            raise DataError(f"{self.where}: has no rows")
        width, dtype = self._width(name)
        size = self.rows * width * dtype.itemsize
        step = max(1, min(MOST_ROWS, AT_ONCE // (8 * width)))
        parts = (_listed(block, name, width, dtype, f, first) for f, first, block in self.blocks([name], step))
        kept = kept_at(key_of(self.files, "lists", name))
        x = np.concatenate(list(parts)) if size < MAPPED_FROM else spool(parts, kept, size)
        if label is None:
            return x, None
        return x, from_frame(self.read([label]), self.where).columns[label].labels()

    def _width(self, name: str) -> tuple[int, np.dtype[Any]]:
        """Length of the first list, and the type that the values are stored in."""
        types, kind = wanted("pyarrow", "tables", self.where).types, self.schema.field(name).type.value_type
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
            raise DataError(f"{self.where}: column {name!r} holds lists of {kind}; expected lists of numbers")
        first = next(block for _, _, block in self.blocks([name], 1) if len(block)).column(name)[0]
        if first.as_py() is None or not len(first):
            raise DataError(f"{self.where}: row 0 of column {name!r} holds no numbers")
        return len(first), stored(np.dtype(kind.to_pandas_dtype()))


def _listed(block: Any, name: str, width: int, dtype: np.dtype[Any], where: str, first: int) -> Array:
    """Lists of one length as rows; DataError names the file and row of another length, a gap, or no finite number."""
    column = block.column(name).combine_chunks()
    compute = wanted("pyarrow.compute", "tables", where)
    lengths = np.asarray(compute.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False))
    if (lengths != width).any():
        row = int(np.argmax(lengths != width))
        found = "no list" if lengths[row] < 0 else f"{lengths[row]} values"
        raise DataError(f"{where}: row {first + row}, column {name!r} holds {found}, row 0 {width}; make all as long")
    values = column.flatten()
    gaps = np.asarray(values.is_null().to_numpy(zero_copy_only=False))
    numbers = np.asarray(values.to_numpy(zero_copy_only=False))
    numbers = numbers.astype(np.float64) if gaps.any() else numbers
    with np.errstate(over="ignore"):
        wrong = gaps if numbers.dtype.kind in "iub" else ~np.isfinite(numbers.astype(np.float32, copy=False))
    if wrong.any():
        row, at = divmod(int(np.argmax(wrong)), width)
        raise DataError(
            f"{where}: row {first + row}, column {name!r}, value {at} (counted from 0) is "
            f"{numbers[row * width + at]:g}, not a finite number; fill in such values or leave those rows out"
        )
    return numbers.astype(dtype, copy=False).reshape(-1, width)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A Parquet file; whatever a damaged one raises becomes a DataError that names it."""
    pa = wanted("pyarrow", "tables", f"--data {path}")
    try:
        with wanted("pyarrow.parquet", "tables", f"--data {path}").ParquetFile(path, pre_buffer=False) as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        said = str(error).strip().splitlines()
        raise DataError(
            f"{path}: cannot be read as parquet ({said[0][:160] if said else error!r}); write it again"
        ) from None


def _difference(mine: Any, first: Any) -> str:
    """How two schemas differ, in words."""
    for name in mine.names:
        if name not in first.names:
            return f"has the column {name!r}, which is not"
    for name in first.names:
        if name not in mine.names:
            return f"lacks the column {name!r}, which is"
    for name in mine.names:
        if mine.field(name).type != first.field(name).type:
            return f"column {name!r} is of type {mine.field(name).type}, and {first.field(name).type}"
    return "has its columns in another order than"
