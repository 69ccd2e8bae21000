"""Do codes that lie close together belong together?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import KNeighborsClassifier

from aae.errors import DataError
from aae.metrics.checks import Floats, rows

UNLABELLED = -1


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
