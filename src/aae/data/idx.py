"""IDX, the format of the MNIST files: two zero bytes, a type, the number of axes, big-endian lengths, values.

Source: "The MNIST database of handwritten digits", LeCun, Cortes and Burges, section "File formats".
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from aae.data.files import DEFLATE_LIMIT, reading, take
from aae.errors import DataError

UNSIGNED_BYTE = 0x08
GZIP = b"\x1f\x8b"


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes with `ndim` axes in an IDX file, plain or gzipped (told by its first bytes).

    The lengths that the header declares are compared with the size of the file before anything is allocated.
    DataError if the file is missing, damaged, cut short, too long, or of another type or number of axes.
    """
    with reading(path), path.open("rb") as file:
        zipped = file.read(2) == GZIP
        file.seek(0)
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if zipped else file
        shape = _header(stream, ndim, path)
        size, on_disk = math.prod(shape), path.stat().st_size
        header = 4 + 4 * ndim
        if size > (on_disk * DEFLATE_LIMIT if zipped else on_disk - header):
            raise DataError(
                f"{path}: its header declares {'x'.join(map(str, shape))} = {size} bytes of values, "
                f"more than a file of {on_disk} bytes can hold; it is damaged or cut short, get it again"
            )
        return take(stream, size, str(path)).reshape(shape)


def _header(stream: IO[bytes], ndim: int, path: Path) -> tuple[int, ...]:
    """Lengths of the axes."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(f"{path}: is not an IDX file: it begins with {magic.hex(' ') or 'nothing'}")
    if magic[2] != UNSIGNED_BYTE:
        raise DataError(f"{path}: holds values of IDX type 0x{magic[2]:02x}; expected unsigned bytes, 0x08")
    if magic[3] != ndim:
        raise DataError(f"{path}: holds an array with {magic[3]} axes; expected {ndim}")
    lengths = stream.read(4 * ndim)
    if len(lengths) < 4 * ndim:
        raise DataError(f"{path}: cut short inside its header; get it again")
    shape = struct.unpack(f">{ndim}I", lengths)
    if 0 in shape:
        raise DataError(f"{path}: holds no values: its header declares {'x'.join(map(str, shape))}")
    return shape
