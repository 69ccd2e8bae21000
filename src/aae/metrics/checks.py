"""What every metric asks of its arrays before it counts anything."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aae.errors import DataError

Floats = npt.NDArray[np.float64]


def rows(values: npt.ArrayLike, name: str, least: int = 1) -> Floats:
    """`values` as a finite float64 array [n, d] of at least `least` rows; DataError names what is wrong and where."""
    array = floats(values, name)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"{name} must have the shape [rows, dimensions], got {list(array.shape)}")
    if len(array) < least:
        raise DataError(f"{name} has {len(array)} rows, at least {least} are needed; give more data")
    return array


def floats(values: npt.ArrayLike, name: str) -> Floats:
    """`values` as a finite float64 array of any shape but a single number's; DataError otherwise."""
    try:
        array = np.asarray(values).astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be an array of numbers: {error}") from None
    if array.ndim == 0 or array.size == 0:
        raise DataError(f"{name} is empty or a single number (shape {list(array.shape)}); expected rows of numbers")
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise DataError(f"{name} holds NaN or infinity (first in row {row}); leave out or mend such rows")
    return array


def same_shape(a: Floats, a_name: str, b: Floats, b_name: str) -> None:
    if a.shape != b.shape:
        raise DataError(f"{a_name} has the shape {list(a.shape)}, {b_name} {list(b.shape)}; expected the same")
