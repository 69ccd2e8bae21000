"""Original units <-> the units that networks learn in: scaled = (original - offset) / scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aae.config import DataSpec
from aae.data.streaming import take
from aae.data.table_scaling import TableScaling

Array = NDArray[Any]
Kind = Literal["range", "standardize", "none"]

ROWS_AT_ONCE = 4096
"""Rows turned to float64 together while statistics are taken; bounds the memory of a large table."""
BYTES_AT_ONCE = 32 << 20
"""Most bytes of them, in float64."""
SMALLEST = float(np.finfo(np.float32).tiny)
"""A spread below this is no spread: dividing by it overflows 32-bit arithmetic."""


@dataclass(frozen=True)
class Fitted:
    """What was learnt from the training rows; the fields are those of DataSpec."""

    scaling: Kind
    offset: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    minimum: float | None = None
    maximum: float | None = None
    constant: tuple[int, ...] = ()
    """Columns that hold one value only; their scale is 1, so that they become 0."""


def fit(
    x: Array,
    train: NDArray[np.int64],
    choice: str,
    images: bool,
    known: tuple[float, float] | None = None,
) -> Fitted:
    """The scaling of rows [n, features], from their training rows alone.

    `known` is the range that the format gives (8-bit: 0 to 255). `range` takes it; else 0 to 1 where all training
    values lie there; else the least and largest value, of all pixels together or of each column of a table.
    `standardize` takes mean and standard deviation (over n, not n - 1) likewise. `auto` is `range` for images
    and for data with a known range or within 0 to 1, else `standardize`. Values of other rows may lie outside
    the range of the training rows; they are scaled alike, not clipped.
    """
    if choice == "none":
        return Fitted("none")
    if known and choice != "standardize":
        return _range(*known)
    found = statistics(x, train)
    if choice != "standardize":
        low, high = found.low, found.high
        least, most = float(low.min()), float(high.max())
        if least >= 0 and most <= 1:
            return _range(0.0, 1.0)
        if images:
            return _range(least, most)
        if choice == "range":
            return _fitted("range", low, high - low, (least, most))
    return _fitted("standardize", *(found.pooled() if images else (found.mean, found.deviation)))


def _range(low: float, high: float) -> Fitted:
    return _fitted("range", np.array([low]), np.array([high - low]), (low, high))


def _fitted(kind: Kind, offset: Array, scale: Array, bounds: tuple[float, float] | None = None) -> Fitted:
    """Rounded to float32, so that 32-bit and 64-bit arithmetic undo each other."""
    flat = scale < SMALLEST
    minimum, maximum = bounds or (None, None)
    return Fitted(
        kind,
        offset=tuple(offset.astype(np.float32).tolist()),
        scale=tuple(np.where(flat, 1.0, scale).astype(np.float32).tolist()),
        minimum=minimum,
        maximum=maximum,
        constant=tuple(np.flatnonzero(flat).tolist()),
    )


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of the known values of each column: how many, least, largest, mean, sum of squared distances from the mean."""

    count: Array
    low: Array
    high: Array
    mean: Array
    squares: Array

    @property
    def deviation(self) -> Array:
        """Over n, not n - 1; 0 of a column without values."""
        return np.sqrt(self.squares / np.maximum(self.count, 1))

    def pooled(self) -> tuple[Array, Array]:
        """Mean and deviation of all values together, of columns without gaps."""
        mean = self.mean.mean(keepdims=True)
        variance = (self.squares / self.count + (self.mean - mean) ** 2).mean(keepdims=True)
        return mean, np.sqrt(variance)


def statistics(x: Array, rows: NDArray[np.int64]) -> Statistics:
    """One pass over rows [n, columns], in float64 and bounded memory; NaN is missing.

    Blocks are merged by their means and squares (Chan, Golub & LeVeque 1979): a column of one value deviates by 0, not
    by a little. Of a column without any value the least and largest are NaN, and the mean is 0.
    """
    columns, step = x.shape[1], max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // (8 * x.shape[1])))
    rows = np.sort(rows)  # of a file from one end to the other; in memory too, so that both give the same bits
    count, mean, squares = np.zeros(columns), np.zeros(columns), np.zeros(columns)
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    for start in range(0, len(rows), step):
        block = take(x, rows[start : start + step]).astype(np.float64)
        low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
        gaps = np.isnan(block)
        new = len(block) - gaps.sum(axis=0)
        block[gaps] = 0
        centre = block.sum(axis=0) / np.maximum(new, 1)
        away = np.where(gaps, 0, block - centre)
        apart, total = centre - mean, np.maximum(count + new, 1)
        squares += (away**2).sum(axis=0) + apart**2 * count * new / total
        mean += apart * new / total
        count += new
    same = low == high
    return Statistics(count, low, high, np.where(same, low, mean), np.where(same, 0, squares))


class Scaling:
    """The scaling of a DataSpec, ready to use on one device; of a table the work is done by `TableScaling`."""

    def __init__(self, spec: DataSpec, device: str | torch.device = "cpu") -> None:
        self.table = TableScaling(spec, device) if spec.columns else None
        self.minimum, self.maximum = spec.minimum, spec.maximum
        self.offset = torch.tensor(spec.offset, dtype=torch.float32, device=device)
        self.scale = torch.tensor(spec.scale, dtype=torch.float32, device=device)

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        """Original units, any type [n, features] -> scaled float32 [n, features]; `x` stays as it is.

        Of a table the values [n, columns], NaN where missing.
        """
        if self.table is not None:
            return self.table.apply(x)
        return (x.to(torch.float32) - self.offset).div_(self.scale)  # in place, for one array less to fill

    def known(self, x: torch.Tensor) -> torch.Tensor | None:
        """1 for each scaled feature [n, features] of `x` whose value is known, 0 where it is missing; None: all are."""
        return None if self.table is None else self.table.known(x)

    def hidden(self, x: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
        """`apply`, with a share of a table's values hidden as if they were missing, drawn at random."""
        assert self.table is not None, "only the values of a table are hidden"
        return self.table.apply(self.table.hide(x, share, generator))

    def invert(self, u: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Scaled [n, features] -> original units, clipped to the spec's minimum and maximum.

        In float32, or in float64 if `u` is. Of a table the values [n, columns] in float64; categories are the likeliest
        ones, or drawn with `generator`.
        """
        if self.table is not None:
            return self.table.invert(u, generator)
        offset, scale = self.offset, self.scale
        if u.dtype == torch.float64:
            offset, scale = offset.to(torch.float64), scale.to(torch.float64)
        x = u.to(offset.dtype) * scale + offset
        if self.minimum is None and self.maximum is None:
            return x
        return x.clamp(self.minimum, self.maximum)
