"""What the commands read and write beside runs: arrays in .npz and .npy files, pictures in .png files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aae.config import DataSpec
from aae.data import Raw, Table
from aae.data import rows as as_rows
from aae.data.cells import Cells
from aae.data.frames import file_bytes
from aae.data.tables import untyped
from aae.errors import ConfigError, DataError
from aae.storage import write_atomic

TABLES = (".csv", ".tsv", ".parquet", ".feather")
"""Endings of the files that hold a table."""
ROWS = (".npz", ".png", *TABLES)
"""Endings of the files that rows are written to."""
PICTURE_ROWS = 400
"""Most rows in one picture; more would be too small to see."""


def check_suffix(path: Path, *allowed: str, option: str = "--out") -> None:
    """ConfigError unless `path` ends in one of the allowed endings and its folder exists: asked before any work."""
    if path.suffix.lower() not in allowed:
        raise ConfigError(f"{option} {path}: the name must end in {' or '.join(allowed)}, got '{path.suffix}'")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} {path}: the folder {path.parent} does not exist; make it first")


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Named arrays as one .npz file, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue())


def check_rows(path: Path, spec: DataSpec) -> None:
    """ConfigError for a table as a picture, and for rows that are none as a table: may be asked before any work."""
    suffix = path.suffix.lower()
    if suffix in TABLES and not spec.columns:
        raise ConfigError(f"--out {path}: rows of {spec.name} are no table; use .npz or .png")
    if suffix == ".png" and spec.columns:
        raise ConfigError(f"--out {path}: rows of {spec.name} are a table; use {', '.join(TABLES)} or .npz")


def _column_names(spec: DataSpec) -> dict[str, np.ndarray]:
    """`columns`, the names of a table's columns; nothing for other rows."""
    return {"columns": np.array([column.name for column in spec.columns])} if spec.columns else {}


def write_rows(path: Path, spec: DataSpec, arrays: dict[str, np.ndarray]) -> None:
    """Rows in original units, `samples` [n, *shape], as .npz with what stands beside them, or as one .png picture."""
    suffix = path.suffix.lower()
    check_rows(path, spec)
    if suffix == ".npz":
        return write_arrays(path, arrays | _column_names(spec))
    if suffix in TABLES:
        return write_table(path, untyped(arrays["samples"], spec.columns))
    from aae.plots import sample_picture  # matplotlib, only for a picture

    flat = as_rows(arrays["samples"], spec).numpy()
    if len(flat) > PICTURE_ROWS:
        raise ConfigError(
            f"--out {path}: {len(flat)} rows are too many for one picture (most: {PICTURE_ROWS}); use .npz"
        )
    limits = (spec.minimum, spec.maximum) if spec.is_image else (None, None)
    buffer = io.BytesIO()
    sample_picture(flat, spec.shape, *limits).save(buffer, format="png")
    return write_atomic(path, buffer.getvalue())


def write_table(path: Path, table: Table) -> None:
    """A table as .csv, .tsv, .parquet or .feather, whole or not at all."""
    write_atomic(path, file_bytes(table, path.suffix.lower()))


def write_restyled(
    path: Path, spec: DataSpec, originals: Any, restyled: np.ndarray, names: Sequence[str], label: str | None
) -> None:
    """The styles of rows in every one of the named classes, [n, classes, *shape].

    As .npz, array `samples`; as a table of n * classes rows, with the number of the row in a column `row` and the name
    of the class in a column called `label` (None: class), an underscore behind where the rows have a column of that
    name; or as a picture, the `originals` [n, *shape] beside them.
    """
    check_rows(path, spec)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return write_arrays(path, {"samples": restyled} | _column_names(spec))
    if suffix in TABLES:
        return write_table(path, _restyled_table(spec, restyled, names, label or "class"))
    from aae import plots

    if restyled.size > PICTURE_ROWS * spec.features:
        most = max(1, PICTURE_ROWS // restyled.shape[1])
        raise ConfigError(f"--out {path}: {len(restyled)} rows are too many for one picture; use -n {most}, or .npz")
    beside = np.concatenate([np.asarray(originals, np.float32)[:, None], restyled], axis=1)
    flat = as_rows(beside.reshape(-1, *beside.shape[2:]), spec).numpy().reshape(*beside.shape[:2], *spec.shape)
    limits = (spec.minimum, spec.maximum) if spec.is_image else (None, None)
    title = "Rows, and their styles in every class"
    plots.save(plots.style_by_class(flat, spec.shape, ("row", *names), *limits, title), path)


def _restyled_table(spec: DataSpec, restyled: np.ndarray, names: Sequence[str], label: str) -> Table:
    n, classes = restyled.shape[:2]
    found: dict[str, Cells] = {}
    rows = untyped(restyled.reshape(n * classes, -1), spec.columns).columns
    for name, values in (("row", np.arange(n).repeat(classes)), (label, np.tile(np.array(names), n))):
        while name in rows or name in found:
            name += "_"
        found[name] = Cells.of(values)
    return Table(found | dict(rows))


def labels_of(raw: Raw) -> dict[str, np.ndarray]:
    """`labels` [n] (-1 unlabelled) and the names of the `classes`, as far as the data has them."""
    if raw.y is None:
        return {}
    return {"labels": raw.y} | ({} if raw.classes is None else {"classes": np.array(raw.classes)})


def found_classes(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """What a model that classifies says of rows: `predicted` [n] by number, and `probabilities` [n, classes]."""
    return {"predicted": probabilities.argmax(1), "probabilities": probabilities}


def read_codes(path: Path) -> np.ndarray:
    """Codes [n, latent] from a .npz file's `codes` (or its only array) or a .npy file; DataError for anything else."""
    found = _opened(path)
    if isinstance(found, np.ndarray):
        return _numbers(path, found)
    with found:
        names = list(found.files)
        name = "codes" if "codes" in names else names[0] if len(names) == 1 else None
        if name is None:
            raise DataError(f"{path} has no array 'codes'; it holds {', '.join(names) or 'nothing'}")
        return _numbers(path, _array(path, found, name))


def read_beside(path: Path, name: str) -> np.ndarray | None:
    """What stands beside the codes of a file under this name, such as `labels`; None where nothing does."""
    found = _opened(path)
    if isinstance(found, np.ndarray):
        return None
    with found:
        return _array(path, found, name) if name in found.files else None


def _opened(path: Path) -> Any:
    """The array of a .npy file, or an open .npz archive; DataError for anything else."""
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; give a .npz file that `aae encode` wrote, or a .npy file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as .npz or .npy: {error}") from None


def _array(path: Path, archive: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(archive[name])
    except (ValueError, EOFError, zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is damaged: its array '{name}' cannot be read ({error})") from None


def _numbers(path: Path, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path} must hold numbers, got {array.dtype}")
    return array
