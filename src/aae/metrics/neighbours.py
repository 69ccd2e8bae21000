"""Do codes that lie close together belong together?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import Floats, floats, rows

UNLABELLED = -1
MOST_ROWS = 2000
"""Rows that `neighbourhoods` looks at: it ranks every row by its distance to every other."""


def knn_accuracy(
    train_codes: npt.ArrayLike,
    train_labels: npt.ArrayLike,
    test_codes: npt.ArrayLike,
    test_labels: npt.ArrayLike,
    k: int = 5,
) -> float:
    """Share of test codes whose label is the commonest among the k nearest training codes (Euclidean distance).

    codes: [n, d]; labels: integers [n], rows labelled -1 are left out. A tie goes to the smaller label.
    Raises DataError where shapes disagree, or fewer than k labelled training rows or no labelled test rows remain.
    """
    from sklearn.neighbors import KNeighborsClassifier

    x, y = _labelled(train_codes, train_labels, "train")
    x_test, y_test = _labelled(test_codes, test_labels, "test")
    if x.shape[1] != x_test.shape[1]:
        raise DataError(f"train_codes have {x.shape[1]} dimensions, test_codes {x_test.shape[1]}; expected the same")
    if not 1 <= k <= len(x):
        raise DataError(f"k is {k}, but {len(x)} training rows have a label; choose k in 1 to {len(x)}")
    if len(x_test) == 0:
        raise DataError("none of the test rows has a label (all are -1), so there is nothing to compare with")
    predicted = KNeighborsClassifier(k).fit(x, y).predict(x_test)
    return float(np.mean(predicted == y_test))


def _labelled(codes: npt.ArrayLike, labels: npt.ArrayLike, which: str) -> tuple[Floats, npt.NDArray[Any]]:
    x, y = rows(codes, f"{which}_codes"), np.asarray(labels)
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{which}_labels must be integers [rows], got {y.dtype} of shape {list(y.shape)}")
    if len(x) != len(y):
        raise DataError(f"{len(x)} rows in {which}_codes, but {len(y)} in {which}_labels; expected the same")
    return x[y != UNLABELLED], y[y != UNLABELLED]


@dataclass(frozen=True)
class Neighbourhoods:
    """How far the neighbours of a row are also those of its code, 0 to 1; codes at random score about one half."""

    trustworthiness: float
    """1 - penalty for rows that are among a code's k nearest without being among the row's own: false neighbours."""
    continuity: float
    """1 - penalty for the row's k nearest that are not among the code's: torn neighbourhoods."""
    n: int
    """Rows looked at."""


def neighbourhoods(
    x: npt.ArrayLike, codes: npt.ArrayLike, *, k: int = 12, most_rows: int = MOST_ROWS, seed: int = 0
) -> Neighbourhoods:
    """Trustworthiness and continuity of codes [n, d] of rows x [n, ...], under Euclidean distances in both.

    Both are 1 - 2 / (n k (2 n - 3 k - 1)) times the sum over rows and their wrong neighbours of (rank - k); continuity
    is trustworthiness with codes and rows changing places. At most `most_rows` rows are looked at, chosen at random by
    `seed`; a smaller n makes both look at a coarser scale, so compare values of the same n only.

    Raises DataError for different numbers of rows, NaN, or fewer than 2 k + 1 rows.
    Source: Venna and Kaski, "Local multidimensional scaling", Neural Networks 19 (2006), section 3.
    """
    from sklearn.manifold import trustworthiness

    flat = floats(x, "x")
    rows_x, z = rows(flat.reshape(len(flat), -1), "x"), rows(codes, "codes")
    if len(rows_x) != len(z):
        raise DataError(f"{len(rows_x)} rows in x, but {len(z)} codes; encode every row once")
    n = min(len(z), most_rows)
    if k < 1 or n < 2 * k + 1:
        raise DataError(f"{n} rows are too few for {k} neighbours; give {2 * k + 1} or more, and k of 1 or more")
    chosen = np.random.default_rng(seed).permutation(len(z))[:n]
    a, b = rows_x[chosen], z[chosen]
    return Neighbourhoods(float(trustworthiness(a, b, n_neighbors=k)), float(trustworthiness(b, a, n_neighbors=k)), n)
