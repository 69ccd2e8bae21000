"""What a Python user holds in memory -> one array of rows and, where there are any, their labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aae.data.containers import dense
from aae.data.layout import numbers
from aae.errors import DataError

Array = NDArray[Any]


def gathered(x: Any, y: Any, where: str) -> tuple[Array, Array | None]:
    """Rows [n, ...] and labels [n] or None; DataError if `x` is nothing that rows can be taken from.

    Arrays, tensors and nested lists are taken as they are; of a torch Dataset every item, and of another iterable
    every batch, may be a pair of rows and labels. Batches are copied once, into one array.
    """
    if isinstance(x, torch.utils.data.Dataset):
        x, y = _items(x, y, where)
    elif isinstance(x, Iterable) and not (
        hasattr(x, "__array__") or hasattr(x, "toarray") or isinstance(x, (list, tuple, str, bytes, dict))
    ):
        x, y = _batches(x, y, where)
    elif hasattr(x, "toarray"):
        x = dense(x, where)
    array = numbers(x, where)
    return array, None if y is None else labels(y, where)


def labels(y: Any, where: str) -> Array:
    """Labels as an array of numbers or text; None and NaN among text become empty, which means unlabelled."""
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu().numpy()
    array = np.asarray(y)
    if array.dtype.kind == "T":  # NumPy's text of any length
        array = array.astype(str)
    if array.dtype.kind != "O":
        return array
    missing = [value is None or value != value for value in array.flat]
    if any(isinstance(value, str) for value in array.flat):
        text = ["" if gone else str(value) for value, gone in zip(array.flat, missing, strict=True)]
        return np.array(text).reshape(array.shape)
    try:
        return np.array([np.nan if gone else value for value, gone in zip(array.flat, missing, strict=True)], float)
    except (TypeError, ValueError):
        raise DataError(f"{where}: labels are of type object; expected whole numbers or text") from None


def _items(data: Any, y: Any, where: str) -> tuple[Array, Any]:
    """The items of a torch Dataset, stacked."""
    if not hasattr(data, "__len__"):
        return _batches(([item] for item in data), y, where)
    return _batches((_stacked([data[i]], where) for i in range(len(data))), y, where)


def _stacked(items: list[Any], where: str) -> Any:
    one = items[0]
    if isinstance(one, (tuple, list)):
        if len(one) > 2 or not one:
            raise DataError(f"{where}: an item holds {len(one)} things; expected rows, or a pair of row and label")
        return tuple(_array(part, where)[None] for part in one)
    return _array(one, where)[None]


def _array(value: Any, where: str) -> Array:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return np.asarray(value)


def _batches(batches: Iterable[Any], y: Any, where: str) -> tuple[Array, Any]:
    """Every batch of an iterable, concatenated."""
    parts: list[Array] = []
    named: list[Array] = []
    for i, batch in enumerate(batches):
        pair = isinstance(batch, (tuple, list)) and len(batch) <= 2
        rows = _array(batch[0] if pair else batch, where)
        if parts and rows.shape[1:] != parts[0].shape[1:]:
            raise DataError(
                f"{where}: batch {i} has rows of shape {rows.shape[1:]}, those before it {parts[0].shape[1:]}"
            )
        parts.append(rows)
        if pair and len(batch) == 2:
            named.append(_array(batch[1], where).reshape(-1))
    if not parts:
        raise DataError(f"{where}: gave no rows")
    if named and y is not None:
        raise DataError(f"{where}: comes with labels of its own; leave y out")
    if named and len(named) != len(parts):
        raise DataError(f"{where}: some batches have labels and others none")
    return np.concatenate(parts), np.concatenate(named) if named else y
