"""Frames of pandas, polars and Arrow, and the files that Arrow reads: Parquet and Feather."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.csvs import written
from aae.data.files import reading, wanted
from aae.data.tables import Cells, Table
from aae.errors import DataError

Array = NDArray[Any]

FILES = (".feather", ".arrow")
FRAMES = ("pandas", "polars", "pyarrow", "modin", "cudf")


def is_frame(x: Any) -> bool:
    """Whether `x` is a table of pandas, polars or Arrow; asks for none of them."""
    return type(x).__module__.partition(".")[0] in FRAMES and hasattr(x, "columns") and len(x.shape) == 2


def from_frame(frame: Any, where: str) -> Table:
    """A Table of a pandas, polars or Arrow frame; DataError names a column of another type than those of `Cells`."""
    import narwhals.stable.v2 as nw

    try:
        eager = nw.from_native(frame, eager_only=True)
    except (TypeError, ValueError) as error:  # such as two columns of one name
        raise DataError(f"{where}: {str(error).splitlines()[0]}") from None
    names = tuple(map(str, eager.columns))
    if len(set(names)) < len(names):
        raise DataError(f"{where}: two columns have the name {next(n for n in names if names.count(n) > 1)!r}")
    columns = (eager[name] for name in eager.columns)
    return Table({n: _column(column, f"{where}: column {n!r}") for n, column in zip(names, columns, strict=True)})


def _column(series: Any, where: str) -> Cells:
    import narwhals.stable.v2 as nw

    kind, missing = series.dtype, np.array(series.is_null().to_list(), bool)
    if kind in (nw.Categorical, nw.Enum):
        words = tuple(str(word) for word in series.cat.get_categories().to_list() if word is not None)
        text = ["" if gone else str(v) for v, gone in zip(series.to_list(), missing, strict=True)]
        return Cells(np.array(text, dtype=str), missing, "category", words)
    if kind == nw.Boolean:
        truths = [bool(v) and not gone for v, gone in zip(series.to_list(), missing, strict=True)]
        return Cells(np.array(truths, bool), missing, "bool")
    if kind == nw.Datetime:
        return Cells.of(_times(series.dt.replace_time_zone(None) if kind.time_zone else series, missing), missing)
    if kind == nw.Date:
        return Cells.of(_times(series.cast(nw.Datetime("us")), missing).astype("datetime64[D]"), missing)
    if kind.is_numeric():
        return _numbers(series, missing)
    if kind in (nw.String, nw.Object, nw.Unknown):
        return _objects(series.to_list(), where)
    raise DataError(f"{where} is of type {kind}; expected numbers, text, truth values or times")


def _times(series: Any, missing: NDArray[np.bool_]) -> Array:
    values = np.asarray(series.to_numpy())
    return np.where(missing, np.datetime64("NaT"), values).astype("datetime64[us]")


def _numbers(series: Any, missing: NDArray[np.bool_]) -> Cells:
    values = np.asarray((series.fill_null(0) if missing.any() else series).to_numpy())
    if missing.any() and series.dtype.is_integer() and values.dtype.kind == "f":
        values = values.astype(np.int64)
    return Cells.of(values if values.dtype.kind in "iuf" else values.astype(np.float64), missing)


def _objects(items: list[Any], where: str) -> Cells:
    """A column of Python objects: all text, all truth values, or all numbers."""
    missing = np.array([item is None or item != item for item in items], bool)
    known = [item for item, gone in zip(items, missing, strict=True) if not gone]
    if all(isinstance(item, str) for item in known):
        return Cells.of(np.array(["" if gone else v for v, gone in zip(items, missing, strict=True)], str), missing)
    if all(isinstance(item, (bool, np.bool_)) for item in known):
        return Cells.of(np.array([item is True for item in items]), missing)
    if all(isinstance(item, (int, float, np.number)) for item in known):
        return Cells.of(np.array([0.0 if gone else float(v) for v, gone in zip(items, missing, strict=True)]), missing)
    odd = next((i for i, item in enumerate(items) if not missing[i] and not isinstance(item, str)), 0)
    raise DataError(
        f"{where} mixes types: row {odd} (counted from 0) holds {str(items[odd])[:40]!r}; "
        "make it all text or all numbers"
    )


def read_arrow(path: Path) -> Table:
    """The table in a Feather file; DataError if it is damaged. Of Parquet see `aae.data.parquet`."""
    pa = wanted("pyarrow", "tables", f"--data {path}")
    with reading(path):
        path.open("rb").close()
    try:
        found = wanted("pyarrow.feather", "tables", f"--data {path}").read_table(path, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as {path.suffix[1:]} ({_short(error)}); write it again") from None
    return from_frame(found, str(path))


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__


def file_bytes(source: Table, suffix: str) -> bytes:
    """A Table as the bytes of a .csv, .tsv, .parquet or .feather file."""
    if suffix in (".csv", ".tsv"):
        return written(source, "\t" if suffix == ".tsv" else ",")
    pa, out = to_arrow(source), io.BytesIO()
    if suffix == ".parquet":
        wanted("pyarrow.parquet", "tables", f"writing {suffix}").write_table(pa, out)
    else:
        wanted("pyarrow.feather", "tables", f"writing {suffix}").write_feather(pa, out)
    return out.getvalue()


def to_arrow(source: Table) -> Any:
    """A Table as a pyarrow.Table."""
    pa = wanted("pyarrow", "tables", "a table of Arrow")
    columns = {}
    for name, cells in source.columns.items():
        array = pa.array(_plain(cells), mask=cells.missing if cells.missing.any() else None)
        columns[name] = array if cells.categories is None else array.dictionary_encode()
    return pa.table(columns)


def _plain(cells: Cells) -> Any:
    return cells.values.tolist() if cells.values.dtype.kind == "U" else cells.values


def to_pandas(source: Table) -> Any:
    """A Table as a pandas.DataFrame."""
    pd = wanted("pandas", "tables", "a table of pandas")
    columns = {}
    for name, cells in source.columns.items():
        times = cells.values.dtype.kind == "M"
        column = pd.Series(cells.values.astype("datetime64[us]") if times else _plain(cells))
        column = column.mask(cells.missing) if cells.missing.any() else column
        kept = cells.categories is None
        columns[name] = column if kept else column.astype(pd.CategoricalDtype(list(cells.categories or ())))
    return pd.DataFrame(columns)


def to_polars(source: Table) -> Any:
    """A Table as a polars.DataFrame."""
    pl = wanted("polars", "tables", "a table of polars")
    columns = []
    for name, cells in source.columns.items():
        items = [None if gone else v for v, gone in zip(cells.values.tolist(), cells.missing, strict=True)]
        columns.append(pl.Series(name, items, dtype=None if cells.categories is None else pl.Enum(cells.categories)))
    return pl.DataFrame(columns)


def like(source: Table, frame: Any) -> Any:
    """A Table as a frame of the library that `frame` is of."""
    library = type(frame).__module__.partition(".")[0]
    return to_polars(source) if library == "polars" else to_arrow(source) if library == "pyarrow" else to_pandas(source)
