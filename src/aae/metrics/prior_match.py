"""Do the codes follow the prior? Answers in numbers with a known floor, the value that exact samples would get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import Floats, rows

Counts = npt.NDArray[np.int64]

C2ST_LEAST_ROWS = 50
"""With fewer rows on a side the trees cannot split, and any two sets would seem equal."""


@dataclass(frozen=True)
class C2ST:
    """What a classifier two-sample test found."""

    accuracy: float
    """Share of held-out rows told apart right: about 0.5 for equal distributions, 1 for separate ones."""
    p_value: float
    """Chance of `right` answers or more among `judged` by guessing."""
    n: int
    """Rows compared on each side."""
    right: int
    """Right answers of a classifier trained on one half of the rows, about the other half."""
    judged: int
    """Rows in that other half."""


def c2st(a: npt.ArrayLike, b: npt.ArrayLike, *, folds: int = 5, seed: int = 0) -> C2ST:
    """Classifier two-sample test: how well can freshly trained boosted trees tell rows of `a` from rows of `b`?

    The larger side is thinned at random to the size of the smaller, so guessing is right half the time. For the
    accuracy each row is judged once, by a classifier trained on the other folds (stratified, shuffled by `seed`).
    Those answers depend on one another, since the classifiers share most of their training rows: a binomial test of
    them rejects equal distributions too often (of 150 rows, about 13 % of the time at the level of 5 %). So the
    p-value comes from one more classifier, trained on half of the rows and judged on the other: the binomial tail
    P(Bin(judged, 1/2) >= right).

    Read the accuracy first: it is the size of the difference, while with many rows any difference, however slight,
    gets a tiny p-value. A test that finds nothing may lack power.

    a, b: [rows, d], any units; 50 rows or more each. Raises DataError for other shapes, NaN, too few rows.
    Source: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017, section 3 (the halves; they have
    no folds).
    """
    from scipy.stats import binom
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    first, second = rows(a, "a", C2ST_LEAST_ROWS), rows(b, "b", C2ST_LEAST_ROWS)
    if first.shape[1] != second.shape[1]:
        raise DataError(f"a has {first.shape[1]} dimensions, b {second.shape[1]}; expected the same")
    if not 2 <= folds <= C2ST_LEAST_ROWS:
        raise DataError(f"folds must lie in 2 to {C2ST_LEAST_ROWS}, got {folds}")
    n, random = min(len(first), len(second)), np.random.default_rng(seed)
    x = np.concatenate([side[random.permutation(len(side))[:n]] for side in (first, second)])  # [2 n, d]
    y = np.repeat([0, 1], n)

    judge = HistGradientBoostingClassifier(random_state=seed)

    def answers(parts: int) -> Iterator[npt.NDArray[np.bool_]]:
        for train, held in StratifiedKFold(parts, shuffle=True, random_state=seed).split(x, y):
            yield judge.fit(x[train], y[train]).predict(x[held]) == y[held]

    accuracy = sum(int(fold.sum()) for fold in answers(folds)) / (2 * n)
    half = next(answers(2))
    right = int(half.sum())
    return C2ST(accuracy, float(binom.sf(right - 1, len(half), 0.5)), n, right, len(half))


def cells(unit: npt.ArrayLike, bins: int) -> Counts:
    """Codes per cell of a grid of equal probability under the prior.

    unit: [n, d], codes mapped by the prior's cumulative distribution, axis by axis, to the unit cube. A row with any
    coordinate outside [0, 1] is counted nowhere.
    Returns [bins] for d = 1, [bins, bins] for d = 2, and for d > 2 one grid for every pair of axes,
    [d (d - 1) / 2, bins, bins] in the order of `itertools.combinations`.
    """
    array = rows(unit, "unit")
    counts = np.stack(list(_grids(array, _checked(bins))))
    return counts[0] if array.shape[1] <= 2 else counts


def empty_share(unit: npt.ArrayLike, bins: int) -> float:
    """Share of the cells of `cells` that no code reaches (0 to 1); for d > 2 the mean over all pairs of axes.

    Compare with `empty_share_floor`: exact samples of the prior leave cells empty too.
    """
    return float(np.mean([np.mean(grid == 0) for grid in _grids(rows(unit, "unit"), _checked(bins))]))


def empty_share_floor(n: int, bins: int, d: int) -> float:
    """Expected `empty_share` of n exact samples of the prior in d dimensions: (1 - 1/cells)^n.

    A grid has bins^2 cells, or bins for d = 1.
    """
    if n < 0 or d < 1:
        raise DataError(f"n must be 0 or more and d 1 or more, got n = {n} and d = {d}")
    return float((1 - 1 / _checked(bins) ** min(d, 2)) ** n)


def _checked(bins: int) -> int:
    if bins < 1:
        raise DataError(f"bins must be 1 or more, got {bins}")
    return bins


def _grids(unit: Floats, bins: int) -> Iterator[Counts]:
    inside = unit[np.all((unit >= 0) & (unit <= 1), axis=1)]
    index = np.minimum((inside * bins).astype(np.int64), bins - 1)  # 1.0 belongs to the last cell
    d = unit.shape[1]
    for axes in combinations(range(d), min(d, 2)):
        shape = (bins,) * len(axes)
        flat = np.ravel_multi_index(tuple(index[:, axis] for axis in axes), shape)
        yield np.bincount(flat, minlength=bins ** len(axes)).reshape(shape).astype(np.int64)


def inside_share(mask: npt.ArrayLike) -> float:
    """Share of True in `mask` [n], which says for each code whether it lies in the prior's support."""
    array: npt.NDArray[Any] = np.asarray(mask)
    if array.dtype != np.bool_ or array.ndim != 1 or array.size == 0:
        raise DataError(f"mask must be booleans [rows], got {array.dtype} of shape {list(array.shape)}")
    return float(array.mean())


def max_ks(unit: npt.ArrayLike) -> float:
    """Largest Kolmogorov-Smirnov distance from uniform over the axes: max over axes of sup_u |F_n(u) - u|.

    unit: [n, d] as for `cells`; a value outside [0, 1] counts as beyond that end. 0 to 1; exact samples of the prior
    give about 0.87 / sqrt(n) for one axis, more for the largest of several.
    """
    return float(_ks(rows(unit, "unit")).max())


def ks_of_uniform(unit: npt.ArrayLike) -> tuple[Floats, float]:
    """Kolmogorov-Smirnov distances [d] of each axis from uniform, as for `max_ks`, and the p-value of the largest.

    The p-value is the exact one of the largest distance times d, at most 1: Bonferroni.
    """
    from scipy.stats import kstwo

    array = rows(unit, "unit")
    distances = _ks(array)
    return distances, float(min(1.0, len(distances) * kstwo.sf(distances.max(), len(array))))


def _ks(unit: Floats) -> Floats:
    u = np.clip(np.sort(unit, axis=0), 0, 1)  # [n, d]
    n = len(u)
    step = np.arange(n)[:, None] / n
    return np.maximum((u - step).max(0), (step + 1 / n - u).max(0))
