"""From the name of a data set, or the path of a file, to arrays as they were stored."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aae.config import Data
from aae.data import parquet, shards
from aae.data.arrays import npz_names, npz_parts, read_npy, read_npz
from aae.data.cells import Table
from aae.data.containers import is_saved_dataset, read_h5ad, read_hdf5, read_saved, saved_images, sparse
from aae.data.csvs import read_csv
from aae.data.files import expand
from aae.data.frames import FILES as ARROW_TABLES
from aae.data.frames import read_arrow
from aae.data.idx import read_idx
from aae.data.images import read_folder
from aae.data.labels import number_labels
from aae.data.layout import axes
from aae.data.mnist import read_mnist
from aae.data.stores import is_zarr, read_zarr
from aae.data.tables import check_names
from aae.errors import ConfigError, DataError

NAMES = ("digits", "mnist")
SUFFIXES = (".npy", ".npz")
TEXT_TABLES = (".csv", ".tsv")
HDF5 = (".h5", ".hdf5")
IDX = re.compile(r"idx(\d)-ubyte(\.gz)?$")
KNOWN = (*SUFFIXES, *TEXT_TABLES, parquet.ENDING, *ARROW_TABLES, *HDF5, ".h5ad", shards.ENDING)
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
    names: tuple[str, ...] = ()
    """Names of the values of a row, such as genes, where the source has them; a table has its own."""
    limits: tuple[float, float] | None = None
    """Least and largest possible value, where the source says so."""
    notes: tuple[str, ...] = ()
    """What was inferred while reading, a line each."""
    used: tuple[str, ...] = ()
    """Settings that only some sources have a use for, and that this one has used."""

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


def in_order(raw: Raw, names: Sequence[str]) -> Raw:
    """The rows with the values of these `names`, in this order, whatever the order in the file, as for tables.

    As they are where either side has no names. DataError for a name that is not there, or there more than once.
    """
    if not names or not raw.names or raw.names == tuple(names):
        return raw
    place = {name: i for i, name in enumerate(raw.names)}
    if absent := [name for name in names if name not in place]:
        raise DataError(
            f"{raw.name}: has no values of {absent[0]!r} ({len(absent)} of {len(names)} names that the run was trained "
            f"on are not there); its names are {', '.join(raw.names[:6])}{', ...' if len(raw.names) > 6 else ''}"
        )
    if len(place) < len(raw.names):
        double = next(name for i, name in enumerate(raw.names) if place[name] != i)
        raise DataError(f"{raw.name}: two values of a row have the name {double!r}; rename one")
    return dataclasses.replace(raw, x=np.asarray(raw.x)[:, [place[name] for name in names]], names=tuple(names))


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


def kind_of_folder(path: Path) -> Literal["images", "table", "array"]:
    """What a folder holds, by its own description: nothing of the data is read."""
    if is_zarr(path):
        return "array"
    return "table" if is_saved_dataset(path) and not saved_images(path) else "images"


def _file(path: Path, config: Data, needs_label: bool) -> Raw:
    suffix = path.suffix.lower()
    if path.is_dir():
        return _folder(path, config, needs_label)
    if not path.is_file():
        raise DataError(_nothing_at(path))
    if suffix in TEXT_TABLES:
        table, said = read_csv(path)
        return Raw.table(table, config, path.name, None, tuple(said), needs_label)
    if suffix == parquet.ENDING:
        return _parquet(path, config, needs_label)
    if suffix == shards.ENDING:
        return _shards(path, config, needs_label)
    if suffix in ARROW_TABLES:
        return Raw.table(read_arrow(path), config, path.name, None, (), needs_label)
    if suffix in HDF5:
        return Raw.of(*read_hdf5(path), path.name)
    if suffix == ".h5ad":
        array, labels, genes = read_h5ad(path, config.label, needs_label)
        return dataclasses.replace(Raw.of(array, labels, path.name), names=genes, used=("label",))
    if match := IDX.search(path.name):
        return _idx(path, int(match[1]))
    if suffix not in SUFFIXES:
        raise DataError(f"--data {path}: files of this kind cannot be read; expected {', '.join(KNOWN)}")
    if suffix == ".npz" and {"format", "shape", "data"} <= set(names := npz_names(path)):
        return Raw.of(sparse(npz_parts(path, [n for n in names if n != "y"]), str(path)), None, path.name)
    array, labels = (read_npy(path), None) if suffix == ".npy" else read_npz(path)
    return Raw.of(array, labels, path.name)


def _folder(path: Path, config: Data, needs_label: bool) -> Raw:
    """A folder of images, of Parquet files or tar shards, a zarr store, or what Hugging Face datasets wrote."""
    if (path / "MANIFEST.json").is_file() and (path / "config.json").is_file():  # its figures are images, too
        raise DataError(
            f"--data {path}: is the directory of a run, not data; name the data itself, which may be what data.source "
            "says in its config.json"
        )
    if is_zarr(path):
        stored, labels, said = read_zarr(path)
        return dataclasses.replace(Raw.of(stored, labels, path.name), notes=said)
    if not is_saved_dataset(path):
        if parquet.parts_of(path):
            return _parquet(path, config, needs_label)
        if shards.shards_of(path):
            return _shards(path, config, needs_label)
        found = read_folder(path, config.image_size)
        raw = Raw.of(found.x, found.labels, path.name)
        return dataclasses.replace(raw, own_test=found.own_test, notes=found.notes, used=("image_size",))
    x, rest, own_test = read_saved(path, config.image_size)
    if isinstance(x, Table):
        return dataclasses.replace(Raw.table(x, config, path.name, None, (), needs_label), own_test=own_test)
    label = config.label or ("label" if "label" in rest.names else None)
    if label is not None and label not in rest.names and needs_label:
        raise ConfigError(f"--label: {path} has no column {label!r}; it has {', '.join(rest.names)}")
    labels = rest.columns[label].labels() if label in rest.names else None
    return dataclasses.replace(Raw.of(x, labels, path.name), own_test=own_test, used=("label", "image_size"))


def _parquet(path: Path, config: Data, needs_label: bool) -> Raw:
    """A Parquet file, or a folder of them: a table, or rows from a column of lists."""
    found = parquet.Parquet.of(path)
    asked = config.columns or found.schema.names
    left_out = tuple(name for name in found.schema.names if name in config.drop or name not in (*asked, config.label))
    if set(found.lists) <= {*left_out}:
        return Raw.table(found.table(), config, path.name, None, (), needs_label)
    if config.label is not None and config.label not in found.schema.names and needs_label:
        raise ConfigError(f"--label: {path} has no column {config.label!r}; it has {', '.join(found.schema.names)}")
    label = config.label if config.label in found.schema.names else None
    for option, names in (("columns", config.columns), ("drop", config.drop)):
        check_names([name for name in names if name != config.label], option, found.schema.names, path.name)
    return dataclasses.replace(Raw.of(*found.listed(label, left_out), path.name), used=("label", "columns", "drop"))


def _shards(path: Path, config: Data, needs_label: bool) -> Raw:
    """A tar shard, or a folder of them."""
    x, labels, said = shards.read_shards(path, config.image_size, config.label)
    if config.label is not None and labels is None and needs_label:
        raise ConfigError(f"--label: no .json of {path} has the key {config.label!r}")
    return dataclasses.replace(Raw.of(x, labels, path.name), notes=said, used=("label", "image_size"))


def _idx(path: Path, axes: int) -> Raw:
    """An IDX file, with the labels of the file that lies beside it under MNIST's names."""
    array = read_idx(path, axes)
    beside = path.with_name(path.name.replace("images", "labels").replace(f"idx{axes}", "idx1"))
    return Raw.of(array, read_idx(beside, 1) if beside != path and beside.is_file() else None, path.name)


def _nothing_at(path: Path) -> str:
    if str(path) == "table":  # what the recipe of tables has in place of a file
        return "--data: name the file of the table, such as --data table.csv"
    if str(path) == "images":
        return "--data: name the folder of the images, such as --data photos"
    if path.suffix.lower() in KNOWN or len(path.parts) > 1:
        return f"--data {path}: no such file"
    near = difflib.get_close_matches(str(path).lower(), NAMES, n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(NAMES)}"
    return f"--data {path}: no data set or file of that name; {hint}, or the path of a file: see docs/data.md"
