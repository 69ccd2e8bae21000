"""From the settings of `[data]` to tensors that are ready for training."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aae.config import Data, DataSpec
from aae.data.cells import Table
from aae.data.frames import from_frame, is_frame
from aae.data.labelled import choose_labelled
from aae.data.laying import laid_out
from aae.data.layout import axes, numbers
from aae.data.memory import gathered, labels
from aae.data.scaling import Fitted, fit
from aae.data.sources import Raw, read
from aae.data.splits import Splits, given, split
from aae.data.streaming import Rows, mapped, pieces, writable
from aae.data.tables import check_names as _known
from aae.data.tables import chosen, describe, fit_table, from_array, typed, values_of
from aae.errors import ConfigError, DataError

Array = NDArray[Any]
FULL_BYTE = (0.0, 255.0)
MEMORY = "memory"
"""The name, and as a setting the source, of data that was passed in Python."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """All rows of a data set, in original units; `Scaling(spec)` scales them a batch at a time."""

    spec: DataSpec
    x: torch.Tensor
    """[n, features], channels first: whole numbers in the smallest type that holds them, others float32. Of a table
    [n, columns] in float64: numbers, seconds since 1970, 0 or 1, the number of a category; NaN where missing."""
    y: torch.Tensor | None
    """[n] int64 class numbers, -1 for an unlabelled row; None without labels."""
    splits: Splits
    fingerprint: str
    """SHA-256 over type, shape and bytes of x and y: equal data, equal fingerprint."""
    notes: tuple[str, ...] = ()
    """What was inferred, in words, a line each."""
    labelled: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Numbers of the training rows whose labels may be learnt from, ascending: see `choose_labelled`."""
    source: str | None = None
    """What `data.source` was when it was loaded; None for data passed in Python."""
    conditions: torch.Tensor | None = None
    """[n, k] float64, what the decoder of a supervised model is told of each row, as `x` of a table; None without."""
    file: np.memmap[Any, Any] | None = None
    """The mapped file that `x` lies in, if it does: see `aae.data.streaming`."""

    @cached_property
    def stored(self) -> Rows | None:
        """The rows in their file; None where they are in memory."""
        return None if self.file is None else Rows(self.x.numpy(), self.file)

    def take(self, rows: torch.Tensor | NDArray[np.int64]) -> torch.Tensor:
        """The rows of these numbers: `x[rows]`, read from their file without its pages coming to stay in memory."""
        numbers = torch.as_tensor(rows)
        if self.stored is None:
            return self.x[numbers]
        return torch.from_numpy(self.stored.take(numbers.cpu().numpy()))

    def extremes(self) -> tuple[float, float]:
        """The least and the largest value of `x`."""
        x = self.x.numpy()
        ends = [(float(x[part].min()), float(x[part].max())) for part in pieces(x, file=self.file)]
        return min(low for low, _ in ends), max(high for _, high in ends)


def load(config: Data) -> Dataset:
    """Read, lay out, check, split, and learn the scaling from the training rows.

    DataError for data that is missing, damaged, of an unclear layout, not finite, or under 10 rows; ConfigError
    for a setting that the data set has no use for.
    """
    if config.directory is not None and config.source != "mnist":
        raise ConfigError(
            f"--data-dir {config.directory} would be ignored: --data {config.source} is not read from a data "
            "folder. Leave it out."
        )
    if config.source == MEMORY:
        raise DataError(
            "the run's data was passed in Python and is in no file; pass it again in Python, as in "
            "aae.resume(path, data=aae.data.dataset(X, y)) or run.report(data=aae.data.dataset(X, y))"
        )
    raw = read(config.source, config)
    return _prepared(raw, config, split(len(raw.x), raw.own_test, config), f"--data {config.source}", config.source)


def dataset(
    x: Any,
    y: Any = None,
    config: Data | None = None,
    *,
    name: str = MEMORY,
    splits: Splits | Literal["random", "all"] = "random",
    conditions: Any = None,
) -> Dataset:
    """A Dataset from what is in memory: arrays of any type and order, tensors, frames, a torch Dataset, or batches.

    x: rows [n, ...], or a table of pandas, polars or Arrow with columns of any type and gaps; a torch Dataset or an
    iterable of batches may hold pairs of rows and labels. It is not changed.
    y: labels [n], numbers or text, -1 or empty for an unlabelled row. config: layout, scaling, and shares of the
    splits; its source is not read. splits: "random" as for files, "all" (every row trains, nothing is held out, and
    a single row will do), or the row numbers themselves. conditions: what the decoder of a supervised model is told of
    each row, numbers [n] or [n, k] or a frame; of a table `config.condition` names columns instead. DataError names the
    row and column of what is wrong.
    """
    config = Data() if config is None else config
    if is_frame(x):
        raw = Raw.table(from_frame(x, name), config, name, None if y is None else labels(y, name))
    else:
        array, found = gathered(x, y, name)
        raw = Raw.of(array, found, name)
    n = len(raw.x)
    parts = split(n, 0, config, name) if splits == "random" else given(n, splits, name)
    if conditions is None:
        return _prepared(raw, config, parts, name)
    told = from_frame(conditions, f"{name}: conditions") if is_frame(conditions) else _columns_of(conditions, n, name)
    return _prepared(raw, config, parts, name, told=told)


def _columns_of(conditions: Any, n: int, where: str) -> Table:
    """An array of conditions [n] or [n, k] as a table with columns 0, 1, ..."""
    array = numbers(np.asarray(conditions), f"{where}: conditions")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n:
        raise DataError(f"{where}: conditions have shape {list(array.shape)}, expected [{n}, columns]")
    return from_array(array, f"{where}: conditions")


def _conditions(table: Table, config: Data, splits: Splits, where: str) -> tuple[DataSpec, NDArray[np.float64]]:
    """What is known of conditions, and their values [n, columns]. DataError for a row without one."""
    columns = typed(table, config, splits.train, where)
    values = values_of(table, columns, where)
    if np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0]
        raise DataError(f"{where}: row {row} (counted from 0) has no value for the condition {columns[column].name!r}")
    fitted = fit_table(values, columns, splits.train, "auto")
    shape = (len(columns),)
    spec = DataSpec("conditions", shape, "table", fitted.offset, fitted.scale, scaling=fitted.scaling, columns=columns)
    return spec, values


def _prepared(
    raw: Raw, config: Data, splits: Splits, where: str, source: str | None = None, told: Table | None = None
) -> Dataset:
    """Lay out, check, and learn the scaling from the training rows. told: the rows' conditions."""
    _refuse_unused(raw, config, where)
    if config.condition and isinstance(raw.x, Table):
        if told is not None:
            raise ConfigError(f"{where}: conditions are given, and data.condition names columns; choose one")
        _known(config.condition, "condition", raw.x.names, where)
        told = raw.x.take(config.condition)
    if isinstance(raw.x, Table) or config.layout == "table":
        spec, flat, said = _table(raw, config, splits, where)
    else:
        spec, flat, said = _array(raw, raw.x, config, splits, where)
    flat = writable(flat)
    x = torch.from_numpy(flat)
    y = None if raw.y is None else torch.from_numpy(raw.y)
    labelled = choose_labelled(raw.y, raw.classes, splits.train, config)
    conditions = None
    if told is not None:
        about, values = _conditions(told, config, splits, where)
        spec, conditions = dataclasses.replace(spec, conditions=about), torch.from_numpy(values)
        said.append(f"conditions: {', '.join(column.name for column in about.columns)}")
    found = fingerprint(x, y, mapped(flat), conditions)
    notes_ = (*_counts(spec, splits), *_labels_told(raw), *raw.notes, *said)
    return Dataset(spec, x, y, splits, found, notes_, labelled, source, conditions, mapped(flat))


def _array(
    raw: Raw, given: NDArray[Any], config: Data, splits: Splits, where: str
) -> tuple[DataSpec, NDArray[Any], list[str]]:
    """The spec of an array, its rows [n, features], and what was inferred."""
    layout = axes(given.shape, config.layout, where)
    flat, said = laid_out(given, layout, where)
    fitted = fit(flat, splits.train, config.scaling, len(layout.shape) > 1, _known_range(raw, given))
    spec = DataSpec(
        name=raw.name,
        shape=layout.shape,
        dtype=given.dtype.name,
        offset=fitted.offset,
        scale=fitted.scale,
        minimum=fitted.minimum,
        maximum=fitted.maximum,
        channels_last=layout.channels_last,
        channel_axis=layout.channel_axis,
        scaling=fitted.scaling,
        classes=raw.classes,
        names=raw.names,
    )
    return spec, flat, [*said, *notes(spec, fitted)]


def _table(raw: Raw, config: Data, splits: Splits, where: str) -> tuple[DataSpec, NDArray[np.float64], list[str]]:
    """The spec of a table, its values [n, columns], and what was inferred."""
    table = chosen(raw.x if isinstance(raw.x, Table) else from_array(raw.x, where), config, where)
    columns = typed(table, config, splits.train, where)
    if config.hide:
        columns = tuple(dataclasses.replace(column, missing=True) for column in columns)
    values = values_of(table, columns, where)
    fitted = fit_table(values, columns, splits.train, config.scaling)
    spec = DataSpec(
        name=raw.name,
        shape=(len(columns),),
        dtype="table",
        offset=fitted.offset,
        scale=fitted.scale,
        scaling=fitted.scaling,
        classes=raw.classes,
        columns=columns,
    )
    said = describe(columns, len(values), values)
    if fitted.constant:
        said.append(f"one value only in the training rows: {', '.join(columns[i].name for i in fitted.constant)}")
    return spec, values, said


def _refuse_unused(raw: Raw, config: Data, where: str) -> None:
    """ConfigError for a setting of tables where the data is none."""
    if config.image_size is not None and "image_size" not in raw.used:
        raise ConfigError(f"--image-size would be ignored: {where} is not a folder of images. Leave it out.")
    if isinstance(raw.x, Table):
        if config.layout not in ("auto", "table"):
            raise ConfigError(f"--data.layout {config.layout} does not fit {where}, which is a table; leave it out")
        return
    for name, value in (
        ("label", config.label),
        ("columns", config.columns),
        ("drop", config.drop),
        ("condition", config.condition),
    ):
        if value and name not in raw.used:
            raise ConfigError(f"--{name} would be ignored: {where} is not a table with named columns. Leave it out.")
    if config.layout != "table" and (config.categories or config.hide):
        name = "--categories" if config.categories else f"data.hide = {config.hide}"
        raise ConfigError(f"{name} would be ignored: {where} is not a table. Leave it out, or set --data.layout table.")


def _known_range(raw: Raw, given: NDArray[Any]) -> tuple[float, float] | None:
    """The range that the source or its type gives. Bytes that are all 0 or 1 are flags, not very dark pixels."""
    if raw.limits is not None or given.dtype != "uint8" or not _beyond_one(given):
        return raw.limits
    return FULL_BYTE


def _beyond_one(x: Array) -> bool:
    """Whether any value is above 1; looks no further than the first one, which in a picture comes soon."""
    return any(x[part].max() > 1 for part in pieces(x))


def fingerprint(
    x: torch.Tensor,
    y: torch.Tensor | None,
    file: np.memmap[Any, Any] | None = None,
    conditions: torch.Tensor | None = None,
) -> str:
    """SHA-256, as hexadecimal digits, over type, shape and bytes of `x` and, if there, `y` and `conditions`."""
    digest = hashlib.sha256()
    for name, tensor in (("x", x), ("y", y), ("conditions", conditions)):
        if tensor is not None:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            array = tensor.contiguous().numpy()
            for part in pieces(array, file=file if name == "x" else None):
                digest.update(array[part].data)
    return digest.hexdigest()


def _counts(spec: DataSpec, splits: Splits) -> list[str]:
    """What the data is, and how many rows each split has."""
    size = " x ".join(map(str, spec.shape[-2:] if spec.is_image else spec.shape))
    kind = f"vectors of {size}" if not spec.is_image else f"grey images of {size}"
    if spec.columns:
        kind = f"{len(spec.columns)} columns"
    elif len(spec.shape) == 3:
        kind = f"images of {size} in {spec.shape[0]} channels ({'last' if spec.channels_last else 'first'})"
    counts = f"{len(splits.train)} training, {len(splits.validation)} validation, {len(splits.test)} test rows"
    return [f"{spec.name}: {kind}, {spec.dtype}; {counts}"]


def _labels_told(raw: Raw) -> list[str]:
    """Which classes the labels name, and how many rows have none."""
    if raw.y is None or raw.classes is None:
        return []
    names = ", ".join(raw.classes[:10]) + (", ..." if len(raw.classes) > 10 else "")
    free = int((raw.y < 0).sum())
    without = f"; {free} row{'' if free == 1 else 's'} unlabelled (-1 or empty)" if free else ""
    return [f"labels: {len(raw.classes)} class{'' if len(raw.classes) == 1 else 'es'} ({names}){without}"]


def notes(spec: DataSpec, fitted: Fitted) -> list[str]:
    """How the rows of an array are scaled, for the user to check."""
    lines = []
    if spec.scaling == "range":
        each = "each column's own range" if len(spec.offset) > 1 else f"{spec.minimum:g} to {spec.maximum:g}"
        lines.append(f"scaled from {each} to 0 to 1")
    elif spec.scaling == "standardize":
        each = "each column" if len(spec.offset) > 1 or spec.features == 1 else "all pixels together"
        lines.append(f"scaled to mean 0 and standard deviation 1, {each}")
    if fitted.constant:
        first = ", ".join(map(str, fitted.constant[:5])) + (", ..." if len(fitted.constant) > 5 else "")
        which = f"these columns ({first}) hold" if len(spec.offset) > 1 else "the data holds"
        lines.append(f"{which} one value only in the training rows, scaled to 0")
    return lines
