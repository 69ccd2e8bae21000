"""Zarr stores: arrays in compressed chunks, which are read in order, a few at a time, into a file that can be mapped.

Rows picked at random from a chunked store would decompress a chunk for every row. So a store from `MAPPED_FROM` bytes
on is unpacked once, in bounded memory, into the cache ($XDG_CACHE_HOME/aae/stores, or ~/.cache/aae/stores), where it
is trained on as any large .npy file is: see `aae.data.streaming`. It takes as much room there as its values do.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.arrays import DATA_KEYS, LABEL_KEYS, MAPPED_FROM
from aae.data.files import wanted
from aae.data.spool import AT_ONCE, kept_at, spool
from aae.errors import AAEError, DataError

Array = NDArray[Any]
METADATA = ("zarr.json", ".zarray", ".zgroup")
CODECS = {
    *("bytes", "transpose", "gzip", "zlib", "zstd", "blosc", "lz4", "bz2", "lzma", "crc32", "crc32c", "adler32"),
    *("shuffle", "delta", "packbits", "fixedscaleoffset", "sharding_indexed", "endian"),
}
"""How chunks may be stored: no codec among these runs code, as one for pickles would."""


def is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in METADATA)


def read_zarr(folder: Path) -> tuple[Array, Array | None, tuple[str, ...]]:
    """The data of a store (the store itself if it is one array, else a name of DATA_KEYS or the only array of two axes
    or more), the labels (a name of LABEL_KEYS), if any, and what was done, in words.

    DataError for a store that is damaged, holds no such array, or objects, or is packed in a way not known to be safe.
    """
    zarr = wanted("zarr", "zarr", str(folder))
    _check_codecs(folder)
    try:
        opened = zarr.open(store=str(folder), mode="r")
        if hasattr(opened, "shape"):
            x, said = _values(opened, folder)
            return x, None, said
        arrays = dict(opened.arrays())
        data = [n for n in arrays if n in DATA_KEYS] or [n for n in arrays if arrays[n].ndim >= 2]
        if len(data) != 1:
            raise DataError(
                f"{folder}: holds {', '.join(arrays) or 'no arrays'}; expected one named {', '.join(DATA_KEYS)}"
            )
        labels = [name for name in arrays if name in LABEL_KEYS and name != data[0]]
        x, said = _values(arrays[data[0]], folder)
        return x, np.asarray(arrays[labels[0]][...]) if labels else None, said
    except AAEError:
        raise
    except Exception as error:  # what a broken chunk raises depends on how it was packed
        raise DataError(f"{folder}: the store is damaged or cut short ({error}); get it again") from None


def _values(array: Any, folder: Path) -> tuple[Array, tuple[str, ...]]:
    """The array in memory, or mapped from the cache if it is large; and what was done."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{folder}: holds values of type {array.dtype}; expected numbers")
    if array.ndim < 2 or 0 in array.shape:
        raise DataError(f"{folder}: has the shape {array.shape}; expected an array of rows")
    size = math.prod(array.shape) * array.dtype.itemsize
    if size < MAPPED_FROM:
        return np.asarray(array[...]), ()
    kept = kept_at(_key(folder))
    x = spool(_blocks(array), kept, size)
    return x, (f"{size / 2**30:.1f} GiB of {folder.name} unpacked to {kept}",)


def _blocks(array: Any) -> Iterator[Array]:
    """The rows in order, whole chunks (or shards of chunks) at a time."""
    row = math.prod(array.shape[1:]) * array.dtype.itemsize
    chunk = (getattr(array, "shards", None) or array.chunks)[0]
    rows = max(AT_ONCE // row // chunk, 1) * chunk
    for start in range(0, array.shape[0], rows):
        yield np.asarray(array[start : start + rows])


def _metadata(folder: Path) -> list[Path]:
    return sorted(path for name in ("zarr.json", ".zarray") for path in folder.rglob(name))


def _check_codecs(folder: Path) -> None:
    """DataError for a codec that is not in CODECS; nothing has been unpacked yet."""
    for path in _metadata(folder):
        try:
            unknown = sorted(set(_codecs(json.loads(path.read_text(encoding="utf-8")))) - CODECS)
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: cannot be read ({error}); get the store again") from None
        if unknown:
            raise DataError(f"{path}: chunks are packed by {', '.join(unknown)}; expected {', '.join(sorted(CODECS))}")


def _codecs(found: Any) -> Iterator[str]:
    """Names of the codecs in a store's metadata, at any depth, in both versions of the format."""
    if isinstance(found, list):
        for part in found:
            yield from _codecs(part)
    elif isinstance(found, dict):
        for key, value in found.items():
            packed = key in ("codecs", "index_codecs", "filters", "compressor")
            for codec in (value if isinstance(value, list) else [value]) if packed and value else ():
                yield str(codec.get("name", codec.get("id"))) if isinstance(codec, dict) else str(codec)
            if key != "attributes":
                yield from _codecs(value)


def _key(folder: Path) -> str:
    """Changes with the store's metadata, and with any chunk's length or time of change."""
    digest = hashlib.sha256(f"1 {folder.resolve()}\n".encode())
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]
