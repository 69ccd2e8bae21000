"""Arrays inside other containers: HDF5, AnnData (.h5ad), SciPy's sparse .npz, Hugging Face datasets on disk."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.arrays import DATA_KEYS, FREE_RATIO, FREE_SIZE, LABEL_KEYS
from aae.data.cells import Cells, Table
from aae.data.files import wanted
from aae.data.frames import from_frame
from aae.data.images import decoded
from aae.errors import AAEError, ConfigError, DataError

Array = NDArray[Any]

MOST_DENSE = 8 << 30
"""Bytes that a sparse matrix may take once it is written out."""
CODES = "X_aae"
"""Where the codes of the cells go in an AnnData file: obsm["X_aae"]."""


def dense(matrix: Any, where: str) -> Array:
    """A SciPy sparse matrix as an array; DataError if that takes more than 8 GiB."""
    size = math.prod(matrix.shape) * matrix.dtype.itemsize
    if size > MOST_DENSE:
        raise DataError(
            f"{where}: its {matrix.shape} values take {size / 2**30:.0f} GiB when written out; keep fewer columns"
        )
    return np.asarray(matrix.toarray())


def sparse(parts: dict[str, Array], where: str) -> Array:
    """The matrix in the arrays of `scipy.sparse.save_npz`, checked, written out."""
    from scipy import sparse as sp

    kind = str(np.asarray(parts["format"]).astype(str).item())
    try:
        shape = tuple(int(n) for n in parts["shape"])
        if kind in ("csr", "csc"):
            _indices(parts, shape if kind == "csr" else shape[::-1], where)
            make = sp.csr_matrix if kind == "csr" else sp.csc_matrix
            return dense(make((parts["data"], parts["indices"], parts["indptr"]), shape=shape), where)
        if kind == "coo":
            return dense(sp.coo_matrix((parts["data"], (parts["row"], parts["col"])), shape=shape), where)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(f"{where}: is not a whole sparse matrix ({error}); save it again") from None
    raise DataError(f"{where}: is a sparse matrix of the kind {kind!r}; save it as x.tocsr()")


def _indices(parts: dict[str, Array], shape: tuple[int, ...], where: str) -> None:
    """SciPy does not check that column numbers lie inside the matrix, and writes beyond it."""
    indptr, indices = parts["indptr"], parts["indices"]
    whole = len(shape) == 2 and len(indptr) == shape[0] + 1 and indptr[0] == 0 and (np.diff(indptr) >= 0).all()
    if not whole or indptr[-1] != len(indices) or len(indices) != len(parts["data"]):
        raise DataError(f"{where}: is a damaged sparse matrix: its row pointers do not fit its values")
    if len(indices) and (indices.min() < 0 or indices.max() >= shape[1]):
        raise DataError(f"{where}: is a damaged sparse matrix: a column number lies outside its {shape[1]} columns")


def read_hdf5(path: Path) -> tuple[Array, Array | None]:
    """The data (a name of DATA_KEYS, or the only array) and the labels (LABEL_KEYS), if any, of an HDF5 file."""
    with _opened(path) as file:
        here = [name for name in file if type(file.get(name, getlink=True)).__name__ == "HardLink"]
        names = [name for name in here if file.get(name, getclass=True).__name__ == "Dataset"]
        data = [n for n in names if n in DATA_KEYS] or [n for n in names if file[n].ndim >= 2]
        if len(data) != 1:
            raise DataError(
                f"{path}: holds {', '.join(names) or 'no arrays'}; expected one named {', '.join(DATA_KEYS)}"
            )
        labels = [name for name in names if name in LABEL_KEYS and name != data[0]]
        return _values(file, data[0], path), _values(file, labels[0], path) if labels else None


def read_h5ad(path: Path, label: str | None, needs_label: bool = True) -> tuple[Array, Array | None, tuple[str, ...]]:
    """X of an AnnData file, dense [cells, genes]; the column `label` of its obs, if asked for and there, or needed; and
    the names of the genes, where its var has them."""
    with _opened(path) as file:
        if "X" not in file:
            raise DataError(f"{path}: has no X; expected an AnnData file")
        if hasattr(file["X"], "keys"):
            kind = str(file["X"].attrs.get("encoding-type", "csr_matrix"))[:3]
            shape = file["X"].attrs.get("shape", file["X"].attrs.get("h5sparse_shape"))
            parts = {
                name: _values(file["X"], name, path) for name in ("data", "indices", "indptr") if name in file["X"]
            }
            x = sparse(parts | {"shape": np.asarray(shape), "format": np.array(kind)}, f"{path}: X")
        else:
            x = _values(file, "X", path)
        labels = None
        if label is not None and (needs_label or label in file.get("obs", {})):
            labels = _obs(file, label, path)
        return x, labels, _genes(file, x.shape[-1], path)


def _genes(file: Any, count: int, path: Path) -> tuple[str, ...]:
    """The index of var; nothing where there is none, or it is of the layout before AnnData 0.7."""
    var = file.get("var")
    if not hasattr(var, "keys"):
        return ()
    index = str(var.attrs.get("_index", "_index"))
    if index in var and hasattr(var[index], "keys"):  # of a type that has gaps
        var, index = var[index], "values"
    if index not in var:
        return ()
    names = tuple(_values(var, index, path).astype(str).tolist())
    if len(names) != count:
        raise DataError(f"{path}: is damaged: var names {len(names)} genes, and X has {count} columns")
    return names


def _obs(file: Any, label: str, path: Path) -> Array:
    obs = file.get("obs", {})
    if label not in obs:
        known = ", ".join(str(name) for name in obs if name not in ("__categories", "_index"))
        raise ConfigError(f"--label: the obs of {path} has no column {label!r}; it has {known or 'none'}")
    if hasattr(obs[label], "keys") and "mask" in obs[label]:  # of a type that has gaps
        values, missing = _values(obs[label], "values", path), _values(obs[label], "mask", path).astype(bool)
        return Cells.of(values.astype(np.int64 if values.dtype.kind in "biu" else str), missing).labels()
    if hasattr(obs[label], "keys"):  # a categorical
        codes, words = _values(obs[label], "codes", path), _values(obs[label], "categories", path).astype(str)
        if len(codes) and (codes.min() < -1 or codes.max() >= len(words)):
            raise DataError(f"{path}: obs/{label} is damaged: a code lies outside its {len(words)} categories")
        return np.array([words[code] if code >= 0 else "" for code in codes])
    return _values(obs, label, path)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An HDF5 file; whatever a damaged one raises becomes a DataError that names it."""
    h5py = wanted("h5py", "hdf5", f"--data {path}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except AAEError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, MemoryError) as error:
        said = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: is not a whole HDF5 file ({said}); get it again") from None


def _values(group: Any, name: str, path: Path) -> Array:
    """An array of an HDF5 file that lies in the file itself and does not expand out of measure."""
    link, found = group.get(name, getlink=True), group[name]
    if type(link).__name__ != "HardLink" or found.external is not None or found.is_virtual:
        raise DataError(f"{path}: {name} lies in another file; copy it into this one")
    held = found.id.get_storage_size()
    if found.nbytes > max(FREE_SIZE, held * FREE_RATIO):
        raise DataError(
            f"{path}: {name} claims to expand from {held} to {found.nbytes} bytes, more than {FREE_RATIO} times; "
            "if that is really so, save it without compression"
        )
    values = found[()]
    if values.dtype.kind == "O":
        if any(not isinstance(value, bytes | str) for value in values.flat):
            raise DataError(f"{path}: {name} holds objects; expected numbers, or text for labels")
        return np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values.flat]).reshape(
            values.shape
        )
    return np.asarray(values)


def write_h5ad(path: Path, source: Path, codes: Array) -> None:
    """A copy of an AnnData file with the codes of its cells in obsm["X_aae"], whole or not at all."""
    h5py = wanted("h5py", "hdf5", f"--out {path}")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, part)
        with h5py.File(part, "r+") as file:
            group = file.require_group("obsm")
            if CODES in group:
                del group[CODES]
            made = group.create_dataset(CODES, data=codes)
            made.attrs["encoding-type"], made.attrs["encoding-version"] = "array", "0.2.0"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_saved_dataset(folder: Path) -> bool:
    """Whether a folder is what `save_to_disk` of Hugging Face datasets writes."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def saved_images(folder: Path) -> bool:
    """Whether what `save_to_disk` wrote describes a column of images."""
    described = [*folder.glob("dataset_info.json"), *folder.glob("*/dataset_info.json")]
    features = [_json(file).get("features") for file in described]
    kinds = [f.get("_type") for own in features if isinstance(own, dict) for f in own.values() if isinstance(f, dict)]
    return "Image" in kinds


def read_saved(folder: Path, size: int | None) -> tuple[Table | Array, Table, int]:
    """Images [n, h, w(, c)] or a table, every column that is no image, and how many rows at the end are test rows."""
    splits = ["."]
    if (folder / "dataset_dict.json").is_file():
        found = _json(folder / "dataset_dict.json").get("splits", [])
        splits = [name for name in ("train", "test") if name in found] or found[:1]
    pa = wanted("pyarrow", "tables", f"--data {folder}")
    parts = [_arrow(folder / name, pa) for name in splits]
    try:
        whole = pa.concat_tables(parts)
    except pa.ArrowException as error:
        raise DataError(f"--data {folder}: its parts do not go together ({str(error).splitlines()[0][:120]})") from None
    own_test = len(parts[-1]) if splits[-1] == "test" and len(parts) > 1 else 0
    pictures = [f.name for f in whole.schema if pa.types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    rest = from_frame(whole.drop_columns(pictures), f"--data {folder}")
    if not pictures:
        return rest, rest, own_test
    if len(pictures) > 1:
        raise DataError(f"--data {folder}: has {len(pictures)} columns of images, {', '.join(pictures)}; keep one")
    contents = whole.column(pictures[0]).combine_chunks().field("bytes").to_pylist()
    if None in contents:
        raise DataError(
            f"--data {folder}: row {contents.index(None)} holds no image in itself; save it with its images"
        )
    names = [f"{folder}: row {i}" for i in range(len(contents))]
    return decoded([_stream(content) for content in contents], names, size), rest, own_test


def _stream(content: bytes) -> Callable[[], Any]:
    return lambda: io.BytesIO(content)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    return found if isinstance(found, dict) else {}


def _arrow(folder: Path, pa: Any) -> Any:
    """The rows of one split, from the Arrow files that its state.json names."""
    names = [str(item.get("filename", "")) for item in _json(folder / "state.json").get("_data_files", [])]
    if not names or any(Path(name).name != name for name in names):
        raise DataError(f"{folder / 'state.json'}: names no data files of this folder; save the data set again")
    try:
        return pa.concat_tables(
            wanted("pyarrow.ipc", "tables", str(folder)).open_stream(folder / n).read_all() for n in names
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{folder}: cannot be read ({str(error).splitlines()[0][:120]}); save the data set again"
        ) from None
