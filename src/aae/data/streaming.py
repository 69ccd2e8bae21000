"""Arrays that stay in their file: an order of rows that reads it in blocks, and memory that is given back.

A file from `arrays.MAPPED_FROM` bytes on is mapped, so an array of any length can be asked for its shape and its parts.
Two ways lead to its values. What goes through it from one end to the other looks at the map, `pieces` by piece, and
gives the memory of each piece back. Rows from here and there are read by their position in the file (`Rows`), never
through the map: the system maps up to 2 MiB around each value that is looked at, so a thousand rows are gigabytes.

Rows picked quite at random would read the whole disk for every few batches. So an epoch shuffles blocks of neighbouring
rows, and then the rows of a window of blocks among each other: each epoch sees every row once, in another order, and
at most a window at a time, which is asked for ahead.
"""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections.abc import Iterator
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from aae.errors import DataError

Array = NDArray[Any]
BLOCK, WINDOW = 1024, 32
"""Most neighbouring rows in a block; blocks whose rows are shuffled together."""
WINDOW_BYTES = 128 << 20
"""Most bytes in a window of blocks: blocks of long rows have fewer of them."""
LOOKED_AT = 64 << 20
"""Bytes of a mapped file that are looked at before their memory is given back."""
AROUND = 2 << 20
"""Most bytes that the system maps around a value that is looked at."""
AHEAD, REMEMBERED = 1 << 20, 1024
"""Bytes of the file that are asked for together; how many of these are remembered to be on their way."""
ENDS = 4096
"""Bytes at either end of a map by which its file is known again."""
NEAR = 4
"""Rows are read in one go where that is at most so many times as much as is wanted of them."""

_handles: weakref.WeakKeyDictionary[mmap.mmap, int] = weakref.WeakKeyDictionary()
"""Open files by their maps."""


def map_file(
    file: IO[bytes],
    dtype: np.dtype[Any],
    at: int,
    shape: tuple[int, ...],
    order: str = "C",
    mode: Literal["r", "r+", "c"] = "r",
) -> Array:
    """The values of an open file from byte `at` on, mapped; the file may then be closed, and lose its name.

    mode: "r" to read alone, "r+" where changes are to lie in the file. With "c" what is changed is lost by `release`.
    """
    found = np.memmap(file, dtype, mode, at, shape, "F" if order == "F" else "C")
    _keep(found._mmap, os.dup(file.fileno()))  # type: ignore[attr-defined]
    return found


def _keep(opened: mmap.mmap, handle: int) -> int:
    weakref.finalize(opened, os.close, handle)
    return _handles.setdefault(opened, handle)


def mapped(array: Array) -> np.memmap[Any, Any] | None:
    """The mapped file behind an array or a view of one; None if it lies in memory.

    A map of the user's own counts as memory if it keeps changes to itself (mode c), which are in no file, or if its
    file is no longer there under its name.
    """
    found: Any = array
    while found is not None:
        if isinstance(found, np.memmap):
            opened: Any = found._mmap  # type: ignore[attr-defined]
            kept = opened in _handles or (found.mode != "c" and found.filename is not None and _reopened(found))
            return found if opened is not None and kept else None
        found = getattr(found, "base", None)
    return None


def position(array: Array, file: np.memmap[Any, Any]) -> int:
    """The place in its file, in bytes, of the first value of a view of a mapped file."""
    opened = np.frombuffer(file._mmap, np.uint8)  # type: ignore[attr-defined]
    skipped = file.offset - file.offset % mmap.ALLOCATIONGRANULARITY  # what NumPy has left out of the map
    return array.ctypes.data - opened.ctypes.data + skipped


def writable(array: Array) -> Array:
    """The same values in an array that torch may share: mapped again where a file is mapped to be read only.

    Nothing may be written to it: what is written to such a map is lost when its memory is given back.
    """
    if array.flags.writeable:
        return array
    file = mapped(array)
    if file is None or not array.flags.c_contiguous:
        return array.copy()
    with open(_handle(file), "rb", closefd=False) as opened:
        return map_file(opened, array.dtype, position(array, file), array.shape, mode="c")


def _handle(file: np.memmap[Any, Any]) -> int:
    return _handles[file._mmap]  # type: ignore[attr-defined]


def _reopened(file: np.memmap[Any, Any]) -> bool:
    """Whether the file of a map of the user's own is open by its name, and is the one that is mapped."""
    opened: mmap.mmap = file._mmap  # type: ignore[attr-defined]
    start = file.offset - file.offset % mmap.ALLOCATIONGRANULARITY
    try:
        handle = os.open(str(file.filename), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    ends = ((0, ENDS), (max(0, len(opened) - ENDS), ENDS))
    if any(os.pread(handle, size, start + at) != opened[at : at + size] for at, size in ends):
        os.close(handle)
        return False
    _keep(opened, handle)
    return True


def block_order(rows: NDArray[np.int64], random: np.random.Generator, row_bytes: int = 1) -> NDArray[np.int64]:
    """Every one of `rows` once: blocks of neighbours in random order, the rows of each window of blocks shuffled."""
    ascending = np.sort(rows)
    size = min(BLOCK, max(1, WINDOW_BYTES // (WINDOW * row_bytes)))
    blocks = np.split(ascending, range(size, len(ascending), size))
    chosen = random.permutation(len(blocks))
    windows = [np.concatenate([blocks[i] for i in chosen[at : at + WINDOW]]) for at in range(0, len(chosen), WINDOW)]
    return np.concatenate([random.permutation(window) for window in windows])


def release(array: Array, file: np.memmap[Any, Any] | None = None) -> None:
    """Let the system take back the memory of a mapped array; its values are read again when they are next looked at.

    file: the map that it lies in, where NumPy does not know it.
    """
    file = mapped(array) if file is None else file
    if file is None or not array.size or not hasattr(mmap, "MADV_DONTNEED"):
        return
    opened: mmap.mmap = file._mmap  # type: ignore[attr-defined]
    first = np.frombuffer(opened, np.uint8).ctypes.data
    low, high = _bounds(array)
    start = (low - first) // AROUND * AROUND
    end = min(len(opened), -(-(high - first) // AROUND) * AROUND)
    opened.madvise(mmap.MADV_DONTNEED, start, end - start)


def _bounds(array: Array) -> tuple[int, int]:
    """The addresses of the first byte of an array, and of the one behind its last."""
    steps = [(size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)]
    low = array.ctypes.data + sum(step for step in steps if step < 0)
    return low, array.ctypes.data + sum(step for step in steps if step > 0) + array.itemsize


def pieces(
    x: Array, size: int | None = None, multiple: int = 1, file: np.memmap[Any, Any] | None = None
) -> Iterator[slice]:
    """Rows of `x` in order, about `size` bytes at a time, whose memory is given back after each piece.

    multiple: the rows of every piece but the last are a multiple of this. file: as in `release`.
    """
    rows = max(1, (LOOKED_AT if size is None else size) // max(1, x[:1].nbytes) // multiple) * multiple
    for start in range(0, len(x), rows):
        yield slice(start, start + rows)
        release(x[start : start + rows], file)


def take(x: Array, rows: NDArray[np.int64]) -> Array:
    """x[rows] in memory of its own: of a mapped file read by position, so that no page of it comes to stay."""
    file = mapped(x)
    if file is None or not x.flags.c_contiguous:
        return np.asarray(x[rows])
    return Rows(x, file).take(rows)


class Rows:
    """The rows of a mapped array [n, ...], read by position. DataError where the file has become shorter."""

    def __init__(self, x: Array, file: np.memmap[Any, Any]) -> None:
        self._file = file  # which keeps the file open
        self._handle, self._at = _handle(file), position(x, file)
        self._dtype, self._row, self._bytes = x.dtype, x.shape[1:], math.prod(x.shape[1:]) * x.itemsize
        self._coming: set[int] = set()

    def take(self, rows: NDArray[np.int64]) -> Array:
        """The rows of these numbers, in this order."""
        low, high = (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)
        if high - low < NEAR * len(rows):
            span = np.empty((high - low + 1, *self._row), self._dtype)
            self._read(span.reshape(-1).view(np.uint8).data, low)
            return span[rows - low]
        found = np.empty((len(rows), *self._row), self._dtype)
        held = found.reshape(-1).view(np.uint8).data
        for i, row in enumerate(rows.tolist()):
            self._read(held[i * self._bytes : (i + 1) * self._bytes], row)
        return found

    def _read(self, held: memoryview, row: int) -> None:
        at = self._at + row * self._bytes
        while held:
            done = os.preadv(self._handle, [held], at)
            if not done:
                raise DataError(f"{self._file.filename or 'the data'}: has become shorter since it was opened")
            held, at = held[done:], at + done

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Ask the system for these rows and their neighbours, which are wanted soon: the rest of their window."""
        if not hasattr(os, "posix_fadvise"):
            return
        first, last = self._at + rows * self._bytes, self._at + (rows + 1) * self._bytes - 1
        wanted = set((first // AHEAD).tolist()) | set((last // AHEAD).tolist())
        for part in sorted(wanted - self._coming):
            os.posix_fadvise(self._handle, part * AHEAD, AHEAD, os.POSIX_FADV_WILLNEED)
        self._coming = wanted if len(self._coming) > REMEMBERED else self._coming | wanted
