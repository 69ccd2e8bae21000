"""From the name of a data set, or the path of a file, to arrays as they were stored."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.config import Data
from aae.data.arrays import read_npy, read_npz
from aae.data.csvs import read_csv
from aae.data.files import expand
from aae.data.frames import FILES as ARROW_TABLES
from aae.data.frames import read_arrow
from aae.data.labels import number_labels
from aae.data.layout import axes
from aae.data.mnist import read_mnist
from aae.data.tables import Table
from aae.errors import ConfigError, DataError

NAMES = ("digits", "mnist")
SUFFIXES = (".npy", ".npz")
TEXT_TABLES = (".csv", ".tsv")
KNOWN = (*SUFFIXES, *TEXT_TABLES, *ARROW_TABLES)
DIGITS = tuple("0123456789")


@dataclass(frozen=True, eq=False)
class Raw:
    """A data set as read: nothing shuffled, scaled, or checked for missing values yet."""

    name: str
    """The data set's name, or the file's."""
    x: NDArray[Any] | Table
    """[n, ...] values, in the type and layout in which they were stored, or a table without its labels."""
    y: NDArray[np.int64] | None = None
    """[n] class numbers, -1 for an unlabelled row; None without labels."""
    classes: tuple[str, ...] | None = None
    """Names of the classes 0, 1, ...; None without labels."""
    own_test: int = 0
    """How many rows at the end are the data set's own test rows."""
    limits: tuple[float, float] | None = None
    """Least and largest possible value, where the source says so."""
    notes: tuple[str, ...] = ()
    """What was inferred while reading, a line each."""

    @classmethod
    def of(cls, array: NDArray[Any], labels: NDArray[Any] | None, name: str) -> Raw:
        """An array of rows and, if there, its labels, numbered; DataError if they do not go together."""
        if not array.ndim:
            raise DataError(f"{name}: holds a single number; expected an array of rows")
        if labels is None:
            return cls(name, array)
        y, classes = number_labels(labels, len(array), name)
        return cls(name, array, y, classes)

    @classmethod
    def table(
        cls,
        table: Table,
        config: Data,
        name: str,
        given: NDArray[Any] | None = None,
        notes: tuple[str, ...] = (),
        needs_label: bool = True,
    ) -> Raw:
        """A table, its labels taken from the column `config.label` or `given`."""
        if not table.names or not len(table):
            raise DataError(f"{name}: has no {'rows' if table.names else 'columns'}")
        if config.label is not None and config.label in table.names:
            if given is not None:
                raise ConfigError(f"{name}: labels are given, and --label {config.label} names a column; choose one")
            given = table.columns[config.label].labels()
            table = table.take(tuple(column for column in table.names if column != config.label))
        elif config.label is not None and needs_label:
            raise ConfigError(f"--label: {name} has no column {config.label!r}; it has {', '.join(table.names[:20])}")
        if given is None:
            return cls(name, table, notes=notes)
        y, classes = number_labels(given, len(table), f"{name}: column {config.label!r}" if config.label else name)
        return cls(name, table, y, classes, notes=notes)


def read(source: str | Path, config: Data | None = None, *, needs_label: bool = True) -> Raw:
    """Read `digits`, `mnist` (from `config.directory`, see `read_mnist`), or the file or folder at a path.

    A `config.layout` other than `auto` must fit the shape. `needs_label`: whether the column `config.label` must be
    there. DataError names the source and what is wrong with it.
    """
    config = Data() if config is None else config
    name = str(source)
    if name == "digits":
        raw = _digits()
    elif name == "mnist":
        x, y, own_test = read_mnist(config.directory)
        raw = Raw(name, x, y.astype(np.int64), DIGITS, own_test)
    else:
        raw = _file(expand(source), config, needs_label)
    if config.layout not in ("auto", "table") and not isinstance(raw.x, Table):
        axes(raw.x.shape, config.layout, f"--data {raw.name}")
    return raw


def _digits() -> Raw:
    """1797 images of 8 x 8 pixels with values 0 to 16, bundled with scikit-learn (UCI "Optical recognition of
    handwritten digits")."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, y = bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
    return Raw("digits", x, y, DIGITS, limits=(0.0, 16.0))


def _file(path: Path, config: Data, needs_label: bool) -> Raw:
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(_nothing_at(path))
    if suffix in TEXT_TABLES:
        table, said = read_csv(path)
        return Raw.table(table, config, path.name, None, tuple(said), needs_label)
    if suffix in ARROW_TABLES:
        return Raw.table(read_arrow(path), config, path.name, None, (), needs_label)
    if suffix not in SUFFIXES:
        raise DataError(f"--data {path}: files of this kind cannot be read; expected {', '.join(KNOWN)}")
    array, labels = (read_npy(path), None) if suffix == ".npy" else read_npz(path)
    return Raw.of(array, labels, path.name)


def _nothing_at(path: Path) -> str:
    if str(path) == "table":  # what the recipe of tables has in place of a file
        return "--data: name the file of the table, such as --data table.csv"
    if path.is_dir():
        return f"--data {path}: is a folder; name a .npy or .npz file (a folder of MNIST files goes to --data-dir)"
    if path.suffix.lower() in KNOWN or len(path.parts) > 1:
        return f"--data {path}: no such file"
    near = difflib.get_close_matches(str(path).lower(), NAMES, n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(NAMES)}"
    return f"--data {path}: no data set or file of that name; {hint}, or the path of a file: see docs/data.md"
