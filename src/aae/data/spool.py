"""Rows from anywhere, a block at a time, into one file that can be mapped: there whole, or not at all.

What gives its rows in blocks (Parquet, tar shards, zarr, batches of Python) is written out once, in the memory of a
block, to the cache ($XDG_CACHE_HOME/aae/stores, or ~/.cache/aae/stores). From there it is trained on as any large .npy
file is: see `aae.data.streaming`. It takes as much room there as its values do.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from aae.data.arrays import MAPPED_FROM, read_npy
from aae.data.files import expand
from aae.data.streaming import map_file
from aae.errors import AAEError, StorageError

Array = NDArray[Any]
AT_ONCE = 64 << 20
"""About how many bytes are held at a time while rows are written out."""


def kept_at(key: str) -> Path:
    """Where the rows of this key are kept."""
    return expand(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "aae" / "stores" / f"{key}.npy"


def key_of(files: Iterable[Path], *words: object) -> str:
    """Changes with any file's place, length or time of change, and with what else decides the rows."""
    digest = hashlib.sha256(f"2 {words}\n".encode())
    for path in files:
        status = path.stat()
        digest.update(f"{path.resolve()}\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """In which type numbers are written out: bytes and truth values as bytes, all others as the networks see them."""
    return np.dtype(np.uint8 if dtype.kind == "b" or dtype == np.uint8 else np.float32)


def spool(blocks: Iterable[Array], kept: Path, size: int) -> Array:
    """The rows of all blocks [m, ...], of one type and shape, mapped from `kept`, which is written only if needed.

    size: bytes that the rows take. StorageError where they do not fit on the disk, or it cannot be written.
    """
    if not kept.is_file() or kept.stat().st_size < size:
        part = kept.with_suffix(f".{os.getpid()}.part")
        with _writing(kept.parent, size):
            _sweep(kept)
            try:
                with part.open("wb") as file:
                    _write(blocks, file)
                    os.fsync(file.fileno())
                part.replace(kept)
            finally:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
    return read_npy(kept)


def spool_unnamed(blocks: Iterable[Array]) -> Array:
    """As `spool`, from a file without a name, which is gone as soon as nothing maps it any more: for rows whose source
    cannot be known again."""
    folder = kept_at("").parent
    with _writing(folder, 0), tempfile.TemporaryFile(dir=folder) as file:
        dtype, shape, at = _write(blocks, file)
        return map_file(file, dtype, at, shape, mode="r+")


def held(blocks: Iterable[Array], stored_as: Callable[[Iterable[Array]], Iterable[Array]] | None = None) -> Array:
    """The rows of all blocks [m, ...], at least one: in memory, or as `spool_unnamed` from MAPPED_FROM bytes on.

    stored_as: what blocks go through on their way to the file.
    """
    parts: list[Array] = []
    size, rest = 0, iter(blocks)
    for part in rest:
        parts.append(part)
        size += part.nbytes
        if size >= MAPPED_FROM:
            every = itertools.chain(parts, rest)
            return spool_unnamed(every if stored_as is None else stored_as(every))
    return np.concatenate(parts)


class _OfTheSource(Exception):
    """A fault of what gives the blocks, on its way past those of the file they are written to."""

    def __init__(self, error: OSError) -> None:
        self.error = error


def _given(blocks: Iterable[Array]) -> Iterator[Array]:
    try:
        yield from blocks
    except OSError as error:
        raise _OfTheSource(error) from None


@contextlib.contextmanager
def _writing(folder: Path, size: int) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise StorageError(
                f"{folder} has {free / 2**30:.1f} GiB free, and unpacking takes {size / 2**30:.1f}; make room, or "
                "set XDG_CACHE_HOME to a folder with more"
            )
        yield
    except _OfTheSource as found:
        raise found.error from None
    except OSError as error:
        if isinstance(error, AAEError):
            raise
        room = "make room, or " if error.errno == errno.ENOSPC else ""
        why = error.strerror or error
        raise StorageError(f"{folder}: cannot be written ({why}); {room}set XDG_CACHE_HOME") from None


def _sweep(kept: Path) -> None:
    """Remove what processes that were killed have left of the same rows."""
    for part in kept.parent.glob(f"{kept.stem}.*.part"):
        number = part.suffixes[-2][1:]
        if number.isdigit() and not _alive(int(number)):
            part.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _write(blocks: Iterable[Array], file: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The blocks as one .npy file; type and shape of the whole, and the first byte of the values."""
    rows, at, dtype, row = 0, 0, np.dtype(np.uint8), (0,)
    for block in _given(blocks):
        if not at:
            dtype, row = block.dtype.newbyteorder("<"), block.shape[1:]
            at = _header(file, dtype, (0, *row))
        assert block.shape[1:] == row, "blocks of one shape"
        file.write(np.ascontiguousarray(block, dtype).data)
        rows += len(block)
    held = at + rows * math.prod(row) * dtype.itemsize
    assert file.tell() == held
    file.seek(0)
    again = _header(file, dtype, (rows, *row))
    assert again == at, "NumPy leaves room in a header for the number of rows to grow"
    file.flush()
    return dtype, (rows, *row), at


def _header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.tell()
