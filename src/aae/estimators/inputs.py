"""What a user passes as X -> an array that the models take, or a ValueError that names row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from aae.data.layout import LARGEST, numbers
from aae.errors import DataError

Array = NDArray[Any]


def checked(estimator: BaseEstimator, x: Any, *, reset: bool, fewest: int = 1) -> Array:
    """The rows of `checked_pair`, without labels."""
    return checked_pair(estimator, x, "no_validation", reset=reset, fewest=fewest)[0]


def checked_pair(
    estimator: BaseEstimator, x: Any, y: Any, *, reset: bool, fewest: int = 1
) -> tuple[Array, NDArray[Any] | None]:
    """`x` as an array of finite numbers [n, ...]; what it was taken from is not changed, and may be shared.

    Rows may be vectors, or images ([n, h, w], with channels first or last), which scikit-learn sees flat: the number of
    features is the number of values in a row. With `reset` the estimator learns that number and the names of columns;
    without, they are held against what it learnt.

    Raises ValueError or TypeError as scikit-learn words them, with the row and the column where one is to blame, for
    what is sparse, complex, text, empty, masked, of the wrong width, not finite, or beyond 1e30. `y` is checked by
    scikit-learn's rules too: one label for each row.
    """
    if isinstance(x, (torch.Tensor, np.ma.MaskedArray)):
        x = numbers(x, "X")
    shape = tuple(getattr(x, "shape", ()))
    if len(shape) > 2 and 0 not in shape:
        x = np.asarray(x).reshape(shape[0], -1)
    names = [str(name) for name in getattr(x, "columns", ())]
    try:
        found = validate_data(
            estimator,
            x,
            y,
            reset=reset,
            dtype="numeric",
            ensure_all_finite=False,
            ensure_min_samples=fewest,
        )
    except (ValueError, TypeError) as error:
        place = _no_number(x, names)
        if place is None:
            raise
        raise type(error)(f"{error} ({place})") from None
    flat, labels = found if isinstance(found, tuple) else (found, None)
    flat = numbers(flat, "X")
    _require_finite(flat, names)
    return (flat.reshape(shape) if len(shape) > 2 else flat), labels


def class_codes(y: Array, classes: Any = None) -> tuple[Array, NDArray[np.int64]]:
    """The classes, sorted, and each row's place among them, int64 [n], -1 where the label is -1: unlabelled.

    Labels that are -1 and 1, and nothing else, are two classes, as in any classifier: an unlabelled row beside a single
    class would teach nothing. ValueError for fewer than two classes, for labels that are measurements, and for a label
    that is not among `classes`, where these are given.
    """
    free = np.array([not isinstance(label, str) and label == -1 for label in y.tolist()], dtype=bool)
    if y.dtype.kind == "O":
        _require_one_kind(y, free)
    check_classification_targets(y[~free])
    found = np.unique(y[~free])
    if classes is None:
        if free.any() and found.tolist() == [1]:
            found, free = np.unique(y), np.zeros(len(y), bool)
        classes = found
    classes = np.unique(np.asarray(classes))
    if -1 in classes.tolist():
        free[:] = False
        found = np.unique(y)
    if len(classes) < 2:
        raise DataError(
            f"y has {len(classes)} labelled class{'' if len(classes) == 1 else 'es'}; a classifier needs two or more. "
            "-1 stands for an unlabelled row."
        )
    if strange := sorted(set(found.tolist()) - set(classes.tolist()), key=str):
        row = int(np.flatnonzero(y == strange[0])[0])
        raise DataError(f"the label of row {row} is {strange[0]!r}, which is not one of the classes {classes.tolist()}")
    codes = np.full(len(y), -1, np.int64)
    codes[~free] = np.searchsorted(classes, y[~free])
    return classes, codes


def _require_one_kind(y: Array, free: NDArray[np.bool_]) -> None:
    """ValueError that names the row of a label that cannot be sorted among the others, such as None."""
    known = [(row, label) for row, label in enumerate(y.tolist()) if not free[row]]
    for row, label in known:
        if label is None or label != label:
            raise DataError(f"the label of row {row} is {label}; -1 stands for an unlabelled row")
        if isinstance(label, str) != isinstance(known[0][1], str):
            raise DataError(
                f"the label of row {row} is {label!r}, and that of row {known[0][0]} {known[0][1]!r}; make all of them "
                "text or all numbers, with -1 for an unlabelled row"
            )


def _no_number(x: Any, names: list[str]) -> str | None:
    """The place of the first value that is no number, in words; None if no single value is to blame."""
    try:
        table = np.asarray(x, dtype=object)
    except ValueError:  # ragged
        return None
    if table.ndim != 2 or hasattr(x, "toarray"):
        return None
    for (row, column), value in np.ndenumerate(table):
        if isinstance(value, (complex, np.complexfloating)):
            return None
        try:
            float(value)
        except (TypeError, ValueError):
            return f"{_place(row, column, names)} holds {str(value)[:40]!r}"
    return None


def _require_finite(flat: Array, names: list[str]) -> None:
    if flat.dtype.kind != "f":
        return
    wrong = ~(np.abs(flat) <= LARGEST)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        value = flat[row, column]
        what = "NaN" if np.isnan(value) else "infinity" if np.isinf(value) else f"{value:g}"
        why = "values must be finite" if not np.isfinite(value) else "32-bit arithmetic needs values within 1e30"
        raise DataError(
            f"Input X contains {what} in {_place(row, column, names)}, counted from 0; {why}. "
            "Fill such values in (sklearn.impute has ways), or leave those rows out."
        )


def _place(row: int, column: int, names: list[str]) -> str:
    named = f" ({names[column]!r})" if column < len(names) else ""
    return f"row {row}, column {column}{named}"
