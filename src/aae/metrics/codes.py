"""What codes keep of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import KNeighborsClassifier

from aae.errors import DataError
from aae.metrics.checks import table


def knn_accuracy(
    train_codes: ArrayLike, train_labels: ArrayLike, test_codes: ArrayLike, test_labels: ArrayLike, k: int = 5
) -> float:
    """Share of test codes [m, d] whose k nearest training codes [n, d] vote for their class; ties go to the lower one.

    Labels are whole numbers [n] and [m]; -1 means unlabelled, and such rows are left out on both sides. Raises
    DataError if fewer than k labelled training rows or no labelled test row remain.
    """
    sides = []
    for codes, labels, name in ((train_codes, train_labels, "train"), (test_codes, test_labels, "test")):
        rows, classes = table(codes, f"{name}_codes"), np.asarray(labels)
        if classes.shape != (len(rows),):
            raise DataError(f"{name}_labels must have shape [{len(rows)}], got {list(classes.shape)}")
        sides.append((rows[classes >= 0], classes[classes >= 0]))
    (known, names), (asked, truth) = sides
    if len(known) < k or len(asked) == 0:
        raise DataError(f"need {k} labelled training rows and 1 labelled test row, got {len(known)} and {len(asked)}")
    return float(KNeighborsClassifier(k).fit(known, names).score(asked, truth))
