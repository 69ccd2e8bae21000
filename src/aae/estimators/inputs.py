"""What a user passes as X -> an array that the models take, or a ValueError that names row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from aae.data.layout import LARGEST, numbers
from aae.errors import DataError

Array = NDArray[Any]


def checked(estimator: BaseEstimator, x: Any, *, reset: bool, fewest: int = 1) -> Array:
    """`x` as an array of finite numbers [n, ...]; what it was taken from is not changed, and may be shared.

    Rows may be vectors, or images ([n, h, w], with channels first or last), which scikit-learn sees flat: the number of
    features is the number of values in a row. With `reset` the estimator learns that number and the names of columns;
    without, they are held against what it learnt.

    Raises ValueError or TypeError as scikit-learn words them, with the row and the column where one is to blame, for
    what is sparse, complex, text, empty, masked, of the wrong width, not finite, or beyond 1e30.
    """
    if isinstance(x, (torch.Tensor, np.ma.MaskedArray)):
        x = numbers(x, "X")
    shape = tuple(getattr(x, "shape", ()))
    if len(shape) > 2 and 0 not in shape:
        x = np.asarray(x).reshape(shape[0], -1)
    names = [str(name) for name in getattr(x, "columns", ())]
    try:
        flat = validate_data(
            estimator,
            x,
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
    flat = numbers(flat, "X")
    _require_finite(flat, names)
    return flat.reshape(shape) if len(shape) > 2 else flat


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
