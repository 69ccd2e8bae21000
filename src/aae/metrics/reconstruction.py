"""How much of a row survives encoding and decoding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import floats, same_shape


def pixel_mse(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Mean of (x - y)^2 over all rows and all features; squared units of x. Both [n, ...], the same shape."""
    a, b = floats(x, "x"), floats(y, "y")
    same_shape(a, "x", b, "y")
    return float(np.mean(np.square(a - b)))


def r2_against_mean(x: npt.ArrayLike, decoded: npt.ArrayLike, mean_row: npt.ArrayLike) -> float:
    """1 - sum (x - decoded)^2 / sum (x - mean_row)^2, sums over rows and features.

    1 is perfect, 0 no better than showing the mean row every time (a collapsed encoder), below 0 worse than that.
    x, decoded: [n, ...]; mean_row: [...], the mean of the training rows. Raises DataError if every row of x is the
    mean row, where there is nothing to explain.
    """
    a, b, mean = floats(x, "x"), floats(decoded, "decoded"), floats(mean_row, "mean_row")
    same_shape(a, "x", b, "decoded")
    if mean.shape != a.shape[1:]:
        raise DataError(f"mean_row has the shape {list(mean.shape)}, a row of x {list(a.shape[1:])}; expected the same")
    spread = np.sum(np.square(a - mean))
    if spread == 0:
        raise DataError("every row of x equals mean_row, so there is no variance to explain; give data that varies")
    return float(1 - np.sum(np.square(a - b)) / spread)
