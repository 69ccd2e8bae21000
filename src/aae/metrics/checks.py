"""Checks that every measure makes of its arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from aae.errors import DataError

Array = np.ndarray


def table(values: ArrayLike, name: str, least: int = 1) -> Array:
    """`values` as float64 [n, d], rows flattened; DataError if there are too few rows or a value is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 2:
        raise DataError(f"{name} must have shape [n, d], got {list(array.shape)}")
    if len(array) < least:
        raise DataError(f"{name} needs at least {least} rows, got {len(array)}")
    flat = array.reshape(len(array), -1)
    if not np.isfinite(flat).all():
        row, column = np.argwhere(~np.isfinite(flat))[0]
        raise DataError(f"{name} must be finite; row {row}, column {column} is {flat[row, column]}")
    return flat


def same_shape(a: Array, b: Array, names: str) -> None:
    """DataError unless both arrays have one shape."""
    if a.shape != b.shape:
        raise DataError(f"{names} must have the same shape, got {list(a.shape)} and {list(b.shape)}")
