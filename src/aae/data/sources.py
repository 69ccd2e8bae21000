"""From the name of a data set, or the path of a file, to arrays as they were stored."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.arrays import read_npy, read_npz
from aae.data.files import expand
from aae.data.labels import number_labels
from aae.data.layout import axes
from aae.data.mnist import read_mnist
from aae.errors import DataError

NAMES = ("digits", "mnist")
SUFFIXES = (".npy", ".npz")
DIGITS = tuple("0123456789")


@dataclass(frozen=True, eq=False)
class Raw:
    """A data set as read: nothing shuffled, scaled, or checked for missing values yet."""

    name: str
    """The data set's name, or the file's."""
    x: NDArray[Any]
    """[n, ...] values, in the type and layout in which they were stored."""
    y: NDArray[np.int64] | None = None
    """[n] class numbers, -1 for an unlabelled row; None without labels."""
    classes: tuple[str, ...] | None = None
    """Names of the classes 0, 1, ...; None without labels."""
    own_test: int = 0
    """How many rows at the end are the data set's own test rows."""
    limits: tuple[float, float] | None = None
    """Least and largest possible value, where the source says so."""

    @classmethod
    def of(cls, array: NDArray[Any], labels: NDArray[Any] | None, name: str) -> Raw:
        """An array of rows and, if there, its labels, numbered; DataError if they do not go together."""
        if not array.ndim:
            raise DataError(f"{name}: holds a single number; expected an array of rows")
        if labels is None:
            return cls(name, array)
        y, classes = number_labels(labels, len(array), name)
        return cls(name, array, y, classes)


def read(source: str | Path, directory: str | None = None, layout: str = "auto") -> Raw:
    """Read `digits`, `mnist` (from `directory`, see `read_mnist`), or the .npy or .npz file at a path.

    A `layout` other than `auto` must fit the shape. DataError names the source and what is wrong with it.
    """
    name = str(source)
    if name == "digits":
        raw = _digits()
    elif name == "mnist":
        x, y, own_test = read_mnist(directory)
        raw = Raw(name, x, y.astype(np.int64), DIGITS, own_test)
    else:
        raw = _file(expand(source))
    if layout != "auto":
        axes(raw.x.shape, layout, f"--data {raw.name}")
    return raw


def _digits() -> Raw:
    """1797 images of 8 x 8 pixels with values 0 to 16, bundled with scikit-learn (UCI "Optical recognition of
    handwritten digits")."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, y = bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
    return Raw("digits", x, y, DIGITS, limits=(0.0, 16.0))


def _file(path: Path) -> Raw:
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(_nothing_at(path))
    if suffix not in SUFFIXES:
        raise DataError(f"--data {path}: files of this kind cannot be read; expected .npy or .npz")
    array, labels = (read_npy(path), None) if suffix == ".npy" else read_npz(path)
    return Raw.of(array, labels, path.name)


def _nothing_at(path: Path) -> str:
    if path.is_dir():
        return f"--data {path}: is a folder; name a .npy or .npz file (a folder of MNIST files goes to --data-dir)"
    if path.suffix.lower() in SUFFIXES or len(path.parts) > 1:
        return f"--data {path}: no such file"
    near = difflib.get_close_matches(str(path).lower(), NAMES, n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(NAMES)}"
    return f"--data {path}: no data set or file of that name; {hint} (or give the path of a .npy or .npz file)"
