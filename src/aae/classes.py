"""Classes as people give them, by number, by name or as a share of each, to the block that a decoder takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aae.errors import ConfigError, DataError

Block = NDArray[np.float32]


def class_block(y: ArrayLike, n: int, classes: int, names: tuple[str, ...] | None) -> Block:
    """What stands beside n codes, float32 [n, classes], one-hot where classes are named one at a time.

    y: one class for all rows, or one for each, by number or by name; or shares [n, classes] as they are, such as the
    probabilities of `Run.predict_proba`. DataError, naming the row, for a class that does not exist.
    """
    given = np.asarray(y)
    if given.ndim == 2:
        if given.shape != (n, classes) or given.dtype.kind not in "fiub" or not np.isfinite(given).all():
            raise DataError(
                f"y must hold finite shares of shape [{n}, {classes}], got {list(given.shape)} {given.dtype}"
            )
        return given.astype(np.float32)
    return np.eye(classes, dtype=np.float32)[class_numbers(y, n, classes, names)]


def class_numbers(y: ArrayLike, n: int, classes: int, names: tuple[str, ...] | None) -> NDArray[np.int64]:
    """The classes of n rows by number, int64 [n]; y as in `class_block`, without shares."""
    given = np.asarray(y)
    if given.dtype == object and given.ndim == 1:  # as frames keep text
        given = np.asarray(given.tolist()) if len({type(value) for value in given.tolist()}) == 1 else given
    if given.shape not in ((), (n,)):
        raise DataError(f"y must be one class, or one for each of {n} rows, got shape {list(given.shape)}")
    return np.broadcast_to(_numbers(given, classes, names), (n,)).copy()


def _numbers(given: NDArray[np.generic], classes: int, names: tuple[str, ...] | None) -> NDArray[np.int64]:
    known = {name: k for k, name in enumerate(names or ())}
    flat = given.reshape(-1)
    if flat.dtype.kind in "US":
        found = [known.get(str(value), -1) for value in flat.tolist()]
    elif flat.dtype.kind in "iub":
        found = [int(value) if 0 <= int(value) < classes else -1 for value in flat.tolist()]
    else:
        raise DataError(f"y must hold numbers or names of classes, got {flat.dtype}")
    for row, number in enumerate(found):
        if number < 0:
            choice = ", ".join(known) if known and flat.dtype.kind in "US" else f"0 to {classes - 1}"
            raise DataError(f"y: row {row} asks for class {flat[row]}; there are {choice}")
    return np.array(found, dtype=np.int64).reshape(given.shape)


def class_number(written: str, classes: int, names: tuple[str, ...] | None) -> int:
    """A class as it is written on a command line, a name or else a number. ConfigError if there is no such class."""
    if names and written in names:
        return names.index(written)
    if written.isdecimal() and int(written) < classes:
        return int(written)
    raise ConfigError(f"--y: there is no class {written}; there are {_choice(names, classes)}")


def _choice(names: Sequence[str] | None, classes: int) -> str:
    return ", ".join(names) if names else f"0 to {classes - 1}"


def class_of_labels(
    labels: NDArray[Any], called: Sequence[str] | None, classes: int, names: tuple[str, ...] | None, where: str
) -> NDArray[np.int64]:
    """Labels [n] of a file as numbers of the classes that a decoder is told, int64 [n].

    called: the names that numbers among the labels count; None: these are numbers of the decoder's classes already.
    Text is a name. DataError, naming file and row, for a row without a label (-1, empty) and for an unknown class.
    """
    if labels.dtype.kind not in "iuUS":
        raise DataError(f"{where}: labels must be numbers or names of classes, got {labels.dtype}")
    text = labels.astype(str) if labels.dtype.kind in "US" else None
    missing = labels < 0 if text is None else text == ""
    if missing.any():
        raise DataError(
            f"{where}: row {int(missing.argmax())} (counted from 0) has no label, and the decoder takes a class beside "
            "the code; label every row, or give one class for all"
        )
    if text is None and called is not None:
        if labels.max(initial=-1) >= len(called):
            raise DataError(f"{where}: has a label {labels.max()}, and names for {len(called)} classes")
        text = np.array(called, str)[labels]
    known = {name: k for k, name in enumerate(names or ())}
    found = labels if text is None else np.array([known.get(name, -1) for name in text.tolist()], np.int64)
    wrong = (found < 0) | (found >= classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{where}: row {row} (counted from 0) is of class {(labels if text is None else text)[row]}, which the run "
            f"does not know; it was trained on {_choice(None if text is None else names, classes)}"
        )
    return found.astype(np.int64)
