"""Frames of pandas, polars and Arrow, and the files that Arrow reads: Parquet and Feather."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.cells import Cells, Table
from aae.data.csvs import written
from aae.data.files import reading, wanted
from aae.errors import DataError

Array = NDArray[Any]

FILES = (".feather", ".arrow")
FRAMES = ("pandas", "polars", "pyarrow", "modin", "cudf")


def is_frame(x: Any) -> bool:
    """Whether `x` is a table of pandas, polars or Arrow; asks for none of them."""
    if _library(x) == "polars" and type(x).__name__ == "LazyFrame":
        raise DataError("a LazyFrame of polars holds no rows yet; pass frame.collect()")
    return _library(x) in FRAMES and hasattr(x, "columns") and len(x.shape) == 2


def _library(x: Any) -> str:
    return type(x).__module__.partition(".")[0]


def from_frame(frame: Any, where: str) -> Table:
    """A Table of a pandas, polars or Arrow frame. A column of another type than those of `Cells` is kept as objects.

    DataError for two columns of one name, and for names in several levels.
    """
    import narwhals.stable.v2 as nw

    names = [str(name) for name in (frame.column_names if _library(frame) == "pyarrow" else frame.columns)]
    if getattr(frame.columns, "nlevels", 1) > 1:
        raise DataError(f"{where}: the columns have names in {frame.columns.nlevels} levels; give each one name")
    if len(set(names)) < len(names):
        raise DataError(
            f"{where}: two columns have the name {next(n for n in names if names.count(n) > 1)!r}; rename one"
        )
    try:
        eager = nw.from_native(frame, eager_only=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {str(error).splitlines()[0]}") from None
    return Table({n: _column(eager[column]) for n, column in zip(names, eager.columns, strict=True)})


def _column(series: Any) -> Cells:
    import narwhals.stable.v2 as nw

    kind, missing = series.dtype, np.array(series.is_null().to_list(), bool)
    if kind in (nw.Categorical, nw.Enum):
        words = tuple(str(word) for word in series.cat.get_categories().to_list() if word is not None)
        text = ["" if gone else str(v) for v, gone in zip(series.to_list(), missing, strict=True)]
        return Cells(np.array(text, dtype=str), missing, "category", words)
    if kind == nw.Boolean:
        truths = [not gone and bool(v) for v, gone in zip(series.to_list(), missing, strict=True)]
        return Cells(np.array(truths, bool), missing, "bool")
    if kind == nw.Datetime:
        return Cells.of(_times(series.dt.replace_time_zone(None) if kind.time_zone else series, missing), missing)
    if kind == nw.Date:
        return Cells.of(_times(series.cast(nw.Datetime("us")), missing).astype("datetime64[D]"), missing)
    if kind.is_numeric():
        return _numbers(series, missing)
    if kind in (nw.String, nw.Object, nw.Unknown):
        return _objects(series.to_list(), missing)
    return Cells.unusable(
        series.to_list(), missing, f"is of type {kind}; expected numbers, text, truth values or times"
    )


def _times(series: Any, missing: NDArray[np.bool_]) -> Array:
    values = np.asarray(series.to_numpy())
    return np.where(missing, np.datetime64("NaT"), values).astype("datetime64[us]")


def _numbers(series: Any, missing: NDArray[np.bool_]) -> Cells:
    values = np.asarray((series.fill_null(0) if missing.any() else series).to_numpy())
    if missing.any() and series.dtype.is_integer() and values.dtype.kind == "f":
        values = values.astype(np.int64)
    return Cells.of(values if values.dtype.kind in "iuf" else values.astype(np.float64), missing)


def _objects(items: list[Any], missing: NDArray[np.bool_]) -> Cells:
    """A column of Python objects: all text, all truth values, all dates, or all numbers."""
    missing = missing | np.array([isinstance(item, float) and item != item for item in items], bool)
    known = [item for item, gone in zip(items, missing, strict=True) if not gone]

    def filled(blank: Any) -> list[Any]:
        return [blank if gone else item for item, gone in zip(items, missing, strict=True)]

    if all(isinstance(item, str) for item in known):
        return Cells.of(np.array(filled(""), str), missing)
    if all(isinstance(item, (bool, np.bool_)) for item in known):
        return Cells.of(np.array(filled(False), bool), missing)
    if all(isinstance(item, (int, float, Decimal, np.number)) for item in known):
        return Cells.of(np.array([float(item) for item in filled(0)]), missing)
    if all(isinstance(item, date) for item in known):
        whole = not any(isinstance(item, datetime) for item in known)
        times = [np.datetime64("NaT") if gone else _plain_time(v) for v, gone in zip(items, missing, strict=True)]
        return Cells.of(np.array(times, f"datetime64[{'D' if whole else 'us'}]"), missing)
    odd = next((i for i, item in enumerate(items) if not missing[i] and not isinstance(item, str)), 0)
    return Cells.unusable(
        items,
        missing,
        f"mixes types, or holds another than text, numbers, truth values or times: row {odd} (counted from 0) holds "
        f"{str(items[odd])[:40]!r}, of type {type(items[odd]).__name__}; make it all text or all numbers",
    )


def _plain_time(value: date) -> np.datetime64:
    return np.datetime64(value.replace(tzinfo=None) if isinstance(value, datetime) else value)


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
    return cells.values.tolist() if cells.values.dtype.kind in "UO" else cells.values


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


def with_columns(frame: Any, source: Table) -> Any:
    """A copy of `frame` with the columns of a Table in the place of its own, in the types of these if they fit.

    Times and objects that are known stay what they are in `frame`: a Table holds them without nanoseconds, zone and
    class.
    """
    if _library(frame) == "polars":
        new = to_polars(source)
        return frame.with_columns([_as_polars(new[name], frame[name]) for name in source.names])
    if _library(frame) == "pyarrow":
        new = to_arrow(source)
        for i, name in enumerate(frame.column_names):
            if name in source.columns:
                frame = frame.set_column(i, name, _as_arrow(new.column(name), frame.column(i)))
        return frame
    new, out = to_pandas(source), frame.copy()
    for i, name in enumerate(map(str, frame.columns)):
        if name in source.columns:
            out.isetitem(i, _as_pandas(new[name], frame.iloc[:, i]).array)
    return out


def _as_polars(series: Any, before: Any) -> Any:
    zone, dtype = getattr(before.dtype, "time_zone", None), before.dtype
    if zone is not None:
        # an hour that the clocks leave out in spring is the one after it
        series, later = (
            times.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            for times in (series, series.dt.offset_by("1h"))
        )
        series = series.fill_null(later)
    cast = series.cast(dtype, strict=False)
    if cast.null_count():
        return series
    return before.fill_null(cast) if dtype.is_temporal() else cast


def _as_arrow(column: Any, before: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    kind, times = before.type, pa.types.is_temporal(before.type)
    try:
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            column = compute.assume_timezone(column, kind.tz, ambiguous="earliest", nonexistent="latest")
        cast = column.cast(kind, safe=not times)
    except pa.ArrowException:
        return column
    return compute.coalesce(before, cast) if times else cast


def _as_pandas(series: Any, before: Any) -> Any:
    dtype, known = before.dtype, before.notna().to_numpy()
    if getattr(dtype, "tz", None) is not None:
        series = series.dt.tz_localize(dtype.tz, ambiguous=True, nonexistent="shift_forward")
    elif dtype.kind == "O" and series.dtype.kind == "M" and not isinstance(next(iter(before[known]), None), datetime):
        series = series.dt.date
    try:
        cast = series.astype(dtype)
    except (TypeError, ValueError):
        return series
    if cast.isna().any():
        return series
    return before.where(known, cast.array) if dtype.kind in "MO" else cast
