"""What a Python user holds in memory -> one array of rows and, where there are any, their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aae.data.containers import dense
from aae.data.layout import numbers
from aae.data.spool import held, stored
from aae.errors import DataError

Array = NDArray[Any]


def gathered(x: Any, y: Any, where: str) -> tuple[Array, Array | None]:
    """Rows [n, ...] and labels [n] or None; DataError if `x` is nothing that rows can be taken from.

    Arrays, tensors and nested lists are taken as they are; of a torch Dataset every item, and of another iterable
    every batch, may be a pair of rows and labels; so may what a function gives that takes nothing. Batches are copied
    once, into one array, or where they are many into a file that is gone when the process ends: see `aae.data.spool`.
    """
    if isinstance(x, torch.utils.data.Dataset):
        x, y = _items(x, y, where)
    elif callable(x) and not (hasattr(x, "__array__") or isinstance(x, Iterable)):
        x, y = _batches(x(), y, where)
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
        return _batches(data, y, where)
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
    """Every batch of an iterable: in memory, or in a file that is mapped once there are MAPPED_FROM bytes of them."""
    named: list[Array] = []
    rows = _labelled(batches, named, where)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{where}: gave no rows")
    x = held(chain([first], rows), lambda parts: _alike(parts, where))
    if named and y is not None:
        raise DataError(f"{where}: comes with labels of its own; leave y out")
    if named and sum(map(len, named)) != len(x):
        raise DataError(f"{where}: some batches have labels and others none")
    return x, np.concatenate(named) if named else y


def _labelled(batches: Iterable[Any], named: list[Array], where: str) -> Iterator[Array]:
    """The rows of each batch, [m, ...], their labels added to `named`; an array of one axis is a single row."""
    shape: tuple[int, ...] | None = None
    for i, batch in enumerate(batches):
        pair = isinstance(batch, (tuple, list)) and len(batch) <= 2
        rows = _array(batch[0] if pair else batch, where)
        told = _array(batch[1], where) if pair and len(batch) == 2 else None
        if rows.ndim == 1 or (told is not None and told.ndim == 0):
            rows = rows[None]
        shape = rows.shape[1:] if shape is None else shape
        if rows.shape[1:] != shape:
            raise DataError(f"{where}: batch {i} has rows of shape {rows.shape[1:]}, those before it {shape}")
        if told is not None:
            named.append(told.reshape(-1))
            if named[-1].shape != rows.shape[:1]:
                raise DataError(f"{where}: batch {i} has {len(rows)} rows and {len(named[-1])} labels")
        yield rows


def _alike(parts: Iterable[Array], where: str) -> Iterator[Array]:
    """Parts of one type, that of the first: bytes, or as the networks see numbers."""
    kind = None
    for i, part in enumerate(parts):
        if part.dtype.kind not in "biuf":
            raise DataError(f"{where}: batch {i} holds values of type {part.dtype}; expected numbers")
        kind = stored(part.dtype) if kind is None else kind
        if kind == np.uint8 and stored(part.dtype) != np.uint8:
            raise DataError(f"{where}: batch {i} holds {part.dtype}, those before it bytes; make all of one type")
        with np.errstate(over="ignore"):  # found as infinite, with its place
            yield part.astype(kind, copy=False)
