"""Do two samples come from one distribution, and does a sample fill the prior?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from aae.errors import DataError
from aae.metrics.checks import Array, table


@dataclass(frozen=True)
class C2ST:
    """Result of a classifier two-sample test.

    accuracy: share of held-out rows told apart right, 0.5 when nothing can be told. p_value: chance of that many or
    more under guessing. n: rows that were told, from both samples together.
    """

    accuracy: float
    p_value: float
    n: int


def c2st(a: ArrayLike, b: ArrayLike, *, folds: int = 5, seed: int = 0) -> C2ST:
    """Classifier two-sample test of `a` [n, d] against `b` [m, d] (Lopez-Paz & Oquab 2017, section 3).

    Gradient-boosted trees, freshly trained on each of `folds` shuffled, stratified folds, tell rows of `a` from rows
    of `b`; the larger sample is thinned at random to the size of the smaller. The p-value is one-sided binomial
    against 1/2. Read the accuracy, the size of the effect, first: with thousands of rows every difference is
    significant, and as the folds share training rows the p-value is a little too small.

    Raises DataError for samples of different width, or with fewer than 2 * folds rows.
    """
    first, second = table(a, "a", 2 * folds), table(b, "b", 2 * folds)
    if first.shape[1] != second.shape[1]:
        raise DataError(f"a and b must have the same number of columns, got {first.shape[1]} and {second.shape[1]}")
    rng, n = np.random.default_rng(seed), min(len(first), len(second))
    first, second = (rng.permutation(sample)[:n] for sample in (first, second))
    rows, labels = np.concatenate([first, second]), np.repeat([0, 1], n)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    told = cross_val_predict(HistGradientBoostingClassifier(random_state=seed), rows, labels, cv=parts) == labels
    p_value = stats.binomtest(int(told.sum()), len(told), 0.5, alternative="greater").pvalue
    return C2ST(float(told.mean()), float(p_value), len(told))


def cells(unit: ArrayLike, bins: int) -> Array:
    """Counts of codes in cells of equal prior probability.

    `unit` [n, d] are codes mapped by the prior's cumulative distribution, axis by axis, so that the prior is uniform
    on [0, 1]^d; rows outside belong to no cell. Gives [bins] for d = 1, else [pairs, bins, bins], one table for each
    pair of axes: a full grid in many dimensions would be empty whatever the codes are.
    """
    rows = table(unit, "unit")
    if bins < 1:
        raise DataError(f"bins must be 1 or more, got {bins}")
    inside = rows[((rows >= 0) & (rows <= 1)).all(1)]
    if rows.shape[1] == 1:
        return np.histogram(inside[:, 0], bins=bins, range=(0, 1))[0]
    square = [[0, 1], [0, 1]]
    pairs = itertools.combinations(range(rows.shape[1]), 2)
    return np.stack([np.histogram2d(inside[:, i], inside[:, j], bins=bins, range=square)[0] for i, j in pairs])


def empty_share(unit: ArrayLike, bins: int) -> float:
    """Share, 0 to 1, of the cells of `cells` that no code reaches; with more than two axes the mean over pairs."""
    return float((cells(unit, bins) == 0).mean())


def empty_share_floor(n: int, bins: int, d: int) -> float:
    """What `empty_share` is expected to give for n independent samples of the prior itself: (1 - 1 / cells)^n."""
    return float((1 - 1 / bins ** min(d, 2)) ** n)


def max_ks(unit: ArrayLike) -> float:
    """Largest Kolmogorov-Smirnov distance, 0 to 1, of an axis of `unit` [n, d] from the uniform distribution."""
    rows = table(unit, "unit")
    return max(float(stats.kstest(column, "uniform").statistic) for column in rows.T)
