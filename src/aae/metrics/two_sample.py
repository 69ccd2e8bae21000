"""Have two sets of rows one distribution? Distances first, then the chance of such a distance between equal ones.

Written here rather than taken from libraries, for reasons of size and speed (measured on one core): hyppo 0.5 has both
kernel tests, but brings numba, pandas and statsmodels (some 350 MB installed) and permutes in a loop over copies of
the kernel matrix; POT 0.9 is 180 MB for the four lines of `sliced_wasserstein`. The distances of a permutation are
products of one matrix, so all permutations together cost one matrix product.

Here and beside this file SciPy and scikit-learn are imported by the functions that need them: a training run measures
its codes after the first epoch, and should not stand still for seconds while they load.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aae.errors import DataError
from aae.metrics.checks import Floats, rows

BANDWIDTHS = (0.5, 1.0, 2.0)
"""Of the Gaussian kernels of `mmd`, in medians of the distances between rows."""


@dataclass(frozen=True)
class TwoSample:
    """What a permutation test found."""

    distance: float
    """The effect size: about 0 for equal distributions, and by chance below it, since the estimate is unbiased."""
    p_value: float
    """Share of random relabellings of the rows, and of this one, with a distance as large: never below
    1 / (permutations + 1), and 1 without permutations."""
    n: int
    """Rows compared on each side."""


def mmd(
    a: npt.ArrayLike, b: npt.ArrayLike, *, permutations: int = 200, most_rows: int = 1000, seed: int = 0
) -> TwoSample:
    """Squared maximum mean discrepancy, unbiased: E k(x, x') + E k(y, y') - 2 E k(x, y) over pairs of different rows.

    k is the mean of three Gaussian kernels exp(-|x - y|^2 / (2 s^2)), with s half, once and twice the median distance
    between rows of both sets together. Unitless, at most 2.

    a, b: [rows, d], 2 rows or more each; the larger set is thinned at random to the size of the smaller and both to
    `most_rows`, because the matrix of distances has (2 rows)^2 entries. Raises DataError for other shapes, NaN.
    Source: Gretton et al., "A kernel two-sample test", JMLR 13 (2012), equation 3 and section 3.
    """
    x, n = _pooled(a, b, most_rows, seed)
    squared = np.square(_distances(x))
    median = float(np.median(squared[np.triu_indices(2 * n, 1)]))
    scale = median if median > 0 else 1.0  # more than half of the rows equal: any width will do
    kernel = np.mean([np.exp(-squared / (2 * width**2 * scale)) for width in BANDWIDTHS], axis=0)
    observed, permuted = _u_statistics(kernel, n, permutations, seed)
    return TwoSample(observed, _p_value(observed, permuted), n)


def energy(
    a: npt.ArrayLike, b: npt.ArrayLike, *, permutations: int = 200, most_rows: int = 1000, seed: int = 0
) -> TwoSample:
    """Energy coefficient (2 E|x - y| - E|x - x'| - E|y - y'|) / (2 E|x - y|), over pairs of different rows.

    0 for equal distributions, 1 for two separate points; unitless. No kernel width has to be chosen. Rows and errors
    as for `mmd`.
    Source: Szekely and Rizzo, "Energy statistics", J. Statistical Planning and Inference 143 (2013), section 6; they
    also count the pairs of a row with itself, which makes their estimate larger than 0 for equal distributions.
    """
    x, n = _pooled(a, b, most_rows, seed)
    distances = _distances(x)
    observed, permuted = _u_statistics(-distances, n, permutations, seed)
    between = 2 * float(distances[:n, n:].mean())
    return TwoSample(observed / between if between > 0 else 0.0, _p_value(observed, permuted), n)


def sliced_wasserstein(a: npt.ArrayLike, b: npt.ArrayLike, *, directions: int = 100, seed: int = 0) -> float:
    """Mean over random directions of the 1-Wasserstein distance between the projections; in the units of the rows.

    W1 of n against n numbers is the mean |difference| of the sorted ones. The larger set is thinned at random to the
    size of the smaller. a, b: [rows, d]; for d = 1 there is one direction and the distance is exact. Raises DataError
    for other shapes, NaN. Source: Rabin et al., "Wasserstein barycenter and its application to texture mixing", 2011.
    """
    if directions < 1:
        raise DataError(f"directions must be 1 or more, got {directions}")
    first, second, n, random = _paired(a, b, 1, seed)
    d = first.shape[1]
    to = np.ones((1, 1)) if d == 1 else random.normal(size=(d, directions))
    to /= np.linalg.norm(to, axis=0)
    return float(np.mean(np.abs(np.sort(first[:n] @ to, axis=0) - np.sort(second[:n] @ to, axis=0))))


def ks_distances(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Two-sample Kolmogorov-Smirnov distances [d], one for each axis: sup |F_a - F_b|. a, b: [rows, d]."""
    first, second, *_ = _paired(a, b, 1, 0)
    found = []
    for x, y in zip(np.sort(first, axis=0).T, np.sort(second, axis=0).T, strict=True):
        both = np.concatenate([x, y])
        below = [np.searchsorted(side, both, side="right") / len(side) for side in (x, y)]
        found.append(np.abs(below[0] - below[1]).max())
    return np.array(found)


def ks_by_axis(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Floats, float]:
    """`ks_distances` [d], and the p-value of the largest.

    The p-value is the least of the axes' own (asymptotic) ones times d, at most 1: Bonferroni. a, b: [rows, d].
    """
    from scipy.stats import ks_2samp

    first, second, *_ = _paired(a, b, 1, 0)
    least = min(ks_2samp(x, y, method="asymp").pvalue for x, y in zip(first.T, second.T, strict=True))
    return ks_distances(first, second), float(min(1.0, first.shape[1] * least))


def _paired(
    a: npt.ArrayLike, b: npt.ArrayLike, least: int, seed: int
) -> tuple[Floats, Floats, int, np.random.Generator]:
    """Both sets, shuffled if they differ in size, and the size of the smaller."""
    first, second = rows(a, "a", least), rows(b, "b", least)
    if first.shape[1] != second.shape[1]:
        raise DataError(f"a has {first.shape[1]} dimensions, b {second.shape[1]}; expected the same")
    random = np.random.default_rng(seed)
    if len(first) != len(second):
        first, second = (side[random.permutation(len(side))] for side in (first, second))
    return first, second, min(len(first), len(second)), random


def _pooled(a: npt.ArrayLike, b: npt.ArrayLike, most: int, seed: int) -> tuple[Floats, int]:
    """n rows of a, then n of b, chosen at random: [2 n, d]."""
    if most < 2:
        raise DataError(f"most_rows must be 2 or more, got {most}")
    first, second, n, random = _paired(a, b, 2, seed)
    n = min(n, most)
    return np.concatenate([side[random.permutation(len(side))[:n]] for side in (first, second)]), n


def _distances(x: Floats) -> Floats:
    """Between all rows, [n, n]; from differences and not from products, so that equal rows are at distance 0."""
    rows_x = torch.from_numpy(np.ascontiguousarray(x))
    return torch.cdist(rows_x, rows_x, compute_mode="donot_use_mm_for_euclid_dist").numpy()


def _u_statistics(kernel: Floats, n: int, permutations: int, seed: int) -> tuple[float, Floats]:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) as labelled, and under random relabellings; kernel: [2 n, 2 n]."""
    if permutations < 0:
        raise DataError(f"permutations must be 0 or more, got {permutations}")
    random = np.random.default_rng([seed, n])
    np.fill_diagonal(kernel, 0)  # a row is no pair with itself
    labels = np.zeros((2 * n, permutations + 1))
    labels[:n, 0] = 1
    labels[:, 1:] = random.permuted(np.tile(labels[:, :1], permutations), axis=0)
    sums = kernel.sum(0)
    product = kernel @ labels
    within_a = np.einsum("ip,ip->p", labels, product)
    across = sums @ labels - within_a
    within_b = sums.sum() - within_a - 2 * across
    found = (within_a + within_b) / (n * (n - 1)) - 2 * across / n**2
    return float(found[0]), found[1:]


def _p_value(observed: float, permuted: Floats) -> float:
    # Equal relabellings differ in the last digits; they must count as equal.
    slack = 1e-12 * max(1.0, abs(observed))
    return float((1 + np.sum(permuted >= observed - slack)) / (1 + len(permuted)))
