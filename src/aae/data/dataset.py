"""From the settings of `[data]` to tensors that are ready for training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aae.config import Data, DataSpec
from aae.data.labelled import choose_labelled
from aae.data.layout import axes, check_finite, compact, flatten, numbers
from aae.data.memory import gathered
from aae.data.scaling import Fitted, fit
from aae.data.sources import Raw, read
from aae.data.splits import Splits, given, split
from aae.errors import ConfigError, DataError

FULL_BYTE = (0.0, 255.0)
MEMORY = "memory"
"""The name, and as a setting the source, of data that was passed in Python."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """All rows of a data set, in original units; `Scaling(spec)` scales them a batch at a time."""

    spec: DataSpec
    x: torch.Tensor
    """[n, features], channels first: whole numbers in the smallest type that holds them, others float32."""
    y: torch.Tensor | None
    """[n] int64 class numbers, -1 for an unlabelled row; None without labels."""
    splits: Splits
    fingerprint: str
    """SHA-256 over type, shape and bytes of x and y: equal data, equal fingerprint."""
    notes: tuple[str, ...] = ()
    """What was inferred, in words, a line each."""
    labelled: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Numbers of the training rows whose labels may be learnt from, ascending: see `choose_labelled`."""
    source: str | None = None
    """What `data.source` was when it was loaded; None for data passed in Python."""


def load(config: Data) -> Dataset:
    """Read, lay out, check, split, and learn the scaling from the training rows.

    DataError for data that is missing, damaged, of an unclear layout, not finite, or under 10 rows; ConfigError
    for a setting that the data set has no use for.
    """
    if config.directory is not None and config.source != "mnist":
        raise ConfigError(
            f"--data-dir {config.directory} would be ignored: --data {config.source} is not read from a data "
            "folder. Leave it out."
        )
    if config.source == MEMORY:
        raise DataError(
            "the data was passed in Python and is in no file; pass it again, as in "
            "run.report(data=aae.data.dataset(X, y))"
        )
    raw = read(config.source, config.directory, config.layout)
    return _prepared(raw, config, split(len(raw.x), raw.own_test, config), f"--data {config.source}", config.source)


def dataset(
    x: Any,
    y: Any = None,
    config: Data | None = None,
    *,
    name: str = MEMORY,
    splits: Splits | Literal["random", "all"] = "random",
) -> Dataset:
    """A Dataset from what is in memory: arrays of any type and order, tensors, a torch Dataset, or batches.

    x: rows [n, ...]; a torch Dataset or an iterable of batches may hold pairs of rows and labels. It is not changed.
    y: labels [n], numbers or text, -1 or empty for an unlabelled row. config: layout, scaling, and shares of the
    splits; its source is not read. splits: "random" as for files, "all" (every row trains, nothing is held out, and
    a single row will do), or the row numbers themselves. DataError names the row and column of what is wrong.
    """
    config = Data() if config is None else config
    x, y = gathered(x, y, name)
    raw = Raw.of(x, y, name)
    n = len(raw.x)
    parts = split(n, 0, config, name) if splits == "random" else given(n, splits, name)
    return _prepared(raw, config, parts, name)


def _prepared(raw: Raw, config: Data, splits: Splits, where: str, source: str | None = None) -> Dataset:
    """Lay out, check, and learn the scaling from the training rows."""
    layout = axes(raw.x.shape, config.layout, where)
    flat = flatten(numbers(raw.x, where), layout.channels_last)
    check_finite(flat, layout.shape, where)
    flat = compact(flat)
    images = len(layout.shape) > 1
    fitted = fit(flat, splits.train, config.scaling, images, _known_range(raw))
    spec = DataSpec(
        name=raw.name,
        shape=layout.shape,
        dtype=raw.x.dtype.name,
        offset=fitted.offset,
        scale=fitted.scale,
        minimum=fitted.minimum,
        maximum=fitted.maximum,
        channels_last=layout.channels_last,
        channel_axis=layout.channel_axis,
        scaling=fitted.scaling,
        classes=raw.classes,
    )
    x = torch.from_numpy(flat if flat.flags.writeable else flat.copy())
    y = None if raw.y is None else torch.from_numpy(raw.y)
    labelled = choose_labelled(raw.y, raw.classes, splits.train, config)
    found = fingerprint(x, y)
    return Dataset(spec, x, y, splits, found, notes(spec, splits, fitted), labelled, source)


def _known_range(raw: Raw) -> tuple[float, float] | None:
    """The range that the source or its type gives. Bytes that are all 0 or 1 are flags, not very dark pixels."""
    if raw.limits is not None or raw.x.dtype != "uint8" or raw.x.max() <= 1:
        return raw.limits
    return FULL_BYTE


def fingerprint(x: torch.Tensor, y: torch.Tensor | None) -> str:
    """SHA-256, as hexadecimal digits, over type, shape and bytes of `x` and, if there, `y`."""
    digest = hashlib.sha256()
    for name, tensor in (("x", x), ("y", y)):
        if tensor is not None:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def notes(spec: DataSpec, splits: Splits, fitted: Fitted) -> tuple[str, ...]:
    """What was inferred from the data, for the user to check."""
    size = " x ".join(map(str, spec.shape[-2:] if spec.is_image else spec.shape))
    kind = f"vectors of {size}" if not spec.is_image else f"grey images of {size}"
    if len(spec.shape) == 3:
        kind = f"images of {size} in {spec.shape[0]} channels ({'last' if spec.channels_last else 'first'})"
    counts = f"{len(splits.train)} training, {len(splits.validation)} validation, {len(splits.test)} test rows"
    lines = [f"{spec.name}: {kind}, {spec.dtype}; {counts}"]
    if spec.scaling == "range":
        each = "each column's own range" if len(spec.offset) > 1 else f"{spec.minimum:g} to {spec.maximum:g}"
        lines.append(f"scaled from {each} to 0 to 1")
    elif spec.scaling == "standardize":
        each = "each column" if len(spec.offset) > 1 or spec.features == 1 else "all pixels together"
        lines.append(f"scaled to mean 0 and standard deviation 1, {each}")
    if fitted.constant:
        first = ", ".join(map(str, fitted.constant[:5])) + (", ..." if len(fitted.constant) > 5 else "")
        which = f"these columns ({first}) hold" if len(spec.offset) > 1 else "the data holds"
        lines.append(f"{which} one value only in the training rows, scaled to 0")
    return tuple(lines)
