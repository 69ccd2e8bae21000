"""Labels as people write them -> class numbers 0, 1, ... with -1 for an unlabelled row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.errors import DataError

LARGEST_WHOLE = 2**53
"""Up to here a float holds every whole number."""


def number_labels(labels: NDArray[Any], n: int, where: str) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
    """Class numbers [n] and the classes' names in sorted order; (None, None) if no row is labelled.

    Whole numbers (of any type) or text. Unlabelled: -1, NaN, or empty text. DataError names the row otherwise.
    """
    if labels.shape not in ((n,), (n, 1)):
        raise DataError(f"{where}: labels have shape {labels.shape}, expected one for each of the {n} rows")
    labels = labels.reshape(n)
    if labels.dtype.kind in "SU":
        labels, missing = _text(labels, where)
    elif labels.dtype.kind in "biuf":
        labels, missing = _whole(labels, where)
    else:
        raise DataError(f"{where}: labels are of type {labels.dtype}; expected whole numbers or text")
    names, found = np.unique(labels[~missing], return_inverse=True)
    if not len(names):
        return None, None
    y = np.full(n, -1, np.int64)
    y[~missing] = found.reshape(-1)
    return y, tuple(str(name) for name in names)


def _text(labels: NDArray[Any], where: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    try:
        text = np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels
        text = np.char.strip(text)
    except (UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{where}: labels are not valid text ({error})") from None
    return text, text == ""


def _whole(labels: NDArray[Any], where: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    if labels.dtype.kind == "f":
        missing = np.isnan(labels)
        filled = np.where(missing, -1.0, labels.astype(np.float64))
        with np.errstate(invalid="ignore"):  # inf % 1
            wrong = (np.abs(filled) > LARGEST_WHOLE) | (filled % 1 != 0)
        _refuse(wrong, labels, where)
        labels = filled.astype(np.int64)
    elif labels.dtype.kind == "b":
        labels = labels.astype(np.uint8)
    missing = labels == -1
    _refuse((labels < 0) & ~missing, labels, where)
    return labels, missing


def _refuse(wrong: NDArray[np.bool_], labels: NDArray[Any], where: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}: the label of row {row} is {labels[row]}; expected 0, 1, 2, ... or text, -1 for unlabelled"
        )
