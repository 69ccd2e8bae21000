"""Are new rows like real ones? Distances between two sets of features, and whether rows were copied.

No one number answers: the Frechet distance prefers a hundred copied rows to blurred ones, copies and averages keep the
precision of real rows, and only recall, coverage and the memorisation ratio notice copies. Read them together,
each beside what held-out real rows score. docs/metrics.md has measured examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import Floats, rows

BLOCK = 1000
"""Rows of the matrix of distances that are in memory together."""


@dataclass(frozen=True)
class PRDC:
    """How two sets of features overlap; 0 to 1, but density, which can be larger."""

    precision: float
    """Share of new rows that lie within the k-th neighbour's distance of some real row."""
    recall: float
    """Share of real rows that lie within the k-th neighbour's distance of some new row."""
    density: float
    """Mean over new rows of the number of such balls around real rows that hold it, divided by k."""
    coverage: float
    """Share of real rows whose ball holds a new row."""


def frechet_distance(real: npt.ArrayLike, new: npt.ArrayLike) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) of the means and covariances (over n - 1) of features [n, d], [m, d].

    In squared units of the features; 0 for equal moments. It falls with the number of rows even where nothing changes,
    by about a term in 1 / n, so compare equal n only; give many more rows than dimensions. Raises DataError for fewer
    than 2 rows, different widths, NaN. Source: Heusel et al., "GANs trained by a two time-scale update rule", 2017.
    """
    a, b = _pair(real, new, 2)
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    c, other = (np.atleast_2d(np.cov(side, rowvar=False)) for side in (a, b))
    values, vectors = np.linalg.eigh(c)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    # The eigenvalues of c @ other are those of the symmetric matrix root @ other @ root, which has real roots.
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ other @ root), 0, None)).sum()
    return float(max(mean + np.trace(c) + np.trace(other) - 2 * cross, 0.0))


def kernel_distance(real: npt.ArrayLike, new: npt.ArrayLike) -> float:
    """Unbiased squared MMD of features [n, d], [m, d] with the kernel (x y / d + 1)^3: KID when they are Inception's.

    About 0 for equal distributions whatever n is, and by chance below it; its units are those of the features to the
    sixth power. Raises DataError as `frechet_distance`. Source: Binkowski et al., "Demystifying MMD GANs", ICLR 2018,
    section 4 (they average over blocks of rows; we use every pair).
    """
    a, b = _pair(real, new, 2)
    return _within(a) + _within(b) - 2 * _kernel_sum(a, b) / (len(a) * len(b))


def prdc(real: npt.ArrayLike, new: npt.ArrayLike, *, k: int = 5) -> PRDC:
    """Precision, recall, density and coverage of `new` against `real`, features [n, d] and [m, d], k-th neighbours.

    Use equally many rows on both sides: the balls shrink as rows are added. Two samples of one Gaussian in many
    dimensions give, for 10,000 rows and k = 5, about 0.48, 0.47, 1.06 and 0.97: a floor has to be measured too.
    Precision and recall trust outliers, around which balls are large; density and coverage, less so.

    Raises DataError for k + 1 rows or fewer on a side, different widths, NaN. Sources: Kynkaanniemi et al., "Improved
    precision and recall metric", 2019; Naeem et al., "Reliable fidelity and diversity metrics", ICML 2020.
    """
    from scipy.spatial.distance import cdist

    if k < 1:
        raise DataError(f"k must be 1 or more, got {k}")
    a, b = _pair(real, new, k + 1)
    radius_a, radius_b = (_radius(side, k) for side in (a, b))
    held, recalled, covered = np.zeros(len(b)), 0, 0
    for start in range(0, len(a), BLOCK):
        distance = cdist(a[start : start + BLOCK], b)  # [block, m]
        in_ball = distance <= radius_a[start : start + BLOCK, None]
        held += in_ball.sum(0)
        covered += int(in_ball.any(1).sum())
        recalled += int((distance <= radius_b).any(1).sum())
    return PRDC(float(np.mean(held > 0)), recalled / len(a), float(held.mean() / k), covered / len(a))


def memorisation_ratio(new: npt.ArrayLike, train: npt.ArrayLike, held_out: npt.ArrayLike) -> float:
    """How much closer new rows lie to training rows than held-out real rows do: a ratio of median nearest distances.

    1: no closer than real rows that were never seen; 0: at least half are copies. Well above 1 says that the rows
    are unlike the data, not that they are original. All [rows, d], in one unit; DataError otherwise, and if the
    held-out rows themselves are copies, where there is nothing to compare with.
    """
    from sklearn.neighbors import NearestNeighbors

    (seen, fresh), (_, held) = _pair(train, new, 1), _pair(train, held_out, 1)
    tree = NearestNeighbors(n_neighbors=1).fit(seen)

    def usual(x: Floats) -> float:  # found by products, measured by differences: a copy is at distance 0
        return float(np.median(np.linalg.norm(x - seen[tree.kneighbors(x)[1][:, 0]], axis=1)))

    if usual(held) == 0:
        raise DataError("half of the held-out rows are also training rows; remove the duplicates to compare with them")
    return usual(fresh) / usual(held)


def _pair(a: npt.ArrayLike, b: npt.ArrayLike, least: int) -> tuple[Floats, Floats]:
    first, second = rows(a, "real", least), rows(b, "new", least)
    if first.shape[1] != second.shape[1]:
        raise DataError(f"real rows have {first.shape[1]} dimensions, new ones {second.shape[1]}; expected the same")
    return first, second


def _radius(x: Floats, k: int) -> Floats:
    """Distance of each row to its k-th neighbour among the others."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]


def _within(x: Floats) -> float:
    own = np.sum((np.square(x).sum(1) / x.shape[1] + 1) ** 3)
    return float((_kernel_sum(x, x) - own) / (len(x) * (len(x) - 1)))


def _kernel_sum(a: Floats, b: Floats) -> float:
    blocks = (a[i : i + BLOCK] @ b.T / a.shape[1] + 1 for i in range(0, len(a), BLOCK))
    return float(sum(np.sum(block**3) for block in blocks))
