"""Reading files that may be damaged or hostile: sizes are checked before memory is asked for."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from aae.errors import DataError

PIECE = 1 << 20
"""Bytes read at a time."""
DEFLATE_LIMIT = 1032
"""Most bytes that one byte of a deflate stream (gzip, zip) can expand to; a larger claim is a lie."""


def expand(path: str | Path) -> Path:
    """`path` with a leading ~ replaced by the home folder; DataError if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"{path}: {error}; write the folder out in full") from None


def wanted(module: str, extra: str, what: str) -> Any:
    """An optional package, imported; DataError that names the extra to install where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise DataError(
            f"{what}: needs {name}, which is not installed; pip install 'adversarial-autoencoder[{extra}]'"
        ) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what an unreadable or broken file raises into a DataError that names `path`."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: the file is damaged or cut short ({error}); get it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def take(stream: IO[bytes], size: int, where: str) -> NDArray[np.uint8]:
    """The next `size` bytes of `stream`, which must end there; DataError if it is shorter or longer.

    At most `size` + 1 bytes are ever held, however far a compressed stream would expand. The array is
    writable, so that torch may share its memory.
    """
    try:
        out = np.empty(size, np.uint8)
    except MemoryError:
        raise DataError(f"{where}: needs {size / 2**30:.1f} GiB of memory, more than there is") from None
    done = 0
    while done < size:
        piece = stream.read(min(PIECE, size - done))
        if not piece:
            raise DataError(
                f"{where}: cut short: its header declares {size} bytes of values, it has {done}; get it again"
            )
        out[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
    if stream.read(1):
        raise DataError(f"{where}: has more than the {size} bytes of values that its header declares")
    return out
