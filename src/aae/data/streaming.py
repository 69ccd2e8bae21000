"""Arrays that stay in their file: an order of rows that reads it in blocks, and memory that is given back.

A file from `arrays.MAPPED_FROM` bytes on is mapped, so only what is looked at takes memory, and memory that the system
can take back at any time: its pages are those of the file. Rows picked quite at random would touch the whole file for
every few batches. So an epoch shuffles blocks of neighbouring rows, and then the rows of a window of blocks among each
other: each epoch sees every row once, in another order, and at most a window at a time.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BLOCK, WINDOW = 1024, 32
"""Most neighbouring rows in a block; blocks whose rows are shuffled together."""
WINDOW_BYTES = 128 << 20
"""Most bytes in a window of blocks: blocks of long rows have fewer of them."""
LOOKED_AT = 128 << 20
"""Bytes of a mapped file that may have been looked at before their memory is given back."""
AROUND = 64 << 10
"""Bytes that the system may bring in around a row that is looked at."""


def mapped(array: Array) -> np.memmap[Any, Any] | None:
    """The mapped file behind an array or a view of one; None if it lies in memory."""
    found: Any = array
    while found is not None:
        if isinstance(found, np.memmap):
            return found
        found = getattr(found, "base", None)
    return None


def block_order(rows: NDArray[np.int64], random: np.random.Generator, row_bytes: int = 1) -> NDArray[np.int64]:
    """Every one of `rows` once: blocks of neighbours in random order, the rows of each window of blocks shuffled."""
    ascending = np.sort(rows)
    size = min(BLOCK, max(1, WINDOW_BYTES // (WINDOW * row_bytes)))
    blocks = np.split(ascending, range(size, len(ascending), size))
    chosen = random.permutation(len(blocks))
    windows = [np.concatenate([blocks[i] for i in chosen[at : at + WINDOW]]) for at in range(0, len(chosen), WINDOW)]
    return np.concatenate([random.permutation(window) for window in windows])


def release(array: Array) -> None:
    """Let the system take back the memory of a mapped file; its values are read again when they are next looked at."""
    file = mapped(array)
    if file is not None and hasattr(mmap, "MADV_DONTNEED"):
        file._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def pieces(x: Array, size: int = LOOKED_AT) -> Iterator[slice]:
    """Rows of `x` in order, about `size` bytes at a time, whose memory is given back after each piece."""
    rows = max(1, size // max(1, x[:1].nbytes))
    for start in range(0, len(x), rows):
        yield slice(start, start + rows)
        release(x)


class Looks:
    """Gives back the memory of a mapped file as rows of it are looked at: at most about LOOKED_AT bytes stay."""

    def __init__(self, file: np.memmap[Any, Any] | None, row_bytes: int) -> None:
        self._file, self._each, self._seen = file, max(row_bytes, AROUND), 0

    def at(self, rows: int) -> None:
        """So many rows have been looked at, and what was wanted of them has been copied."""
        if self._file is None:
            return
        self._seen += rows * self._each
        if self._seen >= LOOKED_AT:
            release(self._file)
            self._seen = 0
