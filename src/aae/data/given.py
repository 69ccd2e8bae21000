"""What a user gives a trained model, and what comes back, in the form that the data had."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aae.config import DataSpec
from aae.data import layout
from aae.data.cells import Table
from aae.data.frames import from_frame, is_frame
from aae.data.layout import GIVEN, numbers
from aae.data.tables import check_values, values_of
from aae.errors import DataError


def rows(x: Any, spec: DataSpec, first: int = 0) -> torch.Tensor:
    """A user's rows as `Scaling(spec)` takes them: see `layout.rows` for arrays.

    Of a table: a Table, a frame with (at least) the columns of the spec, in any order; or an array [n, columns] of
    numbers as `Dataset.x` holds them. Float64 [n, columns], NaN where missing. DataError names the row and the column.
    first: the number of the first row, where these are a part of more.
    """
    if not spec.columns:
        return layout.rows(_array_of(x) if is_frame(x) else x, spec, first)
    if is_frame(x):
        x = from_frame(x, GIVEN)
    if isinstance(x, Table):
        values = values_of(x, spec.columns, GIVEN, first)
    else:
        array = numbers(x)
        if array.ndim != 2 or array.shape[1] != len(spec.columns):
            raise DataError(
                f"{GIVEN} has shape {array.shape}; this model takes a table with the columns "
                f"{', '.join(c.name for c in spec.columns[:10])}, or an array [n, {len(spec.columns)}] of their values"
            )
        values = check_values(array.astype(np.float64), spec.columns, GIVEN, first)
    if not len(values):
        raise DataError(f"{GIVEN} has no rows")
    return torch.from_numpy(values)


def _array_of(frame: Any) -> NDArray[Any]:
    """The numbers of a frame for a model of plain vectors; gaps become NaN, which is then refused with its place."""
    table = from_frame(frame, GIVEN)
    for name, cells in table.columns.items():
        if cells.values.dtype.kind not in "biuf":
            raise DataError(f"{GIVEN}: column {name!r} holds {cells.dtype}; this model was trained on numbers alone")
    return np.stack([np.where(c.missing, np.nan, c.values) for c in table.columns.values()], axis=1)


def original(u: torch.Tensor | NDArray[Any], spec: DataSpec) -> NDArray[Any]:
    """Rows in original units as a user knows them: `layout.original` in float32; of a table float64 [n, columns]."""
    if not spec.columns:
        return layout.original(u, spec)
    return (u.detach().cpu().numpy() if isinstance(u, torch.Tensor) else u).astype(np.float64)
