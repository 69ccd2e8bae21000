"""A mapped array of any type and order of axes -> rows as they are trained on, mapped too: written out once if need be.

Rows of bytes, of float32, or of the smallest whole numbers that hold them stay where they are. Others, images with
channels last, and columns that lie one behind the other (order F) are written to the cache a block at a time
(`aae.data.spool`), whole numbers in the smallest type, others as float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.layout import Axes, check_finite, compact, flatten, kind_of, numbers
from aae.data.spool import AT_ONCE, kept_at, key_of, spool, spool_unnamed
from aae.data.streaming import mapped, pieces, position, release

Array = NDArray[Any]


def laid_out(given: Array, layout: Axes, where: str) -> tuple[Array, list[str]]:
    """Rows [n, features], channels first, every value finite, in a type that torch computes with; and what was done.

    DataError names the first value that is not finite, or beyond 1e30.
    """
    file = mapped(given)
    if file is None:
        flat = flatten(numbers(given, where), layout.channels_last)
        check_finite(flat, layout.shape, where)
        return compact(flat), []
    numbers(given[:1], where)  # of what type they are
    seen = np.moveaxis(given, -1, 1) if layout.channels_last and given.ndim == 4 else given
    stays = seen.flags.c_contiguous and given.dtype.isnative
    if stays and given.dtype in (np.uint8, np.float32):
        flat = seen.reshape(len(seen), -1)
        check_finite(flat, layout.shape, where)
        return flat, []
    kind = np.dtype(np.float32) if given.dtype.kind == "f" else _smallest(given)
    if stays and kind == given.dtype:
        return seen.reshape(len(seen), -1), []
    blocks = _blocks(given, kind, layout, where)
    if file.filename is None:
        return spool_unnamed(blocks), []
    size = given.size * kind.itemsize
    place = (position(given, file), seen.shape, seen.strides, given.dtype.str)
    kept = kept_at(key_of([Path(file.filename)], "rows", kind, place))
    return spool(blocks, kept, size), [f"written out as {kind} to {kept} ({size / 2**30:.1f} GiB)"]


def _blocks(x: Array, kind: np.dtype[Any], layout: Axes, where: str) -> Iterator[Array]:
    """Rows [m, features] of that type, some at a time, checked."""
    for part in pieces(x, AT_ONCE):
        flat = flatten(numbers(_copied(x, part), where), layout.channels_last)
        check_finite(flat, layout.shape, where, part.start)
        yield flat.astype(kind, copy=False)


def _copied(x: Array, part: slice) -> Array:
    """Rows of a mapped array; where a row lies in pieces all over the file, one column of the file at a time."""
    if x.flags.c_contiguous or not x.flags.f_contiguous:
        return x[part]
    columns = x.T.reshape(-1, len(x))[:, part]
    found = np.empty(columns.shape, x.dtype)
    for i, column in enumerate(columns):
        found[i] = column
        release(column)
    return found.reshape(*x.shape[:0:-1], -1).T


def _smallest(x: Array) -> np.dtype[Any]:
    """The type that `compact` would give these whole numbers or truth values."""
    ends = [_ends(_copied(x, part)) for part in pieces(x, AT_ONCE)]
    return kind_of(min(low for low, _ in ends), max(high for _, high in ends))


def _ends(values: Array) -> tuple[int, int]:
    return int(values.min()), int(values.max())
