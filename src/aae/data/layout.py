"""What the axes of an array mean, and the way from an array as given to rows of features and back.

Inside, one row is flat and its channels come first: [n, c, h, w] -> [n, c * h * w].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aae.config import DataSpec
from aae.data.streaming import release
from aae.errors import ConfigError, DataError

Array = NDArray[Any]

CHANNELS = (1, 3, 4)
"""Lengths of an axis that is taken for channels: grey, colour, colour with opacity."""
GIVEN = "the data"
"""What rows are called in an error where no file is known that they came from."""
LARGEST = 1e30
"""Largest magnitude that 32-bit arithmetic scales safely; its own limit is 3.4e38."""
CHECKED_AT_ONCE = 1 << 22
"""Values looked at together when all must be finite; bounds the memory of the check."""


@dataclass(frozen=True)
class Axes:
    """The part of a DataSpec that says how rows are laid out; see there."""

    shape: tuple[int, ...]
    channels_last: bool = False
    channel_axis: bool = False


def axes(shape: tuple[int, ...], layout: str, where: str) -> Axes:
    """What an array of `shape` holds under `--data.layout`: vectors [n, d] or images.

    Grey images are [n, h, w], or have a channel axis of length 1; colour images are [n, c, h, w] or [n, h, w, c].
    `auto` and `images` recognise channels by a length of 1, 3 or 4. DataError where that leaves a doubt.
    """
    row = shape[1:]
    ranks = {"vectors": (2,), "images": (3, 4), "channels-first": (4,), "channels-last": (4,), "auto": (2, 3, 4)}
    ranks["table"] = (2,)
    if layout not in ranks:
        raise ConfigError(f"--data.layout must be one of {', '.join(ranks)}; got {layout!r}")
    if len(shape) not in ranks[layout]:
        hint = " For single values, use .reshape(-1, 1)." if len(shape) == 1 else ""
        raise DataError(
            f"{where}: has shape {shape}, which --data.layout {layout} does not fit; expected [n, d] for vectors, "
            f"[n, h, w] for grey images, [n, c, h, w] or [n, h, w, c] for colour images.{hint}"
        )
    if 0 in shape:
        raise DataError(f"{where}: is empty: its shape is {shape}")
    if len(row) < 3:
        return Axes(row)
    if layout in ("auto", "images"):
        layout = _channels(shape, where)
    last = layout == "channels-last"
    channels, size = (row[2], row[:2]) if last else (row[0], row[1:])
    return Axes(size if channels == 1 else (channels, *size), channels_last=last, channel_axis=channels == 1)


def _channels(shape: tuple[int, ...], where: str) -> str:
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first != last:
        return "channels-first" if first else "channels-last"
    why = "both its second and its last axis" if first else "neither its second nor its last axis"
    raise DataError(
        f"{where}: has shape {shape}, where {why} could be channels (1, 3 or 4 long); "
        "say which with --data.layout channels-first or channels-last"
    )


def flatten(x: Array, channels_last: bool) -> Array:
    """[n, ...] -> [n, features], channels first."""
    if channels_last and x.ndim == 4:
        x = np.moveaxis(x, -1, 1)
    return np.ascontiguousarray(x.reshape(len(x), -1))


def rows(x: Any, spec: DataSpec, first: int = 0) -> torch.Tensor:
    """A user's array, tensor or nested list, in original units, as float32 [n, features] in original units.

    Taken as it came when the model was trained, [n, *spec.original_shape]; with channels first; or flat, in the
    order of `Dataset.x` (channels first). Grey images may have or lack their channel axis. The result may share
    the memory of `x`. first: the number of the first row, where these are a part of more. DataError for another shape,
    no rows, values that are not numbers, or (with the row and column) not finite or beyond 1e30.
    """
    array = numbers(x)
    known = {spec.original_shape, spec.shape, (spec.features,)}
    if len(spec.shape) == 2:
        known |= {(1, *spec.shape), (*spec.shape, 1)}
    if array.ndim < 2 or array.shape[1:] not in known:
        one = " For a single row, use x[None]." if array.shape in known else ""
        expected = " or ".join(_show(shape) for shape in (spec.original_shape, (spec.features,)))
        if not spec.is_image:
            expected = _show(spec.shape)
        raise DataError(f"{GIVEN} has shape {array.shape}; this model takes {expected}.{one}")
    if not len(array):
        raise DataError(f"{GIVEN} has no rows: its shape is {array.shape}")
    flat = flatten(array, spec.channels_last and array.shape[1:] == spec.original_shape)
    check_finite(flat, spec.shape, GIVEN, first)
    flat = flat.astype(np.float32, copy=False)
    return torch.from_numpy(flat if flat.flags.writeable else flat.copy())


def _show(shape: tuple[int, ...]) -> str:
    return "[n, " + ", ".join(map(str, shape)) + "]"


def original(u: torch.Tensor | Array, spec: DataSpec) -> NDArray[np.float32]:
    """[n, features] in original units -> [n, *spec.original_shape] in float32: the inverse of `rows`."""
    flat = u.detach().cpu().numpy() if isinstance(u, torch.Tensor) else u
    flat = flat.astype(np.float32)
    if spec.channels_last and len(spec.shape) == 3:
        flat = np.ascontiguousarray(np.moveaxis(flat.reshape(-1, *spec.shape), 1, -1))
    return flat.reshape(-1, *spec.original_shape)


def numbers(x: Any, where: str = GIVEN) -> Array:
    """`x` as an array of booleans, whole numbers, float32 or float64 in this machine's byte order, or a DataError."""
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided:
            raise DataError(f"{where}: is a sparse tensor; use x.to_dense()")
        x = x.detach().cpu()
        x = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    if hasattr(x, "toarray"):
        raise DataError(f"{where}: is a sparse matrix; use x.toarray()")
    if isinstance(x, np.ma.MaskedArray) and np.ma.getmaskarray(x).any():
        row = int(np.argwhere(np.ma.getmaskarray(x))[0][0])
        raise DataError(f"{where}: has masked values, the first in row {row}; fill them or leave those rows out")
    try:
        array = np.asarray(x)
    except ValueError as error:  # nested lists of different lengths
        raise DataError(f"{where}: is not a rectangular array of numbers ({error})") from None
    if array.dtype.kind == "O":
        array = _from_objects(array, where)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: holds values of type {array.dtype}; expected real numbers")
    if array.dtype.kind == "f" and array.dtype.itemsize != 8:
        with np.errstate(over="ignore"):  # a long double that overflows is found as infinite
            array = array.astype(np.float32 if array.dtype.itemsize < 8 else np.float64, copy=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _from_objects(array: Array, where: str) -> Array:
    """Numbers out of a table of Python objects; None becomes NaN, which is then refused with its place."""
    for place in np.ndindex(array.shape):
        value: Any = array[place]
        if not (value is None or isinstance(value, (int, float, np.number, np.bool_))):
            at = f" in row {place[0]}" + (f", column {place[1]}" if len(place) > 1 else "") if place else ""
            raise DataError(f"{where}: holds {str(value)[:40]!r}{at}; expected a number")
    try:
        return array.astype(np.float64)
    except (TypeError, OverflowError) as error:  # complex numbers, or integers of hundreds of digits
        raise DataError(f"{where}: holds values that are not real numbers ({error})") from None


def check_finite(flat: Array, shape: tuple[int, ...], where: str, before: int = 0) -> None:
    """DataError that names the first value of [n, features] that is NaN, infinite, or beyond 1e30.

    before: rows ahead of these.
    """
    if flat.dtype.kind != "f":
        return
    step = max(1, CHECKED_AT_ONCE // flat.shape[1])
    for start in range(0, len(flat), step):
        wrong = ~(np.abs(flat[start : start + step]) <= LARGEST)
        release(flat[start : start + step])
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            value = flat[start + row, column]
            place = np.unravel_index(column, shape)
            names = ("column",) if len(shape) == 1 else ("channel", "line", "column")[-len(shape) :]
            at = ", ".join(f"{name} {int(i)}" for name, i in zip(names, place, strict=True))
            problem = "too large for 32-bit arithmetic (1e30)" if np.isfinite(value) else "not a finite number"
            raise DataError(
                f"{where}: row {before + start + row}, {at} (counted from 0) is {value:g}, {problem}; "
                "fill in such values or leave those rows out"
            )


def compact(flat: Array) -> Array:
    """The same values in the smallest type that torch computes with: whole numbers stay whole, others float32."""
    if flat.dtype.kind == "f":
        return flat.astype(np.float32, copy=False)
    if flat.dtype == np.uint8:
        return flat
    return flat.astype(kind_of(int(flat.min()), int(flat.max())))


def kind_of(low: int, high: int) -> np.dtype[Any]:
    """The smallest type that torch computes with and that holds whole numbers from `low` to `high`."""
    for kind in (np.uint8, np.int8, np.int16, np.int32, np.int64):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return np.dtype(kind)
    return np.dtype(np.float32)
