"""Arrays that stay in their file: an order of rows that reads it in blocks, and memory that is given back.

A file from `arrays.MAPPED_FROM` bytes on is mapped, so only what is looked at takes memory, and memory that the system
can take back at any time: its pages are those of the file. Rows picked quite at random would touch the whole file for
every few batches. So an epoch shuffles blocks of neighbouring rows, and then the rows of a window of blocks among each
other: each epoch sees every row once, in another order, and at most a window at a time.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BLOCK, WINDOW = 1024, 32
"""Neighbouring rows in a block; blocks whose rows are shuffled together."""


def mapped(array: Array) -> np.memmap[Any, Any] | None:
    """The mapped file behind an array or a view of one; None if it lies in memory."""
    found: Any = array
    while found is not None:
        if isinstance(found, np.memmap):
            return found
        found = getattr(found, "base", None)
    return None


def block_order(rows: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Every one of `rows` once: blocks of neighbours in random order, the rows of each window of blocks shuffled."""
    ascending = np.sort(rows)
    blocks = np.split(ascending, range(BLOCK, len(ascending), BLOCK))
    chosen = random.permutation(len(blocks))
    windows = [np.concatenate([blocks[i] for i in chosen[at : at + WINDOW]]) for at in range(0, len(chosen), WINDOW)]
    return np.concatenate([random.permutation(window) for window in windows])


def release(array: Array) -> None:
    """Let the system take back the memory of a mapped file; its values are read again when they are next looked at."""
    file = mapped(array)
    if file is not None and hasattr(mmap, "MADV_DONTNEED"):
        file._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
