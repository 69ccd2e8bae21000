"""Are rows of a table reconstructed, and are new ones like real ones? Arrays of values [n, columns], NaN missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp

Array = npt.NDArray[Any]


def reconstruction(truth: Array, decoded: Array, mean: Array, numeric: Sequence[int]) -> dict[str, float]:
    """How well known values come back, all arrays [n, columns] in scaled units (categories by number).

    `mse`: mean of (truth - decoded)^2 over the known values of the `numeric` columns; `r2`: 1 - that / the same with
    `mean` [columns] in place of decoded, left out where the truth never differs from it; `category_accuracy`: share of
    the known values of the other columns that come back unchanged.
    """
    found: dict[str, float] = {}
    columns = np.array(numeric, int)
    known = ~np.isnan(truth[:, columns])
    if known.any():
        squares = (truth - decoded)[:, columns][known] ** 2
        around = (truth - mean)[:, columns][known] ** 2
        found["mse"] = float(squares.mean())
        if around.sum() > 0:
            found["r2"] = float(1 - squares.sum() / around.sum())
    others = np.setdiff1d(np.arange(truth.shape[1]), columns)
    known = ~np.isnan(truth[:, others])
    if known.any():
        found["category_accuracy"] = float((truth == decoded)[:, others][known].mean())
    return found


def column_distance(real: Array, other: Array, numeric: Sequence[int]) -> Array:
    """How far apart the values of each column are in two tables, [columns] in 0 to 1; 0 where one of them has none.

    Numeric columns: the Kolmogorov-Smirnov distance. Others: the total variation between the shares of their values.
    """
    found = np.zeros(real.shape[1])
    for i in range(real.shape[1]):
        a, b = real[:, i][~np.isnan(real[:, i])], other[:, i][~np.isnan(other[:, i])]
        if not len(a) or not len(b):
            continue
        if i in numeric:
            found[i] = ks_2samp(a, b, method="asymp").statistic
        else:
            values = np.unique(np.concatenate([a, b]))
            found[i] = 0.5 * sum(abs((a == v).mean() - (b == v).mean()) for v in values)
    return found


def correlations(features: Array) -> Array:
    """Pearson correlation of every two features [n, features], 0 for one that never changes; [features, features]."""
    centred = features - features.mean(0)
    spread = np.sqrt((centred**2).mean(0))
    unit = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
    return (unit.T @ unit) / len(features)


def correlation_difference(real: Array, other: Array) -> float:
    """Mean absolute difference between the correlations of two tables of features, over pairs of different ones."""
    pairs = np.triu_indices(real.shape[1], 1)
    if not len(pairs[0]):
        return 0.0
    return float(np.abs(correlations(real) - correlations(other))[pairs].mean())
