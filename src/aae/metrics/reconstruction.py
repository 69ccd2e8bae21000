"""How close decoded rows come to the originals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.metrics.checks import same_shape, table


def pixel_mse(x: ArrayLike, decoded: ArrayLike) -> float:
    """Mean over rows and features of the squared difference of `x` and `decoded`, both [n, ...], in squared units."""
    original, guess = table(x, "x"), table(decoded, "decoded")
    same_shape(original, guess, "x and decoded")
    return float(np.square(original - guess).mean())


def r2_against_mean(x: ArrayLike, decoded: ArrayLike, mean_row: ArrayLike) -> float:
    """1 - error of `decoded` / error of `mean_row`, the mean of the training rows, over all features together.

    1 for perfect reconstructions, 0 for a decoder that has only learnt the mean, below 0 for a worse one. Raises
    DataError if every row equals the mean row, which leaves nothing to explain.
    """
    original, guess = table(x, "x"), table(decoded, "decoded")
    same_shape(original, guess, "x and decoded")
    mean = np.asarray(mean_row, dtype=np.float64).reshape(1, -1)
    if mean.shape[1] != original.shape[1]:
        raise DataError(f"mean_row must have {original.shape[1]} values, got {mean.shape[1]}")
    spread = np.square(original - mean).sum()
    if spread == 0:
        raise DataError("every row of x equals mean_row, so there is nothing to explain")
    return float(1 - np.square(original - guess).sum() / spread)
